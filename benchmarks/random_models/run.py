"""One configuration for each seed: drawn, fitted, held against its library."""

from __future__ import annotations

import traceback
import warnings

import numpy as np

from benchmarks.random_models import of_catboost, of_lightgbm, of_sklearn, of_xgboost
from benchmarks.random_models.check import Found, hold
from benchmarks.random_models.data import draw_rows
from benchmarks.random_models.draws import one_of

DRAW = (of_xgboost.draw, of_lightgbm.draw, of_sklearn.draw, of_catboost.draw)


def fitted(seed):
    """The configuration of this seed and its model; what the library itself refuses to fit is drawn anew."""
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        configuration = DRAW[seed % len(DRAW)](rng)  # not drawn, lest the library that refuses most is seen least
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return configuration, configuration.fit(), rng
        except Exception:
            continue
    raise RuntimeError(f"Seed {seed}: the libraries refused 100 configurations in turn.")


def check(seed):
    """The configuration of this seed, and how it ended."""
    configuration, model, rng = fitted(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            settings = {"batch_size": one_of(rng, None, None, 7), "n_jobs": one_of(rng, None, None, 2)}

            def rows(forest):
                return configuration.given(draw_rows(rng, forest, configuration.data))

            return configuration, hold(model, rows, **settings)
        except Exception:
            return configuration, Found("different", traceback.format_exc())
