"""Models of CatBoost that tests name, and the data that they are fitted on."""

import pickle
import tempfile

import catboost as cb
import numpy as np
import pandas as pd

RNG = np.random.default_rng(7)
N, F = 300, 5
X = RNG.normal(size=(N, F))
HOLES = np.where(RNG.random((N, F)) < 0.15, np.nan, X)
GRID = RNG.integers(-15, 16, (N, F)) / 10
WIDE = RNG.integers(0, 2**40, (N, F)).astype(np.float64)
signal = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3]
REAL = signal + 0.1 * RNG.normal(size=N)
POSITIVE = np.exp(REAL / 2)
SHARE = 1 / (1 + np.exp(-REAL))
YES = (REAL > 0).astype(int)
THREE = np.digitize(REAL, [-1.5, 0.5])
NINE = np.digitize(REAL, np.quantile(REAL, np.arange(1, 9) / 9))
TWO_REALS = np.column_stack([REAL, X[:, 4]])
TWO_LABELS = np.column_stack([YES, X[:, 4] > 0]).astype(int)
GROUPS = np.repeat(np.arange(N // 10), 10)
QUIET = {
    "iterations": 12,
    "depth": 4,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 0,
}
DEPTHWISE = {"grow_policy": "Depthwise"}
LOSSGUIDE = {"grow_policy": "Lossguide", "max_leaves": 13, "depth": 9}
CONSTANT = {"allow_const_label": True, "bootstrap_type": "No"}
C, R, K, B = cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker, cb.CatBoost


def fitted(cls, data, y, fit_params=None, **params):
    params = {**QUIET, **params}
    return (cls(params) if cls is B else cls(**params)).fit(data, y, **(fit_params or {}))


def fit(cls, data, y, fit_params=None, **params):
    return lambda: fitted(cls, data, y, fit_params, **params)


def stopped(**params):
    """A model that early stopping cut."""
    model = R(**{**QUIET, "iterations": 60, "learning_rate": 1.0, **params})
    return model.fit(X[:200], REAL[:200], eval_set=(X[200:], REAL[200:]), early_stopping_rounds=3)


def loaded(model, tmp="cbm", into=None):
    """A model that has been to a file and back."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model", format=tmp)
        return (into or type(model))().load_model(f"{folder}/model", format=tmp)


def moved(model, scale, bias):
    model.set_scale_and_bias(scale, bias)
    return model


def threshold(model, probability):
    model.set_probability_threshold(probability)
    return model


def leaves_set(model, values):
    model.set_leaf_values(np.resize(values, len(model.get_leaf_values())).astype(np.float64))
    return model


def asymmetric(model):
    model._convert_to_asymmetric_representation()
    return model


def without_unused(model):
    model.drop_unused_features()
    return model


def shrunk(model, *span):
    model.shrink(*span)
    return model


def summed(*models):
    return cb.sum_models(list(models), weights=[0.3, 0.7])


class SquaredError:
    """An objective of one's own."""

    def calc_ders_range(self, approxes, targets, weights):
        # By index: where numba is installed, CatBoost compiles this with it, and numba takes no keyword of zip.
        return [(targets[i] - approxes[i], -1.0) for i in range(len(targets))]


def every_loss():
    for loss in (
        "RMSE", "MAE", "Quantile:alpha=0.3", "LogLinQuantile", "Expectile:alpha=0.3", "Poisson", "MAPE", "Lq:q=2.5",
        "Tweedie:variance_power=1.5", "Huber:delta=1", "LogCosh", "RMSEWithUncertainty", "Cox",
        "MultiQuantile:alpha=0.1,0.5,0.9",
    ):  # fmt: skip
        yield loss, fit(R, X, POSITIVE, loss_function=loss)
    for loss in ("MultiRMSE", "MultiRMSEWithMissingValues"):
        yield loss, fit(R, X, TWO_REALS, loss_function=loss)
    yield "SurvivalAft", fit(R, X, np.column_stack([POSITIVE, POSITIVE]), loss_function="SurvivalAft:dist=Normal")
    for loss in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "Focal:focal_alpha=0.5;focal_gamma=2"):
        yield f"{loss}, two classes", fit(C, X, YES, loss_function=loss)
    for loss in ("MultiClass", "MultiClassOneVsAll"):
        yield f"{loss}, three classes", fit(C, X, THREE, loss_function=loss)
    for loss in ("MultiLogloss", "MultiCrossEntropy"):
        yield loss, fit(C, X, TWO_LABELS, loss_function=loss)
    yield "CrossEntropy of shares", fit(C, X, SHARE, loss_function="CrossEntropy")
    for loss in (
        "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE", "QuerySoftMax",
        "StochasticRank:metric=DCG", "StochasticFilter", "LambdaMart",
    ):  # fmt: skip
        yield loss, fit(K, X, YES, {"group_id": GROUPS}, loss_function=loss)
    for loss, y in (
        ("RMSE", REAL),
        ("Logloss", YES),
        ("MultiClass", THREE),
        ("Poisson", POSITIVE),
        ("RMSEWithUncertainty", REAL),
    ):
        yield f"CatBoost, {loss}", fit(B, X, y, loss_function=loss)
    yield "custom objective", fit(R, X, REAL, loss_function=SquaredError(), eval_metric="RMSE")
    yield "custom objective, classifier", fit(C, X, YES, loss_function=SquaredError(), eval_metric="Logloss")
    yield "custom objective, shifted labels", fit(C, X, YES + 4, loss_function=SquaredError(), eval_metric="Logloss")


MODELS = {
    **dict(every_loss()),
    # trees
    "Depthwise": fit(R, X, REAL, **DEPTHWISE),
    "Lossguide": fit(R, X, REAL, **LOSSGUIDE),
    "Depthwise, NaN, classes": fit(C, HOLES, THREE, **DEPTHWISE),
    "Lossguide, NaN, classes": fit(C, HOLES, THREE, **LOSSGUIDE),
    "Lossguide, two targets": fit(R, X, TWO_REALS, loss_function="MultiRMSE", **LOSSGUIDE),
    "Depthwise, deep": fit(R, X, REAL, depth=9, **DEPTHWISE),
    "depth 10": fit(R, X, REAL, depth=10, iterations=6),
    "depth 12, classes": fit(C, X, THREE, depth=12, iterations=3),
    "depth 1": fit(R, X, REAL, depth=1),
    "depth 0": fit(R, X, REAL, depth=0),
    "depth 0, Depthwise": fit(R, X, REAL, depth=0, **DEPTHWISE),
    "single leaves, classes": fit(C, X, THREE, min_data_in_leaf=1000, **DEPTHWISE),
    "trees of unequal depth": fit(C, np.column_stack([np.repeat([0, 1], 150)]), np.tile([0, 1], 150), rsm=0.5),
    "constant target": fit(R, X, np.full(N, 3.0), **CONSTANT),
    "one tree": fit(R, X, REAL, iterations=1),
    "asymmetric copy": lambda: asymmetric(fitted(C, HOLES, THREE)),
    # missing values
    "NaN": fit(R, HOLES, REAL),
    "NaN as maximum": fit(R, HOLES, REAL, nan_mode="Max"),
    "NaN as maximum, Lossguide": fit(R, HOLES, REAL, nan_mode="Max", **LOSSGUIDE),
    "NaN forbidden": fit(R, X, REAL, nan_mode="Forbidden"),
    "NaN in one column": fit(C, np.column_stack([HOLES[:, :1], X[:, 1:]]), YES, nan_mode="Max"),
    # columns
    "one-decimal values": fit(R, GRID, REAL),
    "integers that float32 rounds": fit(R, WIDE, REAL),
    "many borders": fit(R, X, REAL, border_count=1000, iterations=20, depth=6),
    "few borders": fit(R, X, REAL, border_count=2),
    "ignored columns": fit(R, X, REAL, ignored_features=[0, 3]),
    "unused columns dropped": lambda: without_unused(fitted(R, X, REAL, ignored_features=[0, 3])),
    "infinite values": fit(R, np.where(X > 1.5, np.inf, np.where(X < -1.5, -np.inf, X)), REAL),
    "frame": fit(R, pd.DataFrame(HOLES, columns=list("abcde")), REAL),
    # labels
    "strings": fit(C, X, np.array(["no", "yes"])[YES]),
    "strings, three classes": fit(C, X, np.array(["b", "a", "zz"])[THREE]),
    "integers": fit(C, X, np.array([9, 5])[YES]),
    "integers, three classes": fit(C, X, np.array([7, -2, 30])[THREE]),
    "floats": fit(C, X, YES * 1.5),
    "floats, three classes": fit(C, X, THREE * 1.5),
    "booleans": fit(C, X, YES.astype(bool)),
    "nine classes": fit(C, X, NINE),
    "class_names": fit(C, X, THREE, class_names=[2, 0, 1]),
    "weights": fit(C, X, YES, {"sample_weight": RNG.random(N)}, class_weights=[1, 5]),
    # after training
    "early stopping": stopped,
    "early stopping, all trees kept": lambda: stopped(use_best_model=False),
    "scale and bias": lambda: moved(fitted(R, X, REAL), 1.37, 0.1),
    "scale alone": lambda: moved(fitted(R, X, REAL), -0.3, 0.0),
    "bias alone": lambda: moved(fitted(R, X, REAL), 1.0, 1e-3),
    "scale and bias of classes": lambda: moved(fitted(C, X, THREE), 1.37, [0.1, 0.0, -0.3]),
    "negative scale of zeros": lambda: moved(leaves_set(fitted(R, X, REAL), [0.0]), -1.0, 0.0),
    "negative scale of zeros, one bias": lambda: moved(
        leaves_set(fitted(R, X, TWO_REALS, loss_function="MultiRMSE"), [0.0]), -1.0, [0.0, 1.0]
    ),
    "leaves of -0.0": lambda: leaves_set(fitted(R, X, REAL), [-0.0, -1e-310]),
    "leaves that cancel": lambda: leaves_set(fitted(R, X, REAL), [1e16, -1e16, 1.0, 0.1, 1e-8]),
    "probabilities from tiny to one": lambda: moved(fitted(C, X, YES), 60.0, 1.0),
    "probabilities from tiny to one, classes": lambda: moved(fitted(C, X, NINE), 60.0, np.arange(9.0).tolist()),
    "large Poisson values": lambda: moved(fitted(R, X, POSITIVE, loss_function="Poisson"), 700.0, 1.0),
    "large variances": lambda: moved(fitted(R, X, POSITIVE, loss_function="RMSEWithUncertainty"), 90.0, [1.0, -2.0]),
    "threshold 0.3": lambda: threshold(fitted(C, X, YES), 0.3),
    "threshold 0.9": lambda: threshold(fitted(C, X, YES, iterations=30), 0.9),
    "threshold 0": lambda: threshold(fitted(C, X, YES), 0.0),
    "threshold 1": lambda: threshold(fitted(C, X, YES), 1.0),
    "threshold, three classes": lambda: threshold(fitted(C, X, THREE), 0.9),
    "threshold, two labels": lambda: threshold(fitted(C, X, TWO_LABELS, loss_function="MultiLogloss"), 0.8),
    "shrunk": lambda: shrunk(fitted(R, X, REAL), 9, 2),
    "sum": lambda: summed(fitted(R, X, REAL), fitted(R, X, REAL, depth=6)),
    "sum, Lossguide": lambda: summed(fitted(R, X, REAL, **LOSSGUIDE), fitted(R, HOLES, REAL, **DEPTHWISE)),
    "sum as classifier": lambda: cb.to_classifier(summed(fitted(C, X, YES), fitted(C, X, YES, depth=3))),
    "loaded": lambda: loaded(fitted(C, HOLES, THREE)),
    "loaded Poisson": lambda: loaded(fitted(R, X, POSITIVE, loss_function="Poisson")),
    "loaded as CatBoost": lambda: loaded(fitted(R, X, POSITIVE, loss_function="Poisson"), into=B),
    "loaded Lossguide": lambda: loaded(fitted(R, X, REAL, **LOSSGUIDE)),
    "loaded JSON": lambda: loaded(fitted(R, HOLES, REAL), "json"),
    "loaded JSON, Lossguide": lambda: loaded(fitted(R, HOLES, REAL, **LOSSGUIDE), "json"),
    "loaded JSON, Depthwise": lambda: loaded(fitted(C, HOLES, THREE, **DEPTHWISE), "json"),
    "pickled": lambda: pickle.loads(pickle.dumps(threshold(fitted(C, X, YES), 0.3))),
    "subclass": fit(type("Mine", (C,), {}), X, YES),
    "objective by its other name": fit(R, X, POSITIVE, objective="Poisson"),
}
