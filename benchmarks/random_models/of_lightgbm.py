"""Random configurations of LightGBM."""

from __future__ import annotations

import lightgbm

from benchmarks.random_models.data import draw_data
from benchmarks.random_models.draws import Configuration, chance, labels, one_of, some_of

REGRESSION = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
POSITIVE = ("poisson", "gamma", "tweedie")
WITHOUT_LINEAR = ("regression_l1", "quantile", "mape")  # linear trees refuse them


def draw(rng):
    kind = one_of(rng, *["LGBMClassifier", "LGBMRegressor", "Booster"] * 3, "LGBMRanker")
    data = draw_data(rng, missing=True, categories=True)
    y, params = _target(rng, kind, data)
    params |= _boosting(rng, data, params)
    params |= {"num_threads": 1, "seed": int(rng.integers(1000)), "verbosity": -1}
    rounds = int(rng.integers(1, 13))
    stopping = params["boosting"] != "dart" and kind != "LGBMRanker" and chance(rng, 0.15)
    told = {**params, "rounds": rounds, "categorical": data.categorical, "early stopping": stopping}
    half, columns = len(y) // 2, list(data.categorical)
    callbacks = [lightgbm.early_stopping(2, verbose=False)] if stopping else []

    def booster():
        train = lightgbm.Dataset(data.X, y, categorical_feature=columns, params=params)
        more = {"keep_training_booster": told["learning_rate"] == 0.1} if "learning_rate" in told else {}
        if stopping:
            more["valid_sets"] = [train.create_valid(data.X[half:], y[half:])]
        if params["objective"] in ("lambdarank", "rank_xendcg"):
            train.set_group([len(y)])
        return lightgbm.train(params, train, 40 if stopping else rounds, callbacks=callbacks, **more)

    def estimator():
        names = {"boosting": "boosting_type", "num_threads": "n_jobs", "seed": "random_state"}
        own = {names.get(name, name): value for name, value in params.items()}
        model = getattr(lightgbm, kind)(n_estimators=40 if stopping else rounds, **own)
        more = {"eval_set": [(data.X[half:], y[half:])], "callbacks": callbacks} if stopping else {}
        if kind == "LGBMRanker":
            more["group"] = [len(y)]
        return model.fit(data.X, y, categorical_feature=columns or "auto", **more)

    return Configuration("lightgbm", kind, told, data, booster if kind == "Booster" else estimator)


def _target(rng, kind, data):
    if kind == "LGBMRanker":
        task = "ranking"
    elif kind == "LGBMRegressor":
        task = one_of(rng, "real", "real", "positive", "share")
    elif kind == "LGBMClassifier":
        task = one_of(rng, "binary", "classes")
    else:
        task = one_of(rng, "real", "positive", "share", "binary", "classes", "ranking")
    if task == "real":
        root = {"reg_sqrt": True} if chance(rng, 0.2) else {}
        return data.real(rng), {"objective": one_of(rng, *REGRESSION), **root}
    if task == "positive":
        return data.positive(), {"objective": one_of(rng, *POSITIVE)}
    if task == "share":
        return data.share(), {"objective": one_of(rng, "cross_entropy", "cross_entropy_lambda")}
    if task == "ranking":
        return data.classes(int(rng.integers(2, 5))), {"objective": one_of(rng, "lambdarank", "rank_xendcg")}
    n_classes = 2 if task == "binary" else int(rng.integers(3, 7))
    y = data.classes(n_classes)
    params = {"objective": "binary"}
    if task == "classes":
        params = {"objective": one_of(rng, "multiclass", "multiclassova"), "num_class": n_classes}
    if params["objective"] != "multiclass" and chance(rng, 0.3):
        params["sigmoid"] = one_of(rng, 0.5, 2.71828, 1.123456789)
    return (labels(rng, y) if kind == "LGBMClassifier" else y), params


def _boosting(rng, data, target):
    boosting = one_of(rng, "gbdt", "gbdt", "gbdt", "dart", "rf")
    params = {
        "boosting": boosting,
        "num_leaves": int(rng.integers(2, 40)),
        "min_child_samples": int(rng.integers(1, 20)),
    }
    if boosting == "rf":
        params |= {"bagging_freq": 1, "bagging_fraction": 0.6}
    elif boosting == "dart":
        params |= {"drop_rate": one_of(rng, 0.1, 0.5), "xgboost_dart_mode": chance(rng, 0.3)}
    elif chance(rng, 0.2):
        params["data_sample_strategy"] = "goss"
    elif chance(rng, 0.2):
        params |= {"bagging_freq": 1, "bagging_fraction": 0.5}
    # Training random forests of linear trees crashes in LightGBM 4.7.
    if boosting != "rf" and target["objective"] not in WITHOUT_LINEAR and chance(rng, 0.25):
        params |= {"linear_tree": True, "linear_lambda": one_of(rng, 0.0, 0.1)}
    if data.categorical:
        params |= {
            "max_cat_to_onehot": one_of(rng, 1, 4, 200),
            "min_data_per_group": 5,
            "cat_smooth": one_of(rng, 1, 10),
        }
    elif chance(rng, 0.1):
        params["monotone_constraints"] = [int(way) for way in rng.integers(-1, 2, data.X.shape[1])]
    return params | some_of(
        rng,
        {
            "learning_rate": lambda: one_of(rng, 0.01, 0.1, 1.0),
            "max_depth": lambda: int(rng.integers(1, 8)),
            "max_bin": lambda: one_of(rng, 2, 5, 64),
            "min_data_in_bin": lambda: 1,
            "use_missing": lambda: False,
            "zero_as_missing": lambda: True,
            "extra_trees": lambda: True,
            "feature_fraction": lambda: 0.7,
            "lambda_l1": lambda: 0.5,
            "lambda_l2": lambda: 5.0,
            "path_smooth": lambda: 1.0,
            "max_delta_step": lambda: 0.5,
            "boost_from_average": lambda: False,
            "use_quantized_grad": lambda: "linear_tree" not in params,
            "enable_bundle": lambda: False,
        },
        0.12,
    )
