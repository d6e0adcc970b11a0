"""CatBoost's models: ``CatBoostClassifier``, ``CatBoostRegressor``, ``CatBoostRanker``, ``CatBoost`` and subclasses.

The rules are those of the C++ library, named by file; models are read from its JSON format, see ``catboost_trees``.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.catboost.ctrs import DerivedColumns, check_targets
from sktensor.extractors.catboost.trees import ParsedTrees, nested_trees, symmetric_trees
from sktensor.extractors.guards import check_answers, reading
from sktensor.forest import Forest
from sktensor.registry import chosen_rounds

__all__ = ["ANSWERING", "NOT_NUMBERS", "extract", "predict_leaves", "predict_raw"]

Array = npt.NDArray[Any]

NOT_NUMBERS = "of CatBoost: text and embedding features are not covered. Turn them into numbers before fitting."

CUSTOM = ("PythonUserDefinedPerObject", "PythonUserDefinedMultiTarget")
REGRESSION = (
    "RMSE", "MAE", "Quantile", "LogLinQuantile", "Expectile", "Poisson", "Tweedie", "MAPE", "Lq", "Huber", "LogCosh",
    "RMSEWithUncertainty", "MultiQuantile", "MultiRMSE", "MultiRMSEWithMissingValues", "Cox", "SurvivalAft", "RMSPE",
    "GroupQuantile",
)  # fmt: skip
RANKING = (
    "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy",
    "StochasticRank", "StochasticFilter", "LambdaMart", "UserPerObjMetric", "UserQuerywiseMetric",
)  # fmt: skip
BINARY = ("Logloss", "CrossEntropy", "Focal")
MULTI_CLASS = {"MultiClass": ("table_softmax", "softmax"), "MultiClassOneVsAll": ("sigmoid", "sigmoid")}
MULTI_LABEL = ("MultiLogloss", "MultiCrossEntropy")
LOSSES = (*BINARY, *MULTI_CLASS, *MULTI_LABEL, *REGRESSION, *RANKING, *CUSTOM)

# What CatBoostRegressor.predict does to raw scores [python core.py CatBoostRegressor._get_default_prediction_type].
VALUES = {"RawFormulaVal": "identity", "Exponent": "table_exp", "RMSEWithUncertainty": "mean_variance"}

# What NaN is compared as, if there was any in training: -inf, +inf, or itself, which is greater than no border.
NAN_RIGHT = {"AsFalse": False, "AsTrue": True, "AsIs": False}

SPLIT_KEYS = {
    "FloatFeature": {"split_type", "split_index", "float_feature_index", "border"},
    "OneHotFeature": {"split_type", "split_index", "cat_feature_index", "value"},
    "OnlineCtr": {"split_type", "split_index", "border", "ctr_target_border_idx"},
}

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = ("predict", "predict_proba", "predict_log_proba", "calc_leaf_indexes", "_predict")

MOST_COLUMNS = 2**24

SECTIONS = {"ctr_data", "features_info", "model_info", "oblivious_trees", "trees", "scale_and_bias"}


@reading("saved CatBoost model")
def extract(model: Any, *, iterations: tuple[int, int | None] | None = None) -> Forest:
    """Turn a fitted CatBoost model into a forest.

    Parameters
    ----------
    model : catboost.CatBoost
        A fitted ``CatBoostClassifier``, ``CatBoostRegressor``, ``CatBoostRanker`` or ``CatBoost`` (or a subclass),
        also one loaded from a file. What is read is what ``save_model`` would write.
    iterations : tuple of (int, int or None), optional
        As for :func:`~sktensor.extract_forest`.

    Returns
    -------
    Forest
        With ``float32`` features and ``float64`` sums. The labels of a ``CatBoostClassifier`` are those of its
        ``classes_``; the other classes give values only.

    Raises
    ------
    UnsupportedModelError
        If the model or one of its settings cannot be reproduced bit for bit: text and embedding features, among
        others.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from catboost import CatBoostRegressor
    >>> from sktensor.extractors.catboost import extract
    >>> X = np.arange(100.0)[:, None]
    >>> model = CatBoostRegressor(iterations=3, depth=2, verbose=0, allow_writing_files=False)
    >>> forest = extract(model.fit(X, X[:, 0] > 50))
    >>> forest.n_trees, forest.n_leaves
    (3, 12)
    """
    if not isinstance(model, catboost.CatBoost):
        raise UnsupportedModelError(
            f"{type(model).__name__} is no CatBoost model. "
            "Supported: CatBoostClassifier, CatBoostRegressor, CatBoostRanker, CatBoost."
        )
    check_answers(model, next(cls for cls in type(model).__mro__ if cls.__module__.startswith("catboost")), ANSWERING)
    if not model.is_fitted():
        raise NotFittedError(f"This {type(model).__name__} is not fitted; call fit or load_model first.")
    if not model.tree_count_:
        raise UnsupportedModelError("The model has no trees, and CatBoost itself does not predict with such a one.")
    for kind in ("text", "embedding"):
        if columns := getattr(model, f"get_{kind}_feature_indices")():
            raise UnsupportedModelError(f"{kind}_features={columns} {NOT_NUMBERS}")
    saved = _saved(model)
    if unknown := saved.keys() - SECTIONS:
        raise UnsupportedModelError(f"{', '.join(sorted(unknown))} in the saved CatBoost model: not known.")

    scale, given = saved["scale_and_bias"]
    bias = np.atleast_1d(np.asarray(given, dtype=np.float64))
    n_outputs = len(bias)
    trees = _trees(model, saved, n_outputs)
    info = saved["features_info"]
    _check_numbers(info)
    columns, nan_right = _columns(info.get("float_features", []))
    categories = info.get("categorical_features", [])
    # A model that was loaded gives 0 for the columns it was fitted on, a sum of models gives nothing.
    last = [*columns.tolist(), *(feature["flat_feature_index"] for feature in categories)]
    n_features = max(max(last, default=0) + 1, getattr(model, "n_features_in_", 0))
    if any(ctr["ctr_type"] != "Counter" for ctr in info.get("ctrs", ())):
        check_targets(_loss(saved["model_info"]), saved["model_info"])
    derived = DerivedColumns(info, saved.get("ctr_data") or {}, columns, nan_right) if categories else None
    feature, border, split_nan_right = _splits(trees.splits, columns, nan_right, n_features, derived)
    n_trees = len(trees.root)
    shape = () if n_outputs == 1 else (n_outputs,)
    forest = Forest.from_fields(
        n_features=n_features,
        n_outputs=n_outputs,
        feature_dtype="float32",
        acc_dtype="float64",
        cmp="le",
        sparse_absent="zero",
        sparse_repeated="refused",  # catboost/libs/helpers/sparse_array-inl.h: indices have to ascend
        array_kinds="biufOSUT",  # _catboost.pyx converts elements by float(), which dates are no arguments for
        accepts_nan=True,
        accepts_inf=True,
        # Read value by value they are NaN, read as a block they are not: which one, the dtype says, and up to 1.2.8 for
        # more dtypes than since [_catboost.pyx, _set_data_from_generic_matrix and what comes before it].
        accepts_masked=False,
        **({} if derived is None else derived.fields(n_features)),
        feature=feature[trees.split],
        threshold=border[trees.split],
        left=trees.left,
        right=trees.right,
        nan_left=~split_nan_right[trees.split],
        cover=trees.cover,
        root=trees.root,
        tree_target=np.full(n_trees, 0 if n_outputs == 1 else -1),
        leaf_value=trees.leaf_value,
        leaf_id=trees.leaf_id,
        base=np.zeros(n_outputs),
        scale=float(scale),
        # A bias of zeros is not added, which keeps the -0.0 of a negative scale [CatBoost scale_and_bias.cpp].
        bias=bias if bias.any() else None,
        **_answers(model, saved["model_info"], n_outputs),
        raw_shape=shape,
        value_shape=shape,
        leaf_shape=(n_trees,),
        leaf_dtype="uint32",
    )
    if iterations is None:
        return forest
    # [CatBoost libs/algo/apply.cpp FixupTreeEnd]
    begin, end = chosen_rounds(iterations, n_trees, n_trees, (n_trees, None))
    # Trees from a later one on are without the bias [CatBoost libs/model/model.cpp, ApplyTreesImpl].
    return (forest if begin == 0 else forest.replace(bias=None)).take(np.arange(begin, end))


def predict_raw(model: Any, X: Array) -> Array:
    """Raw scores as the library gives them, to hold a program against."""
    # The base class's method, since CatBoostRanker's own takes no prediction_type.
    raw: Array = catboost.CatBoost.predict(model, X, prediction_type="RawFormulaVal", thread_count=1)
    return raw


def predict_leaves(model: Any, X: Array) -> Array:
    """Leaf numbers as the library gives them."""
    leaves: Array = model.calc_leaf_indexes(X, thread_count=1)
    return leaves


def _saved(model: Any) -> dict[str, Any]:
    """The model in the JSON format, which the library writes to files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        try:
            model.save_model(str(path), format="json")
        except catboost.CatBoostError as error:
            raise UnsupportedModelError(f"CatBoost cannot write this model as JSON: {error}") from error
        saved: dict[str, Any] = json.loads(path.read_bytes())
    return saved


