"""Path-dependent SHAP values by the kernels of the CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import slots
from sktensor.backends.cpu.codes import codes_structure, compile_codes
from sktensor.backends.cpu.kernels import ByDtype, Calls, Tables
from sktensor.explain import tables
from sktensor.explain.flat import flat_structure
from sktensor.explain.lookup import LookupTables
from sktensor.explain.patterns import pattern_tables
from sktensor.explain.tables import PathTables, quadrature
from sktensor.forest import Forest, Trees
from sktensor.inputs.rows import Rows
from sktensor.native import abi, loader

__all__ = ["LEAST_ROWS", "NativeExplainer", "path_structure", "refusal", "tables_to_look_up"]

Array = npt.NDArray[Any]

LEAF, BOTTOM, INNER, REPEATED = 0, 1, 2, 9  # what skt_shap_node.kind is made of

LEAST_ROWS = 64  # that kernels of SHAP values take at once

NANOSECONDS = 0.3  # that a node of a row takes for each point and output


def refusal(forest: Forest) -> str:
    """Why the kernels give no path-dependent SHAP values of a forest, as words that go on; or an empty text.

    Parameters
    ----------
    forest : Forest
        Whose values are asked for.
    """
    return tables.refusal(forest.trees) or loader.why_missing() or slots.refusal(forest.trees)


class NativeExplainer:
    """Path-dependent SHAP values of a forest's sums over trees.

    Parameters
    ----------
    forest : Forest
        What is explained.
    players : ndarray of int32, shape (n_columns,)
        The player that each column of the trees belongs to.
    n_players : int
        How many players there are, with those that no column belongs to.

    Raises
    ------
    ValueError
        For what :func:`refusal` says.
    """

    def __init__(self, forest: Forest, players: Array, n_players: int) -> None:
        if why := refusal(forest):
            raise ValueError(f"The CPU kernels give no SHAP values of this model: {why}.")
        self._forest = forest
        self._paths = PathTables.of(forest.trees, players)
        self._n_players = n_players
        self._walked = ByDtype(forest.trees, partial(_tables_to_walk, forest.trees, self._paths, n_players))
        points = self._paths.n_points.repeat(np.diff(self._paths.tree_node))
        steps = NANOSECONDS / 100 * (points + 2.0).sum() * self._paths.value.shape[1]
        self._calls = Calls(forest, int(steps) + 1, LEAST_ROWS)
        patterns = pattern_tables(forest.trees, self._paths, n_players, _structure)
        self._tables = self._walked
        if patterns is not None:
            self._tables = ByDtype(forest.trees, partial(tables_to_look_up, forest.trees, patterns))
        self._tables["float64"]

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
        out = np.empty((len(rows), self._n_players, self._forest.n_outputs))
        (tables,) = self._calls.fitting([self._tables[rows.dtype]], rows)
        self._calls.run([tables.call], rows, out, n_threads)
        return out

    def interactions(self, rows: Rows, n_threads: int) -> Array:
        """SHAP interaction values of rows, in the units of leaves.

        Parameters
        ----------
        rows : Rows
            Of any kind.
        n_threads : int
            Threads at most.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_players, n_players, n_outputs)
            Off the diagonal half of each pair's interaction; the entries of a player add up to its value.
        """
        out = np.empty((len(rows), self._n_players, self._n_players, self._forest.n_outputs))
        (tables,) = self._calls.fitting([self._walked[rows.dtype]], rows)
        kernels = self._calls.kernels
        self._calls.run([partial(kernels.shap_pairs, tables.address)], rows, out, n_threads)
        return out


def _tables_to_walk(trees: Trees, paths: PathTables, n_players: int, rows_dtype: str) -> Tables:
    return Tables("shap", path_structure(trees, paths, n_players, rows_dtype))


def tables_to_look_up(trees: Trees, patterns: LookupTables, rows_dtype: str) -> Tables:
    """The tables of values that are looked up as the kernel reads them, for rows of a dtype."""
    return Tables("lookup", patterns.structure(trees, rows_dtype))


def path_structure(trees: Trees, paths: PathTables, n_players: int, rows_dtype: str) -> abi.ShapStructure:
    """The tables as the kernel reads them, for rows of a dtype."""
    codes, slot, key = compile_codes(trees, rows_dtype)
    held = codes_structure(codes, trees.n_columns)
    return _structure(paths, held, slot[paths.node], key[paths.node], n_players)


def _structure(
    paths: PathTables, codes: abi.CodesStructure, slot: Array, key: Array, n_players: int
) -> abi.ShapStructure:
    """The tables of nodes that look at these slots and keys."""
    used, player = np.unique(paths.player, return_inverse=True)
    begin = np.repeat(paths.tree_node[:-1], np.diff(paths.tree_node))
    nodes = np.zeros(paths.n_nodes, dtype=abi.SHAP_NODE)
    nodes["share"], nodes["depth"] = paths.share, paths.depth
    nodes["slot"], nodes["key"] = slot, key
    nodes["player"] = player
    nodes["previous"] = np.where(paths.previous < 0, -1, paths.previous - begin)
    nodes["previous_right"] = paths.previous_right
    nodes["is_right"][paths.right[paths.right >= 0]] = 1
    nodes["kind"] = _kinds(paths)

    # Leaves in the order in which nodes lead to them.
    child = np.stack([paths.left, paths.right], axis=1)
    is_leaf = child < 0
    leaf = ~child[is_leaf]
    number = (np.cumsum(is_leaf) - 1).reshape(child.shape)
    child = np.where(is_leaf, ~number, child - begin[:, None])
    nodes["left"], nodes["right"] = child[:, 0], child[:, 1]

    points, first = _points(paths.n_points)
    constants, nodes["constants"] = _constants(paths)
    return abi.filled(
        abi.ShapStructure,
        codes=codes,
        n_trees=paths.n_trees,
        n_outputs=paths.n_outputs,
        n_leaf_outputs=paths.value.shape[1],
        n_players=n_players,
        n_used=len(used),
        used=used.astype(np.int32),
        nodes=nodes,
        tree_node=paths.tree_node,
        tree_points=paths.n_points,
        tree_point=first,
        tree_depth=_depths(paths),
        tree_output=np.maximum(paths.tree_output, 0).astype(np.int32),
        n_nodes=len(nodes),
        points=points,
        n_points=len(points),
        constants=constants,
        n_constants=len(constants),
        values=np.ascontiguousarray(paths.value[leaf]),
        n_leaves=len(leaf),
        flat=flat_structure(paths, nodes["slot"], nodes["key"], player, first),
    )


def _depths(paths: PathTables) -> Array:
    """The greatest depth of a node in each tree; 0 where there is none."""
    found = np.zeros(paths.n_trees, dtype=np.int32)
    np.maximum.at(found, np.repeat(np.arange(paths.n_trees), np.diff(paths.tree_node)), paths.depth)
    return found


def _kinds(paths: PathTables) -> Array:
    """What each node's children are, and whether it is a repeated split."""
    repeated = paths.previous >= 0
    is_bottom = (paths.left < 0) & (paths.right < 0) & ~repeated

    def kind(child: Array) -> Array:
        return np.where(child < 0, LEAF, np.where(np.append(is_bottom, False)[np.maximum(child, -1)], BOTTOM, INNER))

    found: Array = kind(paths.left) + 3 * kind(paths.right) + REPEATED * repeated
    return found.astype(np.uint8)


