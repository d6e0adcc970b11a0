"""Path-dependent SHAP values as arithmetic on a forest's nodes, for any code that runs it.

The Shapley value of a player in a tree is an integral over t in [0, 1] of a polynomial, and Gauss-Legendre quadrature
with ``ceil(u / 2)`` points is exact, u being the number of players on the tree's longest path [QuadratureTreeSHAP,
arXiv 2605.04497]. At each point t, from the root down and back up, with the node's share w and b = 1 if the row goes
left there, else 0::

    f = b t + (1 - t) w                 for a player's first split on a path
    C[left] = C f,  C[right] = C - C f  from the point's weight at the root on
    D = G[left] - G[right],  G = G[right] + f D
    phi[player] += (b - w) C D          summed over the points

Where the player was split on already, further up, let W be the product of its shares on the way from there and let o
be 1 if the row went that way at all of its splits, else 0. Then, with F = t + (1 - t) W::

    f = (b t + (1 - t) W w) / F   and   phi[player] += (b - w) C D W / F**2     if o is 1
    f = w                         and   phi[player] += 0                       if o is 0
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.forest.structure import levels

__all__ = ["PathTables", "base_values", "identity_players", "quadrature", "refusal"]

Array = npt.NDArray[Any]

DIGITS = 40  # with which the points are computed, so that their float64 are the nearest ones on any machine


def refusal(trees: Trees) -> str:
    """Why the trees have no path-dependent SHAP values, as words that go on; or an empty text.

    Parameters
    ----------
    trees : Trees
        Whose values are asked for.

    Examples
    --------
    >>> from sktensor import Forest
    >>> refusal(Forest.from_trees([{"value": 1.0}], n_features=1).trees)
    'the model keeps no covers, the training weights of its nodes; give a background set instead'
    """
    if why := _never(trees):
        return why
    # A text of LightGBM without counts is one with zeros to it.
    if trees.cover is None or (trees.n_nodes and not trees.cover.any()):
        return "the model keeps no covers, the training weights of its nodes; give a background set instead"
    if not np.all((trees.cover >= 0) & (trees.cover < np.inf)):
        return "covers, the training weights of its nodes, are negative or not finite; give a background set instead"
    return ""


def _never(trees: Trees) -> str:
    """Why there are no SHAP values of any kind."""
    if trees.aggregate != "sum":
        return f"its raw scores are no sum over trees, but aggregate={trees.aggregate!r}"
    if trees.lin_off is not None and trees.lin_off[-1] > 0:
        return "its leaves are linear functions, not constants"
    if not np.isfinite(trees.leaf_value).all():
        return "a leaf is infinite or missing"
    return ""


def identity_players(trees: Trees) -> Array:
    """Every column its own player, int32, shape (n_columns,)."""
    return np.arange(trees.n_columns, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class PathTables:
    """What path-dependent SHAP values of a forest are computed from, see the module.

    Sizes: ``T`` trees, ``N`` nodes that roots lead to, ``L`` leaves of the forest, ``K`` outputs. Nodes stand tree
    after tree, each before the nodes below it and its left side before its right one; numbers of nodes are places in
    this order, and a negative one, c, is the leaf ``~c`` of the forest.
    """

    n_outputs: int  # K
    tree_node: Array  # int64 (T + 1,): where a tree's nodes begin
    root: Array  # int32 (T,): the first of them, or ~leaf
    n_points: Array  # int32 (T,): points of the quadrature, at least 1
    tree_output: Array  # int32 (T,): the output that a tree adds to, -1 where leaves hold a value for each output
    node: Array  # int32 (N,): the forest's number of the node
    left: Array  # int32 (N,): node or ~leaf
    right: Array  # int32 (N,): node or ~leaf
    depth: Array  # int32 (N,): 0 of a root
    player: Array  # int32 (N,): whose split it is
    share: Array  # float64 (N,): w, the left child's part of the covers of both; 0.5 where both are 0
    previous: Array  # int32 (N,): the last split of the same player above, -1 if there is none
    previous_right: Array  # bool (N,): whether the way from there is its right one
    weight: Array  # float64 (N,): W, the product of the shares of all previous splits' ways; 1.0 if there are none
    value: Array  # float64 (L, 1) or (L, K): of the forest's leaves

    @classmethod
    def of(cls, trees: Trees, players: Array) -> PathTables:
        """Make the tables of some trees.

        Parameters
        ----------
        trees : Trees
            With covers.
        players : ndarray of int32, shape (n_columns,)
            The player that each column of the trees belongs to. A player of several columns is one in the game: a
            split on any of them counts as one on the same player.

        Returns
        -------
        PathTables

        Raises
        ------
        ValueError
            For what :func:`refusal` says.
        """
        if why := refusal(trees):
            raise ValueError(f"There are no path-dependent SHAP values of this model: {why}.")
        order = _order(trees)
        n_nodes = int(order.tree_node[-1])
        node = order.node
        left, right = order.renumbered(trees.left[node]), order.renumbered(trees.right[node])
        parent, from_right = np.full(n_nodes, -1, np.int32), np.zeros(n_nodes, bool)
        for child, is_right in ((left, False), (right, True)):
            inner = child >= 0
            parent[child[inner]] = np.flatnonzero(inner)
            from_right[child[inner]] = is_right
        player = np.asarray(players, dtype=np.int32)[trees.feature[node]]
        share = _shares(trees)[node]
        previous, previous_right = _previous(player, parent, from_right)

        weight, distinct = np.ones(n_nodes), np.zeros(n_nodes, np.int32)
        for at in _by_depth(order.depth):
            up = parent[at]
            distinct[at] = np.where(up >= 0, distinct[up], 0) + (previous[at] < 0)
            repeated = at[previous[at] >= 0]
            before = previous[repeated]
            weight[repeated] = weight[before] * np.where(previous_right[repeated], 1 - share[before], share[before])
        most = np.zeros(trees.n_trees, np.int32)
        np.maximum.at(most, np.repeat(np.arange(trees.n_trees), np.diff(order.tree_node)), distinct)
        return cls(
            n_outputs=trees.n_outputs,
            tree_node=order.tree_node,
            root=order.renumbered(trees.root),
            n_points=np.maximum((most + 1) // 2, 1).astype(np.int32),
            tree_output=trees.tree_target,
            node=node,
            left=left,
            right=right,
            depth=order.depth,
            player=player,
            share=share,
            previous=previous,
            previous_right=previous_right,
            weight=weight,
            value=trees.leaf_value.astype(np.float64),
        )

    @property
    def n_trees(self) -> int:
        """Number of trees, ``T``."""
        return len(self.root)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, ``N``."""
        return len(self.node)


