"""Cuts the fixture from the normalized, feature-selected plate of cytominer-eval.

usage: python cut.py SQ00015054_normalized_feature_select.csv.gz profiles.csv.gz

All 384 wells stay. Metadata columns that are empty everywhere go, and of the 454 features every eighth stays.
Written without a time stamp, so that the same input gives the same bytes (Python 3.11, zlib level 9).
"""

import csv
import gzip
import io
import sys

source, target = sys.argv[1:]
with gzip.open(source, "rt", newline="") as file:
    header, *rows = csv.reader(file)

metadata = [i for i, name in enumerate(header) if name.startswith("Metadata_") and any(row[i] for row in rows)]
features = [i for i, name in enumerate(header) if not name.startswith("Metadata_")][::8]
columns = metadata + features

text = io.StringIO(newline="")
writer = csv.writer(text, lineterminator="\n")
writer.writerow([header[i] for i in columns])
writer.writerows([row[i] for i in columns] for row in rows)
with open(target, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
    file.write(text.getvalue().encode())
print(f"{len(rows)} wells, {len(metadata)} metadata columns, {len(features)} features")
