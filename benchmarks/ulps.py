"""How far answers behind a link lie from the library's: the largest distance in units in the last place, link by link.

Raw scores are the library's own bit for bit, so what might differ is what is made of them. Each link is given well over
100,000 raw scores of one model of a library, from tiny to those that overflow, infinities included, and the answers are
held against what the library makes of the same scores.

    python -m benchmarks.ulps                   # numpy, kernels and torch on the CPU
    python -m benchmarks.ulps --device cuda     # torch on another device
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from dataclasses import dataclass
from unittest import mock

import catboost
import lightgbm
import numpy as np
import torch
import xgboost
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from threadpoolctl import threadpool_limits

from benchmarks import machine
from sktensor import Forest, extract_forest, outputs
from sktensor.native import loader

BOUND = 4  # what the documentation promises
RNG = np.random.default_rng(0)
SHARE = 1  # of the scores, one in so many
DEPTH = 16  # of CatBoost's tree, whose leaves are given the scores


@dataclass
class Link:
    """Raw scores, and what a library answers to them."""

    name: str
    method: str  # of the estimator
    forest: Forest
    raw: np.ndarray
    expected: np.ndarray

    def ours(self, raw):
        """The same answer by sktensor, of an array or a tensor."""
        make = {
            "predict": outputs.shaped_values,
            "predict_proba": outputs.probabilities,
            "predict_log_proba": outputs.log_probabilities,
            "score_samples": outputs.sample_scores,
        }
        return make[self.method](self.forest, raw)


def scores(dtype, width=1, limit=750.0):
    """Raw scores of shape (n, width), n above 270,000: of every size, and the extremes."""
    sizes = ((1e-3, 2**14), (1.0, 2**16), (20.0, 2**17), (limit, 2**16))
    spread = [RNG.uniform(-size, size, (n // SHARE, width)) for size, n in sizes]
    special = [0.0, 5e-324, 1e-45, 1e-40, 36.7, 37.5, 88.7, 88.8, 103.9, 708.4, 709.8, 745.2, 1e30, np.inf]
    corners = RNG.choice([*special, *(-x for x in special)], (2**11, width))
    return np.concatenate([*spread, corners]).astype(dtype)


def of_xgboost():
    X = RNG.normal(size=(300, 2))
    three = np.arange(300) % 3
    raw = {1: scores(np.float32, limit=110), 3: scores(np.float32, 3, limit=110)}
    rows = np.zeros((len(raw[1]), 2))

    def link(name, method, model, width):
        # A margin takes the place of the base score; what the one tree adds is in the scores that the model gives.
        margin = raw[width] if width > 1 else raw[width][:, 0]
        given = model.predict(rows, output_margin=True, base_margin=margin).reshape(raw[width].shape)
        expected = getattr(model, method)(rows, base_margin=margin)
        return Link(name, method, extract_forest(model), given, expected)

    few = {"n_estimators": 1, "max_depth": 1, "n_jobs": 1}
    yield link("logistic", "predict_proba", xgboost.XGBClassifier(**few).fit(X, three > 0), 1)
    yield link("softmax", "predict_proba", xgboost.XGBClassifier(**few).fit(X, three), 3)
    regressor = xgboost.XGBRegressor(**few, objective="count:poisson")
    yield link("exp (Poisson, gamma, Tweedie, Cox)", "predict", regressor.fit(X, three), 1)


def of_lightgbm():
    X, three = RNG.normal(size=(300, 3)), np.arange(300) % 3
    rows = {1: scores(np.float64), 3: scores(np.float64, 3)}

    def link(name, method, y, width, **params):
        params = {"verbose": -1, "num_threads": 1, "num_leaves": 2, "linear_tree": True, **params}
        params |= {"num_class": width} if width > 1 else {}
        text = lightgbm.train(params, lightgbm.Dataset(X, y), 1).model_to_string()
        booster = lightgbm.Booster(model_str=echoing(text))
        given = np.pad(rows[width], ((0, 0), (0, 3 - width)))
        raw = booster.predict(given, raw_score=True).reshape(-1, width)
        expected = booster.predict(given)
        forest = extract_forest(booster)
        if method == "predict_proba" and width == 1:  # as the estimator makes two columns of one [lightgbm sklearn.py]
            expected = np.vstack((1.0 - expected, expected)).T
            forest = extract_forest(as_classifier(booster))
        return Link(name, method, forest, raw, expected)

    yield link("logistic", "predict_proba", three > 0, 1, objective="binary")
    yield link("logistic, one against all", "predict", three, 3, objective="multiclassova")
    yield link("softmax", "predict", three, 3, objective="multiclass")
    yield link("exp (Poisson, gamma, Tweedie)", "predict", three, 1, objective="poisson")
    yield link("log1p(exp)", "predict", three > 0, 1, objective="cross_entropy_lambda")


def echoing(text):
    """The text of a model of linear trees whose k-th raw score is the k-th column."""
    trees = iter(range(99))

    def echo(match):
        k = next(trees)
        return f"leaf_const=0 0\nnum_features=1 1\nleaf_features={k}  {k} \nleaf_coeff=1  1 \n"

    text = re.sub(r"tree_sizes=.*\n", "", text)  # they change
    return re.sub(r"leaf_const=.*\nnum_features=.*\nleaf_features=.*\nleaf_coeff=.*\n", echo, text)


def as_classifier(booster):
    """An estimator of two classes around a booster."""
    model = lightgbm.LGBMClassifier(verbose=-1, n_estimators=1).fit(RNG.normal(size=(60, 3)), np.arange(60) % 2)
    model._Booster = booster
    return model


def of_sklearn():
    X, three = RNG.normal(size=(300, 2)), np.arange(300) % 3
    one, several = scores(np.float64), scores(np.float64, 3)
    few = {"n_estimators": 2, "random_state": 0}

    def link(name, method, model, raw, answer):
        with np.errstate(all="ignore"):
            return Link(name, method, extract_forest(model), raw, answer(raw))

    boosted = GradientBoostingClassifier(**few).fit(X, three > 0)
    yield link("logistic", "predict_proba", boosted, one, lambda raw: boosted._loss.predict_proba(raw.ravel()))
    exponential = GradientBoostingClassifier(**few, loss="exponential").fit(X, three > 0)
    name = "logistic (exponential loss)"
    yield link(name, "predict_proba", exponential, one, lambda raw: exponential._loss.predict_proba(raw.ravel()))
    classes = GradientBoostingClassifier(**few).fit(X, three)
    yield link("softmax", "predict_proba", classes, several, lambda raw: classes._loss.predict_proba(raw))
    name = "log of the softmax"
    yield link(name, "predict_log_proba", classes, several, lambda raw: np.log(classes._loss.predict_proba(raw)))
    with threadpool_limits(1):  # threads that wait for each other say nothing about a link
        hist = HistGradientBoostingClassifier(max_iter=2).fit(X, three)
        counts = HistGradientBoostingRegressor(max_iter=2, loss="poisson").fit(X, three)
    yield link("softmax (histograms)", "predict_proba", hist, several, lambda raw: hist._loss.predict_proba(raw))
    yield link("exp (Poisson, gamma)", "predict", counts, one, lambda raw: counts._loss.link.inverse(raw.ravel()))
    ada, votes = AdaBoostClassifier(**few).fit(X, three), RNG.uniform(-1, 1, (2**17, 3))
    compute = AdaBoostClassifier._compute_proba_from_decision
    yield link("softmax (AdaBoost)", "predict_proba", ada, votes, lambda raw: compute(raw.copy(), 3))
    isolated, depths = IsolationForest(**few).fit(X), RNG.uniform(0, 60, (2**17, 1))
    forest = extract_forest(isolated)  # depths over what they are on average [sklearn/ensemble/_iforest.py]
    yield Link(
        "power of two (isolation)",
        "score_samples",
        forest,
        depths,
        -(2 ** -(depths[:, 0] / forest.outputs.link_param)),
    )


def of_catboost():
    """A tree of as many leaves as it may have, which are given the scores."""
    X = ((np.arange(2**DEPTH)[:, None] >> np.arange(DEPTH)) & 1).astype(np.float32)
    three = RNG.integers(0, 3, len(X))
    few = {"iterations": 1, "depth": DEPTH, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    few |= {"l2_leaf_reg": 0, "random_strength": 0, "boost_from_average": False}

    def links(model, width, methods):
        halves = np.array_split(scores(np.float64, width)[: 2 * len(X)], 2)
        parts = []
        for half in halves:
            model.set_leaf_values(half.ravel())
            raw = catboost.CatBoost.predict(model, X, prediction_type="RawFormulaVal").reshape(len(X), width)
            parts.append((raw, *(getattr(model, method)(X) for method in methods)))
        raw, *answers = (np.concatenate(part) for part in zip(*parts, strict=True))
        for (method, name), expected in zip(methods.items(), answers, strict=True):
            yield Link(name, method, extract_forest(model), raw, expected)

    two = {"predict_proba": "logistic", "predict_log_proba": "log of the logistic"}
    yield from links(catboost.CatBoostClassifier(**few).fit(X, three > 0), 1, two)
    several = {"predict_proba": "softmax", "predict_log_proba": "log of the softmax"}
    del few["boost_from_average"]
    yield from links(catboost.CatBoostClassifier(**few, loss_function="MultiClass").fit(X, three), 3, several)
    counts = catboost.CatBoostRegressor(**few, loss_function="Poisson").fit(X, three)
    yield from links(counts, 1, {"predict": "exp (Poisson, Tweedie)"})


def distances(ours, theirs):
    """How many representable numbers apart, entry by entry; as many as there are where only one is a NaN."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), (
        ours.dtype,
        theirs.dtype,
        ours.shape,
        theirs.shape,
    )
    bits = f"i{theirs.dtype.itemsize}"
    numbers = [np.ascontiguousarray(x).view(bits) for x in (ours, theirs)]
    a, b = (np.where(x < 0, np.iinfo(bits).min - x, x).astype(np.int64) for x in numbers)  # in the order of the floats
    found = np.where(a > b, a - b, b - a).view(np.uint64)  # which wraps around to what is right
    found[np.isnan(ours) & np.isnan(theirs)] = 0
    found[np.isnan(ours) ^ np.isnan(theirs)] = np.iinfo(np.uint64).max
    return found


