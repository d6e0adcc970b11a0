"""Shapes and words of the drawings in this folder, as SVG.

A drawing is at most 564 wide, so that its words can be read on a phone, and brings a white panel: on dark pages the
site's style sheet turns the whole of it over.
"""

from __future__ import annotations

from html import escape

WIDTH = 564
PANEL, INK, SOFT, LINE, GRID = "#ffffff", "#1f2937", "#4b5563", "#64748b", "#e2e8f0"
OURS, OTHER = "#0e7490", "#94a3b8"
LEFT, RIGHT, LEAF, STEP = "#0369a1", "#c2410c", "#fde9c8", "#dbeafe"
FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
CODE = "ui-monospace, SFMono-Regular, Menlo, Consolas, Liberation Mono, monospace"


def text(x, y, words, fill=INK, *, size=16, weight=400, anchor="middle", code=False):
    """Words whose middle, start or end is at x."""
    family = f' font-family="{CODE}"' if code else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}"{family}>{escape(str(words))}</text>'
    )


def rect(x, y, width, height, fill, stroke="none", radius=0):
    """A rectangle."""
    return (
        f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" rx="{radius}" fill="{fill}" '
        f'stroke="{stroke}"/>'
    )


def cell(x, y, width, height, words, fill=PANEL, *, ink=INK, size=16, weight=400, stroke=LINE):
    """A rectangle with words in its middle."""
    middle = text(x + width / 2, y + height / 2 + 0.35 * size, words, ink, size=size, weight=weight)
    return rect(x, y, width, height, fill, stroke, 3) + "\n" + middle


def line(*points, stroke=LINE, width=2, dashed=False):
    """A line through points."""
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{way}" fill="none" stroke="{stroke}" stroke-width="{width}"{dashes}/>'


def arrow(*points, stroke=LINE):
    """A line along the axes, with a head at its last point."""
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    head = f"{x},{y} {x - 9 * dx - 5 * dy},{y - 9 * dy - 5 * dx} {x - 9 * dx + 5 * dy},{y - 9 * dy + 5 * dx}"
    return f'{line(*points, stroke=stroke)}\n<polygon points="{head}" fill="{stroke}"/>'


def drawing(title, height, parts):
    """The whole of it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="{FONT}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{PANEL}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
