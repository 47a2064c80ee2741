#!/usr/bin/env python3
"""Draws the picture of README.md from the table of benches/README.md: processor time per gigabit that RTMP players
were sent, for each flush rule and for nginx-rtmp.

    benches/compare/figures.py            # writes fixtures/pictures/cost.svg
"""

import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
TABLE = TOP / "benches/README.md"
PICTURE = TOP / "fixtures/pictures/cost.svg"

# Name in the header of the table, name in the picture, colour.
SERIES = [
    ("nginx-rtmp", "nginx-rtmp", "#999999"),
    ("`Frame`", "Dacapo, Frame", "#1b6ca8"),
    ("`Video`", "Dacapo, Video (default)", "#2fa4c7"),
    ("`Ms(100)`", "Dacapo, Ms(100)", "#7cc8a4"),
    ("`Ms(350)`", "Dacapo, Ms(350)", "#c7e3b0"),
]
WIDTH, HEIGHT, LEFT, TOP_EDGE, BOTTOM = 720, 340, 60, 60, 50
BAR, GAP = 34, 40


def rows():
    """Players and seconds per gigabit of each series, for RTMP."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("|")]
    start = next(at for at, line in enumerate(lines) if line.startswith("| players | protocol |"))
    cells = lambda line: [cell.strip() for cell in line.strip("|").split("|")]
    header = cells(lines[start])
    columns = [next(at for at, name in enumerate(header) if name.startswith(wanted)) for wanted, _, _ in SERIES]
    for line in lines[start + 2 :]:
        row = cells(line)
        if len(row) != len(header):
            return
        if row[1] == "RTMP":
            yield row[0], [float(re.match(r"[0-9.]+", row[column]).group()) for column in columns]


def main():
    data = list(rows())
    most = max(value for _, values in data for value in values)
    scale = (HEIGHT - TOP_EDGE - BOTTOM) / (most * 1.1)
    base = HEIGHT - BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">Processor seconds per gigabit sent to RTMP players of one stream (less is better)</text>',
    ]
    x = LEFT
    for _, name, colour in SERIES:
        out.append(f'<rect x="{x}" y="32" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 14}" y="41">{name}</text>')
        x += 34 + round(6.2 * len(name))
    for mark in (0.0, 0.1, 0.2):
        y = base - mark * scale
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:.1f}</text>')
    x = LEFT + 10
    for players, values in data:
        middle = x + BAR * len(values) / 2
        for value, (_, _, colour) in zip(values, SERIES):
            y = base - value * scale
            out.append(f'<rect x="{x}" y="{y:.1f}" width="{BAR - 4}" height="{value * scale:.1f}" fill="{colour}"/>')
            out.append(f'<text x="{x + BAR / 2 - 2}" y="{y - 4:.1f}" text-anchor="middle" font-size="10">{value:.3f}</text>')
            x += BAR
        out.append(f'<text x="{middle}" y="{base + 20}" text-anchor="middle">{players} players</text>')
        x += GAP
    out.append("</svg>")
    PICTURE.write_text("\n".join(out) + "\n")


main()
