"""What numpy gives for the hierarchical model of effects (`prior`).

Run once by hand: `python numpy_prior.py` writes `numpy_prior.json` beside itself, versions included.
The effects come from integer arithmetic that the Rust test repeats: see `measured` below. Everything is one dense normal
model here, written from the formulas in `src/prior/mod.rs`, where the Rust code solves by blocks.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np

WIDTH, NAMES, DOSES = 4, ["a", "b", "c", "d", "e", "f"], [1.0, 10.0, 100.0]
DECADES, AMPLITUDES = [1, 2, 3, 4, 6], [0.35, 0.5, 0.7, 1, 1.4, 2, 2.8]
OWN = [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6]
IN_SETS, IN_SETS_DEVIATION = [0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4], 0.3


def noise(index):
    return ((index * index * 13 + 37 * index) % 128) / 64.0 - 1.0


def measured():
    """(members, context, effect, variance of noise) of each treatment."""
    rows = []
    for context in "xy":
        for at, name in enumerate(NAMES):
            for step, dose in enumerate(DOSES):
                if context == "y" and (step != 1 or at > 3):
                    continue
                rows.append(([(name, dose)], context))
    pairs = [("a", "b"), ("c", "d"), ("a", "e"), ("b", "f"), ("c", "e")]
    rows += [([(one, 10.0), (other, 100.0)], "x") for one, other in pairs]
    out = []
    for number, (members, context) in enumerate(rows):
        effect = np.array([0.3 * noise(900 + number * WIDTH + at) for at in range(WIDTH)])
        for name, dose in members:
            own = np.array([2.0 * noise(100 + NAMES.index(name) * WIDTH + at) for at in range(WIDTH)])
            shown = (0.6 if context == "y" else 1.0) * (1.0 if len(members) == 1 else 0.5)
            effect += (0.5 + 0.5 * DOSES.index(dose)) * own * shown
            effect += np.array([1.0, -0.5, 0.25, 0.0])
        if len(members) > 1:
            effect += np.array([2.0 * noise(700 + number * WIDTH + at) for at in range(WIDTH)])
        out.append((members, context, effect, 1 / 3 if context == "x" else 1 / 2))
    return out


class Model:
    def __init__(self, rows):
        self.rows = rows
        singles = [row for row in rows if len(row[0]) == 1]
        self.contexts = sorted({row[1] for row in singles})
        self.means = {c: np.mean([row[2] for row in singles if row[1] == c], axis=0) for c in self.contexts}
        self.means[None] = np.mean(list(self.means.values()), axis=0)
        sums = [sum(self.means[row[1]] for _ in row[0]) for row in rows]
        pairs = [row[2] - mean for row, mean in zip(rows, sums) if len(row[0]) == 2]
        self.beyond = np.sum(pairs, axis=0) / (len(pairs) + 1)
        size = np.array([len(row[0]) for row in rows])
        centered = np.array([row[2] - mean for row, mean in zip(rows, sums)])
        centered = (centered - np.outer(size > 1, self.beyond)) / np.sqrt(size)[:, None]
        totals, directions = np.linalg.eigh(centered.T @ centered / (len(rows) - len(self.contexts) - 1))
        order = np.argsort(-totals)
        signal = totals[order] - np.mean([row[3] / len(row[0]) for row in rows])
        kept = int(np.argmin(signal > 0)) if (signal <= 0).any() else len(signal)
        self.signal, self.directions = signal[:kept], directions[:, order[:kept]]
        along = centered[size == 1] @ self.directions
        products = []
        for (i, one), (j, other) in itertools.combinations(enumerate(singles), 2):
            if one[0] == other[0]:
                products.append(np.mean(along[i] * along[j] / self.signal))
        self.correlation = float(np.clip((sum(products) + 2.5) / (len(products) + 5), 0, 1))
        best = None
        for self.decades in DECADES:
            self.lowest = self.lowest_of(rows)
            self.amplitude, self.own, self.in_sets = 1.0, 0.0, 1.0
            for _ in range(2):
                self.amplitude = max(AMPLITUDES, key=lambda a: self.likelihood(a, self.own))
                self.own = max(OWN, key=lambda own: self.likelihood(self.amplitude, own))
                self.in_sets = max(IN_SETS, key=self.rated_share)
            error = self.left_out(singles)
            if best is None or error < best[0]:
                best = (error, self.decades, self.amplitude, self.own, self.in_sets)
        _, self.decades, self.amplitude, self.own, self.in_sets = best
        self.lowest = self.lowest_of(rows)

    def rated_share(self, share):
        kept, self.in_sets = self.in_sets, share
        rated = self.likelihood(self.amplitude, self.own) - 0.5 * (np.log(share) / IN_SETS_DEVIATION) ** 2
        self.in_sets = kept
        return rated

    @staticmethod
    def lowest_of(rows):
        lowest = {}
        for members, *_ in rows:
            for name, dose in members:
                lowest[name] = min(lowest.get(name, np.inf), np.log10(dose))
        return lowest

    def above(self, name, dose):
        return max(np.log10(dose) - self.lowest[name] + self.decades, 0) if name in self.lowest else None

    def covariance(self, one, other, signal, amplitude, own):
        total = 0.0
        for name, dose in one[0]:
            for twin, twin_dose in other[0]:
                if name == twin:
                    here, there = self.above(name, dose), self.above(name, twin_dose)
                    dose_part = 1.0 if here is None else min(here, there) / (1 + self.decades)
                    # Contexts that were not met are all one more.
                    known = [c if c in self.contexts else None for c in (one[1], other[1])]
                    total += amplitude * signal * dose_part * (1 if known[0] == known[1] else self.correlation)
        for row in (one, other):
            total *= self.in_sets if len(row[0]) > 1 else 1.0
        if (one[0], one[1]) == (other[0], other[1]) and len(one[0]) > 1:
            total += own * signal
        return total

    def mean(self, row):
        mean = np.zeros(WIDTH)
        for name, dose in row[0]:
            above = self.above(name, dose)
            share = 1.0 if above is None else min(above / self.decades, 1)
            mean += share * self.means[row[1] if row[1] in self.contexts else None]
        return mean + (self.beyond if len(row[0]) == 2 else 0.0)

    def residual(self, row):
        return (row[2] - self.mean(row)) @ self.directions

    def dense(self, rows, signal, amplitude, own):
        least = 1e-6 * signal + 1e-12
        matrix = [[self.covariance(one, other, signal, amplitude, own) for other in rows] for one in rows]
        return np.array(matrix) + np.diag([row[3] + least for row in rows])

    def likelihood(self, amplitude, own):
        residuals = np.array([self.residual(row) for row in self.rows])
        total = 0.0
        for k, signal in enumerate(self.signal):
            matrix = self.dense(self.rows, signal, amplitude, own)
            total -= 0.5 * (residuals[:, k] @ np.linalg.solve(matrix, residuals[:, k]) + np.linalg.slogdet(matrix)[1])
        return total

    def ask(self, target, rows):
        residuals = np.array([self.residual(row) for row in rows])
        along, variance = np.zeros(len(self.signal)), 0.0
        for k, signal in enumerate(self.signal):
            matrix = self.dense(rows, signal, self.amplitude, self.own)
            cross = np.array([self.covariance(target, row, signal, self.amplitude, self.own) for row in rows])
            along[k] = cross @ np.linalg.solve(matrix, residuals[:, k])
            variance += self.covariance(target, target, signal, self.amplitude, self.own)
            variance -= cross @ np.linalg.solve(matrix, cross)
        return along, max(variance, 0.0)

    def left_out(self, singles):
        error, kept = 0.0, self.lowest
        for name in NAMES:
            ladder = [row for row in singles if row[0][0][0] == name]
            for index, target in enumerate(ladder):
                others = ladder[:index] + ladder[index + 1 :]
                self.lowest = self.lowest_of(others)
                error += float(np.sum((self.residual(target) - self.ask(target, others)[0]) ** 2))
        self.lowest = kept
        return error

    def posterior(self, members, context):
        target = (members, context)
        along, variance = self.ask(target, self.rows)
        return self.mean(target) + self.directions @ along, variance


targets = [
    ([("a", 3.0)], "x"),
    ([("e", 10.0)], "y"),
    ([("b", 0.2)], "x"),
    ([("b", 1000.0)], "z"),
    ([("g", 10.0)], "y"),
    ([("a", 10.0), ("b", 100.0)], "x"),
    ([("a", 10.0), ("c", 100.0)], "y"),
]
model = Model(measured())
answers = [model.posterior(*target) for target in targets]
out = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "decades": model.decades,
    "amplitude": model.amplitude,
    "own": model.own,
    "in_sets": model.in_sets,
    "correlation": model.correlation,
    "signal": model.signal.tolist(),
    "targets": targets,
    "means": [mean.tolist() for mean, _ in answers],
    "variances": [variance for _, variance in answers],
}
Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
