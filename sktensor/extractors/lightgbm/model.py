"""LightGBM's models: ``LGBMClassifier``, ``LGBMRegressor``, ``LGBMRanker`` and their subclasses, and raw ``Booster``.

The rules are those of the C++ library, named by file; trees come from the model text, see ``lightgbm_text``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.lightgbm.text import ModelText, ParsedTrees, parse_model, parse_number, parse_trees
from sktensor.forest import Forest
from sktensor.registry import chosen_rounds

__all__ = ["ANSWERING", "check_prediction_parameters", "extract", "predict_leaves", "predict_raw"]

Array = npt.NDArray[Any]

# decision_type: bit 0 categorical, bit 1 default side, bits 2 and 3 what counts as missing [LightGBM tree.h].
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = ("predict", "predict_proba", "_process_params")

# In the library's words [python sklearn.py LGBMClassifier.predict_proba].
NO_PROBABILITIES = (
    "Cannot compute class probabilities or labels due to the usage of customized objective function.\n"
    "Returning raw scores instead."
)

# What ConvertOutput does, by the first word of the objective [LightGBM src/objective/*.hpp].
SQUARE_ROOT = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
"""Objectives that may carry the flag ``sqrt``, the trace of reg_sqrt=True."""
LINKS = {
    **dict.fromkeys(SQUARE_ROOT, "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "c_exp"),
    **dict.fromkeys(("binary", "multiclassova", "cross_entropy"), "sigmoid"),
    **dict.fromkeys(("lambdarank", "rank_xendcg"), "identity"),
    "cross_entropy_lambda": "log1p_exp",
    "multiclass": "c_softmax",
}


@reading("LightGBM model text")
def extract(model: Any, *, iterations: tuple[int, int | None] | None = None) -> Forest:
    """Turn a fitted LightGBM model into a forest.

    Parameters
    ----------
    model : lightgbm.LGBMModel or lightgbm.Booster
        A fitted ``LGBMClassifier``, ``LGBMRegressor``, ``LGBMRanker`` (or a subclass), or a booster, also one
        loaded from a file. The iterations are those that its ``predict`` uses by default.
    iterations : tuple of (int, int or None), optional
        As for :func:`~sktensor.extract_forest`.

    Returns
    -------
    Forest
        With ``float64`` features and sums. The labels of a classifier are those of its ``classes_``; a booster
        gives values only.

    Raises
    ------
    UnsupportedModelError
        If the model or one of its settings cannot be reproduced bit for bit.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from lightgbm import LGBMRegressor
    >>> from sktensor.extractors.lightgbm import extract
    >>> X = np.arange(100.0)[:, None]
    >>> forest = extract(LGBMRegressor(n_estimators=3, num_leaves=2, verbose=-1).fit(X, X[:, 0] > 50))
    >>> forest.n_trees, forest.n_leaves
    (3, 6)
    """
    if isinstance(model, lightgbm.Booster):
        booster, predict_params = model, {}
    elif isinstance(model, lightgbm.LGBMModel):
        if not getattr(model, "fitted_", False):
            raise NotFittedError("Estimator not fitted, call fit before exploiting the model.")
        # The wrapper hands its own parameters to every prediction; those of a Booster end with training.
        booster, predict_params = model.booster_, model.get_params()
    else:
        raise UnsupportedModelError(
            f"{type(model).__name__} is no LightGBM model with one set of trees. "
            "Supported: LGBMClassifier, LGBMRegressor, LGBMRanker, LGBMModel, Booster."
        )
    known = next(cls for cls in type(model).__mro__ if cls.__module__.startswith("lightgbm."))
    if known.__module__ == "lightgbm.dask":
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts on dask collections, which is not supported. "
            "Use its model instead: model.to_local()."
        )
    check_answers(model, known, ANSWERING)
    check_prediction_parameters(predict_params)
    # Before the text is asked for: the library cannot write all kinds of categories that it takes.
    tables = [_table(values, i) for i, values in enumerate(booster.pandas_categorical or [])]

    # num_iteration=None would drop the trees after the best iteration from the text; the cut is made here, once.
    text = parse_model(booster.model_to_string(num_iteration=-1))
    n_outputs = int(text.header["num_tree_per_iteration"])
    if text.header["num_class"] != text.header["num_tree_per_iteration"]:
        raise UnsupportedModelError(
            f"num_class={text.header['num_class']} with {n_outputs} tree(s) an iteration: "
            "only models with one tree a class and iteration are known."
        )
    if text.trees and not 1 <= n_outputs <= len(text.trees):
        raise UnsupportedModelError(f"num_tree_per_iteration={n_outputs} in a model text of {len(text.trees)} trees.")
    usual = all_of_them = len(text.trees) // n_outputs
    if booster.best_iteration > 0:  # what predict(num_iteration=None) takes [python basic.py Booster.predict]
        usual = min(all_of_them, booster.best_iteration)
    begin, end = chosen_rounds(iterations, usual, all_of_them, (all_of_them, all_of_them))
    trees = parse_trees(text.trees[begin * n_outputs : end * n_outputs])

    n_trees, n_features = len(trees.root), int(text.header["max_feature_idx"]) + 1
    shape = () if n_outputs == 1 else (n_outputs,)
    # Random forests: predict averages, raw_score=True does not [LightGBM gbdt_prediction.cpp Predict, PredictRaw].
    if (averaged := "average_output" in text.header) and not text.trees:
        raise UnsupportedModelError("boosting='rf' without trees: LightGBM divides by their number and answers NaN.")
    div = float(end - begin) if averaged else 1.0
    return Forest.from_fields(
        n_features=n_features,
        n_outputs=n_outputs,
        feature_dtype="float64",
        acc_dtype="float64",
        cmp="le",
        sparse_absent="zero",
        # src/c_api.cpp: RowFunctionFromCSR hands all entries on, of which the last is kept; CSC_RowIterator the first.
        sparse_repeated="last_or_first",
        array_kinds="biufOTmM",  # its scikit-learn interface refuses text [sklearn.utils.check_array, dtype="numeric"]
        flush_tiny=True,
        ints_as_float32=True,
        accepts_nan=True,
        accepts_inf=True,
        **_category_tables(text, tables, n_features),
        unknown_category="nan",
        no_rows="error",
        feature=trees.feature,
        left=trees.left,
        right=trees.right,
        **_split_rules(trees),
        cover=trees.cover,
        root=trees.root,
        tree_target=np.arange(n_trees) % n_outputs,
        **_leaf_rules(trees),
        # The average that boosting starts from is inside the first trees' leaves [LightGBM gbdt.cpp, AddBias].
        base=np.zeros(n_outputs),
        div=div,
        raw_is_pre_div=averaged,
        **_link(text, booster, is_booster=booster is model, averaged=averaged),
        **_answers(model, n_outputs),
        raw_shape=shape,
        value_shape=shape,
        leaf_shape=(n_trees,),
        leaf_dtype="int32",
        contribution_layout="flat",
    )


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own raw scores, as they are compared when a model is compiled."""
    return np.asarray(_booster(model).predict(X, raw_score=True, **_threads(model)))


