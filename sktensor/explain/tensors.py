"""SHAP values by tensor code: the arithmetic of :mod:`sktensor.explain.tables` for all trees at once, on any device.

Trees with as many points of the quadrature share a bucket, whose nodes stand level by level. Rows that reach the same
nodes get the same bits, however many there are: every operation is one of single elements, and what nodes add to a
player is summed in the order of the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sktensor.explain.tables import PathTables, quadrature
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.strategies.ranks import Ranked, RankTables, compile_ranks, encode
from sktensor.strategies.tables import Array, map_arrays

if TYPE_CHECKING:
    import torch

__all__ = ["TensorExplainer"]

# Memory for the rows of a batch, and what a node takes of it for each row.
BATCH_BYTES = 32 * 2**20
NODE_BYTES = 56

# Nodes of a bucket, unless one tree has more: few enough for a batch to have some dozens of rows.
BUCKET_NODES = 8192


@dataclass(frozen=True)
class Level:
    """Nodes of one depth in a bucket, and where their children are."""

    first: int  # the first of them in the bucket
    count: int
    inner_left: Array  # int64: places, in the level, of nodes whose left child is a node
    left: Array  # int64: where these stand in the bucket
    inner_right: Array
    right: Array
    left_value: Array  # float64 (count, width): of the leaf on the left, 0 where there is none
    right_value: Array


@dataclass(frozen=True)
class Bucket:
    """N nodes of trees with the same number of points; those of one depth stand together, roots first."""

    n_points: int
    n_roots: int
    levels: tuple[Level, ...]
    column: Array  # int64 (N,): of the rows' codes
    rank: Array  # code dtype (N, 1): a row goes left if its code is not above it
    share: Array  # float64 (N, 1)
    weight: Array  # float64 (N, 1)
    player: Array  # int64 (N,)
    repeats: tuple[tuple[int, int], ...]  # where those of each level stand in the next three
    repeated: Array  # int64 (R,): nodes with a previous split of the same player, ascending
    previous: Array  # int64 (R,): that one
    previous_right: Array  # bool (R, 1)
    order: Array  # int64 (N,): nodes by where they add
    ends: Array  # int64 (S,): how many of these each place gets
    place: Array  # int64 (S,): the places: ``output * P + player``, of vector leaves the player
    width: int  # outputs of a leaf


class TensorExplainer:
    """SHAP values of a forest by tensor code.

    Parameters
    ----------
    forest : Forest
        With covers, unless there is a background.
    players : ndarray of int32, shape (n_columns,)
        The player that each column of the trees belongs to.
    n_players : int
        How many there are.
    device : str
        A torch device that has float64.
    background : Rows, optional
        Rows that unknown columns are taken from, for interventional values, each at the cost of a path-dependent one.
    """

    def __init__(
        self, forest: Forest, players: Array, n_players: int, device: str = "cpu", background: Rows | None = None
    ) -> None:
        self.forest, self.n_players, self.device = forest, n_players, device
        trees = forest.trees
        if background is not None:  # whose decisions stand in for the covers
            trees = replace(trees, cover=np.ones(trees.n_nodes + trees.n_leaves))
        self._tables = PathTables.of(trees, np.asarray(players))
        self._ranked = compile_ranks(trees)
        self._ranks: RankTables = self._on_device(self._ranked[0])
        self._buckets = [self._on_device(one) for one in _buckets(self._tables, self._ranked, n_players)]
        self._background = None
        if background is not None:
            codes = [encode(self._ranks, X) for _, X in self._batches(background, 1)]
            torch = _torch()
            self._background = torch.cat(codes, 1)

    def values(self, rows: Rows, n_threads: int = 1) -> Any:
        """What each player adds to each sum.

        Parameters
        ----------
        rows : Rows
            The rows.
        n_threads : int
            Not used: torch has its own.

        Returns
        -------
        ndarray or torch.Tensor of float64, shape (n, P, K)
            A tensor on the rows' device where they are one.
        """

        def run(codes: torch.Tensor, out: torch.Tensor) -> None:
            for bucket in self._buckets:
                bits = codes.index_select(0, bucket.column) <= bucket.rank
                reached = _on_the_way(bucket, bits)
                if self._background is None:
                    self._add(bucket, out, bits, reached, bucket.share, bucket.weight)
                    continue
                n_background = self._background.shape[1]
                for j in range(n_background):
                    theirs = self._background[:, j : j + 1].index_select(0, bucket.column) <= bucket.rank
                    share, weight = (seen.to(out.dtype) for seen in (theirs, _on_the_way(bucket, theirs)))
                    self._add(bucket, out, bits, reached, share, weight)
            if self._background is not None:
                out /= self._background.shape[1]

        return self._in_batches(rows, (self.n_players,), run)

    def interactions(self, rows: Rows, n_threads: int = 1) -> Any:
        """What each pair of players adds to each sum; only without a background.

        Parameters
        ----------
        rows : Rows
            The rows.
        n_threads : int
            Not used: torch has its own.

        Returns
        -------
        ndarray or torch.Tensor of float64, shape (n, P, P, K)
        """
        within = [
            (player, [self._on_device(one) for one in _buckets(self._tables, self._ranked, self.n_players, player)])
            for player in np.unique(self._tables.player).tolist()
        ]
        n_players = self.n_players

        def run(codes: torch.Tensor, out: torch.Tensor) -> None:
            by_player = out.view(self.forest.n_outputs, n_players, n_players, -1)
            alone = out.new_zeros((self.forest.n_outputs, n_players, codes.shape[1]))
            for bucket in self._buckets:
                bits = codes.index_select(0, bucket.column) <= bucket.rank
                self._add(bucket, alone, bits, _on_the_way(bucket, bits), bucket.share, bucket.weight)
            for player, buckets in within:
                found = out.new_zeros(alone.shape)
                for bucket in buckets:
                    bits = codes.index_select(0, bucket.column) <= bucket.rank
                    reached = _on_the_way(bucket, bits)
                    fixed = (bucket.player == player)[:, None]
                    for known, factor in ((True, 0.5), (False, -0.5)):
                        told = fixed, known
                        self._add(bucket, found, bits, reached, bucket.share, bucket.weight, factor, told)
                found[:, player] = 0.0
                found[:, player] = alone[:, player] - _in_order(found)
                by_player[:, player] = found

        return self._in_batches(rows, (self.n_players, self.n_players), run)

    def _add(
        self,
        bucket: Bucket,
        out: torch.Tensor,
        bits: torch.Tensor,
        reached: torch.Tensor,
        share: torch.Tensor,
        weight: torch.Tensor,
        factor: float = 1.0,
        told: tuple[torch.Tensor, bool] | None = None,
    ) -> None:
        """Add what a bucket's nodes add, times `factor`, to `out`, shape (K, P, n).

        `told`: nodes of a player, bool (N, 1), and whether a set knows it for certain, or certainly does not.
        """
        torch = _torch()
        points, complements, weights = quadrature(bucket.n_points)
        gained = [torch.zeros(bits.shape, dtype=out.dtype, device=out.device) for _ in range(bucket.width)]
        for t, rest, point_weight in zip(points.tolist(), complements.tolist(), weights.tolist(), strict=True):
            both = t + rest * weight
            if_right = rest * weight * share / both
            if_left = t / both + if_right
            scale = weight / (both * both)
            if told is not None:
                fixed, known = told
                if_right = torch.where(fixed, 0.0 if known else share, if_right)
                if_left = torch.where(fixed, 1.0 if known else share, if_left)
            left = torch.where(reached, torch.where(bits, if_left, if_right), share)
            products = _down(bucket, left, point_weight * factor)
            for k in range(bucket.width):
                _up(bucket, left, products, scale, gained[k], k)
        turn = torch.where(reached, bits.to(out.dtype) - share, 0.0)
        flat = out.view(-1, bits.shape[1])
        for k, found in enumerate(gained):
            summed = torch.segment_reduce(
                (found * turn).index_select(0, bucket.order), "sum", lengths=bucket.ends, axis=0, unsafe=True
            )
            flat.index_add_(0, bucket.place + k * self.n_players, summed)

    def _batches(self, rows: Rows, width: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The rows as the trees see them, batch by batch, with the number of the first."""
        nodes = max([len(bucket.column) for bucket in self._buckets], default=0)
        a_row = NODE_BYTES * nodes + 8 * (width + self.forest.trees.n_columns) + 1
        together = max(1, BATCH_BYTES // a_row)
        rows = rows.checked()
        for start in range(0, len(rows), together):
            yield start, rows.batch(start, min(start + together, len(rows)), self.forest, self.device)

    def _in_batches(self, rows: Rows, shape: tuple[int, ...], run: Callable[[torch.Tensor, torch.Tensor], None]) -> Any:
        torch = _torch()
        n_outputs = self.forest.n_outputs
        found = torch.empty((len(rows), *shape, n_outputs), dtype=torch.float64, device=self.device)
        with torch.no_grad():
            for start, X in self._batches(rows, 3 * n_outputs * int(np.prod(shape))):
                out = torch.zeros((n_outputs, *shape, len(X)), dtype=torch.float64, device=self.device)
                run(encode(self._ranks, X), out)
                found[start : start + len(X)] = out.movedim(-1, 0).movedim(1, -1)
        return found.to(rows.data.device) if is_tensor(rows.data) else found.cpu().numpy()

    def _on_device(self, tables: Any) -> Any:
        torch = _torch()
        return map_arrays(tables, lambda array: torch.tensor(array, device=self.device))


def _on_the_way(bucket: Bucket, bits: torch.Tensor) -> torch.Tensor:
    """Whether a row went a node's way at all previous splits of its player, bool (N, n)."""
    reached: torch.Tensor = _torch().ones_like(bits)
    for first, end in bucket.repeats:
        at, before, right = (one[first:end] for one in (bucket.repeated, bucket.previous, bucket.previous_right))
        reached[at] = reached.index_select(0, before) & (bits.index_select(0, before) ^ right)
    return reached


def _down(bucket: Bucket, left: torch.Tensor, point_weight: float) -> torch.Tensor:
    """The product of all factors on the way to each node, float64 (N, n)."""
    products = left.new_empty(left.shape)
    products[: bucket.n_roots] = point_weight
    for level in bucket.levels:
        at = slice(level.first, level.first + level.count)
        goes_left = products[at] * left[at]
        if len(level.left):
            products[level.left] = goes_left.index_select(0, level.inner_left)
        if len(level.right):
            products[level.right] = (products[at] - goes_left).index_select(0, level.inner_right)
    return products


def _up(
    bucket: Bucket, left: torch.Tensor, products: torch.Tensor, scale: torch.Tensor, gained: torch.Tensor, k: int
) -> None:
    """Add to `gained` what each node gains at a point for the k-th value of the leaves."""
    n = left.shape[1]
    below = None
    for number in range(len(bucket.levels) - 1, -1, -1):
        level = bucket.levels[number]
        at = slice(level.first, level.first + level.count)
        if_left = level.left_value[:, k : k + 1].expand(-1, n).clone()
        if_right = level.right_value[:, k : k + 1].expand(-1, n).clone()
        if below is not None:
            first = bucket.levels[number + 1].first
            if_left[level.inner_left] = below.index_select(0, level.left - first)
            if_right[level.inner_right] = below.index_select(0, level.right - first)
        differ = if_left - if_right
        gained[at] += products[at] * differ * scale[at]
        below = if_right + left[at] * differ


def _in_order(values: torch.Tensor) -> torch.Tensor:
    """The sum over players, shape (K, P, n), one after the other."""
    total = values.new_zeros((values.shape[0], values.shape[2]))
    for player in range(values.shape[1]):
        total = total + values[:, player]
    return total


def _buckets(tables: PathTables, ranked: Ranked, n_players: int, player: int | None = None) -> list[Bucket]:
    """Buckets of all trees with nodes, or of those with a split of a player."""
    sizes = np.diff(tables.tree_node)
    chosen = sizes > 0
    if player is not None:
        chosen &= np.bincount(_trees(tables)[tables.player == player], minlength=tables.n_trees) > 0
    found = []
    for n_points in np.unique(tables.n_points[chosen]):
        trees = np.flatnonzero(chosen & (tables.n_points == n_points))
        number = (np.cumsum(sizes[trees]) - 1) // BUCKET_NODES
        for one in np.unique(number):
            found.append(_bucket(tables, ranked, trees[number == one], int(n_points), n_players))
    return found


def _trees(tables: PathTables) -> Array:
    """The tree of each node."""
    return np.repeat(np.arange(tables.n_trees), np.diff(tables.tree_node))


def _bucket(tables: PathTables, ranked: Ranked, trees: Array, n_points: int, n_players: int) -> Bucket:
    tree = _trees(tables)
    inside = np.zeros(tables.n_trees, dtype=bool)
    inside[trees] = True
    nodes = np.flatnonzero(inside[tree])
    nodes = nodes[np.argsort(tables.depth[nodes], kind="stable")]
    where = np.full(tables.n_nodes + 1, -1, dtype=np.int64)
    where[nodes] = np.arange(len(nodes))

    depth = tables.depth[nodes]
    starts = np.flatnonzero(np.diff(depth, prepend=-1))
    levels = tuple(
        _level(tables, nodes[first:end], int(first), where)
        for first, end in zip(starts, [*starts[1:], len(nodes)], strict=True)
    )
    _, column, rank = ranked
    vector = tables.value.shape[1] > 1
    player = tables.player[nodes].astype(np.int64)
    place = player if vector else player + np.maximum(tables.tree_output[tree[nodes]], 0) * n_players
    before = tables.previous[nodes]
    repeated = np.flatnonzero(before >= 0)
    borders = [*np.searchsorted(repeated, starts).tolist(), len(repeated)]
    places, counts = np.unique(place, return_counts=True)
    return Bucket(
        n_points=n_points,
        n_roots=int(np.count_nonzero(depth == 0)),
        levels=levels,
        column=column[tables.node[nodes]].astype(np.int64),
        rank=rank[tables.node[nodes]].astype(ranked[0].code_dtype)[:, None],
        share=tables.share[nodes][:, None],
        weight=tables.weight[nodes][:, None],
        player=player,
        repeats=tuple((first, end) for first, end in pairwise(borders) if first < end),
        repeated=repeated,
        previous=where[before[repeated]],
        previous_right=tables.previous_right[nodes][repeated][:, None],
        order=np.argsort(place, kind="stable"),
        ends=counts.astype(np.int64),
        place=places.astype(np.int64),
        width=tables.value.shape[1],
    )


def _level(tables: PathTables, nodes: Array, first: int, where: Array) -> Level:
    children: dict[str, Array] = {}
    for name, child in (("left", tables.left[nodes]), ("right", tables.right[nodes])):
        inner = np.flatnonzero(child >= 0)
        value = np.where(child[:, None] < 0, tables.value[~np.minimum(child, -1)], 0.0)
        children |= {f"inner_{name}": inner, name: where[child[inner]], f"{name}_value": value}
    return Level(first=first, count=len(nodes), **children)


def _torch() -> Any:
    import torch

    return torch
