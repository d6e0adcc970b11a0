"""XGBoost: ``XGBModel`` and its subclasses, and raw boosters.

Rules were read in XGBoost 3.2.0 and tried against it; square brackets name the source file.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.exceptions import NotFittedError

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.xgboost.outputs import answers, link_of, missing_value, predicts_in_place
from sktensor.extractors.xgboost.trees import leaf_widths, tree_fields
from sktensor.extractors.xgboost.ubjson import parse
from sktensor.forest import Forest
from sktensor.registry import chosen_rounds

__all__ = ["ANSWERING", "extract", "predict_leaves", "predict_raw"]

Array = npt.NDArray[Any]

# What models of 1.7 to 3.2 hold, and where 3.3 and 3.4 put the weights of dart; anything else may change predictions.
_LEARNER = {"attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"}
_BOOSTER = {"name", "model", "gbtree", "weight_drop"}
_GBTREE = {"gbtree_model_param", "iteration_indptr", "tree_info", "trees", "cats", "weight_drop"}

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = ("predict", "predict_proba", "apply", "inplace_predict", "_can_use_inplace_predict", "_get_iteration_range")

# What estimators predict in place, beside arrays. Rows of any other class go through a DMatrix, for which dart rounds
# differently [python-package/xgboost/sklearn.py XGBModel.predict, core.py inplace_predict]. Frames are known by their
# very class [compat.py lazy_isinstance], CSR matrices by isinstance.
_PREDICTED_IN_PLACE = (
    "pandas.DataFrame",  # since pandas 3.0
    "pandas.core.frame.DataFrame",
    "polars.dataframe.frame.DataFrame",
    "pyarrow.lib.Table",
    "scipy.sparse._csr.csr_matrix+",
)

MOST_OUTPUTS = 2**16
"""Of a model without trees, which tell no number of outputs."""


def extract(model: Any, *, iterations: tuple[int, int | None] | None = None) -> Forest:
    """Read a fitted XGBoost model.

    Parameters
    ----------
    model : xgboost.XGBModel or xgboost.Booster
        A fitted classifier, regressor or ranker, random forests included, or a trained booster. As in the
        library, an estimator uses the rounds up to ``best_iteration``, a booster all rounds.
    iterations : tuple of (int, int or None), optional
        As for :func:`~sktensor.extract_forest`.

    Returns
    -------
    Forest
        Its raw scores are the library's margins, float32, as the CPU predictor computes them. For ``dart``
        up to xgboost 3.2 the forest of an estimator follows ``inplace_predict``, that of a booster
        ``predict(DMatrix)``: the library rounds differently in the two.

    Raises
    ------
    UnsupportedModelError
        For ``gblinear``, for an objective or a field of the model that is not known, and for settings with
        which the library itself cannot predict.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Examples
    --------
    >>> import xgboost
    >>> from sklearn.datasets import load_iris
    >>> from sktensor.extractors.xgboost import extract
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = extract(xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, y))
    >>> forest.n_trees, forest.n_outputs, forest.outputs.link
    (12, 3, 'softmax')
    """
    wrapper = None if isinstance(model, xgboost.Booster) else model
    return read(parse(_saved(model)), wrapper, booster=_booster(model), iterations=iterations)


@reading("saved XGBoost model")
def read(
    saved: dict[str, Any],
    wrapper: Any = None,
    *,
    booster: Any = None,
    iterations: tuple[int, int | None] | None = None,
) -> Forest:
    """The forest of a saved model, given as JSON or UBJSON decodes it; of which estimator and booster it is, if any."""
    learner = saved["learner"]
    _check_known("learner", learner, _LEARNER)
    name = "Booster" if wrapper is None else type(wrapper).__name__
    gbtree, weight_drop, has_in_place_variant = _gbtree(learner["gradient_booster"], name)
    n_features = int(learner["learner_model_param"]["num_feature"])

    base = _base_margins(saved, gbtree, booster)
    n_outputs = len(base)
    link = link_of(learner["objective"]["name"], n_outputs)
    rounds = _first_trees_of_rounds(gbtree, n_outputs)
    n_rounds, usual = len(rounds) - 1, _rounds_used(wrapper, len(rounds) - 1)
    # With an end of 0 an estimator forgets the first round, too [python sklearn.py XGBModel._get_iteration_range].
    zero_end = (n_rounds, n_rounds) if wrapper is None else (usual, None)
    begin, end = chosen_rounds(iterations, usual, n_rounds, zero_end)
    chosen = slice(int(rounds[begin]), int(rounds[end]))

    trees = gbtree["trees"][chosen]
    n_trees = len(trees)
    widths = leaf_widths(trees)
    if unknown := set(widths.tolist()) - {1, n_outputs}:
        raise UnsupportedModelError(
            f"XGBoost trees with {max(unknown)} values in a leaf in a model of {n_outputs} outputs."
        )
    target = np.asarray(gbtree["tree_info"])[chosen]
    fields, tree_of_leaf = tree_fields(trees, widths, target)
    if fields["leaf_value"].shape[1] > 1:
        target = np.full(n_trees, -1)
    in_place = False
    if weight_drop is not None:
        in_place = has_in_place_variant and wrapper is not None and predicts_in_place(wrapper)
        start = None
        if has_in_place_variant:
            start = (base if in_place else np.zeros_like(base))[target[tree_of_leaf]]
        fields["leaf_value"] = _dart_leaves(fields["leaf_value"], weight_drop[chosen][tree_of_leaf], start)

    return Forest.from_fields(
        n_features=n_features,
        n_outputs=n_outputs,
        feature_dtype="float32",
        acc_dtype="float32",
        cmp="lt",
        missing_value=missing_value(wrapper),
        sparse_absent="missing",
        sparse_repeated="last",
        array_kinds="biufOT",  # src/data/array_interface.h: text and dates are not supported
        accepts_1d=True,  # python-package/xgboost/core.py inplace_predict, data.py _maybe_np_slice: one column
        container_types=_PREDICTED_IN_PLACE if in_place else None,
        accepts_inf=predicts_in_place(wrapper),
        cat_mode="xgb",
        categories=_categories(gbtree.get("cats", {}), n_features),
        unknown_category="error",
        no_rows="flat",
        tree_target=target,
        base=base,
        # From which the in-place variant of dart takes its base score away again [src/gbm/gbtree.cc up to 3.2].
        accepts_margin=not in_place,
        link=link,
        raw_shape=() if n_outputs == 1 else (n_outputs,),
        # pred_leaf of a single tree has one dimension, and its numbers are floats [src/predictor, c_api_utils.h].
        leaf_shape=() if n_trees == 1 else (n_trees,),
        leaf_dtype="float32",
        contribution_dtype="float32",
        **fields,
        **answers(wrapper, link, n_outputs),
    )


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own margins for finite or missing float32 rows, as they are compared when a model is compiled."""
    if isinstance(model, xgboost.Booster):
        return np.asarray(model.predict(_matrix(model, X), output_margin=True, validate_features=False))
    # The class's own method: subclasses turn margins into something else.
    return np.asarray(xgboost.XGBModel.predict(model, X, output_margin=True, validate_features=False))


