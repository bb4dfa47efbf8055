"""What numpy gives for interpolation between denoised profiles (`denoised_interpolation`).

Run once by hand: `python numpy_denoised.py` writes `numpy_denoised.json` beside itself, versions included.
The values come from integer arithmetic that the Rust test repeats: see `screen` below.
"""

import json
import sys
from pathlib import Path

import numpy as np

N_FEATURES, N_CONTROLS, FLOOR, N_FOLDS = 12, 8, 0.1, 10
NAMES, DOSES = ["a", "b", "c", "d", "e"], [1.0, 10.0, 100.0, 1000.0]


def noise(index):
    """Entries in [-1, 1), multiples of 1/64, from a fixed integer sequence."""
    index = np.asarray(index, dtype=np.int64)
    return ((index * index * 13 + 37 * index) % 128 - 64) / 64.0


def screen():
    """Rows of (name, dose, values): first the controls, then three wells of each treatment, two of the lowest doses."""
    rows = [("", 0.0)] * N_CONTROLS
    for name in NAMES:
        for dose in DOSES:
            rows += [(name, dose)] * (2 if dose == 1.0 else 3)
    values = []
    for row, (name, dose) in enumerate(rows):
        feature = np.arange(N_FEATURES)
        value = noise(row * N_FEATURES + feature) + 0.5 * noise(1000 + row)
        if name:
            direction = noise(5000 + NAMES.index(name) * N_FEATURES + feature)
            value = value + direction * (DOSES.index(dose) + 0.5)
        values.append(value)
    return rows, np.array(values)


def interpolate(target, others):
    """(edge, weights): which end of its doses the target lies beyond, and the treatments that are mixed."""
    ladder = sorted(dose for name, dose in others if name == target[0])
    below, above = [d for d in ladder if d < target[1]], [d for d in ladder if d > target[1]]
    if below and above:
        low, high = np.log10(below[-1]), np.log10(above[0])
        share = (np.log10(target[1]) - low) / (high - low)
        return None, [((target[0], below[-1]), 1 - share), ((target[0], above[0]), share)]
    if not ladder:
        return None, []
    return ("upper", [((target[0], below[-1]), 1.0)]) if below else ("lower", [((target[0], above[0]), 1.0)])


def predictions(targets):
    rows, values = screen()
    training = [index for index, row in enumerate(rows) if row not in targets]
    treatments = sorted({rows[index] for index in training if rows[index][0]})
    wells = {key: [i for i in training if rows[i] == key] for key in treatments + [("", 0.0)]}
    consensus = {key: values[wells[key]].mean(0) for key in treatments}
    control = values[wells["", 0.0]].mean(0)
    # Principal components of the training rows: 12 features, so all of them are kept.
    mean = values[training].mean(0)
    axes = np.linalg.svd(values[training] - mean, full_matrices=False)[2]
    residuals = np.concatenate([values[i] - values[i].mean(0) for i in wells.values()]) @ axes.T
    spread, turn = np.linalg.eigh(residuals.T @ residuals / (len(residuals) - len(wells)))
    spread = spread + FLOOR * spread.mean()
    whiten, color = turn / np.sqrt(spread), (turn * np.sqrt(spread)).T
    whitened = {key: (consensus[key] - mean) @ axes.T @ whiten for key in treatments}

    def denoiser(kept):
        points = np.array([whitened[key] for key in kept])
        center = points.mean(0)
        total, directions = np.linalg.eigh(np.cov(points.T))
        signal = np.maximum(total - np.mean([1 / len(wells[key]) for key in kept]), 0)

        def mixed(weights):
            sum_of = 0
            for key, weight in weights:
                shrink = signal / (signal + 1 / len(wells[key]))
                along = ((whitened[key] - center) @ directions) * shrink
                sum_of = sum_of + weight * (mean + (center + along @ directions.T) @ color @ axes)
            return sum_of

        return mixed

    cases = {"lower": [], "upper": []}
    for fold in range(N_FOLDS):
        left_out = treatments[fold::N_FOLDS]
        mixed = denoiser([key for key in treatments if key not in left_out])
        for key in left_out:
            edge, weights = interpolate(key, [other for other in treatments if other != key])
            if edge:
                cases[edge].append((mixed(weights) - control, consensus[key] - control))
    shrink = {}
    for edge, pairs in cases.items():
        factor = sum(p @ m for p, m in pairs) / sum(p @ p for p, _ in pairs)
        shrink[edge] = min(max(factor, 0.0), 1.0)
    mixed = denoiser(treatments)
    answers = []
    for target in targets:
        edge, weights = interpolate(target, treatments)
        value = mixed(weights)
        answers.append((control + shrink[edge] * (value - control) if edge else value).tolist())
    return shrink, answers


targets = [("a", 10.0), ("b", 1.0), ("c", 1000.0)]
shrink, answers = predictions(targets)
answers = {
    "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
    "targets": targets,
    "shrink": shrink,
    "predictions": answers,
}
(Path(__file__).parent / "numpy_denoised.json").write_text(json.dumps(answers, indent=1) + "\n")