def predict_leaves(model: Any, X: Array) -> Array:
    """The library's own leaf numbers of the trees that it predicts with."""
    return np.asarray(_booster(model).predict(X, pred_leaf=True, **_threads(model)))


def _booster(model: Any) -> lightgbm.Booster:
    return model if isinstance(model, lightgbm.Booster) else model.booster_


def _threads(model: Any) -> dict[str, Any]:
    """The threads that an estimator predicts on, of which its booster knows nothing."""
    n_jobs = getattr(model, "n_jobs", None)
    return {"num_threads": int(n_jobs)} if isinstance(n_jobs, int) and n_jobs > 0 else {}


def check_prediction_parameters(params: Mapping[str, Any]) -> None:
    """Refuse parameters of an estimator with which its library predicts otherwise than by all trees."""
    value = params.get("pred_early_stop")
    if value is not None and str(value).lower() not in ("false", "-"):
        raise UnsupportedModelError(
            f"pred_early_stop={value!r}: trees are skipped row by row, which changes the raw scores. "
            "Use set_params(pred_early_stop=False); no new fit is needed."
        )


def _split_rules(trees: ParsedTrees) -> dict[str, Any]:
    """The rules of internal nodes [LightGBM tree.h NumericalDecision, CategoricalDecision]."""
    if (trees.decision_type < 0).any() or (trees.decision_type > (MISSING_NAN << 2 | DEFAULT_LEFT | CATEGORICAL)).any():
        unknown = set(trees.decision_type.tolist()) - set(range(12))
        raise UnsupportedModelError(f"decision_type={min(unknown)} in the LightGBM model text is not known.")
    is_cat = (trees.decision_type & CATEGORICAL) != 0
    default_left = (trees.decision_type & DEFAULT_LEFT) != 0
    missing = trees.decision_type >> 2
    # Unless NaN is what counts as missing, it becomes 0.0 first: compared (None), or sent to the default side (Zero).
    nan_left = np.where(missing == MISSING_NONE, trees.threshold >= 0.0, default_left)
    rules: dict[str, Any] = {"threshold": trees.threshold, "nan_left": nan_left}
    # Zeros within 1e-35 are exact by then (flush_tiny), as the test of a Zero node has it.
    if (by_zero := missing == MISSING_ZERO).any():
        rules["zero_dir"] = np.where(by_zero, default_left, -1)
    if is_cat.any():
        # NaN, a negative number or one beyond the set goes right, whatever the default side says.
        rules |= {
            "threshold": np.where(is_cat, 0.0, trees.threshold),
            "nan_left": nan_left & ~is_cat,
            "is_cat": is_cat,
            "cat_mode": "lgb",
            "oov_left": np.zeros(len(is_cat), dtype=bool),
            **trees.categorical,
        }
    return rules


