"""Draw docs/plot_ray_data.svg and docs/plot_spark.svg, of the gallery's examples that a build of the site does not run.

Usage: python -m docs.draw_engines [NAME ...], where the engines are installed (CONTRIBUTING.md). A picture is what the
example draws, and holds a digest of the example's text.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
EXAMPLES = ("plot_ray_data", "plot_spark")


def script(name):
    return FOLDER.parent / "examples" / f"{name}.py"


def digest(name):
    """Of the text of an example."""
    return hashlib.sha256(script(name).read_text(encoding="utf-8").encode()).hexdigest()


def draw(name):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    pyplot.rcParams |= {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "figure.figsize": (6, 3.6),
        "figure.constrained_layout.use": True,
    }
    pyplot.close("all")
    runpy.run_path(str(script(name)), run_name="__main__")
    pyplot.gcf().savefig(FOLDER / f"{name}.svg", metadata={"Date": None, "Description": digest(name)})


if __name__ == "__main__":
    for name in sys.argv[1:] or EXAMPLES:
        draw(name)
