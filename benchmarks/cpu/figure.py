"""A figure of what was found: microseconds a row of everyone, one panel for batches and one for single rows.

Usage: python -m benchmarks.cpu.figure [RESULTS] [--threads 1] [--sizes 50000 1] [--output FIGURE]

Needs matplotlib; the kind of file follows from the output's name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.cpu.candidates import CANDIDATES, OWN
from benchmarks.cpu.report import cells_of
from benchmarks.cpu.results import load

RESULTS = Path(__file__).parents[1] / "results" / "cpu.json"
OURS, LIBRARY = "sktensor", "the library's best form"
STRONG, DARK = "#d1495b", "#222222"
# For the peers, in their order; hues that colour-blind readers tell apart, and shapes for those who print in grey.
MARKS = (
    ("s", "#0072b2"), ("D", "#56b4e9"), ("^", "#009e73"), ("v", "#e69f00"), ("P", "#7f5aa2"), ("<", "#8c6d31"),
    (">", "#999999"), ("X", "#cc79a7"),
)  # fmt: skip


def series_of(data, model, threads, size):
    """Seconds a row by name: sktensor, the library in its best form, every environment's best."""
    best = {}
    for (candidate, rows), cell in cells_of(data, model, threads).items():
        if rows != size or candidate == "sktensor-torch" or CANDIDATES[candidate].prepared:
            continue
        environment = CANDIDATES[candidate].environment
        own = OURS if candidate == "sktensor" else LIBRARY
        name = own if environment == OWN else CANDIDATES[candidate].title.partition(",")[0]
        best[name] = min(best.get(name, float("inf")), cell["median_seconds"] / size)
    return best


def draw(data, threads, sizes):
    """The figure."""
    from matplotlib.figure import Figure

    models = list(data["models"])
    found = {size: [series_of(data, model, threads, size) for model in models] for size in sizes}
    seen = {OURS, LIBRARY}.union(*(best for panel in found.values() for best in panel))
    names = [name for name in _order() if name in seen]
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(models)), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for panel, size in zip(panels, sizes, strict=True):
        _draw_panel(panel, found[size], names)
        panel.set_title(f"{size:,} rows at a time" if size > 1 else "One row at a time", fontsize=10)
        panel.set_xlabel("microseconds a row")
    panels[0].set_yticks(range(len(models)), [data["models"][model]["title"] for model in models], fontsize=8)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    cores = "one thread" if threads == 1 else f"{threads} threads"
    figure.suptitle(f"{data['machine']['processor']}, {cores}; less is better", fontsize=9)
    return figure


def _order():
    """Ourselves, the library, then the peers as they are listed."""
    peers = (c.title.partition(",")[0] for c in CANDIDATES.values() if c.environment != OWN)
    return list(dict.fromkeys([OURS, LIBRARY, *peers]))


def _draw_panel(panel, found, names):
    for place, best in enumerate(found):
        if best:
            panel.plot([v * 1e6 for v in (min(best.values()), max(best.values()))], [place] * 2, color="#dddddd", lw=1)
    marks = dict(zip(names[2:], MARKS, strict=False))
    for name in names:
        points = [(best[name] * 1e6, place) for place, best in enumerate(found) if name in best]
        x, y = zip(*points, strict=True) if points else ((), ())
        if name == LIBRARY:
            panel.scatter(x, y, s=110, marker="|", color=DARK, label=name, zorder=4, linewidths=2.2)
            continue
        marker, colour = marks.get(name, ("o", STRONG))
        ours = name == OURS
        panel.scatter(
            x, y, s=70 if ours else 30, marker=marker, color=colour, label=name, zorder=5 if ours else 3,
            edgecolors="white", linewidths=0.6,
        )  # fmt: skip
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.grid(axis="x", color="#eeeeee", zorder=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 1])
    parser.add_argument("--output", type=Path, help="default: beside the results, as SVG")
    args = parser.parse_args()
    output = args.output or args.results.with_suffix(".svg")
    draw(load(args.results), args.threads, args.sizes).savefig(output, dpi=150, metadata=_undated(output))
    print(output)
    return 0


def _undated(output):
    """No date in a file that is kept under version control."""
    return {"Date": None} if output.suffix == ".svg" else None


if __name__ == "__main__":
    raise SystemExit(main())
