"""Numbers that pycytominer and scipy give for per-plate scaling, feature selection, sphering and rank-INT.

Run once by hand, from anywhere:

    python pycytominer_normalize.py SQ00015054_normalized_feature_select.csv.gz

It cuts the public LINCS plate (cytomining/cytominer-eval 643d3e7, BSD-3) to `lincs_cut.csv.gz` beside itself and writes
`pycytominer_normalize.json`, which the unit tests of `src/normalize` read. The versions used are stored in the JSON.
The cut holds 60 measured features and four made from them, so that every selection rule has something to reject.
Rows A-H and I-P count as two plates, so that "per plate" is tested.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from pycytominer import feature_select, normalize
from scipy.stats import norm, rankdata

warnings.filterwarnings("ignore")
here = Path(__file__).parent
source = pd.read_csv(sys.argv[1])
measured = [name for name in source if not name.startswith("Metadata_")]

# Thirty features from the most correlated pairs, and a regular sample of the rest.
correlation = np.corrcoef(source[measured].to_numpy().T)
upper = np.triu(correlation, 1)
order = np.dstack(np.unravel_index(np.argsort(-upper, axis=None), upper.shape))[0]
chosen = []
for pair in order[:40]:
    for index in pair:
        if index not in chosen and len(chosen) < 30:
            chosen.append(int(index))
chosen += [index for index in range(3, len(measured), 12) if index not in chosen][: 60 - len(chosen)]
features = [measured[index] for index in sorted(chosen)]
assert len(features) == 60

cut = source[["Metadata_Well", "Metadata_broad_sample", *features]].copy()
base = cut[features[0]]
cut["Cells_Made_Rounded"] = (base / 6).round()
cut["Cells_Made_Narrow"] = (cut[features[1]] * 1e-5).round(9)
cut["Cells_Made_Wild"] = (cut[features[2]] * 100).round(3)
cut["Cells_Made_Gappy"] = cut[features[3]].where(np.arange(len(cut)) % 15 != 0)
cut.to_csv(here / "lincs_cut.csv.gz", index=False, compression={"method": "gzip", "mtime": 0, "compresslevel": 9})

# From here on, what a reader of the cut sees, at the precision a FeatureMatrix holds.
table = pd.read_csv(here / "lincs_cut.csv.gz")
made = [name for name in table if "_Made_" in name]
table[features + made] = table[features + made].astype(np.float32).astype(np.float64)
table["Metadata_Plate"] = np.where(table.Metadata_Well.str[0] <= "H", "upper", "lower")
control = "Metadata_broad_sample == 'DMSO'"
meta = ["Metadata_Plate", "Metadata_Well", "Metadata_broad_sample"]
shown_wells = table.Metadata_Well[::37].tolist()
shown_features = features[::7]


def shown(result):
    rows = result.set_index("Metadata_Well").loc[shown_wells, shown_features]
    return [[float(value) for value in row] for row in rows.to_numpy()]


def per_plate(method):
    plates = [
        normalize(plate.reset_index(drop=True), features=features, meta_features=meta, samples=control, method=method)
        for _, plate in table.groupby("Metadata_Plate")
    ]
    return shown(pd.concat(plates))


def kept(operations, **options):
    result = feature_select(table, features=features + made, operation=operations, **options)
    return [name for name in features + made if name in result]


def sphered(method, samples):
    return shown(
        normalize(
            table,
            features=features,
            meta_features=meta,
            samples=samples,
            method="spherize",
            spherize_method=method,
            spherize_epsilon=0.0,
        )
    )


every = ["drop_na_columns", "variance_threshold", "frequency_threshold", "drop_outliers", "correlation_threshold"]
frame = table.set_index("Metadata_Well")
answers = {
    "versions": {
        "pycytominer": version("pycytominer"),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scipy": scipy.__version__,
        "python": sys.version.split()[0],
    },
    "wells": shown_wells,
    "features": shown_features,
    "n_controls": {plate: int(n) for plate, n in table.query(control).groupby("Metadata_Plate").size().items()},
    "standardize": per_plate("standardize"),
    "mad_robustize": per_plate("mad_robustize"),
    "kept": {
        "variance_threshold": kept(["variance_threshold", "frequency_threshold"]),
        "drop_na_columns": kept(["drop_na_columns"]),
        "drop_outliers": kept(["drop_outliers"]),
        "correlation_threshold": kept(["correlation_threshold"]),
        "correlation_threshold_0.6": kept(["correlation_threshold"], corr_threshold=0.6),
        "every": kept(every),
    },
    "spherize": {
        "zca_all_wells": sphered("ZCA", "all"),
        "zca_cor_all_wells": sphered("ZCA-cor", "all"),
        "zca_controls": sphered("ZCA", control),
        "zca_cor_controls": sphered("ZCA-cor", control),
    },
    "rank_int": [
        [float(norm.ppf((rank - 3 / 8) / (len(frame) + 1 / 4))) for rank in ranks]
        for ranks in np.array([rankdata(frame[name]) for name in shown_features]).T[[frame.index.get_loc(w) for w in shown_wells]]
    ],
    "normal_quantile": {str(p): float(norm.ppf(p)) for p in [1e-12, 1e-6, 0.001, 0.02425, 0.1, 0.4, 0.5, 0.6, 0.975, 0.9999999]},
}
(here / "pycytominer_normalize.json").write_text(json.dumps(answers, indent=1) + "\n")
print(answers["versions"])
print(answers["n_controls"], {name: len(names) for name, names in answers["kept"].items()})
