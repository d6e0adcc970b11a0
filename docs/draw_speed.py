"""Draw docs/speed.svg and write docs/speed.csv, figure and table of the landing page, from benchmarks/results/cpu.json.

Usage: python -m docs.draw_speed
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cpu.figure import LIBRARY, OURS, RESULTS, series_of
from docs import drawing as d

FOLDER = Path(__file__).parent
ROWS = 50_000
IN_TABLE = {
    "xgb-500-d8": "XGBoost",
    "lgbm-500-l31": "LightGBM",
    "cat-500-d6": "CatBoost",
    "rf-100": "RandomForest",
    "hgb-100-l31": "HistGradientBoosting",
}
LABEL = {"rf-100": "RandomForest, 100 trees of 4,000 leaves and more"}


def speeds(data):
    """Name, title, microseconds a row by the library and by sktensor, the best other engine and its microseconds."""
    found = []
    for name, model in data["models"].items():
        best = series_of(data, name, 1, ROWS)
        ours, library = best.pop(OURS), best.pop(LIBRARY)
        engine = min(best, key=best.get)
        found.append((name, LABEL.get(name, model["title"]), 1e6 * library, 1e6 * ours, engine, 1e6 * best[engine]))
    return sorted(found, key=lambda row: row[3] / row[2])


def number(value):
    """Three digits at most, without an exponent."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def digits(value):
    """Three digits where there are as many, two at least."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.5 else f"{value:.3f}"


def picture(data):
    """The SVG: times as fast as the library, for each model a bar of sktensor and one of the best other engine."""
    rows = speeds(data)
    left, right = 16, 452
    scale = (right - left) / max(library / ours for _, _, library, ours, _, _ in rows)
    parts = [
        d.text(left, 30, f"Times as fast as the library, {ROWS:,} rows, one thread", weight=600, anchor="start"),
        d.rect(left, 44, 14, 14, d.OURS),
        d.text(left + 20, 57, "sktensor", d.SOFT, size=15, anchor="start"),
        d.rect(left + 104, 44, 14, 14, d.OTHER),
        d.text(left + 124, 57, "best other engine", d.SOFT, size=15, anchor="start"),
        d.line((left + 276, 43), (left + 276, 59), stroke=d.RIGHT, width=2),
        d.text(left + 284, 57, "the library itself: 1", d.SOFT, size=15, anchor="start"),
    ]
    y = 88
    for _, title, library, ours, engine, other in rows:
        faster, other_faster = library / ours, library / other
        end, other_end = left + scale * faster + 6, left + scale * other_faster + 6
        parts += [
            d.text(left, y, title, size=15, anchor="start"),
            d.rect(left, y + 7, scale * faster, 15, d.OURS),
            d.text(end, y + 20, number(faster), size=15, weight=600, anchor="start"),
            d.rect(left, y + 24, scale * other_faster, 9, d.OTHER),
            d.text(other_end, y + 34, f"{number(other_faster)} {engine}", d.SOFT, size=14, anchor="start"),
        ]
        parts.append(d.line((left + scale, y + 5), (left + scale, y + 35), stroke=d.RIGHT))
        y += 57
    title = f"Times as fast as the library at {ROWS:,} rows: sktensor and the best other engine for {len(rows)} models"
    return d.drawing(title, y - 12, parts)


def table(data):
    """The CSV: microseconds a row of some of the models."""
    rows = {name: rest for name, *rest in speeds(data)}
    lines = ["model,library,sktensor,faster"]
    for name, label in IN_TABLE.items():
        _, library, ours, _, _ = rows[name]
        lines.append(f"{label},{digits(library)},{digits(ours)},{number(library / ours)}x")
    return "\n".join(lines) + "\n"


def main():
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    (FOLDER / "speed.svg").write_text(picture(data), encoding="utf-8")
    (FOLDER / "speed.csv").write_text(table(data), encoding="utf-8")


if __name__ == "__main__":
    main()
