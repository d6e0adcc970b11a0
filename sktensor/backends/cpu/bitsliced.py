"""Bit-sliced trees on the CPU: a strategy's tables as the kernel reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu.demultiplexers import LOADS, demultiplexed
from sktensor.backends.cpu.multiplexers import SINGLE, Multiplexers, in_triples, needed_by
from sktensor.forest import Trees
from sktensor.native import abi
from sktensor.strategies.bitsliced import CircuitTables, CodeNodes
from sktensor.strategies.bitsliced.circuits import ZERO
from sktensor.strategies.ranks import NATURAL, CategoryTables, threshold_in_feature_dtype

__all__ = ["answer_bytes", "structure", "sum_structure"]

Array = npt.NDArray[Any]

# Thresholds of one search; a column with more is searched several times, in one part of them after the other.
PER_SEARCH = 2**8 - 1


def structure(
    trees: Trees,
    tables: CircuitTables,
    nodes: CodeNodes,
    sums: abi.SumStructure | None = None,
    value_dtype: npt.DTypeLike | None = None,
) -> abi.BitslicedStructure:
    """The tables as the kernel reads them.

    Parameters
    ----------
    trees : Trees
        Whose comparison, leaf values and sums these are.
    tables : CircuitTables
        What the strategy compiled from it.
    nodes : CodeNodes
        The nodes of its code trees.
    sums : abi.SumStructure, optional
        Where its sums start; by default those of a whole forest.
    value_dtype : dtype, optional
        Of the leaf values; by default that of the sums.

    Returns
    -------
    abi.BitslicedStructure
        Keeps the arrays that it points to alive.
    """
    numeric = _numeric(trees, tables)
    category = _categories(tables, len(numeric.rank))
    number = _plane_numbers(tables, numeric)
    pieces = _pieces(trees, tables, nodes, number, value_dtype or trees.acc_dtype)
    return abi.filled(
        abi.BitslicedStructure,
        n_columns=trees.n_columns,
        n_searches=len(numeric.search_column),
        right_if_equal=tables.ranks.right,
        search_column=numeric.search_column,
        search_levels=numeric.search_levels,
        search_first=numeric.search_first,
        thresholds32=numeric.thresholds32,
        thresholds64=numeric.thresholds64,
        n_thresholds=len(numeric.thresholds32),
        search_codes=numeric.search_codes,
        n_codes=len(numeric.code_nan),
        code_nan=numeric.code_nan,
        code_zero=numeric.code_zero,
        zero_limit=tables.ranks.zero_limit,
        code_planes=numeric.code_planes,
        plane_rank=numeric.rank,
        **category,
        n_planes=len(tables.plane_rank),
        **pieces,
        sum=sums or sum_structure(trees),
    )


def answer_bytes(trees: Trees) -> int:
    """What the answers about categories would take at most: every category answers all questions of its column."""
    if trees.is_cat is None or not trees.is_cat.any():
        return 0
    assert trees.cat_words is not None
    feature, words = trees.feature[trees.is_cat], trees.cat_words[trees.is_cat]
    used, place = np.unique(feature, return_inverse=True)
    largest = np.zeros(len(used), dtype=np.int64)
    np.maximum.at(largest, place, words)
    return int(np.sum(32 * largest * np.bincount(place)))


def sum_structure(trees: Trees, is_first: bool = True) -> abi.SumStructure:
    """Where the sums over a forest's trees, or over a part of them, start."""
    return abi.filled(
        abi.SumStructure,
        base=trees.base,
        acc_dtype=abi.DTYPES[trees.acc_dtype],
        n_outputs=trees.n_outputs,
        continues=not is_first,
    )


@dataclass
class _Numeric:
    """Searches, codes and planes of thresholds."""

    search_column: Array
    search_levels: Array
    search_first: Array
    thresholds32: Array
    thresholds64: Array | None
    search_codes: Array
    code_nan: Array
    code_zero: Array
    code_planes: Array
    rank: Array
    plane: Array  # the strategy's numbers of the planes, in the kernel's order


