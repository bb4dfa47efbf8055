"""Coefficients and leave-one-out errors that scikit-learn gives for ridge regression.

Run once by hand: `python sklearn_ridge.py` writes `sklearn_ridge.json` beside itself, versions included.
The inputs come from integer arithmetic that the Rust test repeats: see `table` below.
"""

import json
import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import Ridge, RidgeCV


def table(n_rows, n_columns, multiplier):
    """Entries in [-1, 1), multiples of 1/64, from a fixed integer sequence."""
    index = np.arange(n_rows * n_columns, dtype=np.int64)
    return (((index * index * multiplier + 37 * index) % 128 - 64) / 64.0).reshape(n_rows, n_columns)


def case(n_rows, n_columns, lambdas):
    x, y = table(n_rows, n_columns, 13), table(n_rows, 3, 29) + 0.5
    y = y + x[:, :1] * 2
    plain = Ridge(alpha=lambdas[1], solver="cholesky").fit(x, y)
    chosen = RidgeCV(alphas=lambdas, store_cv_results=True).fit(x, y)
    return {
        "n_rows": n_rows,
        "n_columns": n_columns,
        "lambdas": lambdas,
        "coefficients": plain.coef_.T.tolist(),
        "intercept": plain.intercept_.tolist(),
        "loo_mse": chosen.cv_results_.mean(axis=(0, 1)).tolist(),
        "chosen": float(chosen.alpha_),
    }


answers = {
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "python": sys.version.split()[0]},
    "tall": case(40, 7, [0.01, 0.3, 3.0, 30.0]),
    "wide": case(12, 25, [0.01, 0.3, 3.0, 30.0]),
}
(Path(__file__).parent / "sklearn_ridge.json").write_text(json.dumps(answers, indent=1) + "\n")
print(answers["versions"], answers["tall"]["chosen"], answers["wide"]["chosen"], answers["tall"]["loo_mse"], answers["wide"]["loo_mse"])
