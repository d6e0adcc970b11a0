"""Pickles that another version of sktensor has written."""

from __future__ import annotations

import copy
import pickle
import pickletools
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import sktensor
from sktensor import InconsistentVersionWarning, TensorizedEstimator
from sktensor.runtime import pickled_state

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


def tree():
    return DecisionTreeClassifier(random_state=0).fit(X, Y)


def program():
    fast = TensorizedEstimator(tree())
    fast.predict(X)
    return fast._compiled()


def composite():
    fast = TensorizedEstimator(VotingClassifier([("a", tree()), ("b", tree())]).fit(X, Y))
    fast.predict(X)
    return fast._compiled()


def loaded_from_a_file(tmp_path):
    sktensor.save(TensorizedEstimator(tree()), tmp_path / "model")
    return sktensor.load(tmp_path / "model")


OBJECTS = {
    "TensorizedEstimator": lambda folder: TensorizedEstimator(tree()).fit(X, Y),
    "TensorizedEstimator, not fitted": lambda folder: TensorizedEstimator(DecisionTreeClassifier()),
    "TensorizedEstimator, of others": lambda folder: TensorizedEstimator(
        VotingClassifier([("a", tree()), ("b", tree())])
    ).fit(X, Y),
    "TensorizedEstimator, from a file": loaded_from_a_file,
    "Program": lambda folder: program(),
    "Composite": lambda folder: composite(),
    "SavedModel": lambda folder: loaded_from_a_file(folder).estimator_,
}


@pytest.fixture(params=OBJECTS)
def named(request, tmp_path):
    """The class of an object, and the object."""
    return request.param.partition(",")[0], OBJECTS[request.param](tmp_path)


def written_by(version, obj, monkeypatch, layout=pickled_state.LAYOUT):
    """A pickle as another version writes it."""
    with monkeypatch.context() as other:
        other.setattr(sktensor, "__version__", version)
        other.setattr(pickled_state, "LAYOUT", layout)
        return pickle.dumps(obj)


def test_a_pickle_holds_the_version_that_wrote_it(named):
    _, obj = named
    texts = [value for _, value, _ in pickletools.genops(pickle.dumps(obj)) if isinstance(value, str)]
    assert sktensor.__version__ in texts


def test_a_pickle_of_this_version_is_read_without_a_warning(named):
    _, obj = named
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = pickle.loads(pickle.dumps(obj))
        copy.deepcopy(obj)
    assert not {"_sktensor_version", "_sktensor_layout"} & vars(again).keys()


def test_a_pickle_of_another_version_warns_with_both_versions_and_what_to_do(named, monkeypatch):
    name, obj = named
    data = written_by("0.0.7", obj, monkeypatch)
    with pytest.warns(InconsistentVersionWarning) as caught:
        pickle.loads(data)
    last = caught[-1]
    assert last.filename == __file__
    assert (last.message.estimator_name, last.message.original_sktensor_version) == (name, "0.0.7")
    assert last.message.current_sktensor_version == sktensor.__version__
    assert f"written by sktensor 0.0.7 and is read by sktensor {sktensor.__version__}" in str(last.message)
    assert "wrap the original model again" in str(last.message)
    assert len({str(warning.message) for warning in caught}) == 1  # so that Python shows one of them


@pytest.mark.slow
def test_a_pickle_of_another_version_is_warned_of_once_by_default(monkeypatch, tmp_path):
    (tmp_path / "model.pickle").write_bytes(written_by("0.0.7", TensorizedEstimator(tree()).fit(X, Y), monkeypatch))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.pickle"], capture_output=True, text=True, check=True
    )
    assert done.stderr.count("InconsistentVersionWarning") == 1


def test_a_pickle_of_another_version_predicts_as_before(monkeypatch):
    fast = TensorizedEstimator(tree()).fit(X, Y)
    data = written_by("0.0.7", fast, monkeypatch)
    with pytest.warns(InconsistentVersionWarning):
        again = pickle.loads(data)
    assert again.predict_proba(X).tobytes() == fast.predict_proba(X).tobytes()
    assert pickled_state.VERSION_KEY not in vars(again)


def test_joblib_and_pipelines_warn_of_another_version(monkeypatch, tmp_path):
    pipeline = make_pipeline(FrozenEstimator(TensorizedEstimator(tree()).fit(X, Y)))
    with monkeypatch.context() as other:
        other.setattr(sktensor, "__version__", "99.0")
        joblib.dump(pipeline, tmp_path / "model")
    with pytest.warns(InconsistentVersionWarning, match=r"written by sktensor 99\.0"):
        again = joblib.load(tmp_path / "model")
    assert again.predict(X).tolist() == pipeline.predict(X).tolist()


@pytest.mark.parametrize("layout", [0, pickled_state.LAYOUT + 1, None])
def test_a_pickle_in_another_layout_is_refused_with_what_to_do(layout, named, monkeypatch):
    _, obj = named
    data = written_by("0.0.7", obj, monkeypatch, layout=layout)
    with pytest.raises(pickle.UnpicklingError, match=r"written by sktensor 0\.0\.7, in layout .*reads layout \d alone"):
        pickle.loads(data)
    with pytest.raises(pickle.UnpicklingError, match=r"Wrap the original model again.*or fit again"):
        pickle.loads(data)


def test_a_pickle_without_a_version_is_refused(monkeypatch):
    with monkeypatch.context() as older:
        older.setattr("sktensor.runtime.program.stamp", lambda state: state)
        data = pickle.dumps(program())
    with pytest.raises(pickle.UnpicklingError, match="Program was written by a version of sktensor that left no"):
        pickle.loads(data)


def test_copies_and_clones_are_no_pickles_of_another_version(monkeypatch):
    fast = TensorizedEstimator(tree()).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for again in (copy.copy(fast), copy.deepcopy(fast), clone(fast).fit(X, Y)):
            assert again.predict(X).tolist() == fast.predict(X).tolist()


def test_the_warning_itself_is_copied_and_pickled():
    warning = InconsistentVersionWarning("Program", "1.1", "1.0")
    for again in (copy.copy(warning), pickle.loads(pickle.dumps(warning))):
        assert str(again) == str(warning) and vars(again) == vars(warning)
