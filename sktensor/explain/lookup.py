"""SHAP values that are looked up: tables of what trees or leaves add, by a few bits of a row.

A tree that asks few distinct questions, as those of CatBoost do, which ask one at each depth, has a table over their
answers. With a background set, a leaf has a table over its players: whether the row meets all conditions of a player
on the way to the leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu.codes import codes_structure, compile_codes
from sktensor.explain.tables import PathTables, quadrature
from sktensor.forest import Trees
from sktensor.native import abi

__all__ = ["MOST_BITS", "Group", "LookupTables", "leaf_groups", "leaf_tables", "questions"]

Array = npt.NDArray[Any]

MOST_BITS = 16  # of a group, that the kernel takes


@dataclass(frozen=True, eq=False)
class LookupTables:
    """Groups of bits and their tables; the arrays of the kernel's structure, with their names."""

    tree_question: Array  # int64 (T + 1,)
    question_node: Array  # int32 (Q,): the forest's number of a node that asks the question
    tree_group: Array  # int64 (T + 1,)
    groups: Array  # abi.LOOKUP_GROUP (G,)
    bit_condition: Array  # int64 (B + 1,)
    condition: Array  # int32 (C,)
    target: Array  # int32 (V,)
    table: Array  # float64
    used: Array  # int32 (P,)
    n_players: int
    n_outputs: int

    def structure(self, trees: Trees, rows_dtype: str) -> abi.LookupStructure:
        """The tables as the kernel reads them, for rows of a dtype."""
        codes, slot, key = compile_codes(trees, rows_dtype)
        return abi.filled(
            abi.LookupStructure,
            codes=codes_structure(codes, trees.n_columns),
            n_trees=len(self.tree_question) - 1,
            n_outputs=self.n_outputs,
            n_players=self.n_players,
            n_used=len(self.used),
            used=self.used,
            slot=slot[self.question_node].astype(np.int32),
            key=key[self.question_node],
            tree_question=self.tree_question,
            tree_group=self.tree_group,
            groups=self.groups,
            bit_condition=self.bit_condition,
            condition=self.condition,
            target=self.target,
            table=self.table,
            n_questions=len(self.question_node),
            n_groups=len(self.groups),
            n_bits=len(self.bit_condition) - 1,
            n_conditions=len(self.condition),
            n_values=len(self.target),
            n_table=len(self.table),
        )


def questions(trees: Trees, paths: PathTables) -> tuple[Array, Array, Array]:
    """The distinct questions of each tree.

    Returns
    -------
    tree_question : ndarray of int64, shape (T + 1,)
        Where a tree's questions begin.
    question_node : ndarray of int32, shape (Q,)
        A node that asks each, by the forest's number.
    question : ndarray of int64, shape (N,)
        What each node asks, counted from its tree's first question.
    """
    _, slot, key = compile_codes(trees, "float64")
    tree = np.repeat(np.arange(paths.n_trees), np.diff(paths.tree_node))
    asked = slot[paths.node].astype(np.uint64) << np.uint64(32) | key[paths.node]
    _, asked = np.unique(asked, return_inverse=True)
    _, first, number = np.unique(tree * (paths.n_nodes + 1) + asked, return_index=True, return_inverse=True)
    tree_question = np.searchsorted(tree[first], np.arange(paths.n_trees + 1))
    return tree_question.astype(np.int64), paths.node[first], number - tree_question[tree]


# --------------------------------------------------------------------------------------------------- few questions


@dataclass(frozen=True, eq=False)
class Group:
    """Leaves whose ways know as many players.

    Sizes: ``n`` leaves, ``u`` players, ``m`` conditions of a player at most.
    """

    tree: Array  # int64 (n,)
    leaf: Array  # int32 (n,): the forest's number
    player: Array  # int32 (n, u)
    node: Array  # int64 (n, u, m): place of a node in the order of PathTables, repeated where there are fewer
    is_right: Array  # bool (n, u, m): where it has to lead
    count: Array  # int64 (n, u): conditions


