"""Metadata goes where it would go without the wrapper, and is refused where it would be refused."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from versions import since

from sktensor import TensorizedEstimator

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:100, :4], Y[:100]
WEIGHT = np.where(Y == 0, 5.0, 0.1)

# Where metadata enters.
CALLS = {
    "fit": lambda est: est.fit(X, Y, sample_weight=WEIGHT).predict_proba(X).tolist(),
    "score": lambda est: est.fit(X, Y).score(X, Y, sample_weight=WEIGHT),
    "fit of a pipeline": lambda est: make_pipeline(est).fit(X, Y, sample_weight=WEIGHT).predict_proba(X).tolist(),
    "score of a pipeline": lambda est: make_pipeline(est).fit(X, Y).score(X, Y, sample_weight=WEIGHT),
    "cross-validation": lambda est: cross_validate(est, X, Y, cv=2, params={"sample_weight": WEIGHT})[
        "test_score"
    ].tolist(),
    "fit of a search": lambda est: GridSearchCV(est, {}, cv=2).fit(X, Y, sample_weight=WEIGHT).best_score_,
    "score of a search": lambda est: GridSearchCV(est, {}, cv=2).fit(X, Y).score(X, Y, sample_weight=WEIGHT),
}


def outcome(call, est):
    """What a call returns, or which error it raises."""
    try:
        return call(est)
    except Exception as error:
        return type(error)


@since("scikit-learn", "1.8", "searches that route weights to the score of a pipeline")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("score", [None, True, False])
@pytest.mark.parametrize("fit", [None, True, False])
def test_weights_are_routed_or_refused_as_for_the_bare_model(fit, score, call):
    bare = RandomForestClassifier(n_estimators=3, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        bare.set_fit_request(sample_weight=fit).set_score_request(sample_weight=score)
        expected = outcome(CALLS[call], sklearn.base.clone(bare))
        assert outcome(CALLS[call], TensorizedEstimator(bare)) == expected


def test_a_weight_by_another_name_is_routed():
    bare = RandomForestClassifier(n_estimators=3, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        bare.set_fit_request(sample_weight="importance").set_score_request(sample_weight=False)
        found, expected = (
            cross_validate(est, X, Y, cv=2, params={"importance": WEIGHT})["test_score"].tolist()
            for est in (TensorizedEstimator(bare), sklearn.base.clone(bare))
        )
    assert found == expected