def _trees(model: Any, saved: Mapping[str, Any], n_outputs: int) -> ParsedTrees:
    if "oblivious_trees" in saved:
        trees = symmetric_trees(saved["oblivious_trees"], n_outputs)
    elif "trees" not in saved or model._object._is_oblivious():  # whose nodes the library would look for in vain
        raise ValueError("The saved CatBoost model has no trees of the kind that it has.")
    else:
        # JSON does not say which leaf is which number; the numbers depend on how the model came about.
        numbers = [
            (model._get_tree_step_nodes(tree), model._get_tree_node_to_leaf(tree)) for tree in range(model.tree_count_)
        ]
        trees = nested_trees(saved["trees"], numbers, n_outputs)
    # Held against what the library gives by number, so that a layout unknown here cannot pass for another.
    counts = np.asarray(model.get_tree_leaf_counts(), dtype=np.int64)
    numbered = np.empty_like(trees.leaf_value)
    numbered[np.repeat(np.cumsum(counts) - counts, counts) + trees.leaf_id] = trees.leaf_value
    if not np.array_equal(numbered.ravel(), model.get_leaf_values()):
        raise UnsupportedModelError(
            "The leaves of the saved CatBoost model are not numbered as expected; load_model(save_model(...)) may help."
        )
    return trees