def base_values(trees: Trees) -> Array:
    """The expected raw scores: the trees' means over the training weights, and where their sum starts.

    Parameters
    ----------
    trees : Trees
        With covers.

    Returns
    -------
    ndarray of float64, shape (n_outputs,)
        To which the SHAP values of a row add up to its sum over trees.

    Examples
    --------
    >>> from sktensor import Forest
    >>> leaves = {"value": 1.0, "cover": 3.0}, {"value": 5.0, "cover": 1.0}
    >>> stump = {"feature": 0, "threshold": 0.5, "left": leaves[0], "right": leaves[1], "cover": 4.0}
    >>> base_values(Forest.from_trees([stump], n_features=1).trees)
    array([2.])
    """
    value = trees.leaf_value.astype(np.float64)
    mean = np.concatenate([np.empty((trees.n_nodes, value.shape[1])), value[::-1]])  # ~leaf counts from the end
    share = _shares(trees)[:, None]
    for _, node in reversed(list(levels(trees.root, trees.left, trees.right))):
        inner = node[node >= 0]
        left, right = mean[trees.left[inner]], mean[trees.right[inner]]
        mean[inner] = share[inner] * left + (1 - share[inner]) * right
    found = trees.base.astype(np.float64)
    for root, target in zip(trees.root, trees.tree_target, strict=True):
        if target < 0:
            found += mean[root]
        else:
            found[target] += mean[root, 0]
    return found


