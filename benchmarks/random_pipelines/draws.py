"""Random pipelines, not fitted: steps, how they are nested, which columns they are given, and models."""

from __future__ import annotations

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, SelectPercentile, VarianceThreshold, f_classif
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from xgboost import XGBClassifier, XGBRegressor

from benchmarks.random_models.draws import chance, one_of, some_of


def _imputer(rng):
    missing = one_of(rng, np.nan, np.nan, np.nan, np.nan, -1, 0)
    strategy = one_of(rng, "mean", "median", "most_frequent", "constant")
    options = {"fill_value": one_of(rng, 0, -7.5, 1e6)} if strategy == "constant" else {}
    return SimpleImputer(
        missing_values=missing,
        strategy=strategy,
        add_indicator=chance(rng, 0.3),
        keep_empty_features=chance(rng, 0.3),
        **options,
    )


def _bins(rng):
    return KBinsDiscretizer(
        int(rng.integers(2, 7)),
        encode=one_of(rng, "onehot", "onehot-dense", "ordinal"),
        strategy=one_of(rng, "uniform", "quantile", "kmeans"),
        quantile_method="averaged_inverted_cdf",
        random_state=0,
    )


def _one_hot(rng):
    return OneHotEncoder(
        handle_unknown=one_of(rng, "error", "ignore", "ignore", "infrequent_if_exist", "warn"),
        **some_of(
            rng,
            {
                "drop": lambda: one_of(rng, "first", "if_binary"),
                "min_frequency": lambda: one_of(rng, 2, 30, 0.1),
                "max_categories": lambda: int(rng.integers(2, 6)),
                "sparse_output": lambda: False,
                "dtype": lambda: one_of(rng, np.float32, np.int8, np.int64),
            },
        ),
    )


def _ordinal(rng):
    options = {"handle_unknown": "error"}
    if chance(rng, 0.6):
        unknown = one_of(rng, -1, np.nan)
        options = {"handle_unknown": "use_encoded_value", "unknown_value": unknown}
    return OrdinalEncoder(
        **options,
        **some_of(
            rng,
            {
                "encoded_missing_value": lambda: -2,
                "min_frequency": lambda: one_of(rng, 2, 30, 0.1),
                "max_categories": lambda: int(rng.integers(2, 6)),
                "dtype": lambda: np.float32,
            },
        ),
    )


def _target(rng):
    return TargetEncoder(smooth=one_of(rng, "auto", 0.0, 5.0), cv=3, random_state=0)


SCALERS = (
    lambda rng: StandardScaler(with_mean=chance(rng, 0.8), with_std=chance(rng, 0.8)),
    lambda rng: MinMaxScaler(one_of(rng, (0, 1), (-3, 5)), clip=chance(rng, 0.3)),
    lambda rng: MaxAbsScaler(clip=chance(rng, 0.3)),
    lambda rng: RobustScaler(
        with_centering=chance(rng, 0.8), with_scaling=chance(rng, 0.8), unit_variance=chance(rng, 0.3)
    ),
)
OF_NUMBERS = (
    *SCALERS,
    *SCALERS,
    lambda rng: Binarizer(threshold=one_of(rng, 0.0, 0.3, -1.0)),
    _bins,
    _imputer,
    _imputer,
    lambda rng: MissingIndicator(features=one_of(rng, "missing-only", "all"), error_on_new=chance(rng, 0.5)),
    lambda rng: VarianceThreshold(one_of(rng, 0.0, 0.01)),
    lambda rng: SelectPercentile(f_classif, percentile=60),
    lambda rng: SelectKBest(f_classif, k=2),
    lambda rng: FunctionTransformer(validate=chance(rng, 0.3)),
    lambda rng: "passthrough",
    _one_hot,
    _ordinal,
    _target,
)
RUN = (
    lambda rng: PCA(2),
    lambda rng: PowerTransformer(),
    lambda rng: Normalizer(),
    lambda rng: PolynomialFeatures(2, include_bias=False),
    lambda rng: FunctionTransformer(np.abs),
)


def draw_steps(rng, depth=0):
    """A transformer of numbers, or several."""
    if chance(rng, 0.1):
        return one_of(rng, *RUN)(rng)
    if depth < 2 and chance(rng, 0.35):
        parts = [(f"s{i}", draw_steps(rng, depth + 1)) for i in range(int(rng.integers(1, 4)))]
        if chance(rng, 0.5):
            parts = [("impute", SimpleImputer(strategy=one_of(rng, "mean", "median"))), *parts]
        return Pipeline(parts)
    if depth < 2 and chance(rng, 0.15):
        union = FeatureUnion([(f"u{i}", draw_steps(rng, depth + 1)) for i in range(int(rng.integers(1, 4)))])
        return union
    return one_of(rng, *OF_NUMBERS)(rng)