def predict_leaves(model: Any, X: Array) -> Array:
    """The library's own leaf numbers of the trees that it predicts with."""
    if isinstance(model, xgboost.Booster):
        return np.asarray(model.predict(_matrix(model, X), pred_leaf=True, validate_features=False))
    booster = model.get_booster()
    stop = getattr(model, "best_iteration", -1) + 1
    matrix = _matrix(booster, X, missing=model.missing)
    return np.asarray(booster.predict(matrix, pred_leaf=True, iteration_range=(0, stop), validate_features=False))


def _matrix(booster: Any, X: Array, missing: float = np.nan) -> Any:
    types = booster.feature_types
    return xgboost.DMatrix(X, missing=missing, feature_types=types, enable_categorical=True, nthread=1)


def _saved(model: Any) -> bytes:
    """The booster as UBJSON: exact as JSON is, and five times faster to write and read."""
    if not isinstance(model, (xgboost.Booster, xgboost.XGBModel)):
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} is no XGBoost model that sktensor knows. "
            "Supported: xgboost.XGBModel with its subclasses, and xgboost.Booster."
        )
    if any(cls.__module__.startswith("xgboost.dask") for cls in type(model).__mro__):
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts on dask collections, which is not supported. "
            "Use its booster instead: model.get_booster()."
        )
    check_answers(model, next(cls for cls in type(model).__mro__ if cls.__module__.startswith("xgboost.")), ANSWERING)
    try:
        return bytes(_booster(model).save_raw("ubj"))
    except xgboost.core.XGBoostError as error:
        raise NotFittedError(f"This Booster is not trained; train or load it first. XGBoost says: {error}") from error