def _numeric(trees: Trees, tables: CircuitTables) -> _Numeric:
    ranks = tables.ranks
    feature = np.concatenate([bucket.feature for bucket in ranks.buckets]) if ranks.buckets else np.empty(0, np.int64)
    thresholds = [t[:n] for bucket in ranks.buckets for t, (n,) in zip(bucket.thresholds, bucket.count, strict=True)]
    planes_of = np.searchsorted(tables.plane_column, np.arange(len(ranks.source) + 1))
    columns_of: dict[int, list[int]] = {}
    for column, source in enumerate(ranks.source):
        columns_of.setdefault(int(source), []).append(column)

    searches: list[tuple[int, int]] = []  # column of X, levels
    code_trees: list[Array] = []
    n_codes: list[int] = []
    codes: list[tuple[int, int]] = []  # of a missing value, of zero
    ranks_in: list[Array] = []
    planes: list[Array] = []
    for source in np.argsort(feature, kind="stable"):
        for first in range(0, len(thresholds[source]), PER_SEARCH):
            part = thresholds[source][first : first + PER_SEARCH]
            before = len(codes)
            for column in columns_of.get(int(source), ()):
                own = np.arange(planes_of[column], planes_of[column + 1])
                rank = tables.plane_rank[own] - first
                inside = (rank >= 0) & (rank < len(part))
                if not inside.any():
                    continue
                zero = NATURAL if ranks.zero_code is None else int(ranks.zero_code[column, 0])
                codes.append(
                    (
                        int(np.clip(ranks.nan_code[column, 0] - first, 0, len(part))),
                        NATURAL if zero == NATURAL else int(np.clip(zero - first, 0, len(part))),
                    )
                )
                ranks_in.append(rank[inside])
                planes.append(own[inside])
            if len(codes) > before:
                levels = len(part).bit_length()
                searches.append((int(feature[source]), levels))
                code_trees.append(_search_tree(part, levels))
                n_codes.append(len(codes) - before)
    tree = np.concatenate(code_trees) if code_trees else np.empty(0, trees.feature_dtype)
    wide = trees.feature_dtype == "float64"
    return _Numeric(
        search_column=np.array([column for column, _ in searches], dtype=np.int32),
        search_levels=np.array([levels for _, levels in searches], dtype=np.int32),
        search_first=_begins([len(t) for t in code_trees], np.int64)[:-1],
        thresholds32=threshold_in_feature_dtype(tree, "float32", trees.cmp) if wide else tree,
        thresholds64=tree if wide else None,
        search_codes=_begins(n_codes),
        code_nan=np.array([nan for nan, _ in codes], dtype=np.uint8),
        code_zero=np.array([zero for _, zero in codes], dtype=np.int16),
        code_planes=_begins([len(p) for p in planes]),
        rank=np.concatenate(ranks_in).astype(np.uint8) if ranks_in else np.empty(0, np.uint8),
        plane=np.concatenate(planes) if planes else np.empty(0, np.int64),
    )


def _search_tree(thresholds: Array, levels: int) -> Array:
    """Ascending thresholds in the order of a search tree, padded with +inf; element 0 is unused."""
    padded = np.full(2**levels, np.inf, dtype=thresholds.dtype)
    padded[: len(thresholds)] = thresholds
    order = [np.zeros(1, dtype=np.int64)]
    order += [2 ** (levels - 1 - level) * np.arange(1, 2 ** (level + 1), 2) - 1 for level in range(levels)]
    return padded[np.concatenate(order)]


