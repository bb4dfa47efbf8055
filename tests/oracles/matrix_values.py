"""What other programs read from files of Cell Ranger and the Connectivity Map, as digests.

Run once by hand: `python matrix_values.py SHARED/data/formats` writes `matrix_values.json` beside itself.
Files of Cell Ranger are read by scanpy, GCTX by h5py, GCT by pandas.
A digest of values is the sha256 of the dense matrix, a row for each cell or sample, as little-endian single precision, with
missing values as 0; one of names that of the names, a line each.
"""

import gzip
import hashlib
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scanpy
import scipy.sparse as sparse

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
files = {}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def add(name, values, genes, rows):
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    values = np.nan_to_num(np.ascontiguousarray(values, dtype="<f4"), nan=0.0) + np.float32(0)
    files[name] = {
        "shape": list(values.shape),
        "values": digest(values.tobytes()),
        "genes": digest("\n".join(genes).encode()),
        "rows": digest("\n".join(rows).encode()),
    }


def of_scanpy(name, read):
    read.var_names_make_unique()
    add(name, read.X, read.var_names, read.obs_names)


def gct(path):
    text = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with text as lines:
        version_line, numbers = lines.readline().strip(), lines.readline().split()
        n_of_genes, n_of_samples = (1, 0) if version_line == "#1.2" else (int(numbers[2]), int(numbers[3]))
        table = pd.read_csv(lines, sep="\t", dtype=str, keep_default_na=False)
    table = table.iloc[n_of_samples:, : 1 + n_of_genes + int(numbers[1])]
    values = table.iloc[:, 1 + n_of_genes :].apply(pd.to_numeric, errors="coerce").to_numpy().T
    return values, list(table.iloc[:, 0]), list(table.columns[1 + n_of_genes :])


ten = folder / "10x"
of_scanpy("10x/3.0.0/filtered_feature_bc_matrix.h5", scanpy.read_10x_h5(ten / "3.0.0/filtered_feature_bc_matrix.h5"))
of_scanpy("10x/1.2.0/filtered_gene_bc_matrices_h5.h5", scanpy.read_10x_h5(ten / "1.2.0/filtered_gene_bc_matrices_h5.h5"))
for genome in ["hg19_chr21", "another_genome"]:
    read = scanpy.read_10x_h5(ten / "1.2.0/multiple_genomes.h5", genome=genome)
    of_scanpy(f"10x/1.2.0/multiple_genomes.h5#{genome}", read)
of_scanpy("10x/3.0.0/filtered_feature_bc_matrix", scanpy.read_10x_mtx(ten / "3.0.0/filtered_feature_bc_matrix"))
old = "10x/1.2.0/filtered_gene_bc_matrices/hg19_chr21"
of_scanpy(old, scanpy.read_10x_mtx(folder / old))
for name in ["mini_gctoo_for_testing", "mini_gctx_with_metadata_n2x3", "test_l1000_highprecision"]:
    with h5py.File(folder / f"gct/{name}.gctx") as file:
        texts = lambda place: [text.decode() for text in file[place][:]]
        add(f"gct/{name}.gctx", file["0/DATA/0/matrix"][:], texts("0/META/ROW/id"), texts("0/META/COL/id"))
for name in ["mini_gctoo_for_testing.gct", "mini_gctoo_for_testing_nometa.gct", "older_version_v1_2.gct", "test_l1000.gct.gz",
             "test_p100.gct", "test_v1point2_n5x10.gct"]:
    add(f"gct/{name}", *gct(folder / "gct" / name))

versions = {name: version(name) for name in ["scanpy", "anndata", "numpy", "pandas", "h5py", "scipy"]}
result = {"python": sys.version.split()[0], "versions": versions, "files": files}
Path(__file__).with_name("matrix_values.json").write_text(json.dumps(result, indent=1) + "\n")