def _leaf_rules(trees: ParsedTrees) -> dict[str, Any]:
    value = trees.leaf_value
    if trees.linear:
        # A linear leaf without terms answers with its constant, never with leaf_value [LightGBM tree.h Predict].
        value = np.where(np.diff(trees.linear["lin_off"]) == 0, trees.linear["lin_const"], value)
    return {"leaf_value": value[:, None], "leaf_id": trees.leaf_id, **trees.linear}


def _link(text: ModelText, booster: lightgbm.Booster, *, is_booster: bool, averaged: bool) -> dict[str, Any]:
    """The link of the line ``objective``; a custom objective leaves none and gives raw scores."""
    if "objective" not in text.header:
        return {"link": "identity"}
    objective = text.header["objective"]
    name, *flags = objective.split()
    link, factor = LINKS.get(name), "1"
    for flag in flags:
        key, _, value = flag.partition(":")
        if flag == "sqrt" and name in SQUARE_ROOT:
            link = "sign_square"
        elif key == "sigmoid" and name in ("binary", "multiclassova"):
            factor = value
        elif key != "num_class" or name not in ("multiclass", "multiclassova"):
            link = None
    if link is None:
        raise UnsupportedModelError(
            f"objective={objective!r} of LightGBM is not known, so neither is what it does to raw scores. "
            f"Known objectives: {', '.join(LINKS)}, and custom ones."
        )
    if link != "sigmoid":
        return {"link": link}
    return {"link": link, "link_param": _sigmoid_factor(factor, booster, is_booster=is_booster, averaged=averaged)}


