"""Functions that stand in for scikit-learn's checks: the same arrays, the same errors."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.preprocessing import LabelEncoder
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import _safe_indexing, check_array, column_or_1d
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from sktensor.extractors.sklearn import checked_once
from sktensor.extractors.sklearn.checked_once import check_once

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.array(["a", "b"])[(X[:, 0] > 0).astype(int)]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


ARRAYS = {
    "float64": X,
    "float32": X.astype(np.float32),
    "Fortran order": np.asfortranarray(X),
    "strides": X[::-2, ::2],
    "read-only": read_only(X),
    "one dimension": X[:, 0],
    "three dimensions": X[None],
    "a scalar": np.array(1.0),
    "no rows": X[:0],
    "no columns": X[:, :0],
    "NaN": np.where(X > 1, np.nan, X),
    "infinity": np.where(X > 1, np.inf, X),
    "infinities": np.where(np.abs(X) > 1, np.copysign(np.inf, X), X),
    "a sum beyond float32": np.full((3, 2), 3e38, dtype=np.float32),
    "float16": X.astype(np.float16),
    "big-endian": X.astype(">f8"),
    "integers": X.astype(int),
    "objects": X.astype(object),
    "text": X.astype(str),
    "a list": X.tolist(),
    "a frame": pd.DataFrame(X, columns=list("abc")),
    "a sparse matrix": scipy.sparse.csr_array(X),
    "a masked array": np.ma.masked_array(X, X > 1),
}
PARAMETERS = [
    {},
    {"dtype": None},
    {"dtype": np.float64},
    {"dtype": np.float32},
    {"dtype": [np.float32, np.float64]},
    {"dtype": (np.float64,), "accept_sparse": True},
    {"ensure_2d": False},
    {"ensure_2d": False, "allow_nd": True},
    {"ensure_all_finite": False},
    {"ensure_all_finite": "allow-nan", "accept_sparse": "csr"},
    {"ensure_all_finite": "nonsense"},
    {"copy": True},
    {"copy": True, "order": "F"},
    {"force_writeable": True},
    {"ensure_min_samples": 0, "ensure_min_features": 0},
    {"ensure_min_samples": 15},
    {"ensure_min_features": 3},
    {"ensure_non_negative": True},
    {"input_name": "X", "estimator": "Forest"},
]


def outcome(function, *given, **more):
    """What a call gives, or its error and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = function(*given, **more)
        except Exception as error:
            return type(error), str(error)
    said = sorted({str(one.message) for one in caught})
    if scipy.sparse.issparse(found):
        return type(found), found.toarray().tobytes(), said
    if isinstance(found, np.ndarray):
        shared = np.shares_memory(found, given[0]) if isinstance(given[0], np.ndarray) else None
        flags = found.flags.c_contiguous, found.flags.f_contiguous, found.flags.writeable
        return type(found), found.dtype, found.shape, found.tobytes(), flags, shared, said
    return found, said


@pytest.mark.parametrize("given", PARAMETERS, ids=str)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_checked_as_by_scikit_learn(name, given):
    ours = checked_once._check_array(check_array)
    assert outcome(ours, ARRAYS[name], **given) == outcome(check_array, ARRAYS[name], **given)


@pytest.mark.parametrize("given", [{}, {"dtype": None}, {"ensure_all_finite": False}, {"accept_sparse": True}], ids=str)
@pytest.mark.parametrize("fitted_on", ["array", "frame"])
@pytest.mark.parametrize("name", [*ARRAYS, "two columns"])
def test_rows_are_validated_as_by_scikit_learn(name, fitted_on, given):
    model = DecisionTreeClassifier(max_depth=2).fit(X if fitted_on == "array" else ARRAYS["a frame"], Y)
    rows = {**ARRAYS, "two columns": X[:, :2]}[name]
    ours = checked_once._Rebound()._validate_data(validate_data)

    def validated(function):
        return lambda rows: function(model, rows, reset=False, **given)

    assert outcome(validated(ours), rows) == outcome(validated(validate_data), rows)


@pytest.mark.parametrize("name", [*ARRAYS, "a column", "labels", "a series"])
def test_one_dimension_is_checked_as_by_scikit_learn(name):
    given = {**ARRAYS, "a column": X[:, :1], "labels": Y, "a series": pd.Series(Y)}[name]
    ours = checked_once._Rebound()._column_or_1d(column_or_1d)
    for more in ({}, {"warn": True}, {"dtype": np.float32}):
        assert outcome(ours, given, **more) == outcome(column_or_1d, given, **more)


@pytest.mark.parametrize("name", ["float64", "Fortran order", "one dimension", "a frame", "a sparse matrix"])
def test_columns_are_selected_as_by_scikit_learn(name):
    ours = checked_once._Rebound()._safe_indexing(_safe_indexing)
    for columns in (np.array([True, False, True]), np.array([0, 2]), [0], np.array([True, False])):
        for axis in (0, 1):
            found, expected = (
                outcome(function, ARRAYS[name], columns, axis=axis) for function in (ours, _safe_indexing)
            )
            if isinstance(expected[0], pd.DataFrame):
                pd.testing.assert_frame_equal(found[0], expected[0])
            else:
                assert found == expected


def test_labels_are_encoded_as_by_scikit_learn():
    encoder = checked_once._Rebound()._labelencoder(LabelEncoder)
    for classes, labels in ((np.array(["a", "b", "c"]), np.array(["b", "c"])), (np.array([3, 7]), np.array([7, 3]))):
        for _ in range(2):
            found = encoder().fit(classes).transform(labels)
            assert found.tolist() == LabelEncoder().fit(classes).transform(labels).tolist()
    with pytest.raises(ValueError, match="unseen labels"):
        encoder().fit(np.array([3, 7])).transform(np.array([4]))


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_calls_give_their_answers_in_order(n_jobs):
    rebound = checked_once._Rebound()
    parallel, deferred = rebound._parallel(Parallel), rebound._delayed(delayed)
    found = parallel(n_jobs=n_jobs, require="sharedmem")(deferred(pow)(number, 2) for number in range(5))
    assert found == [0, 1, 4, 9, 16]


def test_what_is_known_of_an_object_is_not_said_of_another():
    remembered = checked_once._Remembered()
    for number in range(3 * checked_once.MOST):
        given = [number]  # at the place of one that is gone, where those are not kept
        assert remembered.get((given,), (), lambda given=given: given[0]) == number
    assert len(remembered._found) == checked_once.MOST


def test_class_and_module_stay_as_they_are():
    model = CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), cv=2).fit(X, Y)
    module = __import__("sklearn.calibration", fromlist=["*"])
    before, of_class = dict(vars(module)), dict(vars(CalibratedClassifierCV))
    expected = model.predict_proba(X)
    check_once(model)
    assert (model.predict_proba(X) == expected).all()
    assert vars(model)["predict_proba"].__func__ is not CalibratedClassifierCV.predict_proba
    assert vars(module) == before and dict(vars(CalibratedClassifierCV)) == of_class
