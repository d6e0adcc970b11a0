"""Rank codes: every question that a node can ask becomes ``code[column] > rank`` on small integers.

Libraries differ in comparison, dtype, missing values, zeros and categories. All of it is settled here,
once a row: a value is replaced by its rank among its feature's thresholds, found in the model's own dtype
with its own comparison, and a missing value by the rank that sends it to its side. What follows (three
strategies, any device) compares integers, so it cannot be inexact, and a NaN cannot poison anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sktensor.forest import Trees
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = [
    "CategoryTables",
    "RankTables",
    "Ranked",
    "ThresholdBucket",
    "compile_ranks",
    "encode",
    "threshold_in_feature_dtype",
]


ANSWERS_LIMIT = 2**30  # bytes of answers about categories; more are refused rather than allocated

NATURAL = -1  # zero_code of a column whose zeros are ranked like any other value


@dataclass(frozen=True)
class ThresholdBucket:
    """Features with about as many distinct thresholds, so that one search serves them all."""

    feature: Array  # int64 (B,)
    thresholds: Array  # feature dtype (B, width): distinct, ascending, padded with +inf
    count: Array  # int32 (B, 1): thresholds that are not padding


@dataclass(frozen=True)
class CategoryTables:
    """One column a distinct (feature, set of categories): code 0 goes left, 1 right."""

    feature: Array  # int64 (C,)
    size: Array  # int64 (C, 1): categories that the set speaks of
    offset: Array  # int64 (C, 1): where the column's answers begin
    answers: Array  # uint8: of each category in turn, then of an unknown one, then of a missing one
    truncate_first: bool
    limit: float  # numbers from here on are no categories


@dataclass(frozen=True)
class RankTables:
    """How the rows of X become codes, shape (columns, rows)."""

    right: bool  # which side torch.searchsorted counts equal thresholds on: x < t sends equal values right
    buckets: tuple[ThresholdBucket, ...]
    source: Array  # int64 (N,): the ranked feature that a numeric column is a copy of
    source_feature: Array  # int64 (N,): its column in X
    nan_code: Array  # int32 (N, 1): what a missing value becomes
    zero_code: Array | None  # int32 (N, 1): what 0.0 becomes, NATURAL where nothing special
    zero_limit: float  # the largest absolute value that such a column takes for 0.0
    categories: CategoryTables | None
    code_dtype: str

    @property
    def n_columns(self) -> int:
        """Columns of codes."""
        return len(self.source) + (0 if self.categories is None else len(self.categories.feature))


def threshold_in_feature_dtype(threshold: Array, feature_dtype: str, cmp: str) -> Array:
    """Thresholds in the dtype of the features, such that no comparison changes.

    For float32 ``x``, ``x <= t`` is ``x <= floor32(t)`` and ``x < t`` is ``x < ceil32(t)``; rounding to nearest
    would move values across, as it does for 42 % of the thresholds of a scikit-learn tree.
    """
    with np.errstate(over="ignore"):  # gives an infinity, which is corrected
        rounded = threshold.astype(feature_dtype)
        wide = rounded.astype(np.float64)
        if cmp == "le":
            return np.where(wide > threshold, np.nextafter(rounded, rounded.dtype.type(-np.inf)), rounded)
        return np.where(wide < threshold, np.nextafter(rounded, rounded.dtype.type(np.inf)), rounded)


Ranked: TypeAlias = tuple[RankTables, Array, Array]
"""What :func:`compile_ranks` returns."""


def compile_ranks(trees: Trees) -> Ranked:
    """Rank tables of a forest, and for each node the column and rank of its question.

    Returns
    -------
    tables : RankTables
    column, rank : ndarray of int32, shape (M,)
        A row goes right at the node iff ``codes[column] > rank``.
    """
    column = np.zeros(trees.n_nodes, dtype=np.int32)
    rank = np.zeros(trees.n_nodes, dtype=np.int32)
    numeric = np.ones(trees.n_nodes, dtype=bool) if trees.is_cat is None else ~trees.is_cat
    nodes = np.flatnonzero(numeric)

    threshold = threshold_in_feature_dtype(trees.threshold[nodes], trees.feature_dtype, trees.cmp)
    # -0.0 and 0.0 are one threshold: they compare equal, and adding 0.0 makes them one number for np.unique too.
    used, which, distinct, rank[nodes] = _distinct_thresholds(trees.feature[nodes], threshold + 0.0)
    buckets, ranked_at = _bucketed(used, distinct, trees.feature_dtype)

    column[nodes], source, nan_code, zero_code = _columns(trees, nodes, which, rank[nodes], distinct)
    categories, column[~numeric] = _category_columns(trees, np.flatnonzero(~numeric))
    column[~numeric] += len(source)

    largest = max([len(t) for t in distinct], default=0)
    code_dtype = "uint8" if largest <= 255 else "int16" if largest <= 32767 else "int32"
    tables = RankTables(
        right=trees.cmp == "lt",
        buckets=buckets,
        source=ranked_at[source],
        source_feature=used[source].astype(np.int64),
        nan_code=nan_code[:, None],
        zero_code=None if np.all(zero_code == NATURAL) else zero_code[:, None],
        # LightGBM tests |x| <= 1e-35 there; it matters for sparse rows, whose tiny values it does not flush.
        zero_limit=trees.zero_limit,
        categories=categories,
        code_dtype=code_dtype,
    )
    return tables, column, rank


def _distinct_thresholds(feature: Array, threshold: Array) -> tuple[Array, Array, list[Array], Array]:
    """Used features, each node's place among them, their distinct thresholds, each node's rank in these."""
    # By feature, then by threshold: features are few, so sorting the thresholds of each is far less than sorting pairs.
    order = np.argsort(feature.astype(np.uint16) if feature.max(initial=0) < 2**16 else feature, kind="stable")
    borders = np.flatnonzero(np.diff(feature[order])) + 1
    order = np.concatenate([part[np.argsort(threshold[part])] for part in np.split(order, borders)])
    f, t = feature[order], threshold[order]
    new_feature = np.r_[True, f[1:] != f[:-1]][: len(f)]
    new_value = new_feature | np.r_[True, t[1:] != t[:-1]][: len(f)]
    which = np.cumsum(new_feature) - 1
    number = np.cumsum(new_value) - 1
    first = number[new_feature]  # number of each feature's smallest threshold
    rank = np.empty(len(f), dtype=np.int32)
    rank[order] = number - first[which] if len(f) else 0
    place = np.empty(len(f), dtype=np.int64)
    place[order] = which
    return f[new_feature], place, np.split(t[new_value], first[1:]) if len(f) else [], rank


def _bucketed(used: Array, distinct: list[Array], dtype: str) -> tuple[tuple[ThresholdBucket, ...], Array]:
    """Group the features by the power of two that holds their thresholds; and where each feature's ranks land."""
    width = np.array([1 << (max(len(t), 1) - 1).bit_length() for t in distinct], dtype=np.int64)
    order = np.argsort(width, kind="stable")
    buckets = []
    for w in np.unique(width):
        members = order[width[order] == w]
        padded = np.full((len(members), w), np.inf, dtype=dtype)
        for row, member in enumerate(members):
            padded[row, : len(distinct[member])] = distinct[member]
        count = np.array([[len(distinct[m])] for m in members], dtype=np.int32)
        buckets.append(ThresholdBucket(used[members].astype(np.int64), padded, count))
    ranked_at = np.empty(len(order), dtype=np.int64)
    ranked_at[order] = np.arange(len(order))
    return tuple(buckets), ranked_at


