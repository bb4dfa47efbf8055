"""Mean average precision of replicates against control wells of their plate, by copairs.

Writes copairs_map.json beside this file: wells as [plate, compound ("" for control), vector], and by compound the mean
average precision and the mean normalized one. Made with Python 3.11, copairs 0.5.5, pandas 3.1.1, numpy 2.4.6.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from copairs.map import average_precision

rng = np.random.default_rng(0)
wells = []
for plate, n_controls in [("p", 9), ("q", 7)]:
    wells += [[plate, "", rng.normal(size=6)] for _ in range(n_controls)]
for name, plates in [("a", "ppq"), ("b", "pq"), ("c", "qqq"), ("d", "ppqq"), ("e", "pp")]:
    effect = rng.normal(size=6)
    wells += [[plate, name, effect + rng.normal(size=6)] for plate in plates]
wells = [[plate, name, vector.round(4).tolist()] for plate, name, vector in wells]

scores = {}
for name in "abcde":
    rows = [well for well in wells if well[1] in ("", name)]
    meta = pd.DataFrame({"plate": [row[0] for row in rows], "compound": [row[1] or "control" for row in rows]})
    meta["is_control"] = meta.compound == "control"
    # One compound at a time: its negatives are then the control wells of the query's plate and nothing else.
    found = average_precision(
        meta,
        np.array([row[2] for row in rows]),
        pos_sameby=["compound"],
        pos_diffby=[],
        neg_sameby=["plate"],
        neg_diffby=["is_control"],
    )
    found = found[~found.is_control]
    scores[name] = {
        "map": float(found.average_precision.mean()),
        "normalized": float(found.normalized_average_precision.mean()),
    }
Path(__file__).with_suffix(".json").write_text(json.dumps({"wells": wells, "map": scores}) + "\n")
