"""Tables of what was found.

Usage: python -m benchmarks.cpu.report [RESULTS]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.cpu.candidates import CANDIDATES, OWN
from benchmarks.cpu.results import load

MIB = 2**20
DRIFT = 0.1  # the library's time in another process may differ by so much before the table says it
TOO_MANY_CORES = 1.15  # times the number of threads
BUSY = 0.1  # cores that other processes may use meanwhile
SUMMARY_SIZES = (1, 50_000)


def progress(finding):
    """One line on standard error for a finding, as it comes."""
    about = " ".join(
        str(finding[key]) for key in ("environment", "candidate", "rows", "dtype", "threads") if key in finding
    )
    if finding["kind"] == "cell":
        line = f"{duration(finding['median_seconds'])} a call, {finding['calls']} calls"
    elif finding["kind"] == "build":
        line = f"compiled in {duration(finding['compile_seconds'])}, {verdict(finding['on_rows'])}"
    elif finding["kind"] in ("failed", "skipped"):
        line = f"{finding['kind']}: {finding['message']}"
    else:
        return
    print(f"  {about}: {line}", file=sys.stderr, flush=True)


def tables(data):
    """Everything, as text."""
    parts = [header(data)]
    for model in data["models"]:
        kinds = {(cell["threads"], cell["dtype"]) for cell in data["cells"] if cell["model"] == model}
        parts.extend(speed_table(data, model, *kind) for kind in sorted(kinds))
        parts.append(build_table(data, model))
        parts.append(remarks(data, model))
    for kind in sorted({(cell["threads"], cell["dtype"]) for cell in data["cells"]}):
        parts.extend(summary(data, *kind, size) for size in SUMMARY_SIZES)
    return "\n\n".join(part for part in parts if part)


def header(data):
    """The machine and the versions."""
    machine = data["machine"]
    lines = [
        f"{machine['processor']}, {machine['cpus']} CPUs ({machine['threads_per_core']} a core), "
        f"{machine['memory_gib']} GiB, {machine['system']}; measured {data['measured']}"
    ]
    for name, environment in data["environments"].items():
        versions = ", ".join(f"{package} {version}" for package, version in environment["versions"].items())
        lines.append(f"  {name}: Python {environment['python']}, {versions}")
    if n_disturbed := sum(map(disturbed, data["cells"])):
        lines.append(
            f"  DISTURBED: other processes used more than {BUSY} cores during {n_disturbed} of {len(data['cells'])} "
            "measurements, marked with ?; they say little."
        )
    return "\n".join(lines)


def cells_of(data, model, threads, dtype="float32"):
    """Cells by candidate and number of rows; those of the yardstick are its own environment's."""
    return {
        (cell["candidate"], cell["rows"]): cell
        for cell in data["cells"]
        if (cell["model"], cell["threads"], cell["dtype"]) == (model, threads, dtype)
        and cell["environment"] == CANDIDATES[cell["candidate"]].environment
    }


def speed_table(data, model, threads, dtype):
    """Microseconds a row, and how many times sktensor's."""
    cells = cells_of(data, model, threads, dtype)
    sizes = sorted({rows for _, rows in cells})
    title = f"{data['models'][model]['title']}: microseconds a row, {dtype}, {threads} thread{'s' * (threads > 1)}"
    lines = [("candidate", *(f"{size:,} row{'s' * (size > 1)}" for size in sizes))]
    for name, candidate in CANDIDATES.items():
        if not any((name, size) in cells for size in sizes):
            continue
        shown = []
        for size in sizes:
            cell = cells.get((name, size))
            shown.append(_cell(cell, cells.get(("sktensor", size)), size, threads) if cell else "-")
        lines.append((candidate.title, *shown))
    return title + "\n" + _aligned(lines)


def _cell(cell, ours, size, threads):
    text = f"{cell['median_seconds'] / size * 1e6:.3g}"
    if ours and cell is not ours:
        text += f" ({cell['median_seconds'] / ours['median_seconds']:.3g}x)"
    return text + "!" * (cell["cores_used"] > threads * TOO_MANY_CORES) + "?" * disturbed(cell)