def _check_numbers(info: Mapping[str, Any]) -> None:
    """Refuse numbers of features that are none, for each of which there would be room made."""
    for kind in ("float_features", "categorical_features"):
        for feature in info.get(kind, ()):
            for key in ("feature_index", "flat_feature_index"):
                if type(feature[key]) is not int or not 0 <= feature[key] < MOST_COLUMNS:
                    raise ValueError(f"{key}={feature[key]!r} in {kind} of the CatBoost model is no number.")


def _columns(features: list[dict[str, Any]]) -> tuple[Array, Array]:
    """Column of each numeric feature, and whether its NaN goes right."""
    size = max((feature["feature_index"] for feature in features), default=-1) + 1
    columns, nan_right = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=bool)
    for feature in features:
        if (treatment := feature["nan_value_treatment"]) not in NAN_RIGHT:
            raise UnsupportedModelError(f"nan_value_treatment={treatment!r} of CatBoost is not known.")
        number = feature["feature_index"]
        columns[number] = feature["flat_feature_index"]
        nan_right[number] = feature["has_nans"] and NAN_RIGHT[treatment]
    return columns, nan_right


def _splits(
    splits: list[Mapping[str, Any]], columns: Array, nan_right: Array, n_features: int, derived: DerivedColumns | None
) -> tuple[Array, Array, Array]:
    """Column and border of each split, and whether a NaN goes right there."""
    feature, border = np.zeros(len(splits), dtype=np.int64), np.zeros(len(splits), dtype=np.float32)
    right = np.zeros(len(splits), dtype=bool)
    for i, split in enumerate(splits):
        kind = split.get("split_type")
        if kind not in SPLIT_KEYS or (derived is None and kind != "FloatFeature"):
            raise UnsupportedModelError(
                f"split_type={kind!r} of CatBoost is not covered; splits on numeric features and on categories are."
            )
        if unknown := split.keys() - SPLIT_KEYS[kind]:
            raise UnsupportedModelError(f"{', '.join(sorted(unknown))} in a split of the CatBoost model: not known.")
        if derived is None or kind == "FloatFeature":
            number = split["float_feature_index"]
            if type(number) is not int or number < 0:
                raise ValueError(f"float_feature_index={number!r} in a split of the CatBoost model is no number.")
            feature[i], border[i] = columns[number], split["border"]
            right[i] = nan_right[number]  # no border is infinite: the library writes no such number as JSON
        elif kind == "OneHotFeature":
            feature[i], border[i] = n_features + derived.one_hot(split), 0.5
        else:
            feature[i], border[i] = n_features + derived.ctr(split), split["border"]
    return feature, border, right