def _categories(tables: CircuitTables, n_numeric: int) -> dict[str, Any]:
    """Answers about categories, one bit a question and a row of bits a category."""
    found = tables.ranks.categories
    if found is None:
        return {"n_category_columns": 0, "category_limit": 1.0}
    features, question_of = np.unique(found.feature, return_inverse=True)
    matrices = [_answers(found, np.flatnonzero(question_of == g)) for g in range(len(features))]
    n_questions = [int(np.sum(question_of == g)) for g in range(len(features))]
    return {
        "n_category_columns": len(features),
        "category_column": features.astype(np.int32),
        "category_count": np.array([len(m) - 2 for m in matrices], dtype=np.int32),
        "category_bytes": np.array([m.shape[1] for m in matrices], dtype=np.int32),
        "category_first": _begins([m.size for m in matrices], np.int64)[:-1],
        "answers": np.concatenate([m.ravel() for m in matrices]),
        "n_answers": sum(m.size for m in matrices),
        "category_planes": (_begins(n_questions) + n_numeric).astype(np.int32),
        "truncate_first": found.truncate_first,
        "category_limit": found.limit,
    }


def _answers(found: CategoryTables, questions: Array) -> Array:
    """Bits of the answers to the questions about one column: of each category, of any other, of a missing value."""
    sizes, offsets = found.size[questions, 0], found.offset[questions, 0]
    bits = np.empty((sizes.max() + 2, len(questions)), dtype=np.uint8)
    for q, (size, offset) in enumerate(zip(sizes, offsets, strict=True)):
        bits[:size, q] = found.answers[offset : offset + size]
        bits[size:-1, q] = found.answers[offset + size]
        bits[-1, q] = found.answers[offset + size + 1]
    return np.packbits(bits, axis=1, bitorder="little")


def _plane_numbers(tables: CircuitTables, numeric: _Numeric) -> Array:
    """The kernel's number of each plane: those of thresholds in the order of their codes, then those of categories."""
    number = np.empty(len(tables.plane_rank), dtype=np.int64)
    number[numeric.plane] = np.arange(len(numeric.plane))
    if tables.ranks.categories is not None:
        category = np.arange(len(numeric.plane), len(number))  # sorted by column, they stand behind those of thresholds
        question = tables.plane_column[category] - len(tables.ranks.source)
        feature = tables.ranks.categories.feature[question]
        number[category[np.argsort(feature, kind="stable")]] = category
    return number


def _pieces(
    trees: Trees, tables: CircuitTables, nodes: CodeNodes, number: Array, value_dtype: npt.DTypeLike
) -> dict[str, Any]:
    """Multiplexers, codes and values of the pieces of trees, by output and tree."""
    vector = trees.leaf_value.shape[1] > 1
    target = tables.piece_tree if vector else np.maximum(trees.tree_target, 0)[tables.piece_tree]
    order = np.argsort(target, kind="stable")
    first_own = 2 + len(number)
    slot = np.concatenate([[0, 1], 2 + number])

    def slots(values: Array, first: Array) -> Array:
        own = values >= first_own
        return np.where(own, values - first + first_own, slot[np.where(own, 0, values)]).astype(np.uint16)

    def in_order(rows: Array, begins: Array) -> tuple[Array, Array]:
        """Slots for the rows of each piece in the new order of pieces, and where theirs begin."""
        count = np.diff(begins)[order]
        ends = _begins(count)
        row = np.arange(ends[-1]) + np.repeat(begins[:-1][order] - ends[:-1], count)
        return slots(rows[row], np.repeat(multiplexers.piece_first[order], count)[:, None]), ends

    multiplexers, routed, piece_code = _wired(tables, nodes)
    triples, piece_triples = in_order(multiplexers.triples, multiplexers.piece_triples)
    muxes, piece_muxes = in_order(multiplexers.singles, multiplexers.piece_singles)
    demuxes, _ = in_order(routed.operands, _begins(routed.counts.sum(axis=1)))

    leaf_value = np.concatenate([trees.leaf_value, np.full_like(trees.leaf_value[:1], -0.0)])  # -0.0 changes no sum
    bits = tables.piece_bits[order]
    size = 2 ** bits.astype(np.int64)
    first = _begins(size, np.int64)
    entry = np.arange(first[-1]) + np.repeat(tables.piece_first[order] - first[:-1], size)
    values = leaf_value.astype(value_dtype)[tables.leaf[entry]]  # -1 is the last one
    value_bytes, piece_bytes = _byte_tables(values, bits, first[:-1])
    return {
        "n_pieces": len(order),
        "triples": np.pad(triples, ((0, 0), (0, 1))),
        "piece_triples": piece_triples,
        "muxes": muxes,
        "piece_muxes": piece_muxes,
        "demuxes": demuxes,
        "piece_demuxes": _begins(routed.counts[order].ravel()),
        "piece_bits": bits.astype(np.int32),
        "piece_code": slots(piece_code[order], multiplexers.piece_first[order, None]),
        "piece_first": first[:-1],
        "piece_output": target[order].astype(np.int32),
        "n_leaf_outputs": trees.leaf_value.shape[1],
        "values": values,
        "n_values": len(values),
        "value_bytes": value_bytes,
        "piece_bytes": piece_bytes,
        "n_value_bytes": len(value_bytes),
    }


