"""How often a random order reaches an average precision, by copairs' own null distribution of a million draws.

Writes copairs_null.json beside this file: for each number of positives and of items the average precision at some
quantiles of the null, and the share of draws that reach it. Made with Python 3.11, copairs 0.5.5, numpy 2.4.6.
"""

import json
from pathlib import Path

import numpy as np
from copairs.compute import random_ap

DRAWS = 1_000_000
cases = []
for n_positives, n_items in [(1, 17), (2, 18), (3, 67), (4, 20)]:
    null = np.concatenate([random_ap(DRAWS // 10, n_positives, n_items, seed) for seed in range(10)]).astype(float)
    for quantile in [0.1, 0.5, 0.9, 0.99]:
        reached = float(np.quantile(null, quantile, method="higher"))
        # copairs holds its null in 32 bits.
        share = float((null >= reached - 1e-6).mean())
        cases.append(
            {"n_positives": n_positives, "n_items": n_items, "average_precision": reached, "share": share}
        )
Path(__file__).with_suffix(".json").write_text(json.dumps({"draws": DRAWS, "cases": cases}) + "\n")