def build_table(data, model):
    """Compile time, memory, and whether the answers agree."""
    lines = [("candidate", "compiled in", "memory of it", "of predicting", "answers", "on thresholds")]
    for build in data["builds"]:
        if build["model"] == model:
            lines.append((
                CANDIDATES[build["candidate"]].title,
                duration(build["compile_seconds"]),
                f"{build['compile_peak_bytes'] / MIB:,.0f} MiB",
                f"{max(build['predict_peak_bytes'], 0) / MIB:,.0f} MiB",
                verdict(build["on_rows"]),
                verdict(build["on_ties"]),
            ))  # fmt: skip
    return _aligned(lines) if len(lines) > 1 else ""


def verdict(compared):
    """Whether an answer is the library's."""
    if compared["same_bits"]:
        return "same bits"
    wrong = compared["share_beyond_1e-5"]
    beyond = f", {wrong:.2%} of rows beyond 1e-5" if wrong else ""
    return f"{compared['dtype']}, off by <= {compared['largest_difference']:.1e}{beyond}"


def remarks(data, model):
    """Failures, what was left out, wrong numbers of threads, and drift between processes."""
    lines = []
    for kind in ("failures", "skipped"):
        for finding in data[kind]:
            if finding["model"] == model:
                where = [
                    f"{key} {finding[key]}"
                    for key in ("stage", "rows", "dtype", "threads")
                    if finding.get(key) is not None
                ]
                lines.append(f"{_who(finding)}, {', '.join(where)}: {finding['message']}")
    for cell in data["cells"]:
        if cell["model"] == model:
            about = f"{_who(cell)}, rows {cell['rows']}, {cell['dtype']}, threads {cell['threads']}"
            if cell["cores_used"] > cell["threads"] * TOO_MANY_CORES:
                lines.append(f"{about}: used {cell['cores_used']} cores")
            if (ratio := drift(data, cell)) and abs(ratio - 1) > DRIFT:
                lines.append(f"{about}: took {ratio:.2f} times as long in the environment {cell['environment']}")
    return "\n".join(f"  * {line}" for line in lines)


def _who(finding):
    """The candidate's title; a process that did not start is known by its environment alone."""
    return CANDIDATES[finding["candidate"]].title if finding.get("candidate") else finding["environment"]


def drift(data, cell):
    """What the yardstick took in another environment, in units of its own; None where there is nothing to compare."""
    if cell["environment"] == CANDIDATES[cell["candidate"]].environment:
        return None
    own = cells_of(data, cell["model"], cell["threads"], cell["dtype"]).get((cell["candidate"], cell["rows"]))
    if own is None or disturbed(own) or disturbed(cell):
        return None
    return cell["median_seconds"] / own["median_seconds"]


def disturbed(cell):
    """Whether other processes were at work meanwhile."""
    return (cell["others_cores"] or 0) > BUSY


def summary(data, threads, dtype, size):
    """One line a model: sktensor, the best form of the library, the best peer, and the ratios."""
    lines = [("model", "sktensor", "the library's best form", "", "the best peer", "")]
    for model, facts in data["models"].items():
        cells = {name: cell for (name, rows), cell in cells_of(data, model, threads, dtype).items() if rows == size}
        ours = cells.get("sktensor")
        if not ours:
            continue
        forms = [name for name in cells if not name.startswith("sktensor") and not CANDIDATES[name].prepared]
        own = [name for name in forms if CANDIDATES[name].environment == OWN]
        peers = [name for name in forms if CANDIDATES[name].environment != OWN]
        line = [facts["title"], _cell(ours, None, size, threads)]
        for group in (own, peers):
            best = min(group, key=lambda name: cells[name]["median_seconds"], default=None)
            line += [_cell(cells[best], ours, size, threads), CANDIDATES[best].title] if best else ["-", ""]
        lines.append(tuple(line))
    rows = f"{size:,} row{'s' * (size > 1)}"
    title = f"Summary: microseconds a row, {rows} at a time, {dtype}, {threads} thread{'s' * (threads > 1)}"
    return title + "\n" + _aligned(lines) if len(lines) > 1 else ""


def duration(seconds):
    """In a unit that suits."""
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e6:.3g} us"


def _aligned(lines):
    """Columns, the first to the left, the others where they start."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join("  " + row.rstrip() for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=Path(__file__).parents[1] / "results" / "cpu.json")
    print(tables(load(parser.parse_args().results)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
