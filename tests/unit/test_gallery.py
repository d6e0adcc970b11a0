"""The examples of the gallery are short and end in a picture; those of engines are drawn by what they are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import draw_engines

EXAMPLES = Path(__file__).parents[2] / "examples"
GALLERY = sorted(path.name for path in EXAMPLES.glob("plot_*.py"))


@pytest.mark.parametrize("name", GALLERY)
def test_an_example_is_short_and_ends_in_a_picture(name):
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    last_block = "\n".join(lines).rpartition("# %%")[2]
    assert any(word in last_block for word in ("plt.", "shap.plots"))


@pytest.mark.parametrize("name", draw_engines.EXAMPLES)
def test_a_saved_picture_is_of_the_example_as_it_is(name):
    assert draw_engines.digest(name) in (draw_engines.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