def _booster(model: Any) -> Any:
    return model if isinstance(model, xgboost.Booster) else model.get_booster()


def _check_known(where: str, found: Iterable[str], known: set[str]) -> None:
    if unknown := set(found) - known:
        raise UnsupportedModelError(
            f"The saved XGBoost model holds {', '.join(sorted(unknown))} in its {where}, "
            "which is not known to sktensor and may change predictions. Supported: models of xgboost 1.7 to 3.2."
        )


def _gbtree(booster: dict[str, Any], model: str) -> tuple[dict[str, Any], Array | None, bool]:
    """The section of trees, the weights of dart, and whether in-place prediction rounds them differently."""
    name = booster["name"]
    if name not in ("gbtree", "dart"):
        raise UnsupportedModelError(
            f"{model}(booster={name!r}) has no trees to compile. Supported: booster='gbtree', booster='dart'."
        )
    _check_known("gradient_booster", booster, _BOOSTER)
    gbtree = booster["gbtree"]["model"] if name == "dart" else booster["model"]
    _check_known("gradient_booster.model", gbtree, _GBTREE)
    # Since 3.3 dart is a gbtree with weights [doc/changes/v3.3.0.rst]; 3.4 moved them into the model.
    weights = booster.get("weight_drop", gbtree.get("weight_drop", ()))
    if not len(weights):
        return gbtree, None, False
    if len(weights) != len(gbtree["trees"]):
        raise ValueError(
            f"The XGBoost model has {len(weights)} entries in weight_drop for {len(gbtree['trees'])} trees."
        )
    return gbtree, np.asarray(weights, dtype=np.float32), name == "dart"


