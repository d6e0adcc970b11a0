"""
Distributions, and not only their means
=======================================

NGBoost predicts distributions; its trees run here, and NGBoost makes the rest of what they say.

NGBoost boosts the parameters of a distribution. A wrapper has every method that NGBoost makes of these: ``pred_dist``
gives the library's own distributions, ``predict`` and ``predict_proba`` its point predictions. ``sktensor.extractors``
has the module that says so, in no more than 200 lines: where trees and parameters are, and which methods are made of
them. A package would announce such a module by an entry point of the group ``sktensor.extractors``.

Usage: ``pip install ngboost``, then ``python examples/ngboost_models.py``.
"""

from __future__ import annotations

import numpy as np
import torch
from ngboost import NGBClassifier, NGBRegressor
from ngboost.distns import Bernoulli, LogNormal, k_categorical
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from sktensor import TensorizedEstimator, tensorize
from sktensor.testing import check_extractor


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
    for model, X in fitted_models():
        check_extractor(model, X)
        fast = TensorizedEstimator(model)
        same = fast.predict(X).tobytes() == model.predict(X).tobytes()
        print(f"{type(model).__name__:<14} {fast.forest_.n_trees:>3} trees: conforms, same bits: {same}")

    X, y = load_diabetes(return_X_y=True)
    fast = TensorizedEstimator(NGBRegressor(Dist=LogNormal, n_estimators=40, verbose=False, random_state=0)).fit(X, y)
    found, expected = fast.pred_dist(X[:1]), fast.estimator_.pred_dist(X[:1])
    print("90 % of such patients lie between", np.round(found.ppf([0.05, 0.95]), 1), "as NGBoost says:", end=" ")
    print(bool((found.ppf([0.05, 0.95]) == expected.ppf([0.05, 0.95])).all()))
    parameters = tensorize(fast.estimator_, output="raw")
    print("their parameters as a tensor:", parameters(torch.from_numpy(X[:1])).numpy().round(3))


if __name__ == "__main__":
    main()
