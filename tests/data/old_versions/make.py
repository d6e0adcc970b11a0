"""Train small models with old versions of the libraries; save them with the answers that those versions gave.

    python tests/data/old_versions/make.py                    # all of them, in environments that it makes and removes
    python tests/data/old_versions/make.py xgboost==2.1.4     # one, also of a version that is not listed here

Needs Python 3.11, for which all these versions have wheels. Each version's models go into one archive, a folder a
model: the model as the library saved it, rows, and what the library said of them (raw scores, leaf numbers, values).
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).resolve().parent

NUMPY_1 = ("numpy==1.26.4", "scipy==1.13.1")
NUMPY_2 = ("numpy==2.2.6", "scipy==1.15.3")
PANDAS = ("pandas==2.2.3", "six==1.17.0", "pytz==2025.2", "python-dateutil==2.9.0")
VERSIONS = {
    "xgboost==1.7.6": NUMPY_1,
    "xgboost==2.1.4": NUMPY_1,
    "xgboost==3.0.5": NUMPY_2,
    "xgboost==3.1.3": NUMPY_2,
    "xgboost==3.2.0": NUMPY_2,
    "lightgbm==3.3.5": NUMPY_1,
    "lightgbm==4.1.0": NUMPY_1,
    "lightgbm==4.6.0": NUMPY_2,
    "catboost==1.2": (*NUMPY_1, *PANDAS),
    "catboost==1.2.10": (*NUMPY_2, *PANDAS),
}

N, F = 240, 5
FINITE = 30  # rows without infinities, which a DMatrix of XGBoost refuses


class Data:
    """What the models are trained on: the same numbers for every library and version."""

    def __init__(self):
        rng = np.random.default_rng(7)
        self.X = X = np.round(rng.normal(size=(N, F)), 3)  # short numbers make small files
        self.holes = np.where(rng.random((N, F)) < 0.15, np.nan, X)
        self.zeros = np.where(rng.random((N, F)) < 0.4, 0.0, X)
        self.codes = np.column_stack([rng.integers(0, 40, N), rng.integers(0, 3, N), X[:, :3]]).astype(float)
        self.real = np.round(X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3], 3)
        self.positive = np.round(np.exp(self.real / 2), 3)
        self.yes = (self.real > 0).astype(int)
        self.three = np.digitize(self.real, [-1.5, 0.5])
        self.targets = np.column_stack([self.real, 3 * X[:, 4] - 5, self.real * X[:, 1] + 40])
        self.of_codes = self.codes[:, 0] % 3 + 2 * self.codes[:, 1] + self.codes[:, 2]


def rows_that_hurt(feature, threshold, categorical):
    """Rows of finite or missing numbers, made of a model's thresholds, then some with infinities."""
    sys.path.insert(0, str(HERE.parents[1]))
    from reference import hurting

    rng = np.random.default_rng(11)
    like = SimpleNamespace(n_features=F, feature=np.asarray(feature, int), threshold=np.asarray(threshold, float))
    rows = np.concatenate([hurting(like, rng, FINITE, inf=False), hurting(like, rng, 10)])
    codes = np.array([*range(42), -0.5, -0.0, -1.0, 2.7, 127.0, 128.0, 2.0**24, 1e30, np.nan])
    for column in categorical:
        rows[:, column] = rng.choice(codes, len(rows))
    return rows


# --- XGBoost --------------------------------------------------------------------------------------------------------