def _columns(
    trees: Trees, nodes: Array, which: Array, rank: Array, distinct: list[Array]
) -> tuple[Array, Array, Array, Array]:
    """Numeric columns: each node's column, and each column's feature, code of a missing value and code of zero.

    One column serves all nodes of a feature if one rank sends missing values to every node's own side:
    it must exceed the ranks of all nodes that send them right and none of those that send them left.
    That covers features with one default side, and LightGBM's models trained without missing values, where
    NaN counts as 0.0. Otherwise the feature gets a column a side, so that nodes pay nothing for it.
    """
    n_used = len(distinct)
    counts = np.array([len(t) for t in distinct], dtype=np.int64)
    nan_left = trees.nan_left[nodes]
    zero = np.full(len(nodes), NATURAL) if trees.zero_dir is None else trees.zero_dir[nodes].astype(np.int64)

    highest_right = np.full(n_used, -1, dtype=np.int64)
    np.maximum.at(highest_right, which[~nan_left], rank[~nan_left])
    lowest_left = counts.copy()
    np.minimum.at(lowest_left, which[nan_left], rank[nan_left])
    zero_is_natural = np.ones(n_used, dtype=bool)
    zero_is_natural[which[zero != NATURAL]] = False
    one_column = zero_is_natural & (highest_right < lowest_left)

    side = np.where(one_column[which], 0, 1 + nan_left + 2 * (zero + 1))
    key = which * 8 + side
    present = np.zeros(8 * n_used, dtype=bool)
    present[key] = True
    keys, column = np.flatnonzero(present), (np.cumsum(present) - 1)[key]
    source, side = keys // 8, keys % 8
    goes_left, zero_left = (side - 1) % 2 == 1, (side - 1) // 2 - 1
    nan_code = np.where(side == 0, highest_right[source] + 1, np.where(goes_left, 0, counts[source]))
    zero_code = np.where((side == 0) | (zero_left == NATURAL), NATURAL, np.where(zero_left == 1, 0, counts[source]))
    return column.astype(np.int32), source, nan_code.astype(np.int32), zero_code.astype(np.int32)


