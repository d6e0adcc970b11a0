"""Random training data of every character, and random rows that hurt the model that came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLUMNS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "one decimal": lambda rng, n: rng.integers(-15, 16, n) / 10,  # where ties are frequent
    "whole": lambda rng, n: rng.integers(-4, 5, n).astype(float),
    "zeros and ones": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.normal(size=n)),
    "constant": lambda rng, n: np.full(n, 3.0),
    "seconds": lambda rng, n: 1.7e9 + rng.integers(0, 10**6, n) / 2,  # beyond the digits of float32
    "large": lambda rng, n: rng.normal(size=n) * 1e30,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-36,
    "denormal": lambda rng, n: rng.normal(size=n) * 1e-40,
    "skewed": lambda rng, n: np.exp(3 * rng.normal(size=n)),
}


@dataclass(frozen=True)
class Data:
    """Rows to train on, the signal that targets are made of, and which columns hold category numbers."""

    X: np.ndarray
    signal: np.ndarray
    categorical: tuple[int, ...]
    kinds: tuple[str, ...]

    def real(self, rng):
        return self.signal * rng.choice([1.0, 1.0, 1e-3, 1e3]) + rng.choice([0.0, 0.0, 50.0])

    def positive(self):
        return np.exp(self.signal / 2)

    def share(self):
        return 1 / (1 + np.exp(-self.signal))

    def classes(self, n_classes):
        """Numbers from 0 on, all of which occur wherever there are rows enough."""
        order = np.argsort(np.argsort(self.signal, kind="stable"), kind="stable")
        return order * n_classes // len(order)

    def several(self, rng, n_targets):
        return np.column_stack([np.roll(self.real(rng), k) for k in range(n_targets)])

    def describe(self):
        missing = float(np.isnan(self.X).mean().round(3))
        return {"shape": self.X.shape, "dtype": self.X.dtype.name, "columns": self.kinds, "missing": missing}


def draw_data(rng, *, missing, categories):
    """Random data; `missing` and `categories` say whether the model at hand may have such."""
    n, n_columns = int(rng.choice([20, 60, 150, 300])), int(rng.integers(1, 8))
    usual = rng.random() < 0.4  # else a mixture of all kinds
    kinds = ["normal" if usual else str(rng.choice(list(COLUMNS))) for _ in range(n_columns)]
    columns = [COLUMNS[kind](rng, n) for kind in kinds]
    size = [np.ptp(column) or 1.0 for column in columns]
    signal = sum(rng.normal() * column / width for column, width in zip(columns, size, strict=True))
    categorical = []
    if categories and rng.random() < 0.5:
        for column in range(int(rng.integers(1, n_columns + 1))):
            n_categories = int(rng.choice([2, 3, 8, 40, 100]))
            columns[column] = rng.integers(0, n_categories, n).astype(float)
            signal = signal + rng.normal(size=n_categories)[columns[column].astype(int)]
            kinds[column] = f"{n_categories} categories"
            categorical.append(column)
    signal = 2 * (signal - signal.mean()) / max(signal.std(), 1e-6) + 0.2 * rng.normal(size=n)
    X = np.column_stack(columns)
    if missing and rng.random() < 0.5:
        share = rng.choice([0.02, 0.2, 0.6])
        X[rng.random(X.shape) < share] = np.nan
        if rng.random() < 0.3:
            X[:, rng.integers(n_columns)] = np.where(signal > 0, np.nan, 1.0)  # missing or not is all there is to know
    if rng.random() < 0.2:
        X = X.astype(np.float32)
    return Data(X, signal, tuple(categorical), tuple(kinds))


AWKWARD = np.array([0.0, -0.0, 1e-40, -1e-40, 1e-36, -1e-36, 1e-35, 1e-300, 5e-324, 0.1, 1.5, -3.7, 16777217.0, 1.7e9])
INFINITE = np.array([np.inf, -np.inf, 1e300, -1e300])
CODES = np.array([*range(101), -0.5, -0.0, -1.0, -1.5, 2.7, 31.99, 127.0, 128.0, 2.0**24 - 1, 2.0**24, 2.0**31, 1e30])


def draw_rows(rng, forest, data, n=80):
    """Rows made of the model's thresholds, the numbers beside them, what is awkward, and some training rows."""
    X = rng.normal(size=(n, forest.n_features))
    for column in range(forest.n_features):
        at = forest.trees.threshold[forest.trees.feature == column].astype(np.float64)
        at = at[np.isfinite(at)]
        single = at.astype(np.float32)
        pool = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), AWKWARD]
        pool += [np.nextafter(single, np.float32(way)).astype(np.float64) for way in (np.inf, -np.inf)]
        pool += [np.array([np.nan])] * forest.inputs.accepts_nan
        pool += [INFINITE] * forest.inputs.accepts_inf
        if column in data.categorical:
            pool = [CODES, np.array([np.nan] * forest.inputs.accepts_nan)]
        if forest.inputs.missing_value is not None:
            pool.append(np.array([forest.inputs.missing_value]))
        picked = rng.random(n) < (1.0 if column in data.categorical else 0.8)
        X[picked, column] = rng.choice(np.concatenate(pool), size=picked.sum())
    with np.errstate(over="ignore"):
        if not forest.inputs.accepts_inf:
            X = np.where(np.isinf(X.astype(np.float32)), 1e30, X)
    own = data.X[rng.integers(0, len(data.X), n // 4)].astype(np.float64)
    X = np.concatenate([X, own if forest.inputs.accepts_nan else np.nan_to_num(own)])
    kind = rng.random()
    if kind < 0.2:
        with np.errstate(over="ignore"):
            X = X.astype(np.float32)
    elif kind < 0.3:
        X = np.asfortranarray(X)
    return X
