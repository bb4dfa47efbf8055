"""Correlations and false discovery control by SciPy.

Writes scipy_statistics.json beside this file. Made with Python 3.11, SciPy 1.17.1, numpy 2.4.6.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

rng = np.random.default_rng(0)
correlations = []
for n_items, decimals in [(5, 3), (12, 0), (40, 1), (200, 4)]:
    left = rng.normal(size=n_items).round(decimals) + 0.0
    right = (left + rng.normal(size=n_items)).round(decimals) + 0.0
    correlations.append(
        {
            "left": left.tolist(),
            "right": right.tolist(),
            "pearson": float(stats.pearsonr(left, right).statistic),
            "spearman": float(stats.spearmanr(left, right).statistic),
        }
    )
false_discovery = []
for n_tests, power in [(1, 1), (7, 2), (50, 3)]:
    p_values = (rng.random(n_tests) ** power).round(3)
    adjusted = stats.false_discovery_control(p_values, method="bh")
    false_discovery.append({"p_values": p_values.tolist(), "adjusted": adjusted.tolist()})
Path(__file__).with_suffix(".json").write_text(
    json.dumps({"correlations": correlations, "false_discovery": false_discovery}) + "\n"
)
