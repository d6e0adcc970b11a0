"""The nodes of many trees side by side, those at one depth together: for the SHAP values of a few rows.

The order in which nodes add to their players is that of the kernel for many rows, so that both give the same bits: on
the way back up, each node after all below it, but for those above two leaves, which their parents see to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.explain.tables import PathTables, quadrature
from sktensor.native import abi

__all__ = ["flat_structure"]

Array = npt.NDArray[Any]

LANES = 16  # which runs of nodes are multiples of
MOST_POINTS = 8
BATCH_NUMBERS = 2**12  # of points and nodes in a batch, so that what is known of them stays in a first or second cache
NOWHERE = np.uint32(0xFFFFFFFF)  # a key that no code exceeds


def flat_structure(paths: PathTables, slot: Array, key: Array, player: Array, points: Array) -> abi.ShapFlatStructure:
    """The tables as the kernel reads them; without batches where they would be of no use.

    Parameters
    ----------
    paths : PathTables
        The trees.
    slot, key : ndarray, shape (N,)
        What each node compares.
    player : ndarray of int, shape (N,)
        Each node's player, by its number among those in use.
    points : ndarray of int64, shape (T,)
        Where the numbers of each tree's quadrature begin.
    """
    most_targets = (int(player.max(initial=-1)) + 1) * paths.n_outputs
    if paths.value.shape[1] != 1 or paths.n_points.max(initial=0) > MOST_POINTS or most_targets >= 2**31:
        return abi.ShapFlatStructure()
    if not paths.n_nodes:
        return abi.ShapFlatStructure()
    layout = _Layout(paths, points)
    place, n = layout.place, layout.n_places
    at = layout.place_in_batch  # of each node, within its batch

    def spread(values: Array, dtype: Any, nowhere: Any = 0) -> Array:
        found = np.full(n, nowhere, dtype=dtype)
        found[place] = values
        return found

    def child(node: Array) -> Array:
        return np.where(node < 0, -1, np.append(at, -1)[np.maximum(node, -1)])

    def value(node: Array) -> Array:
        leaf = np.minimum(node, -1)
        return np.where(node < 0, paths.value[~leaf, 0], 0.0)

    parent = np.full(paths.n_nodes, -1, dtype=np.int64)
    for node, is_right in ((paths.left, False), (paths.right, True)):
        inner = node >= 0
        parent[node[inner]] = (at + is_right * layout.n_inner)[inner]
    term = _order(paths, layout.is_bottom)
    target = player * paths.n_outputs + np.maximum(paths.tree_output, 0)[layout.tree]
    return abi.filled(
        abi.ShapFlatStructure,
        n_batches=len(layout.batches),
        batches=layout.batches,
        n_runs=len(layout.runs),
        runs=layout.runs,
        n_places=n,
        slot=spread(slot, np.int32),
        key=spread(key, np.uint32, NOWHERE),
        share=spread(paths.share, np.float64),
        value_left=spread(value(paths.left), np.float64),
        value_right=spread(value(paths.right), np.float64),
        parent=spread(parent, np.int32, -1),
        left=spread(child(paths.left), np.int32, -1),
        right=spread(child(paths.right), np.int32, -1),
        previous=spread(np.maximum(child(paths.previous), 0), np.int32),
        previous_right=spread(paths.previous_right, np.uint8),
        n_terms=len(term),
        term=place[term].astype(np.int32),
        target=target[term].astype(np.int32),
        constants=layout.constants,
        n_constants=len(layout.constants),
    )


class _Layout:
    """Where nodes stand: batch by batch, in each run by run, then those above two leaves."""

    def __init__(self, paths: PathTables, points: Array) -> None:
        self.tree = np.repeat(np.arange(paths.n_trees), np.diff(paths.tree_node))
        repeated = paths.previous >= 0
        self.is_bottom = (paths.left < 0) & (paths.right < 0) & ~repeated & (paths.depth > 0)
        self.place = np.empty(paths.n_nodes, dtype=np.int64)
        self.place_in_batch = np.empty(paths.n_nodes, dtype=np.int64)
        self.n_inner = np.empty(paths.n_nodes, dtype=np.int64)  # of the batch of each node
        self.n_places = 0
        batches: list[tuple[int, ...]] = []
        runs: list[tuple[int, ...]] = []
        constants: list[Array] = [np.empty(0)]
        n_constants = 0
        batch_of = _batches(paths)[self.tree]
        kind = np.where(self.is_bottom, 2**20, 2 * paths.depth + repeated)  # bottoms last
        order = np.lexsort((kind, batch_of))
        for nodes in np.split(order, np.flatnonzero(np.diff(batch_of[order])) + 1):
            tree = self.tree[nodes[0]]
            n_points = int(paths.n_points[tree])
            first, first_run, bottom = self.n_places, len(runs), -1
            for run in np.split(nodes, np.flatnonzero(np.diff(kind[nodes])) + 1):
                begin = self.n_places
                self.place[run] = begin + np.arange(len(run))
                self.n_places += -(-len(run) // LANES) * LANES
                if self.is_bottom[run[0]]:
                    bottom = begin
                    continue
                runs.append((begin, self.n_places, n_constants, int(repeated[run[0]]), 0))
                if repeated[run[0]]:
                    constants.append(_constants(paths, run, n_points, self.n_places - begin))
                    n_constants += len(constants[-1])
            bottom = self.n_places if bottom < 0 else bottom
            self.place_in_batch[nodes] = self.place[nodes] - first
            self.n_inner[nodes] = bottom - first
            batches.append((first, bottom, self.n_places, first_run, len(runs), int(points[tree]), n_points, 0))
        self.batches = np.array(batches, dtype=abi.SHAP_BATCH)
        self.runs = np.array(runs, dtype=abi.SHAP_RUN)
        self.constants = np.concatenate(constants)


def _batches(paths: PathTables) -> Array:
    """The batch of each tree: such as have as many points, and not too many nodes together."""
    size = np.diff(paths.tree_node) * paths.n_points
    batch, number = np.empty(paths.n_trees, dtype=np.int64), 0
    for n in np.unique(paths.n_points):
        trees = np.flatnonzero(paths.n_points == n)
        own = np.cumsum(size[trees]) // BATCH_NUMBERS
        batch[trees] = number + own
        number += int(own[-1]) + 1
    return batch


def _constants(paths: PathTables, nodes: Array, n_points: int, width: int) -> Array:
    """Of repeated splits the factors of rows that go left and right and W / F**2, (3, points, width) in one row."""
    t, complement, _ = (numbers[:, None] for numbers in quadrature(n_points))
    weight, share = paths.weight[nodes], paths.share[nodes]
    off = complement * (weight * share)
    factor = t + complement * weight
    found = np.zeros((3, n_points, width))
    found[:, :, : len(nodes)] = (t + off) / factor, off / factor, weight / (factor * factor)
    return found.ravel()


def _order(paths: PathTables, is_bottom: Array) -> Array:
    """Nodes in the order in which they add to their players."""
    # Nodes stand before those below them. Each is left when the next one stands no deeper, the deepest first; a sort
    # by the place behind all nodes below, and then by depth from below, is that order.
    n = paths.n_nodes
    end = np.arange(n) + _sizes(paths)
    place = np.where(is_bottom, 0, end)
    depth = paths.depth.astype(np.int64)
    is_right = np.zeros(n, dtype=np.int64)
    for child, side in ((paths.left, 1), (paths.right, 2)):
        parent = np.flatnonzero((child >= 0) & np.append(is_bottom, False)[np.maximum(child, -1)])
        bottom = child[parent]
        place[bottom], depth[bottom], is_right[bottom] = end[parent], paths.depth[parent], side
    return np.lexsort((is_right, -depth, place))


def _sizes(paths: PathTables) -> Array:
    """How many nodes there are below each node, with itself."""
    size = np.ones(paths.n_nodes + 1, dtype=np.int64)
    size[-1] = 0
    order = np.argsort(paths.depth, kind="stable")[::-1]
    depth = paths.depth[order]
    for at in np.split(order, np.flatnonzero(np.diff(depth)) + 1):
        size[at] = 1 + size[np.maximum(paths.left[at], -1)] + size[np.maximum(paths.right[at], -1)]
    return size[:-1]