def differences(ours, theirs, least):
    """The same for what lies close to zero where a probability is close to one, in ulp worth at least so much.

    An ulp of a probability near one is many of one minus it, and many of its logarithm, both of which the libraries
    take of the probability itself.
    """
    with np.errstate(invalid="ignore"):
        found = np.abs(ours - theirs) / np.maximum(np.spacing(np.abs(theirs)), least)
    found[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
    return np.nan_to_num(found, nan=np.inf)


def ways(link, device):
    """The answers of all the ways there are, by name."""
    with np.errstate(all="ignore"):
        with mock.patch.object(loader, "library", return_value=None):
            yield "numpy", link.ours(link.raw)
        yield "kernels", link.ours(link.raw)
        yield "torch", link.ours(torch.tensor(link.raw, device=device)).cpu().numpy()


def measured(link, device="cpu"):
    """A row of the table for each kind of answer of a link: its name, and the largest distance of each way."""
    rows, one = {}, np.finfo(link.expected.dtype)
    for way, found in ways(link, device):
        if link.method == "predict_log_proba":
            kinds = {link.name: differences(found, link.expected, one.eps)}
        elif link.forest.outputs.proba == "complement" and link.method == "predict_proba":
            kinds = {
                link.name: distances(found[:, 1], link.expected[:, 1]),
                f"1 - {link.name}": differences(found[:, 0], link.expected[:, 0], one.epsneg),
            }
        else:
            kinds = {link.name: distances(found, link.expected)}
        for name, distance in kinds.items():
            rows.setdefault(name, {})[way] = float(distance.max())
    return rows


LIBRARIES = {"XGBoost": of_xgboost, "LightGBM": of_lightgbm, "scikit-learn": of_sklearn, "CatBoost": of_catboost}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="where torch computes (default: cpu)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(machine.describe())
    print("\nlibrary,link,raw scores,numpy,kernels,torch")
    worst = 0.0
    for library, links in LIBRARIES.items():
        for link in links():
            for name, found in measured(link, options.device).items():
                largest = ",".join(f"{distance:g}" for distance in found.values())
                print(f'{library},"{name}",{len(link.raw)},{largest}', flush=True)
                worst = max(worst, *found.values())
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
