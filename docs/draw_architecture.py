"""Draw docs/architecture.svg, the picture of the house. Usage: python docs/draw_architecture.py."""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 564, 742
# The panel brings its own background, so that the picture is the same on a light and on a dark page.
PANEL, INK, SOFT, LINE = "#ffffff", "#1f2937", "#4b5563", "#64748b"
DATA, STAGE, WAIST = "#eef2f7", "#dbeafe", "#fde9c8"


def box(x: int, y: int, width: int, height: int, fill: str, name: str, *lines: str) -> str:
    """A box with a name and lines below it, in its middle."""
    first = y + height / 2 - 10 * len(lines) + 6
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{LINE}"/>',
        text(x + width / 2, first, name, weight=600),
    ]
    parts += [text(x + width / 2, first + 20 * (i + 1), line, SOFT, size=16) for i, line in enumerate(lines)]
    return "\n".join(parts)


def text(x: float, y: float, words: str, fill: str = INK, *, size: int = 18, weight: int = 400) -> str:
    """Words, with x in their middle."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def arrow(*points: tuple[int, int]) -> str:
    """A line through points with a head at the last."""
    way = " ".join(f"{x},{y}" for x, y in points)
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    head = f"{x},{y} {x - 9 * dx - 5 * dy},{y - 9 * dy - 5 * dx} {x - 9 * dx + 5 * dy},{y - 9 * dy + 5 * dx}"
    return (
        f'<polyline points="{way}" fill="none" stroke="{LINE}" stroke-width="2"/>\n'
        f'<polygon points="{head}" fill="{LINE}"/>'
    )


def picture() -> str:
    """The SVG: on the left what a fitted model becomes, once; on the right an array's way, with each call."""
    left, middle, right = 14, 218, 372
    in_left, in_right = left + 87, right + 89
    parts = [
        text(in_left, 32, "once for a model", SOFT),
        text(in_right, 32, "with each call", SOFT),
        # what a fitted model becomes
        box(left, 48, 174, 52, DATA, "fitted model"),
        arrow((in_left, 100), (in_left, 130)),
        box(left, 130, 174, 64, STAGE, "extractors/", "a folder a library"),
        arrow((in_left, 194), (in_left, 222)),
        box(middle, 222, 118, 88, STAGE, "pipelines/", "steps folded", "into questions"),
        arrow((middle, 244), (188, 244)),
        arrow((188, 290), (middle, 290)),
        f'<rect x="{left}" y="222" width="174" height="424" rx="8" fill="{WAIST}" stroke="{LINE}"/>',
        text(in_left, 248, "Forest", weight=600),
        text(in_left, 269, "plain numpy", SOFT, size=16),
        box(left + 12, 286, 150, 72, PANEL, "inputs", "how X is read"),
        box(left + 12, 414, 150, 96, PANEL, "trees", "nodes, leaves,", "order of the sum"),
        box(left + 12, 560, 150, 72, PANEL, "outputs", "links, labels"),
        arrow((176, 322), (right, 322)),
        arrow((176, 474), (middle, 474)),
        box(middle, 438, 118, 72, STAGE, "strategies/", "tables"),
        arrow((336, 474), (right, 474)),
        box(middle, 352, 118, 64, STAGE, "runtime/", "which engine"),
        arrow((336, 384), (354, 384), (354, 436), (right, 436)),
        arrow((176, 596), (right, 596)),
        # the way of an array
        box(right, 48, 178, 52, DATA, "X", "array, frame, ..."),
        arrow((in_right, 100), (in_right, 130)),
        box(right, 130, 178, 64, STAGE, "estimator/", "predict_proba(X)"),
        arrow((in_right, 194), (in_right, 286)),
        box(right, 286, 178, 72, STAGE, "inputs/", "checks, columns"),
        arrow((in_right, 358), (in_right, 414)),
        text(in_right + 30, 391, "rows", SOFT, size=16),
        box(right, 414, 178, 96, STAGE, "backends/", "cpu, torch, library;", "native/ calls C++"),
        arrow((in_right, 510), (in_right, 560)),
        text(in_right + 34, 541, "sums", SOFT, size=16),
        box(right, 560, 178, 72, STAGE, "outputs/", "links, labels"),
        arrow((in_right, 632), (in_right, 664)),
        box(right, 664, 178, 64, DATA, "answer", "the library's bits"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" role="img">\n'
        "<title>The house: a fitted model becomes a forest and tables; X becomes rows, sums and an answer</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="{PANEL}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("architecture.svg").write_text(picture(), encoding="utf-8")
