"""The drawings of the documentation are those that their scripts make of the models and figures in the repository."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cpu.figure import RESULTS
from docs import draw_speed, draw_strategies

DOCS = Path(draw_speed.__file__).parent


def committed(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_figure_and_table_of_speed_are_those_of_the_saved_results():
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert committed("speed.svg") == draw_speed.picture(data)
    assert committed("speed.csv") == draw_speed.table(data)


def test_drawings_of_the_strategies_are_those_of_the_tables_that_they_compile():
    for name, picture in draw_strategies.pictures().items():
        assert committed(name) == picture, name