def draw_of_text(rng):
    """A transformer of text."""
    encode = one_of(rng, _one_hot, _one_hot, _one_hot, _ordinal, _target)(rng)
    if chance(rng, 0.3):
        fill = one_of(rng, {"strategy": "most_frequent"}, {"strategy": "constant", "fill_value": "red"})
        return Pipeline(
            [("impute", SimpleImputer(missing_values=one_of(rng, np.nan, np.nan, None), **fill)), ("encode", encode)]
        )
    return encode


def _specified(rng, table, names):
    """Some columns by name, position, slice, mask, or a function of the rows."""
    every = list(table.kinds)
    places = [every.index(name) for name in names]
    is_array = table.container == "array"
    mask = [name in names for name in every]
    ways = [places, [p - len(every) for p in places], mask, Columns(sorted(places))]
    if places == list(range(places[0], places[-1] + 1)):
        ways += [slice(places[0], places[-1] + 1)] * 2
    if not is_array:
        ways += [list(names)] * 5
    return one_of(rng, *ways)


class Columns:
    """A function of the rows that chooses columns."""

    def __init__(self, places):
        self.places = places

    def __call__(self, X):
        return self.places

    def __repr__(self):
        return f"columns {self.places}"


def draw_column_transformer(rng, table):
    """Transformers of some columns each, some columns in none or in several."""
    branches = []
    for i in range(int(rng.integers(1, 4))):
        of_text = bool(table.texts) and chance(rng, 0.5)
        names = table.texts if of_text else table.numbers
        chosen = [str(name) for name in rng.permutation(names)[: int(rng.integers(1, len(names) + 1))]]
        transformer = draw_of_text(rng) if of_text else draw_steps(rng, 1)
        branches.append((f"b{i}", transformer, _specified(rng, table, chosen)))
    if table.texts and table.container != "array" and chance(rng, 0.15):
        branches.append(("objects", draw_of_text(rng), make_column_selector(pattern="t")))
    rest = "drop" if table.texts else one_of(rng, "drop", "passthrough", draw_steps(rng, 2))
    return ColumnTransformer(
        branches,
        remainder=rest,
        sparse_threshold=one_of(rng, 0.3, 0.3, 0.0, 1.0),
        verbose_feature_names_out=True,
    )


def _xgboost(rng, task):
    made = XGBRegressor if task == "numbers" else XGBClassifier
    missing = one_of(rng, np.nan, np.nan, np.nan, 0.0, -1.0)
    return made(n_estimators=5, max_depth=4, n_jobs=1, missing=missing, tree_method="hist")


def _lightgbm(rng, task):
    made = LGBMRegressor if task == "numbers" else LGBMClassifier
    options = some_of(rng, {"zero_as_missing": lambda: True, "use_missing": lambda: False}, 0.2)
    return made(n_estimators=5, num_leaves=15, n_jobs=1, verbose=-1, min_child_samples=5, **options)


def _hist(rng, task):
    made = HistGradientBoostingRegressor if task == "numbers" else HistGradientBoostingClassifier
    return made(max_iter=5, max_leaf_nodes=15, random_state=0)


def _forest(rng, task):
    kinds = (
        (RandomForestRegressor, ExtraTreesRegressor)
        if task == "numbers"
        else (RandomForestClassifier, ExtraTreesClassifier)
    )
    return one_of(rng, *kinds)(n_estimators=5, max_depth=6, random_state=0)


def _gradient(rng, task):
    made = GradientBoostingRegressor if task == "numbers" else GradientBoostingClassifier
    return made(n_estimators=5, random_state=0)


def _catboost(rng, task):
    made = CatBoostRegressor if task == "numbers" else CatBoostClassifier
    return made(iterations=5, depth=4, verbose=0, thread_count=1, allow_writing_files=False, random_seed=0)


MODELS = {
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "hist": _hist,
    "forest": _forest,
    "gradient": _gradient,
    "catboost": _catboost,
}


def draw_pipeline(rng, table, library, task):
    """A pipeline of between one and three steps and a model."""
    steps = []
    if table.texts or chance(rng, 0.4):
        steps.append(("columns", draw_column_transformer(rng, table)))
        if chance(rng, 0.3):
            steps.append(("then", draw_steps(rng, 1)))
    else:
        steps += [(f"s{i}", draw_steps(rng)) for i in range(int(rng.integers(1, 4)))]
    if chance(rng, 0.15):
        steps.insert(int(rng.integers(len(steps) + 1)), ("nothing", one_of(rng, None, "passthrough")))
    pipeline = Pipeline([*steps, ("model", MODELS[library](rng, task))])
    if chance(rng, 0.15):
        pipeline.set_output(transform=one_of(rng, "pandas", "polars"))
    return pipeline
