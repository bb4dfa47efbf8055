"""What anndata reads from files in three encodings, as digests.

Run once by hand: `python anndata_values.py` writes `anndata_values.json` and `anndata_0_12.h5ad` beside itself.
`anndata_0_5.h5ad` and `anndata_0_7.h5ad` are cut with h5py from the archives in anndata's own tests (BSD-3-Clause,
`tests/data/archives` of 0.12.19): 30 rows and 20 columns, with the storage of each part as it was.
A digest of values is the sha256 of the dense matrix, row by row, as little-endian single precision; one of a table that of
its cells, column by column in the order of names, a line each, without values as an empty line, and those of a column of fractions rounded.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sparse

folder = Path(__file__).parent


def modern():
    """A file in the encoding of anndata 0.12, with every kind of column and sparse by columns."""
    index = np.arange(24)
    values = ((index[:, None] * 7 + np.arange(10)[None, :] * 3) % 11 % 4).astype(np.float64)
    missing = index % 5 == 0
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(np.where(index % 3 == 0, "control", np.where(index % 3 == 1, "KLF1", "KLF1+TGFBR2"))),
            "line": pd.Categorical(np.where(missing, None, "K562")),
            "count": pd.array(np.where(missing, 0, index), dtype="Int64"),
            "passed": pd.array(index % 2 == 0, dtype="boolean"),
            "kept": index % 2 == 1,
            "note": pd.array([None if gone else f"n{i}" for i, gone in zip(index, missing)], dtype="string"),
            "text": [f"cell µ{i}" for i in index],
            "number": index * 0.5,
        },
        index=[f"AAAC-{i}" for i in index],
    )
    obs.loc[missing, "count"] = pd.NA
    var = pd.DataFrame(index=[f"gene{i}" for i in range(10)])
    made = anndata.AnnData(sparse.csc_matrix(values), obs=obs, var=var)
    made.layers["dense"] = values.astype(np.float32) * 2
    made.layers["counts"] = sparse.csr_matrix(values.astype(np.int32))
    anndata.settings.allow_write_nullable_strings = True
    made.write_h5ad(folder / "anndata_0_12.h5ad", compression="gzip")


def of_values(matrix):
    dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    return hashlib.sha256(np.ascontiguousarray(dense, dtype="<f4").tobytes()).hexdigest()


def cell(value, has_fractions):
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.{3 if has_fractions else 0}f}"
    return str(value)


def of_table(table):
    lines = []
    for name in sorted(table.columns):
        is_float = pd.api.types.is_float_dtype(table[name])
        has_fractions = is_float and bool((table[name] % 1 != 0).any())
        lines += [cell(value, has_fractions) for value in table[name]]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main():
    modern()
    files = {}
    for name in ["anndata_0_5.h5ad", "anndata_0_7.h5ad", "anndata_0_12.h5ad"]:
        read = anndata.read_h5ad(folder / name)
        values = {"": of_values(read.X)}
        values |= {layer: of_values(read.layers[layer]) for layer in read.layers}
        if read.raw is not None:
            values["raw"] = of_values(read.raw.X)
        files[name] = {
            "shape": list(read.shape),
            "values": values,
            "columns": sorted(read.obs.columns),
            "table": of_table(read.obs),
            "genes": list(read.var_names),
        }
    versions = {name: version(name) for name in ["anndata", "numpy", "pandas", "h5py", "scipy"]}
    result = {"python": sys.version.split()[0], "versions": versions, "files": files}
    (folder / "anndata_values.json").write_text(json.dumps(result, indent=1) + "\n")


main()