@dataclass
class _Routed:
    """Demultiplexers, piece by piece."""

    operands: Array  # (U, 8) values
    counts: Array  # (P, 3) on each floor


def _wired(tables: CircuitTables, nodes: CodeNodes) -> tuple[Multiplexers, _Routed, Array]:
    """The multiplexers or demultiplexers of each piece, whichever take less, and the values of its code's bits."""
    n_pieces = len(tables.piece_tree)
    demultiplexers = demultiplexed(nodes)
    code = tables.piece_code.astype(np.int64)
    multiplexers = in_triples(tables, code.ravel())
    instead = LOADS * demultiplexers.counts(n_pieces) + SINGLE * needed_by(tables, nodes.select)
    chosen = instead < multiplexers.loads()
    if chosen.any():
        asked = nodes.select[chosen[nodes.piece]]
        multiplexers = in_triples(tables, np.concatenate([code[~chosen].ravel(), asked]))
    demultiplexers = demultiplexers.of(chosen)
    first_bit = multiplexers.piece_first + np.diff(multiplexers.piece_triples) + np.diff(multiplexers.piece_singles)
    bit = np.arange(code.shape[1])
    planes = np.where(bit < tables.piece_bits[:, None], first_bit[:, None] + bit, ZERO)
    operands = demultiplexers.operands(multiplexers.number[nodes.select], first_bit + abi.FLOOR_BITS)
    routed = _Routed(operands, np.diff(demultiplexers.floors(n_pieces)).reshape(n_pieces, abi.FLOORS))
    return multiplexers, routed, np.where(chosen[:, None], planes, multiplexers.number[code])


def _byte_tables(values: Array, bits: Array, first: Array) -> tuple[Array, Array]:
    """Values of each piece turned over, first the lowest bytes of all, for look-up in registers."""
    width, item = values.shape[1], values.dtype.itemsize
    entries = np.maximum(64, 2 ** bits.astype(np.int64))
    begins = _begins(entries * width * item, np.int64)
    room = np.zeros(begins[-1] + 64, dtype=np.uint8)
    room = room[-room.ctypes.data % 64 :][: begins[-1]]
    as_bytes = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width, item)
    for b in np.unique(bits):
        (pieces,) = np.nonzero(bits == b)
        table = as_bytes[first[pieces, None] + np.arange(2**b)]  # (pieces, entries, width, bytes)
        place = begins[pieces, None, None, None] + max(64, 2**b) * np.arange(width * item).reshape(width, item, 1)
        room[place + np.arange(2**b)] = table.transpose(0, 2, 3, 1)
    return room, begins[:-1]


def _begins(counts: Any, dtype: Any = np.int32) -> Array:
    """Where runs of these lengths begin, one after the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(dtype)