def _answers(model: Any, info: Mapping[str, Any], n_outputs: int) -> dict[str, Any]:
    """Values, labels and probabilities [CatBoost libs/eval_result/eval_helpers.cpp PrepareEval]."""
    loss = _loss(info)
    if loss not in LOSSES:
        raise UnsupportedModelError(
            f"loss_function={loss!r} of CatBoost is not known, so neither is what it does to raw scores. "
            f"Known: {', '.join(LOSSES)}."
        )
    if not isinstance(model, catboost.CatBoostClassifier):
        wanted = "RawFormulaVal"  # what CatBoost and CatBoostRanker give
        if isinstance(model, catboost.CatBoostRegressor):
            wanted = model._get_default_prediction_type()
        if wanted not in VALUES:
            raise UnsupportedModelError(f"prediction_type={wanted!r} of CatBoost is not known.")
        return {"link": VALUES[wanted]}

    # Model.binclass_probability_threshold, and its logit [CatBoost libs/helpers/math_utils.h Logit].
    threshold = {"decision_threshold": _logit(float(info.get("binclass_probability_threshold", 0.5)))}
    if loss in MULTI_LABEL:
        return {
            "link": "sigmoid",
            "proba": "values",
            "log_proba": "sigmoid",
            "decision": "multilabel_raw_positive",
            **threshold,
        }
    classes = np.asarray(model.classes_)
    # Absent with an objective of one's own, for which the library keeps no labels and answers 0 and 1.
    known = info.get("class_params", {}).get("class_to_label", [0, 1])
    if len(classes) != max(n_outputs, 2) or known != list(range(len(classes))):
        raise UnsupportedModelError(
            f"{len(classes)} classes for {n_outputs} raw score(s), classes seen in training: {known}. Classes that the "
            "training data lacks are not covered; leave out classes_count and class_names, or fit on all classes."
        )
    if n_outputs == 1 and loss in (*BINARY, *CUSTOM):
        return {
            "link": "sigmoid",
            "proba": "complement",
            "log_proba": "sigmoid",
            "decision": "raw_positive",
            **threshold,
            "classes": (classes,),
        }
    if n_outputs > 1 and loss in MULTI_CLASS:
        link, log_proba = MULTI_CLASS[loss]
        return {
            "link": link,
            "proba": "values",
            "log_proba": log_proba,
            "decision": "raw_argmax",
            "classes": (classes,),
            "label_shape": (1,),
        }
    raise UnsupportedModelError(
        f"CatBoostClassifier with loss_function={loss!r} and {n_outputs} raw score(s) is not covered; "
        f"known are {', '.join((*BINARY, *MULTI_CLASS, *MULTI_LABEL))}."
    )


def _loss(info: Mapping[str, Any]) -> str | None:
    """Name of the loss; sums of models keep it beside the parameters of the models that were summed."""
    stated = info.get("loss_function", info.get("params", {}).get("loss_function"))
    if isinstance(stated, str):
        stated = json.loads(stated)
    return stated["type"] if stated else None


def _logit(probability: float) -> float:
    if probability <= 0.0:
        return -math.inf
    return math.inf if probability >= 1.0 else -math.log(1.0 / probability - 1.0)
