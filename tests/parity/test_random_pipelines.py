"""Random pipelines, held against themselves with their steps folded.

``python -m benchmarks.random_pipelines`` runs a thousand of them.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.random_pipelines.check import check, fitted
from sktensor.estimator.pipeline import PipelineProgram

pytestmark = pytest.mark.filterwarnings("ignore")

# Seeds by what they found when their fault was not mended yet.
FOUND = {
    "a forest without a question": 57,
    "an encoder's NaN, which the next step refuses": 74,
    "a column that is dropped behind a step that refuses it": 130,
    "a step that warns of what another step knows": 151,
    "an infinite number between two steps": 164,
    "a branch that gives nothing and warns": 35,
    "columns in another order for a step that is run": 51,
    "categories of numbers of which a step warns": 55,
    "a frame that a step warns of": 225,
    "a column of nothing but missing texts": 733,
    "None that an encoder takes for NaN beside known texts only": 452,
    "a step that warns of rows that are made for verification": 451,
}


@pytest.mark.parametrize("seed", FOUND.values(), ids=FOUND)
def test_a_pipeline_that_once_answered_otherwise(seed):
    configuration, found = check(seed)
    assert found.outcome != "different", f"{configuration}\n{found.why}"


# A smaller seed is no smaller pipeline: there is nothing to shrink.
@pytest.mark.slow
@settings(max_examples=12, phases=[Phase.generate], deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_random_pipeline_answers_as_it_does_without_folding(seed):
    configuration, found = check(seed)
    assert found.outcome != "different", f"seed {seed}: {configuration}\n{found.why}"
    assert found.compared or found.raised


def test_a_seed_repeats_its_pipeline():
    (configuration, _), (again, _) = fitted(3), fitted(3)
    assert str(configuration) == str(again)
    np.testing.assert_array_equal(configuration.y, again.y)


def test_an_answer_that_is_off_by_a_bit_is_found(monkeypatch):
    ask = PipelineProgram.ask

    def off(self, method, settings, X, *args, **kwargs):
        answer = ask(self, method, settings, X, *args, **kwargs)
        return np.nextafter(answer, np.inf) if answer.dtype.kind == "f" else answer

    monkeypatch.setattr(PipelineProgram, "ask", off)
    _, found = check(13)
    assert found.outcome == "different"
    assert "differ, first at" in found.why