def of_xgboost(version):
    import xgboost

    data, cats = Data(), ["c", "c", "q", "q", "q"]
    multi = {"objective": "multi:softprob", "num_class": 3}
    dart = {"booster": "dart", "rate_drop": 0.5}
    cases = {
        "regression, missing values": ({}, data.holes, data.real),
        "binary": ({"objective": "binary:logistic"}, data.X, data.yes),
        "classes": (multi, data.holes, data.three),
        "dart": (dart, data.X, data.real + 5),
        "dart, classes": ({**dart, **multi}, data.X, data.three),
        "forest": ({"num_parallel_tree": 2, "subsample": 0.5, "eta": 1.0, **multi}, data.X, data.three),
        "early stopping": ({"objective": "binary:logistic", "eta": 0.9}, data.X, data.yes),
        "pruned": ({"tree_method": "exact", "gamma": 4.0, "max_depth": 6}, data.X, data.real),
        "counts": ({"objective": "count:poisson"}, data.X, np.floor(data.positive * 3)),
        "tweedie, base score": ({"objective": "reg:tweedie", "base_score": 2.5}, data.X, data.positive),
        "hinge": ({"objective": "binary:hinge"}, data.X, data.yes),
        "ranking": ({"objective": "rank:pairwise"}, data.X, data.three),
        "targets": ({}, data.X, data.targets),
        "categories": ({"tree_method": "hist", "max_cat_to_onehot": 4, "max_depth": 4}, data.codes, data.of_codes),
    }
    if version >= (2, 0):
        quantile = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9], "tree_method": "hist"}
        cases["quantiles"] = (quantile, data.X, data.real)
        vector = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
        cases["vector leaves"] = (vector, data.X, data.targets)
        cases["vector leaves, classes"] = ({**vector, **multi}, data.X, data.three)

    for number, (name, (params, X, y)) in enumerate(cases.items()):
        params = {"max_depth": 3, "nthread": 1, "seed": 0, "verbosity": 0, **params}
        categorical = (0, 1) if name == "categories" else ()
        kinds = {"feature_types": cats, "enable_categorical": True} if categorical else {}
        train = xgboost.DMatrix(X, y, **kinds)
        if name == "ranking":
            train.set_group([24] * 10)
        more, rounds = {}, 4
        if name == "early stopping":
            train, held_out = xgboost.DMatrix(X[:160], y[:160]), xgboost.DMatrix(X[160:], y[160:])
            rounds, more = 20, {"evals": [(held_out, "held_out")], "early_stopping_rounds": 2, "verbose_eval": False}
        booster = xgboost.train(params, train, rounds, **more)
        feature, threshold = xgboost_thresholds(booster)
        rows = rows_that_hurt(feature, threshold, categorical)
        finite = xgboost.DMatrix(rows[:FINITE], nthread=1, **kinds)
        used = getattr(booster, "best_iteration", -1) + 1 if more else 0
        answers = {
            "raw": booster.predict(finite, output_margin=True),
            "leaves": booster.predict(finite, pred_leaf=True),
            "values": booster.predict(finite),
            # what the estimators ask for, which stop after the best iteration
            "raw_in_place": booster.inplace_predict(rows, predict_type="margin", iteration_range=(0, used)),
        }
        kind = ("ubj", "json")[number % 2]
        yield name, f"model.{kind}", bytes(booster.save_raw(kind)), rows, answers


def xgboost_thresholds(booster):
    import json

    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    trees = model.get("gbtree", model)["model"]["trees"]
    left, *splits = (
        np.concatenate([tree[key] for tree in trees]) for key in ("left_children", "split_indices", "split_conditions")
    )
    return [values[left >= 0] for values in splits]


# --- LightGBM -------------------------------------------------------------------------------------------------------


def of_lightgbm(version):
    import lightgbm

    data = Data()
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    cases = {
        "regression, missing values": ({}, data.holes, data.real),
        "zero as missing": ({"zero_as_missing": True}, data.zeros, data.real),
        "no missing values": ({"use_missing": False}, data.holes, data.real),
        "binary": ({"objective": "binary"}, data.X, data.yes),
        "classes": ({"objective": "multiclass", "num_class": 3}, data.holes, data.three),
        "one against all": ({"objective": "multiclassova", "num_class": 3, "sigmoid": 0.7}, data.X, data.three),
        "dart": ({"boosting": "dart", "drop_rate": 0.5}, data.X, data.real),
        "forest": (forest, data.holes, data.real),
        "forest, binary": ({**forest, "objective": "binary"}, data.X, data.yes),
        "goss": ({"boosting": "goss"}, data.X, data.real),
        "linear": ({"linear_tree": True}, data.holes, data.real),
        "linear, categories": ({"linear_tree": True}, data.codes, data.of_codes),
        "categories": ({"max_cat_to_onehot": 4}, data.codes, data.of_codes),
        "early stopping": ({"objective": "binary", "learning_rate": 0.9}, data.X, data.yes),
        "square root": ({"reg_sqrt": True}, data.X, data.real),
        "counts": ({"objective": "poisson"}, data.X, np.floor(data.positive * 3)),
        "cross entropy": ({"objective": "cross_entropy_lambda"}, data.X, data.positive / data.positive.max()),
        "ranking": ({"objective": "lambdarank"}, data.X, data.three),
        "constant": ({}, data.X, data.real * 0 + 3.25),
    }
    for name, (params, X, y) in cases.items():
        params = {"objective": "regression", "num_leaves": 6, "num_threads": 1, "seed": 0, "verbosity": -1, **params}
        categorical = [0, 1] if "categories" in name else []
        train = lightgbm.Dataset(X, y, categorical_feature=categorical, params=params, free_raw_data=False)
        if name == "ranking":
            train.set_group([24] * 10)
        more, rounds = {}, 4
        if name == "early stopping":
            train = lightgbm.Dataset(X[:160], y[:160], params=params)
            more = {"valid_sets": [train.create_valid(X[160:], y[160:])]}
            more["callbacks"], rounds = [lightgbm.early_stopping(2, verbose=False)], 20
        booster = lightgbm.train(params, train, rounds, **more)
        text = booster.model_to_string()
        rows = rows_that_hurt(*lightgbm_thresholds(text), categorical)
        answers = {
            "raw": booster.predict(rows, raw_score=True),
            "leaves": booster.predict(rows, pred_leaf=True),
            "values": booster.predict(rows),
        }
        yield name, "model.txt", text.encode(), rows, answers


