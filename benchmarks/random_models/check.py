"""A fitted model held against its own tensor programs, through the public doors only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize

PROGRAMS = (
    ("auto", "auto"),
    ("gemm", "torch"),
    ("tree_traversal", "torch"),
    ("perfect_tree_traversal", "torch"),
    ("bitsliced", "torch"),
    ("tree_traversal", "native"),
    ("bitsliced", "native"),
)
# What a program says that does not take a forest.
DECLINES = (
    "no kernel for this forest",
    "does not take trees as large as this forest's",
    "of tables for this forest (at most",
)
ULPS = 4  # what the documentation allows tensors behind a link with an exp; nothing else has a tolerance


@dataclass
class Found:
    """How a configuration ended: ``"equal"``, ``"refused"`` or ``"different"``, and why."""

    outcome: str
    why: str = ""
    compared: int = 0  # answers of programs
    declined: list[str] = field(default_factory=list)  # programs that do not take the forest, saying so


def hold(model, rows_for, **settings) -> Found:
    """Compare every answer of every program of `model`.

    `rows_for(forest)` draws the rows; `settings` are parameters of the programs, where these are estimators.
    """
    try:
        forest = extract_forest(model)
    except UnsupportedModelError as error:
        return Found("refused", str(error))
    found = Found("equal")
    with np.errstate(all="ignore"):
        rows = rows_for(forest)
        try:
            expected = library_answers(model, forest, rows)
        except Exception as error:
            return Found("different", f"the library refuses what its forest takes: {type(error).__name__}: {error}")
        for strategy, backend in PROGRAMS:
            if backend == "native" and not hasattr(model, "fit"):
                continue  # a booster's program is a module, which is tensor code
            ask = _program(model, strategy, backend, settings)
            try:
                for name, (given, theirs, ulps) in expected.items():
                    if why := difference(ask(name, given), theirs, ulps):
                        return Found("different", f"{name} of {strategy} on {backend}: {why}", found.compared)
                    found.compared += 1
            except ValueError as error:
                if not any(words in str(error) for words in DECLINES):
                    raise
                found.declined.append(f"{strategy} on {backend}")
    return found


def _program(model, strategy, backend, settings):
    """A function of a method's name and rows that asks one program of the model."""
    if hasattr(model, "fit"):
        verify = strategy == "auto"
        fast = TensorizedEstimator(model, strategy=strategy, backend=backend, verify=verify, **settings)
        return lambda name, rows: getattr(fast, name)(rows)
    outputs = {"predict_raw": "raw", "apply": "leaf", "predict": "value"}
    return lambda name, rows: tensorize(model, strategy=strategy, output=outputs[name])(torch.tensor(rows)).numpy()


def library_answers(model, forest, rows):
    """For each method: the rows it is given, what the library says of them, and how many ulp are allowed.

    A booster's program is a module, whose answers are tensors.
    """
    library = next(name for cls in type(model).__mro__ if (name := cls.__module__.partition(".")[0]) in ANSWERS)
    raw, leaves, value = ANSWERS[library]
    finite = _finite(rows) if library == "xgboost" else rows
    with_exp = library != "xgboost" and forest.outputs.link not in ("identity", "argmax")
    ulps = ULPS if with_exp and not hasattr(model, "fit") else 0
    # A booster's predictions go through a DMatrix, which takes no infinities.
    own = rows if hasattr(model, "fit") else finite
    found: dict[str, Any] = {}
    if (scores := raw(model, own)) is not None:
        found["predict_raw"] = (own, scores, 0)
    if forest.n_trees and leaves is not None and (numbers := leaves(model, finite)) is not None:
        found["apply"] = (finite, np.asarray(numbers), 0)
    found["predict"] = (own, np.asarray(value(model, own)), ulps if forest.outputs.decision == "none" else 0)
    if hasattr(model, "score_samples"):
        found["score_samples"] = (own, model.score_samples(own), 0)
    if hasattr(model, "predict_proba"):
        found["predict_proba"] = (own, model.predict_proba(own), 0)
    return found


def _finite(rows):
    """Large numbers for what is infinite in float32."""
    return np.where(np.isinf(rows.astype(np.float32)), np.copysign(rows.dtype.type(1e30), rows), rows)


def _xgboost_matrix(model, rows):
    import xgboost

    return xgboost.DMatrix(rows, feature_types=model.feature_types, enable_categorical=True, nthread=1)


def _xgboost(**asked):
    def ask(model, rows):
        if hasattr(model, "fit"):
            return model.apply(rows) if "pred_leaf" in asked else model.predict(rows, **asked)
        return model.predict(_xgboost_matrix(model, rows), **asked)

    return ask


def _catboost_raw(model, rows):
    import catboost

    return catboost.CatBoost.predict(model, rows, prediction_type="RawFormulaVal", thread_count=1)


def _sklearn_raw(model, rows):
    if hasattr(model, "_raw_predict"):
        if type(model).__name__.startswith("Gradient"):
            rows = np.ascontiguousarray(rows, dtype=np.float32)  # as its public methods do first
        return model._raw_predict(rows)
    if hasattr(model, "score_samples"):
        return None  # the sum of path lengths, which the library does not give
    if hasattr(model, "decision_function"):
        return model.decision_function(rows)
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


def _predict(model, rows):
    return model.predict(rows)


# The library's raw scores, leaf numbers and values.
ANSWERS = {
    "xgboost": (_xgboost(output_margin=True), _xgboost(pred_leaf=True), _xgboost()),
    "lightgbm": (
        lambda model, rows: model.predict(rows, raw_score=True),
        lambda model, rows: model.predict(rows, pred_leaf=True),
        _predict,
    ),
    "catboost": (_catboost_raw, lambda model, rows: model.calc_leaf_indexes(rows, thread_count=1), _predict),
    "sklearn": (_sklearn_raw, lambda model, rows: model.apply(rows) if hasattr(model, "apply") else None, _predict),
}


def difference(ours, theirs, ulps=0):
    """In words, how two answers differ; empty where they do not. Any NaN equals any other."""
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return f"{type(ours).__name__} instead of a list of {len(theirs)}"
        return next(filter(None, (difference(a, b, ulps) for a, b in zip(ours, theirs, strict=True))), "")
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return f"{ours.dtype} {ours.shape} instead of {theirs.dtype} {theirs.shape}"
    wrong = ours != theirs
    if theirs.dtype.kind == "f":
        bits = f"i{theirs.dtype.itemsize}"
        wrong = np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)
        wrong &= ~(np.isnan(ours) & np.isnan(theirs))
        if ulps:
            size = np.abs(theirs)
            if theirs.shape[1:] == (2,):  # 1 - p is off by as much as p, which counts where 1 - p is small
                size = np.maximum(size, size.max(axis=1, keepdims=True) / 2)
            wrong &= ~(np.abs(ours - theirs) <= ulps * np.spacing(size))
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{np.count_nonzero(wrong)} of {wrong.size} differ, first at {at}: {ours[at]!r} instead of {theirs[at]!r}"