def _category_columns(trees: Trees, nodes: Array) -> tuple[CategoryTables | None, Array]:
    """One column for each distinct question about categories, and each node's column."""
    if not len(nodes):
        return None, np.empty(0, dtype=np.int32)
    assert trees.cat_off is not None and trees.cat_words is not None and trees.cat_bits is not None
    if (needed := 32 * int(trees.cat_words[nodes].sum(dtype=np.int64))) > ANSWERS_LIMIT:
        raise ValueError(
            f"The forest's sets of categories take {needed / 2**30:.3g} GiB of tables, more than 1 GiB: they speak of "
            f"up to {32 * int(trees.cat_words.max()):,} categories."
        )
    seen: dict[tuple[int, bytes, bool, bool], int] = {}
    column = np.empty(len(nodes), dtype=np.int32)
    answers: list[Array] = []
    size: list[int] = []
    for i, node in enumerate(nodes):
        words = trees.cat_bits[trees.cat_off[node] : trees.cat_off[node] + trees.cat_words[node]]
        outside = bool(trees.oov_left[node]) if trees.oov_left is not None else False
        missing = bool(trees.nan_left[node])
        key = (int(trees.feature[node]), words.tobytes(), outside, missing)
        column[i] = seen.setdefault(key, len(seen))
        if column[i] == len(size):
            left = np.unpackbits(words.view(np.uint8), bitorder="little")
            answers.append(np.r_[1 - left, np.array([not outside, not missing], dtype=np.uint8)])
            size.append(len(left))
    tables = CategoryTables(
        feature=np.array([key[0] for key in seen], dtype=np.int64),
        size=np.array(size, dtype=np.int64)[:, None],
        offset=(np.cumsum([0, *[len(a) for a in answers]])[:-1, None]).astype(np.int64),
        answers=np.concatenate(answers),
        truncate_first=trees.cat_mode == "lgb",
        limit=float(2**31 if trees.cat_mode == "lgb" else 2**24),
    )
    return tables, column


def encode(tables: RankTables, X: torch.Tensor) -> torch.Tensor:
    """Codes of the rows of X.

    Parameters
    ----------
    tables : RankTables
        With tensors for arrays, on the device of `X`.
    X : torch.Tensor, shape (n, F)
        In the forest's feature dtype, missing values as NaN.

    Returns
    -------
    torch.Tensor, shape (columns, n)
        In `tables.code_dtype`.
    """
    import torch

    code_dtype = getattr(torch, tables.code_dtype)
    X = X.t()
    parts = []
    if tables.buckets:
        ranks = [
            torch.minimum(  # padding is +inf, which a value of +inf would count
                torch.searchsorted(b.thresholds, X.index_select(0, b.feature), right=tables.right, out_int32=True),
                b.count,
            )
            for b in tables.buckets
        ]
        codes = torch.cat(ranks).index_select(0, tables.source)
        values = X.index_select(0, tables.source_feature)
        codes = torch.where(values.isnan(), tables.nan_code, codes)
        if tables.zero_code is not None:
            codes = torch.where(
                (values.abs() <= tables.zero_limit) & (tables.zero_code != NATURAL), tables.zero_code, codes
            )
        parts.append(codes.to(code_dtype))
    if tables.categories is not None:
        parts.append(_encode_categories(tables.categories, X).to(code_dtype))
    return torch.cat(parts) if parts else X.new_empty((0, X.shape[1]), dtype=code_dtype)


def _encode_categories(tables: CategoryTables, X: torch.Tensor) -> torch.Tensor:
    """Left or right, for each question about categories and each row."""
    import torch

    x = X.index_select(0, tables.feature)
    number = x.trunc() if tables.truncate_first else x  # -0.5 is category 0 to LightGBM and none to XGBoost
    known = (number >= 0) & (number < tables.limit)
    number = torch.where(known, number, 0.0).to(torch.int64)
    answer = torch.where(known & (number < tables.size), number, tables.size)
    answer = torch.where(x.isnan(), tables.size + 1, answer) + tables.offset
    return tables.answers.index_select(0, answer.flatten()).view_as(answer)
