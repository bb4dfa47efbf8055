"""Draws docs/quickstart.svg from a quickstart run; needs Python 3 alone.

    cargo run --release -- run configs/quickstart.toml > quickstart.txt
    python3 docs/quickstart_figure.py quickstart.txt runs/quickstart/ranking.csv > docs/quickstart.svg
"""

import csv
import re
import sys
from html import escape
from math import log2

WIDTH, ROW, TOP = 940, 20, 74
INK, GREY, RULE, BLUE, ORANGE = "#1b1b1b", "#6b6b6b", "#d9d9d9", "#1f5fa8", "#c25a00"


def text(x, y, words, anchor="start", color=INK, size=12, weight="normal"):
    style = f'text-anchor="{anchor}" fill="{color}" font-size="{size}"'
    style += ' font-weight="bold"' if weight == "bold" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def line(x1, y1, x2, y2, color=RULE, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"{dashes}/>'


def dot(x, y, color, is_full=True):
    fill = color if is_full else "#ffffff"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{color}" stroke-width="1.5"/>'


def scores(path):
    """Heading, and method, error and interval of each method of the printed table."""
    lines = open(path, encoding="utf-8").read().splitlines()
    row = re.compile(r"^(\S+)\s+(\d+\.\d+)\s+(?:(\d+\.\d+) to (\d+\.\d+)|-)(?:\s+[-\d.]+){3}")
    found = [match.groups() for match in map(row.match, lines) if match]
    number = lambda cell: float(cell) if cell else None
    return lines[0], [(name, float(mse), number(low), number(high)) for name, mse, low, high in found]


def axis(ticks, place, top, bottom, words):
    parts = []
    for tick in ticks:
        parts += [line(place(tick), top, place(tick), bottom), text(place(tick), bottom + 16, f"{tick:g}", "middle", GREY, 11)]
    return parts + [text((place(ticks[0]) + place(ticks[-1])) / 2, bottom + 34, words, "middle", GREY, 11)]


def left_panel(heading, rows):
    left, right = 132, 420
    low, high = 0.25, 8.0
    place = lambda value: left + (right - left) * log2(min(max(value, low), high) / low) / log2(high / low)
    bottom = TOP + ROW * len(rows)
    parts = [text(16, 28, "Error on doses left out of training", weight="bold", size=14), text(16, 46, heading, color=GREY)]
    parts += axis([0.25, 0.5, 1, 2, 4, 8], place, TOP - 8, bottom, "mean squared error of normalized profiles (log scale), 95 % interval")
    for index, (name, mse, lower, upper) in enumerate(rows):
        y = TOP + ROW * index + 8
        color = {"combined": ORANGE, "lewm": ORANGE}.get(name, BLUE)
        color = GREY if name == "replicate" else color
        parts.append(text(left - 12, y + 4, name, "end", color))
        if lower is not None:
            parts.append(line(place(lower), y, place(upper), y, color, 2.0))
        parts.append(dot(place(mse), y, color))
    return parts, bottom


def right_panel(rows):
    left, right = 620, 916
    low, high = -0.5, 1.25
    place = lambda value: left + (right - left) * (value - low) / (high - low)
    bottom = TOP + ROW * len(rows)
    target = rows[0]["target"].split("==")[-1].strip().strip('"').lower()
    parts = [
        text(470, 28, f"Ranking toward {target}", weight="bold", size=14),
        text(470, 46, f"by {rows[0]['by']}; orange: defines the target; hollow: not seen by what ranks", color=GREY),
    ]
    parts += axis([-0.5, 0.0, 0.5, 1.0], place, TOP - 8, bottom, "score: share of the way from start to target, with its interval")
    parts.append(line(place(1.0), TOP - 8, place(1.0), bottom, GREY, 1.0, "4 3"))
    for index, row in enumerate(rows):
        y = TOP + ROW * index + 8
        color = ORANGE if "defines the target" in row["flags"] else BLUE
        parts.append(text(left - 12, y + 4, row["intervention"], "end", color))
        if row["lower"]:
            parts.append(line(place(float(row["lower"])), y, place(float(row["upper"])), y, color, 2.0))
        parts.append(dot(place(float(row["score"])), y, color, "held out" not in row["flags"]))
    return parts, bottom


def main():
    heading, methods = scores(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8", newline="") as file:
        ranked = list(csv.DictReader(file))[: len(methods)]
    left, bottom = left_panel(heading, methods)
    right, _ = right_panel(ranked)
    height = bottom + 48
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"')
    print('  font-family="sans-serif" font-size="12">')
    print("<title>Quickstart on BBBC021: held-out error of each method, and the ranking</title>")
    print(f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>')
    print("\n".join(left + right))
    print("</svg>")


main()