def _sigmoid_factor(written: str, booster: lightgbm.Booster, *, is_booster: bool, averaged: bool) -> float:
    """The factor that the library computes with.

    The text holds six digits of it, and a model that was loaded has no more; ``train`` reloads its result, too, and
    so do the wrappers. Only a Booster that was never reloaded (``keep_training_booster=True``) has all digits, and
    nothing but a prediction tells the two kinds apart.
    """
    factor = parse_number(written)
    stated = str(booster.params.get("sigmoid", written)) if is_booster else written
    if parse_number(stated) == factor:
        return factor
    probes = np.array([0.0, np.nan, -1e30, 1e30])[:, None].repeat(booster.num_feature(), axis=1)
    n_averaged = min(booster.best_iteration if booster.best_iteration > 0 else 2**31, booster.current_iteration())
    raw = booster.predict(probes, raw_score=True) / (n_averaged if averaged else 1)  # type: ignore[operator]
    values = booster.predict(probes)

    def error(candidate: float) -> float:
        with np.errstate(over="ignore"):
            return float(np.abs(values - 1.0 / (1.0 + np.exp(-candidate * raw))).max())

    errors = {candidate: error(candidate) for candidate in (factor, parse_number(stated))}
    best, other = sorted(errors, key=lambda candidate: errors[candidate])
    if errors[best] * 16 >= errors[other]:
        raise UnsupportedModelError(
            f"sigmoid={stated} has more digits than the model text keeps, and predictions do not tell whether this "
            "Booster uses them. Use lightgbm.Booster(model_str=booster.model_to_string()) instead."
        )
    return best


def _answers(model: Any, n_outputs: int) -> dict[str, Any]:
    """Labels and probabilities [python sklearn.py LGBMClassifier.predict, predict_proba]."""
    if not isinstance(model, lightgbm.LGBMClassifier):
        return {"proba": "none", "decision": "none"}
    if callable(model.objective_):  # both methods give raw scores
        return {"proba": "values", "decision": "none", "proba_warning": NO_PROBABILITIES}
    classes = np.asarray(model.classes_)
    if n_outputs == 1:
        # argmax([1 - p, p]), where a tie is the first class
        return {"proba": "complement", "decision": "half", "classes": (classes,)}
    if n_outputs != len(classes):
        raise UnsupportedModelError(
            f"num_class={n_outputs} with {len(classes)} labels in y: give num_class={len(classes)} and fit again."
        )
    return {"proba": "values", "decision": "argmax", "classes": (classes,)}


def _table(values: list[Any], number: int) -> Array:
    """One table of pandas categories as an array that holds exactly its values: numbers, or text."""
    table = np.asarray(values)
    kinds = {type(value.item() if isinstance(value, np.generic) else value) for value in values}
    if len(kinds) == 1 and table.dtype.kind in "biufU" and table.tolist() == list(values):
        return table
    raise UnsupportedModelError(
        f"pandas_categorical: the categories of categorical column {number} are neither all numbers nor all strings "
        f"({', '.join(sorted(kind.__name__ for kind in kinds))}), which is not covered yet; "
        "convert them to strings or numbers before fitting."
    )


def _category_tables(text: ModelText, tables: list[Array], n_features: int) -> dict[str, Any]:
    """The values of pandas categories, for frames; arrays hold category numbers themselves.

    The library keeps the tables in the order of a frame's categorical columns and does not say which these are: those
    of the frame that it is to predict are taken in the same order [python basic.py _data_from_pandas]. Where each
    unordered one became a categorical feature, which is the default, the features' numbers tell; else, with ordered
    categories or an explicit ``categorical_feature``, only the frame does.
    """
    if not tables:
        return {}
    if len(tables) > n_features:
        raise ValueError(f"pandas_categorical has {len(tables)} tables for {n_features} features.")
    listed = text.parameters.get("categorical_feature", "")
    columns = [int(number) for number in listed.split(",") if number.strip().isdigit()]
    infos = text.header.get("feature_infos", "").split()
    told = len(columns) == len(tables) and len(infos) == n_features > max(columns)
    if not told or not all(_fits(infos[column], table) for column, table in zip(columns, tables, strict=True)):
        return {"categories": (*tables, *(None,) * (n_features - len(tables))), "categories_in_order": True}
    by_column = dict(zip(columns, tables, strict=True))
    return {"categories": tuple(by_column.get(column) for column in range(n_features))}


def _fits(info: str, table: Array) -> bool:
    """Whether a column's entry in ``feature_infos`` can be that of a table.

    It is ``none`` for an unused column, ``[min:max]`` for numbers, and for categories the numbers of those seen, -1
    for NaN: ``-1:0:2``.
    """
    return info == "none" or ("[" not in info and max(map(int, info.split(":"))) < len(table))
