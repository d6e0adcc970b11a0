"""Random configurations of every library, held against the library itself.

``python -m benchmarks.random_models`` runs thousands of them.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.random_models import check as checks
from benchmarks.random_models.run import check, fitted

pytestmark = pytest.mark.filterwarnings("ignore")

REGRESSORS = (12, 17, 14, 35)  # seeds, one for each library


# A smaller seed is no smaller model: there is nothing to shrink.
@pytest.mark.slow
@settings(max_examples=40, phases=[Phase.generate])
@given(st.integers(0, 2**32 - 1))
def test_a_random_model_answers_as_its_library_does_or_is_refused(seed):
    configuration, found = check(seed)
    assert found.outcome != "different", f"seed {seed}: {configuration}\n{found.why}"
    assert found.compared or found.outcome == "refused"


@pytest.mark.parametrize("library", range(4))
def test_a_seed_repeats_its_configuration_and_its_model(library):
    (configuration, model, _), (again, other, _) = fitted(library), fitted(library)
    assert str(configuration) == str(again)
    assert type(model) is type(other)


@pytest.mark.parametrize("name", ["predict_raw", "apply", "predict"])
def test_an_answer_that_is_off_by_a_bit_is_found(monkeypatch, name):
    given_answers = checks.library_answers

    def off(model, forest, rows):
        answers = given_answers(model, forest, rows)
        rows, theirs, _ = answers[name]
        theirs = np.copy(theirs)
        theirs.flat[7] = np.nextafter(theirs.flat[7], np.inf) if theirs.dtype.kind == "f" else theirs.flat[7] + 1
        return {**answers, name: (rows, theirs, 0)}

    monkeypatch.setattr(checks, "library_answers", off)
    for seed in REGRESSORS:
        configuration, found = check(seed)
        assert found.outcome == "different" and found.why.startswith(f"{name} of auto"), (str(configuration), found)


@pytest.mark.parametrize(
    ("ours", "theirs", "ulps", "same"),
    [
        (np.array([0.0]), np.array([-0.0]), 0, False),
        (np.array([1.0], dtype=np.float32), np.array([1.0]), 0, False),
        (np.array([[1.0]]), np.array([1.0]), 0, False),
        (np.array([np.nan]), np.array([-np.nan]), 0, True),
        (np.array([1.0 + 4 * 2**-52]), np.array([1.0]), 4, True),
        (np.array([1.0 + 5 * 2**-52]), np.array([1.0]), 4, False),
        (np.array([np.inf, 1.0]), np.array([np.inf, 2.0]), 4, False),
        (np.array(["a"]), np.array(["b"]), 0, False),
        ([np.zeros(2)], [np.zeros(2)], 0, True),
        (np.zeros(2), [np.zeros(2)], 0, False),
    ],
)
def test_what_counts_as_different(ours, theirs, ulps, same):
    with np.errstate(all="ignore"):
        assert (checks.difference(ours, theirs, ulps) == "") == same