def lightgbm_thresholds(text):
    def numbers(key):
        lines = [line.partition("=")[2] for line in text.split("\n") if line.startswith(key + "=")]
        return [float(number) for line in lines for number in line.split()]

    return numbers("split_feature"), numbers("threshold")


# --- CatBoost -------------------------------------------------------------------------------------------------------


def of_catboost(version):
    import catboost

    data = Data()
    lossguide = {"grow_policy": "Lossguide", "max_leaves": 7}
    cases = {
        "regression, missing values": ({}, data.holes, data.real),
        "missing values largest": ({"nan_mode": "Max"}, data.holes, data.real),
        "binary": ({"loss_function": "Logloss"}, data.X, data.yes),
        "classes": ({"loss_function": "MultiClass"}, data.holes, data.three),
        "one against all": ({"loss_function": "MultiClassOneVsAll"}, data.X, data.three),
        "targets": ({"loss_function": "MultiRMSE"}, data.X, data.targets),
        "counts": ({"loss_function": "Poisson"}, data.X, np.floor(data.positive * 3)),
        "depthwise": ({"grow_policy": "Depthwise"}, data.holes, data.real),
        "depthwise, classes": ({"grow_policy": "Depthwise", "loss_function": "MultiClass"}, data.X, data.three),
        "lossguide": (lossguide, data.holes, data.real),
        "lossguide, binary": ({**lossguide, "loss_function": "Logloss"}, data.X, data.yes),
        "early stopping": ({"learning_rate": 1.0, "iterations": 30, "od_wait": 2}, data.X, data.real),
        "scale and bias": ({}, data.X, data.real),
    }
    for name, (params, X, y) in cases.items():
        quiet = {"thread_count": 1, "random_seed": 0, "verbose": 0, "allow_writing_files": False}
        model = catboost.CatBoost({"iterations": 5, "depth": 3, "border_count": 16, **quiet, **params})
        if name == "early stopping":
            model.fit(X[:160], y[:160], eval_set=(X[160:], y[160:]))
        else:
            model.fit(X, y)
        if name == "scale and bias":
            model.set_scale_and_bias(1.37, -0.25)
        borders = model.get_borders()
        columns = np.repeat(list(borders), [len(found) for found in borders.values()])
        rows = rows_that_hurt(columns, np.concatenate(list(borders.values())), ())
        answers = {
            "raw": model.predict(rows, prediction_type="RawFormulaVal", thread_count=1),
            "leaves": model.calc_leaf_indexes(rows, thread_count=1),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.cbm")
            model.save_model(str(path))
            yield name, path.name, path.read_bytes(), rows, answers


# --- files and environments -----------------------------------------------------------------------------------------


def write(requirement):
    """Train and save with the version that is installed here."""
    library, _, version = requirement.partition("==")
    of_library = {"xgboost": of_xgboost, "lightgbm": of_lightgbm, "catboost": of_catboost}[library]
    with tarfile.open(HERE / f"{library}-{version}.tar.xz", "w:xz", preset=9) as file:

        def put(name, content):
            member = tarfile.TarInfo(name)  # without a time, so that the same models make the same file
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))

        for name, file_name, model, rows, answers in of_library(tuple(map(int, version.split(".")))):
            put(f"{name}/{file_name}", model)
            for key, array in {"rows": rows, **answers}.items():
                npy = io.BytesIO()
                np.save(npy, np.asarray(array))
                put(f"{name}/{key}.npy", npy.getvalue())


def write_in_environment(requirement):
    """Do so in an environment that holds this version."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python"))
        needs = VERSIONS.get(requirement, (*NUMPY_2, *PANDAS))
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", requirement, *needs], check=True)
        subprocess.run([python, __file__, "--here", requirement], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        write(sys.argv[2])
    else:
        for requirement in sys.argv[1:] or VERSIONS:
            write_in_environment(requirement)