def _points(n_points: Array) -> tuple[Array, Array]:
    """The numbers of all quadratures that there are, and where each tree's begin."""
    counts = np.unique(n_points)
    first = np.cumsum(3 * counts) - 3 * counts
    numbers = [np.concatenate(quadrature(int(n))) for n in counts]
    return np.concatenate([*numbers, np.empty(0)]), first[np.searchsorted(counts, n_points)].astype(np.int64)


def _constants(paths: PathTables) -> tuple[Array, Array]:
    """Of repeated splits the factors of rows that go left and right and W / F**2, and where each node's begin."""
    points = np.where(paths.previous < 0, 0, paths.n_points.repeat(np.diff(paths.tree_node))).astype(np.int64)
    first = np.cumsum(3 * points) - 3 * points
    found = np.empty(3 * int(points.sum()))
    for n in np.unique(points[points > 0]):
        t, complement, _ = quadrature(int(n))
        at = np.flatnonzero(points == n)
        weight, share = paths.weight[at, None], paths.share[at, None]
        off = complement * (weight * share)
        factor = t + complement * weight
        own = np.stack([(t + off) / factor, off / factor, weight / (factor * factor)], axis=1)
        found[first[at, None] + np.arange(3 * n)] = own.reshape(len(at), -1)
    return found, first
