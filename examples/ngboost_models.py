"""
A library that sktensor has never heard of
==========================================

NGBoost, wired through the public door.

NGBoost boosts the parameters of a distribution. Each round fits one of scikit-learn's regression trees a parameter,
and a prediction starts from the initial parameters and takes off ``learning_rate * tree(x) * scaling``, round by
round. The extractor below says so in terms of a ``Forest``; ``register_extractor`` makes it known, and
``sktensor.testing.check_extractor`` holds it against NGBoost, on rows that hurt. A package would announce such a
module by an entry point of the group ``sktensor.extractors`` instead.

Usage: ``pip install ngboost``, then ``python examples/ngboost_models.py``.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from ngboost import NGBClassifier, NGBRegressor
from ngboost.distns import Bernoulli, Normal, k_categorical
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeRegressor

from sktensor import Forest, TensorizedEstimator, UnsupportedModelError, extract_forest, register_extractor, tensorize
from sktensor.testing import check_extractor

# --- the extractor ----------------------------------------------------------------------------------------------------


def extract(model):
    """The forest behind a fitted NGBClassifier's answers, or behind the point predictions of an NGBRegressor."""
    # Of a regressor's two parameters, predict gives the first, the mean.
    return parameter_forest(model, parameters=[0] if isinstance(model, NGBRegressor) else None)


def predict_raw(model, X):
    """What NGBoost itself says: logits of the classes, or means."""
    if isinstance(model, NGBClassifier):
        return model.pred_dist(X).logits.T
    return model.pred_param(X)[:, 0]


def predict_leaves(model, X):
    """The leaves of scikit-learn's trees, each of which sees the columns drawn for its round."""
    parameters = range(1 if isinstance(model, NGBRegressor) else model.Manifold.n_params)
    rounds = zip(model.base_models, model.col_idxs, strict=True)
    return np.stack([trees[k].apply(X[:, columns]) for trees, columns in rounds for k in parameters], axis=1)


def parameter_forest(model, parameters=None):
    """Parameters of the distribution, by default all; a classifier's follow the logit of class 0, which is always 0."""
    _refuse_unknown(model)
    parameters = range(model.Manifold.n_params) if parameters is None else parameters
    fixed = int(isinstance(model, NGBClassifier))  # outputs that no tree adds to
    n_outputs = fixed + len(parameters)
    parts, targets = [], []
    for trees, scaling, columns in zip(model.base_models, model.scalings, model.col_idxs, strict=True):
        for output, parameter in enumerate(parameters):
            part = extract_forest(trees[parameter])
            # In NGBoost's order of operations [ngboost/ngboost.py, pred_param]; x - a is x + (-a), to the bit.
            value = -(model.learning_rate * part.trees.leaf_value * scaling)
            feature = np.asarray(columns)[part.trees.feature]
            parts.append(part.replace(n_features=model.n_features, feature=feature, leaf_value=value))
            targets.append(fixed + output)
    answers = {"link": "softmax", "proba": "values", "decision": "argmax", "classes": (np.arange(n_outputs),)}
    shape = (n_outputs,) if n_outputs > 1 else ()
    # From the trees: rows are cast to float32, thresholds stay float64, and x <= threshold goes left.
    return Forest.concat(parts).replace(
        n_outputs=n_outputs,
        output_slices=(n_outputs,),
        no_rows="error",
        accepts_nan=all(part.inputs.accepts_nan for part in parts),
        tree_target=targets,
        base=[0.0] * fixed + [model.init_params[parameter] for parameter in parameters],
        raw_shape=shape,
        value_shape=shape,
        **(answers if fixed else {}),
    )


def _refuse_unknown(model):
    """What this extractor has not been held against is refused by name, never guessed."""
    if type(model) not in (NGBClassifier, NGBRegressor):
        raise UnsupportedModelError(f"{type(model).__name__} is not supported. Supported: NGBClassifier, NGBRegressor.")
    if not hasattr(model, "n_features") or not getattr(model, "base_models", None):
        raise NotFittedError(f"This {type(model).__name__} is not fitted. Call fit first.")
    if isinstance(model, NGBRegressor) and model.Dist is not Normal:
        raise UnsupportedModelError(f"Dist={model.Dist.__name__} is not supported. Supported: Normal.")
    if isinstance(model, NGBClassifier) and not model.Dist.__qualname__.startswith("k_categorical."):
        raise UnsupportedModelError(f"Dist={model.Dist.__name__} is not supported. Supported: k_categorical(K).")
    kinds = {type(tree) for trees in model.base_models for tree in trees}
    if kinds != {DecisionTreeRegressor}:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UnsupportedModelError(f"Base={names} is not supported. Supported: DecisionTreeRegressor.")


# --- using it ---------------------------------------------------------------------------------------------------------


def fitted_models():
    """Models of two, three and no classes, with the rows that they were fitted on."""
    settings = {"n_estimators": 40, "verbose": False, "random_state": 0}
    for model, load in (
        (NGBClassifier(Dist=Bernoulli, col_sample=0.5, **settings), load_breast_cancer),
        (NGBClassifier(Dist=k_categorical(3), **settings), load_iris),
        (NGBRegressor(minibatch_frac=0.7, **settings), load_diabetes),
    ):
        X, y = load(return_X_y=True)
        yield model.fit(X, y), X


def main():
    register_extractor("ngboost", sys.modules[__name__])  # an extractor is anything with extract: a module will do
    for model, X in fitted_models():
        check_extractor(model, X)
        module = tensorize(model, output="raw")
        same = module(torch.from_numpy(X)).numpy().tobytes() == np.ascontiguousarray(predict_raw(model, X)).tobytes()
        print(f"{type(model).__name__:<14} {extract_forest(model).n_trees:>3} trees: conforms, same bits: {same}")

    X, y = load_iris(return_X_y=True)
    model = NGBClassifier(Dist=k_categorical(3), n_estimators=40, verbose=False, random_state=0)
    # NGBoost's models do not tell scikit-learn that they are fitted: the wrapper has to fit them. tensorize need not.
    fast = TensorizedEstimator(model).fit(X, y)
    print("labels of three irises:", fast.predict(X[::50]))

    X, y = load_diabetes(return_X_y=True)
    model = NGBRegressor(n_estimators=40, verbose=False, random_state=0).fit(X, y)
    both = tensorize(parameter_forest(model), output="raw")  # a forest will do as well as a model
    print("mean, log(scale) of a patient:", both(torch.from_numpy(X[:1])).numpy().round(3))


if __name__ == "__main__":
    main()
