"""Average precision of small ranked lists, ties among them, by scikit-learn.

Writes sklearn_average_precision.json beside this file. Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

rng = np.random.default_rng(0)
cases = []
for index in range(30):
    n_items = int(rng.integers(2, 25))
    similarities = rng.normal(size=n_items).round(4 if index % 2 else 0)
    is_positive = rng.random(n_items) < 0.3
    is_positive[rng.integers(n_items)] = True
    cases.append(
        {
            "similarities": (similarities + 0.0).tolist(),
            "is_positive": is_positive.tolist(),
            "average_precision": float(average_precision_score(is_positive, similarities)),
        }
    )
Path(__file__).with_suffix(".json").write_text(json.dumps({"cases": cases}) + "\n")