def leaf_groups(paths: PathTables) -> Iterator[Group]:
    """The ways to all leaves but those of trees without a node, by how many players they know."""
    n = paths.n_nodes
    if not n:
        return
    tree = np.repeat(np.arange(paths.n_trees), np.diff(paths.tree_node))
    parent, from_right = np.full(n, -1), np.zeros(n, dtype=bool)
    for child, to_right in ((paths.left, False), (paths.right, True)):
        inner = child >= 0
        parent[child[inner]], from_right[child[inner]] = np.flatnonzero(inner), to_right
    child = np.stack([paths.left, paths.right], axis=1).ravel()
    end = np.flatnonzero(child < 0)  # in the order in which nodes lead to leaves
    leaf, at, side = ~child[end], end // 2, (end % 2).astype(bool)
    way, sides = [at], [side]
    while (way[-1] >= 0).any():
        up = np.where(way[-1] >= 0, parent[way[-1]], -1)
        sides.append(from_right[way[-1]])
        way.append(up)
    node, is_right = np.stack(way[:-1], axis=1)[:, ::-1], np.stack(sides[: len(way) - 1], axis=1)[:, ::-1]
    for rows in _blocks(len(leaf), node.shape[1]):
        yield from _by_players(paths, tree[at[rows]], leaf[rows], node[rows], is_right[rows])


def _blocks(n: int, width: int) -> Iterator[slice]:
    """Some leaves at a time."""
    step = max(1, 2**22 // max(width, 1))
    return (slice(first, first + step) for first in range(0, n, step))


def _by_players(paths: PathTables, tree: Array, leaf: Array, node: Array, is_right: Array) -> Iterator[Group]:
    player = np.where(node >= 0, paths.player[node], np.iinfo(np.int32).max)
    order = np.argsort(player, axis=1, kind="stable")  # conditions of a player together
    player, node, is_right = (np.take_along_axis(a, order, axis=1) for a in (player, node, is_right))
    there = node >= 0
    is_new = there & np.concatenate([np.ones((len(leaf), 1), bool), player[:, 1:] != player[:, :-1]], axis=1)
    number = np.cumsum(is_new, axis=1) - 1
    width = is_new.sum(axis=1)
    for u in np.unique(width):
        at = np.flatnonzero(width == u)
        row, place = np.nonzero(there[at])
        of = number[at][row, place]
        count = np.zeros((len(at), u), dtype=np.int64)
        np.add.at(count, (row, of), 1)
        begin = np.cumsum(count, axis=1) - count
        most = int(count.max(initial=1))
        inside = begin[:, :, None] + np.minimum(np.arange(most), count[:, :, None] - 1)
        of_row = np.arange(len(at))[:, None, None]
        yield Group(
            tree=tree[at],
            leaf=leaf[at],
            player=player[at][np.arange(len(at))[:, None], begin].astype(np.int32),
            node=node[at][of_row, inside],
            is_right=is_right[at][of_row, inside],
            count=count,
        )


def leaf_tables(frequency: Array, value: Array) -> Array:
    """What leaves add to their players, by the conditions that a row meets.

    Parameters
    ----------
    frequency : ndarray of float64, shape (n, 2**u)
        The part of the background whose rows meet just these players' conditions, player 0's bit the lowest.
    value : ndarray of float64, shape (n, K)
        Of the leaves.

    Returns
    -------
    ndarray of float64, shape (n, u, K, 2**u)
    """
    n, width = frequency.shape
    u = width.bit_length() - 1
    found = np.zeros((n, u, width))
    for t, complement, weight in zip(*quadrature(max(1, (u + 1) // 2)), strict=True):
        for player in range(u):
            part = weight * frequency
            for other in range(u):
                pair = part.reshape(n, width >> (other + 1), 2, 1 << other)
                off, on = pair[:, :, 0], pair[:, :, 1]  # of rows of the background
                both = (-on, off) if other == player else (complement * on, t * off + on)
                part = np.stack(both, axis=2).reshape(n, width)
            found[:, player] += part
    return found[:, :, None, :] * value[:, None, :, None]