@lru_cache(maxsize=256)
def quadrature(n_points: int) -> tuple[Array, Array, Array]:
    """Gauss-Legendre quadrature on [0, 1]: exact for polynomials of degree up to ``2 * n_points - 1``.

    Parameters
    ----------
    n_points : int
        At least 1.

    Returns
    -------
    point, complement, weight : ndarray of float64, shape (n_points,)
        Ascending points t, ``1 - t``, and weights, which sum to 1; each the float64 nearest to the exact number.

    Examples
    --------
    >>> point, complement, weight = quadrature(2)
    >>> point
    array([0.21132487, 0.78867513])
    >>> round(float((weight * point**3).sum()), 15)
    0.25
    """
    with decimal.localcontext(prec=DIGITS):
        one, found = decimal.Decimal(1), []
        for i in range((n_points + 1) // 2):
            x, slope = decimal.Decimal(_starting_point(n_points, i)), one
            for _ in range(2 if n_points > 1 else 1):  # from 16 digits to all
                value, slope = _legendre(n_points, x)
                x -= value / slope
            _, slope = _legendre(n_points, x)
            found.append((x, 1 / ((1 - x * x) * slope * slope)))
        if n_points % 2:
            x = decimal.Decimal(0)
            _, slope = _legendre(n_points, x)
            found[-1] = x, 1 / (slope * slope)
        low = [(float((1 - x) / 2), float((1 + x) / 2), float(w)) for x, w in found]
    middle = [low.pop()] if n_points % 2 else []
    high = [(complement, point, weight) for point, complement, weight in reversed(low)]
    columns = np.array(low + middle + high).T
    columns.flags.writeable = False
    return columns[0], columns[1], columns[2]


def _legendre(n: int, x: Any) -> tuple[Any, Any]:
    """The Legendre polynomial of degree n and its derivative at x, which is not 1 or -1."""
    before, value = x * 0 + 1, x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (x * value - before) / (x * x - 1)


def _starting_point(n: int, i: int) -> float:
    """The i-th largest root of the Legendre polynomial, to 15 digits."""
    x = float(np.cos(np.pi * (i + 0.75) / (n + 0.5)))
    for _ in range(6):
        value, slope = _legendre(n, x)
        x -= value / slope
    return x


@dataclass(frozen=True)
class _Order:
    """Nodes tree after tree, each before those below it."""

    tree_node: Array  # int64 (T + 1,)
    node: Array  # int32 (N,)
    depth: Array  # int32 (N,)
    place: Array  # int32 (M,): of the forest's nodes

    def renumbered(self, child: Array) -> Array:
        """Places for nodes; leaves as they are."""
        if not len(self.place):
            return child.astype(np.int32)
        return np.where(child >= 0, self.place[np.maximum(child, 0)], child).astype(np.int32)


def _order(trees: Trees) -> _Order:
    every = [node for _, node in levels(trees.root, trees.left, trees.right)]
    size = np.zeros(trees.n_nodes + 1, dtype=np.int64)  # of the part below a node; the last one is for leaves
    for node in reversed(every):
        inner = node[node >= 0]
        size[inner] = 1 + size[np.maximum(trees.left[inner], -1)] + size[np.maximum(trees.right[inner], -1)]
    tree_node = np.concatenate([[0], np.cumsum(size[np.maximum(trees.root, -1)])])
    place, depth = np.full(trees.n_nodes, -1, np.int32), np.zeros(trees.n_nodes, np.int32)
    inner = trees.root >= 0
    place[trees.root[inner]] = tree_node[:-1][inner]
    for level, node in enumerate(every):
        at = node[node >= 0]
        depth[at] = level
        left, right = trees.left[at], trees.right[at]
        place[left[left >= 0]] = place[at][left >= 0] + 1
        place[right[right >= 0]] = (place[at] + 1 + size[np.maximum(left, -1)])[right >= 0]
    reached = np.flatnonzero(place >= 0)
    node = np.empty(len(reached), np.int32)
    node[place[reached]] = reached
    return _Order(tree_node, node, depth[node], place)


def _shares(trees: Trees) -> Array:
    """The left child's part of the covers of both, for each node of the forest."""
    assert trees.cover is not None
    # ~leaf counts from the end.
    cover = np.concatenate([trees.cover[: trees.n_nodes], trees.cover[trees.n_nodes :][::-1]])
    left, both = cover[trees.left], cover[trees.left] + cover[trees.right]
    share = np.full(trees.n_nodes, 0.5)
    np.divide(left, both, out=share, where=both > 0)
    return share


def _previous(player: Array, parent: Array, from_right: Array) -> tuple[Array, Array]:
    """The last split of the same player above each node, and whether the way from there is its right one."""
    previous, previous_right = np.full(len(player), -1, np.int32), np.zeros(len(player), bool)
    seeking = np.flatnonzero(parent >= 0)
    below = seeking  # on the way up from each of them
    while len(seeking):
        above = parent[below]
        found = player[above] == player[seeking]
        previous[seeking[found]] = above[found]
        previous_right[seeking[found]] = from_right[below[found]]
        goes_on = ~found & (parent[above] >= 0)
        seeking, below = seeking[goes_on], above[goes_on]
    return previous, previous_right


def _by_depth(depth: Array) -> list[Array]:
    """Nodes of each depth in turn, ascending."""
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)
