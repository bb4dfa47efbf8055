"""Cytonaut beside the Python tools for the same work: same machine, same data, same number of threads.

    python3 -m venv /tmp/bench && /tmp/bench/bin/pip install -r benches/against_python/requirements.txt
    /tmp/bench/bin/python benches/against_python/compare.py [--rounds 5] [--only training,images,sigreg,load,bbbc021,map,crops]

Each round runs both sides one after the other, so that whatever else the machine does falls on both, and the order is
turned round from one round to the next. A side's time in a round is the median of its samples after a warm-up. Printed
are the medians over the rounds with their least and largest, and the ratio Python / cytonaut of each round likewise.
The Rust side is the benchmark that `cargo bench` builds, whose output is read.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# Task: benchmark of cytonaut, then what Python runs instead, with samples of each in a round and the bar for the ratio.
TASKS = {
    "training": [
        ("training_step", "training:textbook", 15, 8, 2.0),
        ("training_step", "training:recurrence", 15, 8, 1.0),
    ],
    "images": [
        ("image_training_step_small", "images:small", 10, 8, 1.0),
        ("image_training_step", "images:patch16", 8, 5, 1.0),
        ("image_training_step_patch_8", "images:patch8", 3, 2, None),
        ("crop_training_step_attention", "images:attention", 15, 10, None),
        ("crop_training_step_conv", "images:conv", 15, 10, None),
    ],
    "sigreg": [
        ("sigreg_forward_and_backward", "sigreg:textbook", 30, 8, None),
        ("sigreg_forward_and_backward", "sigreg:recurrence", 30, 8, None),
    ],
    "load": [
        ("loads_and_normalizes_csv", "load:csv", 3, 1, 10.0),
        ("loads_and_normalizes_parquet", "load:parquet", 3, 1, 10.0),
    ],
    "bbbc021": [("loads_and_normalizes_bbbc021", "load:bbbc021", 5, 3, 10.0)],
    "map": [("replicate_map_generated", "map", 5, 1, 20.0)],
    "crops": [
        ("decodes_and_crops_lzw", "crops:lzw", 5, 5, None),
        ("decodes_and_crops_deflate", "crops:deflate", 5, 5, None),
    ],
}
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default=",".join(TASKS))
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "cytonaut-bench"))
    parser.add_argument("--binary", help="the benchmark of cytonaut, built already")
    parser.add_argument("--python", metavar="TASK:SAMPLES", help="run one Python side and print its seconds")
    arguments = parser.parse_args()
    if arguments.python:
        task, _, samples = arguments.python.rpartition(":")
        print(python_side(task, int(samples), Path(arguments.folder), arguments.threads))
        return
    arguments.binary = arguments.binary or built()
    print(f"{cpu()}, {arguments.threads} threads, {arguments.rounds} rounds")
    for task in arguments.only.split(","):
        for bench, other, samples, other_samples, bar in TASKS[task]:
            compare(arguments, bench, other, samples, other_samples, bar)


def compare(arguments, bench, other, samples, other_samples, bar):
    ours, theirs = [], []
    for turn in range(arguments.rounds):
        sides = [
            lambda: ours.append(rust_side(bench, samples, arguments)),
            lambda: theirs.append(in_own_process(other, other_samples, arguments)),
        ]
        for side in sides if turn % 2 == 0 else reversed(sides):
            side()
    ratios = [python / rust for python, rust in zip(theirs, ours)]
    mark = "" if bar is None else f"  (bar {bar:g}: {'met' if statistics.median(ratios) >= bar else 'MISSED'})"
    print(f"{bench} against {other}: {span(ours)} s against {span(theirs)} s, ratio {span(ratios)}{mark}", flush=True)


def span(values):
    return f"{statistics.median(values):.4g} [{min(values):.4g} to {max(values):.4g}]"


def environment(arguments):
    threads = str(arguments.threads)
    names = ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    return {**os.environ, **{name: threads for name in names}, "CYTONAUT_BENCH_FOLDER": arguments.folder}


def built():
    """The path of the benchmark, built where it is not up to date."""
    command = ["cargo", "bench", "--locked", "--no-run", "--message-format", "json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    artifacts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["kind"] == ["bench"])


def rust_side(bench, samples, arguments):
    """Median seconds of a benchmark, as divan prints it: fastest, slowest, median, mean."""
    command = [arguments.binary, "--bench", f"::{bench}$", "--sample-count", str(samples)]
    done = subprocess.run(command, cwd=ROOT, env=environment(arguments), capture_output=True, text=True)
    for line in done.stdout.splitlines():
        cells = line.split("│")
        if re.search(rf"[├╰]─ {bench}\s", line) and len(cells) >= 4:
            value, unit = cells[2].split()[:2]
            return float(value) * UNITS[unit]
    sys.exit(f"`{' '.join(command)}` printed no time:\n{done.stdout}{done.stderr}")


def in_own_process(task, samples, arguments):
    command = [sys.executable, __file__, "--python", f"{task}:{samples}", "--folder", arguments.folder]
    command += ["--threads", str(arguments.threads)]
    done = subprocess.run(command, env=environment(arguments), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


def python_side(task, samples, folder, threads):
    """Median seconds of a task after one warm-up (three for training steps)."""
    kind, _, which = task.partition(":")
    if kind in ("training", "sigreg"):
        import torch

        import model

        torch.set_num_threads(threads)
        run = (model.Training if kind == "training" else model.SigregAlone)(which).step
        warm_up = 3
    elif kind == "images":
        import torch

        import images

        torch.set_num_threads(threads)
        run, warm_up = images.Training(which).step, 3
    elif kind == "crops":
        run, warm_up = decode_and_crop(folder, which, threads), 1
    elif kind == "load":
        run, warm_up = {"csv": load_csv, "parquet": load_parquet, "bbbc021": load_bbbc021}[which](folder), 1
    else:
        run, warm_up = replicate_map(folder), 1
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def load_csv(folder):
    import pandas

    path = folder / "wells_3000.csv"
    return lambda: mad_robustized(pandas.read_csv(path))


def load_parquet(folder):
    import pandas

    path = folder / "wells_3000.parquet"
    return lambda: mad_robustized(pandas.read_parquet(path))


def load_bbbc021(_folder):
    import pandas

    def run():
        table = pandas.read_csv(ROOT / "datasets/bbbc021/profiles.csv.gz")
        metadata = ["plate", "well", "batch", "replicate", "compound", "concentration_um", "moa"]
        table = table.rename(columns={name: f"Metadata_{name}" for name in metadata if name in table})
        return mad_robustized(table.rename(columns={"Metadata_plate": "Metadata_Plate"}))

    return run


def mad_robustized(table):
    """Each plate by the median and the MAD of its own controls."""
    import pandas
    from pycytominer import normalize

    metadata = [name for name in table.columns if name.startswith("Metadata_")]
    features = [name for name in table.columns if table[name].dtype.kind == "f" and name not in metadata]
    plates = [
        normalize(
            plate,
            features=features,
            meta_features=metadata,
            samples="Metadata_compound == 'DMSO'",
            method="mad_robustize",
            mad_robustize_epsilon=1e-18,
        )
        for _, plate in table.groupby("Metadata_Plate")
    ]
    return pandas.concat(plates, ignore_index=True)


def replicate_map(folder):
    """Average precision of every treated well against the controls of its plate, then means with p-values."""
    import pandas
    from copairs.map import average_precision, mean_average_precision

    features = [f"Cells_Feature_{index}" for index in range(500)]
    table = pandas.read_parquet(folder / "normalized_500.parquet")
    values = table[features].to_numpy()
    meta = table[["Metadata_Plate"]].copy()
    meta["treatment"] = table.Metadata_compound + "@" + table.Metadata_dose_um.fillna(0).astype(str)
    is_control = table.Metadata_compound == "DMSO"
    # As copairs' own examples do: each control is of a reference group of its own, so that controls are no positives.
    meta["reference"] = -1
    meta.loc[is_control, "reference"] = range(int(is_control.sum()))

    def run():
        found = average_precision(
            meta,
            values,
            pos_sameby=["treatment", "reference"],
            pos_diffby=[],
            neg_sameby=["Metadata_Plate"],
            neg_diffby=["treatment", "reference"],
            progress_bar=False,
        )
        found = found[(~is_control).to_numpy()]
        return mean_average_precision(
            found, sameby=["treatment"], null_size=10_000, threshold=0.05, seed=0, progress_bar=False
        )

    return run


def decode_and_crop(folder, name, threads):
    """Every plane by tifffile, sites side by side, and crops through all channels around the centers of benches/crops.rs."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy
    import tifffile

    side, sites, channels, size, n_objects = 1080, 4, 5, 96, 200
    # A frame of zeros, which crops at the edge reach into.
    half = size // 2
    centers = [((index * 611 + 13) % side, (index * 377 + 13) % side) for index in range(n_objects)]

    def site(index):
        stack = numpy.zeros((channels, side + size, side + size), numpy.uint16)
        for channel in range(channels):
            plane = tifffile.imread(folder / "planes" / f"{name}-{index}-{channel}.tif", maxworkers=1)
            stack[channel, half : half + side, half : half + side] = plane
        return numpy.stack([stack[:, y : y + size, x : x + size] for y, x in centers])

    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(site, range(sites)))


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
