"""Random tables: arrays of a dtype, and frames of numbers and text; and rows that hurt a pipeline trained on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.random_models.draws import chance, one_of

Values = dict[str, list[Any]]

WORDS = ["red", "green", "blue", "violet", "black", "", "rot", "gr\u00fcn", "1", "nan", "None", "a b"]
NUMBERS = ("float64", "float64", "float64", "float32", "int64", "int8", "bool")
TEXTS = ("object", "object with None", "str", "category", "polars", "polars category")

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, 1e-40, -1e-45, 1e-35, 1e30, -1e38, 1e300]


@dataclass(frozen=True)
class Table:
    """Columns of a training set, and what makes a container of such columns.

    Attributes
    ----------
    container : str
        ``"array"``, or how a frame keeps its text.
    kinds : dict
        By the name of each column: its dtype, or ``"text"``.
    missing : frozenset of str
        Columns with missing values.
    values : dict
        By the name of each column.
    """

    container: str
    kinds: dict[str, str]
    missing: frozenset[str]
    values: Values

    def __str__(self):
        kinds = ", ".join(
            f"{name} {kind}{' with missing' * (name in self.missing)}" for name, kind in self.kinds.items()
        )
        return f"{self.container} of {kinds}"

    @property
    def numbers(self):
        """Names of the columns of numbers."""
        return [name for name, kind in self.kinds.items() if kind != "text"]

    @property
    def texts(self):
        """Names of the columns of text."""
        return [name for name, kind in self.kinds.items() if kind == "text"]

    def made(self, values: Values, dtypes: dict[str, str] | None = None, text: str = ""):
        """A container of values; `dtypes` and `text` are those of training if not given."""
        kinds = self.kinds | (dtypes or {})
        if self.container == "array":
            dtype = next(iter(kinds.values()))
            return np.column_stack([_cast(given, dtype) for given in values.values()])
        text = text or self.container
        columns = {name: _cast(given, kinds[name]) for name, given in values.items()}
        if text.startswith("polars"):
            return _polars(columns, kinds, pl.Categorical if text.endswith("category") else pl.String)
        frame = pd.DataFrame({name: pd.Series(v, dtype=v.dtype) for name, v in columns.items()})
        return frame if text.startswith("object") else frame.astype(dict.fromkeys(_texts(columns, kinds), text))

    def nothing(self):
        """What is missing in a column of text."""
        return np.nan if self.container == "object" else None


def _texts(columns, kinds):
    return [name for name in columns if kinds[name] == "text"]


def _cast(values, kind):
    if kind == "text":
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    with np.errstate(all="ignore"):
        numbers = np.asarray(values, dtype=np.float64)
        if kind in ("float64", "float32"):
            return numbers.astype(kind)
        if kind == "bool":
            return numbers > 0
        ends = np.iinfo(kind)
        return np.clip(np.nan_to_num(np.round(numbers)), max(ends.min, -(2**53)), min(ends.max, 2**53)).astype(kind)


def _polars(columns, kinds, text):
    made = {}
    for name, values in columns.items():
        if kinds[name] == "text":
            made[name] = pl.Series([v if isinstance(v, str) else None for v in values], dtype=pl.String).cast(text)
        else:
            made[name] = values
    return pl.DataFrame(made)


def draw_table(rng, n_rows) -> Table:
    """A table with between two and nine columns."""
    container = one_of(rng, "array", "array", *TEXTS)
    n_numbers = int(rng.integers(2, 6))
    if container == "array":
        dtype = one_of(rng, "float64", "float64", "float32", "int64", "bool")
        kinds = {f"n{i}": dtype for i in range(n_numbers)}
    else:
        kinds = {f"n{i}": one_of(rng, *NUMBERS) for i in range(n_numbers)}
        kinds |= {f"t{i}": "text" for i in range(int(rng.integers(0, 4)))}
        names = list(rng.permutation(list(kinds)))
        kinds = {str(name): kinds[str(name)] for name in names}
    missing = frozenset(
        name for name, kind in kinds.items() if kind in ("float64", "float32", "text") and chance(rng, 0.3)
    )
    found = Table(container, kinds, missing, {})
    for name, kind in kinds.items():
        found.values[name] = _draw_column(rng, kind, n_rows)
        if name in missing:
            for i in np.flatnonzero(rng.random(n_rows) < 0.15):
                found.values[name][i] = found.nothing() if kind == "text" else np.nan
    return found


def _draw_column(rng, kind, n):
    if kind == "text":
        words = rng.permutation(WORDS)[: int(rng.integers(2, len(WORDS)))]
        weights = rng.dirichlet(np.full(len(words), 0.7))
        return [str(word) for word in rng.choice(words, n, p=weights)]
    scale = one_of(rng, 1.0, 1.0, 1000.0, 1e-3, 1e-6)
    if kind not in ("float64", "float32"):
        return np.round(rng.normal(size=n) * one_of(rng, 2, 30, 1000)).tolist()
    draw: Callable[[], Any] = one_of(
        rng,
        lambda: rng.normal(size=n) * scale + one_of(rng, 0.0, 0.0, 7.0),
        lambda: np.round(rng.normal(size=n) * 3),
        lambda: np.where(rng.random(n) < 0.3, 0.0, rng.exponential(size=n)),
        lambda: np.where(rng.random(n) < 0.2, -1.0, rng.normal(size=n)),
        lambda: np.full(n, one_of(rng, 0.0, 3.5)),
        lambda: rng.standard_cauchy(size=n) * scale,
    )
    return draw().tolist()


def hurting(rng, table: Table, borders: dict[str, np.ndarray], n: int) -> Values:
    """Rows on borders and one ulp beside them, of known and special values, few of them missing."""
    found: Values = {}
    for name, kind in table.kinds.items():
        known = table.values[name]
        if kind == "text":
            found[name] = [known[i] for i in rng.integers(0, len(known), n)]
            continue
        dtype = np.float32 if kind == "float32" else np.float64
        at = np.asarray(borders.get(name, []), dtype=dtype)
        own = np.asarray(known, dtype=dtype)
        at = np.concatenate([at, at, own[rng.integers(0, len(own), max(20, len(at)))]])
        drawn = at[rng.integers(0, len(at), n)]
        which = rng.integers(0, 4, n)
        step = 1.0 if kind.startswith("int") else 0.0
        with np.errstate(all="ignore"):
            drawn = np.where(which == 1, np.nextafter(drawn, dtype(np.inf)) + dtype(step), drawn)
            drawn = np.where(which == 2, np.nextafter(drawn, dtype(-np.inf)) - dtype(step), drawn)
            drawn = np.where(
                rng.random(n) < 0.15, np.array(SPECIAL, dtype=dtype)[rng.integers(0, len(SPECIAL), n)], drawn
            )
        drawn = np.where(np.isinf(drawn), dtype(1.0), drawn)
        if name not in table.missing:
            drawn = np.where(np.isnan(drawn), dtype(0.0), drawn)
        found[name] = drawn.tolist()
    return found
