"""XGBoost's dart models, which round differently in place and from a DMatrix."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import scipy.special
import xgboost as xgb
from reference import reference_raw
from versions import is_older
from xgboost_models import DART, GRID, MODELS, REAL, YES, R, X, same, trained

from sktensor import TensorizedEstimator, extract_forest
from sktensor.extractors.xgboost import model as extractor

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")


def test_a_dart_model_has_one_forest_in_place_and_another_from_a_dmatrix():
    model = MODELS["dart"]()
    in_place, folded = extractor.extract(model).trees, extractor.extract(model.get_booster()).trees
    assert (in_place.leaf_value != folded.leaf_value).any()
    np.testing.assert_allclose(in_place.leaf_value, folded.leaf_value, atol=1e-5)


def test_dart_answers_sparse_rows_as_the_library_does_or_refuses_them():
    model = R(n_estimators=20, booster="dart", rate_drop=0.5, n_jobs=1).fit(X, REAL)
    rows = scipy.sparse.csr_matrix(np.where(GRID == 0, 0, X))
    fast = TensorizedEstimator(model)
    same(fast.predict_raw(rows), model.predict(rows, output_margin=True))
    for other in (rows.tocsc(), rows.tocoo(), scipy.sparse.csr_array(rows)):
        assert (model.predict(other) != model.predict(rows)).any()  # the library's own answers differ
        with pytest.raises(ValueError, match=r"Give one of these instead: scipy\.sparse\.csr_matrix\(X\)"):
            fast.predict(other)
    assert extract_forest(R(n_estimators=2, n_jobs=1).fit(X, REAL)).inputs.container_types is None


class Held:
    """Something that numpy can make an array of, and no more."""

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)


def test_dart_answers_rows_of_any_kind_as_the_library_does_or_refuses_them():
    model = R(n_estimators=20, booster="dart", rate_drop=0.5, n_jobs=1).fit(X, REAL)
    fast, names = TensorizedEstimator(model), list("abcde")
    frame = pd.DataFrame(X, columns=names)
    arrays = (X, X.astype(np.float32), X.tolist(), tuple(X.tolist()), np.ma.MaskedArray(X), X.astype(object))
    frames = (frame, pa.Table.from_pandas(frame), *([] if is_older("xgboost", "3.0") else [pl.from_pandas(frame)]))
    for rows in (*arrays, *frames):
        same(quiet(fast.predict_raw, rows), model.predict(rows, output_margin=True))
    others = [pa.RecordBatch.from_pandas(frame), Held(X)]
    if not is_older("xgboost", "3.0"):  # which took a class derived from pandas' for pandas'
        others.append(type("Mine", (pd.DataFrame,), {})(frame))
    for rows in others:
        assert (model.predict(rows) != model.predict(X)).any()  # the library's own answers differ
        with pytest.raises(
            ValueError, match=r"for which the library rounds differently .* numpy\.asarray\(X\), a pandas\.DataFrame"
        ):
            quiet(fast.predict, rows)
        plain = R(n_estimators=3, n_jobs=1).fit(X, REAL)
        same(quiet(TensorizedEstimator(plain).predict, rows), plain.predict(rows))


def quiet(predict, rows):
    """The answer without the advice that a model fitted on an array knows no names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X has feature names")
        return predict(rows)


def test_dart_leaf_of_minus_zero_adds_zero():
    """Each tree has a sum of its own there, which starts at 0.0; with a margin of -0.0 the sign shows."""
    saved = json.loads(bytes(trained(YES, 3, objective="binary:logistic", base_score=0.5, **DART).save_raw("json")))
    for tree in saved["learner"]["gradient_booster"]["gbtree"]["model"]["trees"]:
        is_leaf = np.array(tree["left_children"]) < 0
        tree["split_conditions"] = np.where(is_leaf, -0.0, tree["split_conditions"]).tolist()
    booster = xgb.Booster(model_file=bytearray(json.dumps(saved).encode()))
    margins = booster.predict(xgb.DMatrix(X), output_margin=True)
    assert not np.signbit(margins).any() and np.signbit(extract_forest(booster).trees.base).all()
    same(reference_raw(extract_forest(booster), X)[:, 0], margins)