def _base_margins(saved: dict[str, Any], gbtree: dict[str, Any], booster: Any = None) -> Array:
    """Where the sum starts, one float32 an output: the margins of the same model without its trees.

    The file holds the base score as a probability or response, in ways that changed between versions; asking
    the library needs no formula and no logarithm of its own. Without ``boost_from_average=0`` it resets the
    score of a model without trees [src/learner.cc], so that a model which never had any keeps its setting; one whose
    trees were taken away (process_type="update") is without trees already, but has its score until it is saved.
    """
    learner = saved["learner"]
    param = {**learner["learner_model_param"], "num_feature": "1"}
    _check_outputs(param, gbtree["trees"])
    if not gbtree["trees"] and booster is not None:
        return _margins_of_no_trees(booster, int(learner["learner_model_param"]["num_feature"]))
    if gbtree["trees"]:
        param["boost_from_average"] = "0"
    stub = {
        "version": saved["version"],
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "gbtree_model_param": {**gbtree["gbtree_model_param"], "num_trees": "0"},
                    "trees": [],
                    "tree_info": [],
                    "iteration_indptr": [0],
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                },
            },
            "learner_model_param": param,
            "objective": learner["objective"],
        },
    }
    without_trees = xgboost.Booster({"nthread": 1})
    try:
        without_trees.load_model(bytearray(json.dumps(stub, default=np.ndarray.tolist).encode()))
    except xgboost.core.XGBoostError as error:
        raise ValueError(
            "xgboost itself cannot read the version, the objective or the learner_model_param of the saved model: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return _margins_of_no_trees(without_trees, 1)


def _margins_of_no_trees(booster: Any, n_features: int) -> Array:
    row = np.zeros((1, n_features), dtype=np.float32)
    margins = booster.inplace_predict(row, predict_type="margin", strict_shape=True, validate_features=False)
    base: Array = np.asarray(margins)[0]
    return base


def _check_outputs(param: dict[str, Any], trees: list[dict[str, Any]]) -> None:
    """Refuse more outputs than the trees can be for, of which the library would make room for any number."""
    n_outputs = max(int(param["num_class"]), int(param.get("num_target", 1)))
    most = max(len(trees), int(leaf_widths(trees).max())) if trees else MOST_OUTPUTS
    if n_outputs > most:
        raise ValueError(
            f"The XGBoost model has num_class={param['num_class']} and num_target={param.get('num_target', 1)}, but "
            f"{len(trees)} trees."
        )


def _first_trees_of_rounds(gbtree: dict[str, Any], n_outputs: int) -> Array:
    """Number of the first tree of each round, and the number of trees at the end."""
    n_trees = len(gbtree["trees"])
    if "iteration_indptr" in gbtree:
        rounds = np.asarray(gbtree["iteration_indptr"])
        if rounds.ndim != 1 or rounds.dtype.kind not in "iu":
            raise ValueError(f"expected a list of whole numbers for iteration_indptr, got {str(rounds)[:60]}.")
        rounds = rounds.astype(np.int64)
    else:  # before 2.0 [src/gbm/gbtree_model.cc, MakeIndptr]
        rounds = np.arange(0, n_trees + 1, n_outputs * int(gbtree["gbtree_model_param"]["num_parallel_tree"]))
    if not len(rounds) or rounds[0] != 0 or rounds[-1] != n_trees or (np.diff(rounds) < 0).any():
        raise ValueError(
            f"The XGBoost model has {n_trees} trees, which its iteration_indptr does not divide into rounds."
        )
    return rounds


def _rounds_used(wrapper: Any, n_rounds: int) -> int:
    """An estimator stops after its best iteration, a booster does not; 0 rounds mean all [python sklearn.py]."""
    stop = getattr(wrapper, "best_iteration", -1) + 1
    if not 0 <= stop <= n_rounds:
        raise UnsupportedModelError(
            f"best_iteration={stop - 1} in a model of {n_rounds} rounds, with which {type(wrapper).__name__} cannot "
            "predict. Remove it: model.get_booster().set_attr(best_iteration=None)."
        )
    return stop or n_rounds


def _dart_leaves(value: Array, weight: Array, start: Array | None) -> Array:
    """Leaves times their tree's weight; up to 3.2, what is left of them in a sum of their own.

    It starts at the base score in place, otherwise at 0.0, which makes 0.0 of a leaf of -0.0
    [src/gbm/gbtree.cc up to 3.2, Dart::PredictBatchImpl and Dart::InplacePredict].
    """
    if start is not None:
        value = (start[:, None] + value) - start[:, None]
    return value * weight[:, None]


def _categories(container: dict[str, Any], n_features: int) -> tuple[Array | None, ...] | None:
    """The categories of data frames seen in training, per column; None where there were none.

    From 3.1 on, frames are coded by value and a category that is not there is an error; arrays hold codes
    [src/data/cat_container.cc]. Strings are stored as offsets into one run of bytes.
    """
    tables = [_category_table(number, column) for number, column in enumerate(container.get("enc", ()))]
    if all(table is None for table in tables):
        return None
    if len(tables) != n_features:
        raise ValueError(f"The XGBoost model has categories for {len(tables)} columns, and {n_features} features.")
    return tuple(tables)


def _category_table(number: int, column: dict[str, Any]) -> Array | None:
    values = np.asarray(column["values"])
    if "offsets" not in column:
        return values.astype(values.dtype.newbyteorder("=")) if len(values) else None
    text, offsets = values.astype(np.int8).tobytes(), np.asarray(column["offsets"]).tolist()
    if not text.isascii():
        # XGBoost counts the offsets of pandas' names in characters and applies them to bytes, so that names are cut
        # and mixed up [python-package/xgboost/_data_utils.py, npstr_to_arrow_strarr]; the file does not tell.
        raise UnsupportedModelError(
            f"Feature {number} of the XGBoost model has category names beyond ASCII, which xgboost itself cuts in the "
            "wrong places and may confuse. Rename these categories to ASCII, or train on their codes."
        )
    names = [text[begin:end].decode() for begin, end in itertools.pairwise(offsets)]
    return np.array(names, dtype=object) if names else None
