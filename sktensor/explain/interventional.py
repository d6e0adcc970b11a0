"""Interventional SHAP values by the kernels of the CPU, at the same cost a row for any number of background rows.

Players that a set leaves out have the values of a row of the background, on average over its rows. What a leaf adds
depends on the row by which players' conditions on the way it meets, and on the background by how often its rows meet
just these or those: tables over the former, made once, are looked up. Trees whose tables would be too large are walked
with every row of the background in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import slots
from sktensor.backends.cpu.kernels import ByDtype, Calls, Tables
from sktensor.explain import tables
from sktensor.explain.lookup import (
    MOST_BITS,
    Group,
    LookupTables,
    leaf_groups,
    leaf_tables,
    questions,
)
from sktensor.explain.native import LEAST_ROWS, path_structure, tables_to_look_up
from sktensor.explain.tables import PathTables
from sktensor.forest import Forest, Trees
from sktensor.inputs.rows import Rows
from sktensor.native import abi, loader

__all__ = ["InterventionalExplainer", "refusal"]

Array = npt.NDArray[Any]

TABLE_BYTES = 64 * 2**20  # of all trees that are looked up
ROWS_TOGETHER = 2**12  # that are walked
CHUNK_BYTES = 2**24  # of decisions that are held at once
LOOKUP_NANOSECONDS = 1.0  # that a value of a row takes


def refusal(forest: Forest) -> str:
    """Why the kernels give no interventional SHAP values of a forest, as words that go on; or an empty text.

    Parameters
    ----------
    forest : Forest
        Whose values are asked for; covers are not needed.
    """
    return tables.refusal(_covered(forest.trees)) or loader.why_missing() or slots.refusal(forest.trees)


class InterventionalExplainer:
    """Interventional SHAP values of a forest's sums over trees.

    Parameters
    ----------
    forest : Forest
        What is explained.
    players : ndarray of int32, shape (n_columns,)
        The player that each column of the trees belongs to.
    n_players : int
        How many players there are, with those that no column belongs to.
    background : Rows
        At least one row.

    Raises
    ------
    ValueError
        For what :func:`refusal` says, or if the background has no rows.
    """

    def __init__(self, forest: Forest, players: Array, n_players: int, background: Rows) -> None:
        if why := refusal(forest):
            raise ValueError(f"The CPU kernels give no SHAP values of this model: {why}.")
        if not len(background):
            raise ValueError("The background has no rows. Give at least one.")
        trees = _covered(forest.trees)
        looked_up, walked = _parted(trees, players)
        self._forest, self._n_players = forest, n_players
        self._looked_up = _Part(forest, trees, looked_up, players, n_players)
        self._lookup: LookupTables | None = None
        if len(looked_up):
            decisions = self._looked_up.decisions(background)
            self._lookup = _lookup_tables(self._looked_up, decisions, len(background), n_players)
            self._tables = ByDtype(trees, partial(tables_to_look_up, self._looked_up.trees, self._lookup))
        self._walked = _Part(forest, trees, walked, players, n_players) if len(walked) else None
        if self._walked is not None:
            self._others = self._walked.codes(background)
        n_values = 0 if self._lookup is None else len(self._lookup.target)
        self._calls = Calls(forest, int(n_values * LOOKUP_NANOSECONDS / 100) + 1, LEAST_ROWS)

    def values(self, rows: Rows, n_threads: int) -> Array:
        """SHAP values of rows, in the units of leaves.

        Parameters
        ----------
        rows : Rows
            Of any kind.
        n_threads : int
            Threads at most.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_players, n_outputs)
            The same bits for any number of rows beside them, of threads, and for any instruction set.
        """
        if self._walked is None and self._lookup is None:
            return np.zeros((len(rows), self._n_players, self._forest.n_outputs))
        rows = rows if self._walked is None else rows.checked()
        out = np.empty((len(rows), self._n_players, self._forest.n_outputs))
        if self._lookup is not None:
            (made,) = self._calls.fitting([self._tables[rows.dtype]], rows)
            self._calls.run([made.call], rows, out, n_threads)
            if self._walked is None:
                return out
        assert self._walked is not None
        first = 0
        for some in rows.batches(ROWS_TOGETHER):
            found = self._walked.values(some, self._others, n_threads)
            if self._lookup is None:
                out[first : first + len(some)] = found
            else:
                out[first : first + len(some)] += found
            first += len(some)
        return out


def _covered(trees: Trees) -> Trees:
    """The same trees with covers, which nothing depends on."""
    return replace(trees, cover=np.ones(trees.n_nodes + trees.n_leaves))


def _parted(trees: Trees, players: Array) -> tuple[Array, Array]:
    """The trees that are looked up, the smallest ones within the memory for tables, and the others."""
    paths = PathTables.of(trees, players)
    size = np.zeros(trees.n_trees)
    for group in leaf_groups(paths):
        n_players = group.player.shape[1]
        own = np.inf if n_players > MOST_BITS else 8.0 * n_players * 2**n_players * paths.value.shape[1]
        np.add.at(size, group.tree, own)
    order = np.argsort(size, kind="stable")
    fits = np.zeros(trees.n_trees, dtype=bool)
    fits[order] = np.cumsum(size[order]) <= TABLE_BYTES
    return np.flatnonzero(fits), np.flatnonzero(~fits)


class _Part:
    """Some trees of a forest.

    Parameters
    ----------
    forest : Forest
        Whose rows are asked for.
    trees : Trees
        All of them, with covers.
    numbers : ndarray of int
        Of the trees.
    players : ndarray of int32
        Of the columns.
    n_players : int
        How many there are.
    """

    def __init__(self, forest: Forest, trees: Trees, numbers: Array, players: Array, n_players: int) -> None:
        taken = replace(forest, trees=trees)
        self._forest = taken if len(numbers) == trees.n_trees else taken.take(numbers)
        self.trees = self._forest.trees
        self.paths = PathTables.of(self.trees, players)
        self._n_players = n_players
        # Rows may come as the columns that all trees look at.
        self._calls = Calls(forest, int(self.paths.n_nodes / 10) + 1, LEAST_ROWS)

    def decisions(self, rows: Rows) -> Iterator[Array]:
        """Whether rows go left at each node, bool, shape (N, n), some rows at a time."""
        n_rows = max(1, CHUNK_BYTES // max(self.paths.n_nodes, 1))
        (made,) = self._calls.fitting([self._tables], rows)
        kernels = self._calls.kernels

        def call(X: bytes, features: int, *rest: int) -> int:
            return kernels.shap_decisions(made.address, X, features, *rest)  # type: ignore[no-any-return]

        for some in rows.batches(n_rows):
            out = np.empty((len(some), self.paths.n_nodes), dtype=np.uint8)
            self._calls.run([call], some, out, 1)
            yield np.ascontiguousarray(out.T).astype(bool)

    def codes(self, rows: Rows) -> Array:
        """Codes of rows, uint32, shape (n, n_slots)."""
        out = np.empty((len(rows), self._structure.n_slots), dtype=np.uint32)
        (tables,) = self._calls.fitting([self._tables], rows)
        self._calls.run([partial(self._calls.kernels.shap_codes, tables.address)], rows, out, 1)
        return out

    def values(self, rows: Rows, others: Array, n_threads: int) -> Array:
        """The mean of the values of rows against each of some others, whose codes are given."""
        out = np.empty((len(rows), self._n_players, self._forest.n_outputs))
        (tables,) = self._calls.fitting([self._tables], rows)
        call, held = self._calls.kernels.shap_direct, loader.address(others)

        def run(X: bytes, features: int, *rest: int) -> int:
            return call(tables.address, X, features, held, len(others), *rest)  # type: ignore[no-any-return]

        self._calls.run([run], rows, out, n_threads)
        return out

    @cached_property
    def _structure(self) -> abi.ShapStructure:
        """The trees, with codes for rows of any dtype."""
        return path_structure(self.trees, self.paths, self._n_players, "float64")

    @cached_property
    def _tables(self) -> Tables:
        return Tables("shap", self._structure)


def _lookup_tables(part: _Part, decisions: Iterator[Array], n_rows: int, n_players: int) -> LookupTables:
    """Tables of all leaves from the decisions of the background's rows."""
    paths = part.paths
    found = list(leaf_groups(paths))
    frequency = [np.zeros((len(group.leaf), 1 << group.player.shape[1])) for group in found]
    for decided in decisions:
        for group, counts in zip(found, frequency, strict=True):
            counts += _frequencies(group, decided)
    tree_question, question_node, question = questions(part.trees, paths)
    used = np.unique(paths.player)
    joined: dict[str, list[Array]] = {name: [] for name in ("groups", "tree", "conditions", "condition", "target")}
    table: list[Array] = [np.empty(0)]
    n_bits = n_values = n_table = 0
    for group, counts in zip(found, frequency, strict=True):
        n, u = group.player.shape
        width = paths.value.shape[1]
        made = leaf_tables(counts / n_rows, paths.value[group.leaf])
        entry = np.zeros(n, dtype=abi.LOOKUP_GROUP)
        entry["first_bit"], entry["n_bits"] = n_bits + u * np.arange(n), u
        entry["first_value"], entry["n_values"] = n_values + u * width * np.arange(n), u * width
        entry["table"] = n_table + made[0].size * np.arange(n)
        inside = np.arange(group.node.shape[2]) < group.count[:, :, None]
        asked = question[group.node]
        output = np.arange(width) if width > 1 else np.maximum(paths.tree_output[group.tree], 0)[:, None, None]
        player = np.searchsorted(used, group.player)[:, :, None]
        joined["groups"].append(entry)
        joined["tree"].append(group.tree)
        joined["conditions"].append(group.count.ravel())
        joined["condition"].append(np.where(group.is_right, asked, ~asked)[inside])
        joined["target"].append((player * paths.n_outputs + output).ravel())
        table.append(made.ravel())
        n_bits, n_values, n_table = n_bits + n * u, n_values + n * u * width, n_table + made.size
    arrays = {name: np.concatenate(parts or [np.empty(0, np.int64)]) for name, parts in joined.items()}
    groups = arrays["groups"] if found else np.zeros(0, dtype=abi.LOOKUP_GROUP)
    order = np.argsort(arrays["tree"], kind="stable")
    return LookupTables(
        tree_question=tree_question,
        question_node=question_node,
        tree_group=np.searchsorted(arrays["tree"][order], np.arange(paths.n_trees + 1)).astype(np.int64),
        groups=groups[order],
        bit_condition=np.concatenate([[0], np.cumsum(arrays["conditions"])]).astype(np.int64),
        condition=arrays["condition"].astype(np.int32),
        target=arrays["target"].astype(np.int32),
        table=np.concatenate(table),
        used=used.astype(np.int32),
        n_players=n_players,
        n_outputs=paths.n_outputs,
    )


def _frequencies(group: Group, decided: Array) -> Array:
    """How many rows meet just the conditions of each set of players, shape (n, 2**u); decisions (N, rows)."""
    n, u = group.player.shape
    n_rows = decided.shape[1]
    found = np.empty((n, 1 << u))
    for first in range(0, n, step := max(1, CHUNK_BYTES // (8 * n_rows))):
        some = slice(first, first + step)
        number = np.zeros((len(group.leaf[some]), n_rows), dtype=np.int64)
        for player in range(u):
            node, is_right = group.node[some, player], group.is_right[some, player]
            meets = decided[node[:, 0]] != is_right[:, :1]
            for condition in range(1, node.shape[1]):
                at = np.flatnonzero(group.count[some, player] > condition)
                meets[at] &= decided[node[at, condition]] != is_right[at, condition, None]
            number += meets.astype(np.int64) << player
        number += (np.arange(len(number)) << u)[:, None]
        found[some] = np.bincount(number.ravel(), minlength=len(number) << u).reshape(-1, 1 << u)
    return found
