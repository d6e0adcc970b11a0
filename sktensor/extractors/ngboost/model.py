"""NGBoost's models as forests whose raw scores are the parameters of a distribution.

Each round fits one of scikit-learn's regression trees for each parameter, and a prediction starts from the initial
parameters and takes off ``learning_rate * tree(x) * scaling``, round by round [ngboost/ngboost.py, pred_param].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeRegressor

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.ngboost.methods import DISTRIBUTION_METHODS
from sktensor.extractors.sklearn.trees import accepts_nan, tree_arrays
from sktensor.forest import Forest
from sktensor.registry import ColumnNames, Fingerprint, Methods, find_extractor

__all__ = [
    "check_class",
    "columns",
    "extract",
    "fingerprint",
    "is_fitted",
    "methods",
    "predict_leaves",
    "predict_raw",
    "unfitted",
]

Array = npt.NDArray[Any]

KNOWN = ("NGBRegressor", "NGBClassifier", "NGBSurvival")

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = ("pred_dist", "pred_param", "predict", "predict_proba", "score")

# Distributions whose mean is their first parameter, with the logarithm of their scale as the second.
OF_LOCATION = {("ngboost.distns.normal", "Normal"), ("ngboost.distns.laplace", "Laplace")}


def extract(model: Any) -> Forest:
    """Return the forest of a fitted ``NGBRegressor``, ``NGBClassifier`` or ``NGBSurvival``.

    Raw scores are the parameters of the distribution; those of a classifier of categories are the logits of all of
    them, of which the first is always 0. Values are what ``predict`` gives, of normal and Laplace distributions and of
    categories; of others there are none, since only the library makes them.

    Raises
    ------
    UnsupportedModelError
        If the class, or the kind of base learner, is not supported.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    check_class(model)
    if not is_fitted(model):
        raise NotFittedError(f"This {type(model).__name__} is not fitted. Call fit first.")
    with reading(f"fitted {type(model).__name__}"):
        return _forest(model)


def _forest(model: Any) -> Forest:
    n_params = model.Manifold.n_params
    trees = [tree for of_round in model.base_models for tree in of_round]
    for kind, tree in {type(tree): tree for tree in trees}.items():
        if not isinstance(tree, DecisionTreeRegressor):
            raise UnsupportedModelError(
                f"Base={kind.__name__} is not supported. Supported: DecisionTreeRegressor and ExtraTreeRegressor."
            )
        find_extractor(tree).check_class(tree)  # type: ignore[attr-defined]
    arrays, values = tree_arrays(trees, [np.asarray(drawn) for drawn in model.col_idxs for _ in range(n_params)])
    scaling = np.repeat(np.repeat(model.scalings, n_params), [len(value) for value in values])
    logits = _has_categories(model)
    fixed = int(logits)  # outputs that no tree adds to
    n_outputs = fixed + n_params
    answer: dict[str, Any] = {"link": "none", "value_shape": (n_outputs,) if n_outputs > 1 else ()}
    if logits:
        answer |= {"link": "softmax", "proba": "values", "decision": "argmax", "classes": (np.arange(n_outputs),)}
    elif _kind(model.Dist) in OF_LOCATION:
        answer |= {"link": "location", "value_shape": ()}
    return Forest.from_fields(
        n_features=model.n_features,
        array_kinds="biufOmM",  # no text [ngboost/ngboost.py, predict: check_array(X), with its default dtype]
        n_outputs=n_outputs,
        output_slices=(n_outputs,),
        accepts_nan=all(map(accepts_nan, trees)),
        tree_target=np.tile(np.arange(fixed, n_outputs), len(model.base_models)),
        # x - a is x + (-a), to the bit.
        leaf_value=-(model.learning_rate * np.concatenate(values)[:, 0] * scaling[:, None]),
        base=np.append(np.zeros(fixed), model.init_params),
        raw_shape=(n_outputs,),
        leaf_shape=(len(trees),),
        **arrays,
        **answer,
    )


def check_class(model: Any) -> None:
    """Refuse a model, fitted or not, of a class that is not supported, naming those that are."""
    for known in type(model).__mro__:
        if known.__name__ in KNOWN and known.__module__.partition(".")[0] == "ngboost":
            check_answers(model, known, ANSWERING)
            return
    raise UnsupportedModelError(
        f"{type(model).__name__} is not supported. Supported models of NGBoost: {', '.join(KNOWN)}."
    )


def methods(model: Any) -> Methods:
    """What the library makes of parameters: distributions, their likelihood, and predictions that no link gives."""
    found = DISTRIBUTION_METHODS
    if _has_categories(model):
        return {name: method for name, method in found.items() if name not in ("predict", "predict_proba")}
    unknown = () if hasattr(model, "predict_proba") else ("predict_proba",)
    if _kind(model.Dist) in OF_LOCATION:
        unknown = ("predict", *unknown)
    return {name: method for name, method in found.items() if name not in unknown}


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own parameters, behind the logit of the first category where there are logits."""
    params = np.asarray(model.pred_param(X))
    return np.insert(params, 0, 0.0, axis=1) if _has_categories(model) else params


def predict_leaves(model: Any, X: Array) -> Array:
    """The leaves of scikit-learn's trees, each of which sees the columns drawn for its round."""
    rounds = zip(model.base_models, model.col_idxs, strict=True)
    return np.stack([tree.apply(X[:, drawn]) for trees, drawn in rounds for tree in trees], axis=1)


def unfitted(model: Any) -> Any:
    """A copy of a model's parameters: of a distribution for censored data, what its constructor was given."""
    given = {name: clone(value, safe=False) for name, value in model.get_params(deep=False).items()}
    given["Dist"] = getattr(given["Dist"], "_basedist", given["Dist"])
    return type(model)(**given)


def is_fitted(model: Any) -> bool:
    """Whether a model has trees: NGBoost's have no attributes by which scikit-learn could tell."""
    return bool(getattr(model, "base_models", None)) and hasattr(model, "n_features")


def fingerprint(model: Any) -> Fingerprint:
    """What another fit replaces; ``partial_fit`` appends to the rounds."""
    state = vars(model)
    return (state.get("base_models"), state.get("init_params")), (len(state.get("base_models") or ()),)


def columns(model: Any) -> ColumnNames:
    """No names: the library makes arrays of all that it is given."""
    return ColumnNames(rule="position")


def _has_categories(model: Any) -> bool:
    """Whether the distribution is one of categories, of which parameters are logits [distns/categorical.py]."""
    module, name = _kind(model.Dist)
    return module == "ngboost.distns.categorical" and name.startswith("k_categorical.")


def _kind(dist: Any) -> tuple[str, str]:
    """Module and name of a distribution, of one for censored data those of what it is made of."""
    dist = getattr(dist, "_basedist", dist)
    return dist.__module__, dist.__qualname__
