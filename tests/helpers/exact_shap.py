"""SHAP values by their definition, in exact rationals: the oracle of everything that explains a forest.

Decisions come from :mod:`reference`, which walks a forest node by node; nothing is shared with ``sktensor.explain``.
Models have to be small: for every set of the players of a tree its game is played anew.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
from reference import goes_left, prepared

__all__ = [
    "as_floats",
    "base_values",
    "interactions",
    "interventional",
    "leaf_magnitude",
    "path_dependent",
    "path_dependent_by_leaves",
    "raw_sums",
]


def decisions(forest, X):
    """Whether each row goes left at each node, bool, shape (n, M); X has the columns that the trees look at."""
    X = prepared(forest, X)
    found = np.zeros((len(X), forest.n_nodes), dtype=bool)
    for node in range(forest.n_nodes):
        found[:, node] = goes_left(forest, node, X[:, forest.trees.feature[node]])
    return found


def left_share(forest, node):
    """The part of a node's cover that its left child has; of none at all, one half."""
    trees = forest.trees
    left, right = (Fraction(float(trees.cover[_at(forest, child[node])])) for child in (trees.left, trees.right))
    return Fraction(1, 2) if left + right == 0 else left / (left + right)


def path_dependent(forest, X, players=None, n_players=None):
    """SHAP values of the raw scores, object array of Fraction, shape (n, P, K).

    A set of players knows its columns; at a node of any other column both children answer, weighted by their cover.
    """
    return _values(forest, X, players, n_players, _covered(forest), _shapley)


def interventional(forest, X, background, players=None, n_players=None):
    """SHAP values where columns out of a set have the values of a row of `background`, on average over its rows."""
    return _values(forest, X, players, n_players, _mixed(forest, background), _shapley)


def interactions(forest, X, players=None, n_players=None):
    """SHAP interaction values of the cover-weighted game, shape (n, P, P, K)."""
    return _values(forest, X, players, n_players, _covered(forest), _interactions)


def path_dependent_by_leaves(forest, X):
    """The same as :func:`path_dependent` of forests that are too deep for all sets of their players.

    A leaf answers a set with its value times, for each player on its way, 1 or 0 if the set knows that one and the row
    goes this way or not, else the cover share of this way. The sum over sets of one size is a coefficient of a product.
    """
    trees = forest.trees
    out = np.full((len(X), trees.n_columns, forest.n_outputs), Fraction(0), dtype=object)
    for i, row in enumerate(decisions(forest, X)):
        for tree in range(forest.n_trees):
            stack = [(int(trees.root[tree]), {})]
            while stack:
                node, ways = stack.pop()
                if node < 0:
                    for player, share in _shares_of_leaf(ways):
                        out[i, player] += [_factor(forest) * share * v for v in _leaf(forest, tree, ~node)]
                    continue
                player, share = int(trees.feature[node]), left_share(forest, node)
                goes, covered = ways.get(player, (True, Fraction(1)))
                left, right = (
                    (goes and bool(row[node]), covered * share),
                    (
                        goes and not row[node],
                        covered * (1 - share),
                    ),
                )
                stack += [
                    (int(trees.left[node]), ways | {player: left}),
                    (int(trees.right[node]), ways | {player: right}),
                ]
    return out


def _shares_of_leaf(ways):
    """Of a leaf's value, the part that each player on its way adds."""
    n = len(ways)
    for player, (goes, covered) in ways.items():
        by_size = [Fraction(1)]  # sums over the sets of other players of each size
        for other in ways.keys() - {player}:
            known, unknown = ways[other]
            longer = [unknown * value for value in by_size] + [Fraction(0)]
            if known:
                for size, value in enumerate(by_size):
                    longer[size + 1] += value
            by_size = longer
        weights = [Fraction(factorial(size) * factorial(n - size - 1), factorial(n)) for size in range(n)]
        mean = sum((w * value for w, value in zip(weights, by_size, strict=True)), Fraction(0))
        yield player, (int(goes) - covered) * mean


def base_values(forest, background=None):
    """What an empty set of players gives, list of K Fractions."""
    answer = _covered(forest) if background is None else _mixed(forest, background)
    total = [Fraction(float(b)) for b in forest.trees.base]
    for tree in range(forest.n_trees):
        for k, value in enumerate(answer(tree, None, frozenset(), _own_players(forest, None))):
            total[k] += value
    return _shifted(forest, total)


def raw_sums(forest, X):
    """Raw scores of rows without any rounding, a list of K Fractions for each."""
    bits, trees = decisions(forest, X), forest.trees
    found = []
    for row in bits:
        total = [Fraction(float(b)) for b in trees.base]
        for tree, node in enumerate(trees.root):
            while node >= 0:
                node = trees.left[node] if row[node] else trees.right[node]
            for k, value in enumerate(_leaf(forest, tree, ~node)):
                total[k] += value
        found.append(_shifted(forest, total))
    return found


def leaf_magnitude(forest):
    """The largest absolute leaf value of the raw score, the measure of errors."""
    return float(_factor(forest)) * float(np.abs(forest.trees.leaf_value.astype(np.float64)).max(initial=0))


def as_floats(values):
    """Fractions, rounded to float64."""
    return np.array(values, dtype=object).astype(np.float64)


def _values(forest, X, players, n_players, answer, solve):
    players = _own_players(forest, players)
    n_players = forest.trees.n_columns if n_players is None else n_players
    found = []
    for row in decisions(forest, X):
        total = {}
        for tree in range(forest.n_trees):
            inside = sorted({int(players[forest.trees.feature[node]]) for node in _nodes(forest, tree)})
            game = {
                chosen: answer(tree, row, frozenset(chosen), players)
                for size in range(len(inside) + 1)
                for chosen in combinations(inside, size)
            }
            for place, value in solve(game, inside).items():
                before = total.get(place, [Fraction(0)] * len(value))
                total[place] = [a + b for a, b in zip(before, value, strict=True)]
        found.append(total)
    width = (n_players,) if solve is _shapley else (n_players, n_players)
    out = np.full((len(found), *width, forest.n_outputs), Fraction(0), dtype=object)
    for i, total in enumerate(found):
        for place, value in total.items():
            out[(i, *place)] = [_factor(forest) * one for one in value]
    return out


def _shapley(game, inside):
    """Each player's value: what it adds to a set, on average over all orders of the players."""
    n = len(inside)
    found = {}
    for player in inside:
        others = [one for one in inside if one != player]
        total = [Fraction(0)] * len(game[()])
        for size in range(n):
            weight = Fraction(factorial(size) * factorial(n - size - 1), factorial(n))
            for chosen in combinations(others, size):
                more = game[tuple(sorted((*chosen, player)))]
                total = [t + weight * (a - b) for t, a, b in zip(total, more, game[chosen], strict=True)]
        found[player,] = total
    return found


def _interactions(game, inside):
    """Half the interaction index of each pair; on the diagonal what is left of a player's value."""
    n = len(inside)
    found = {(player, player): value for (player,), value in _shapley(game, inside).items()}
    for i, j in combinations(inside, 2):
        others = [one for one in inside if one not in (i, j)]
        total = [Fraction(0)] * len(game[()])
        for size in range(n - 1):
            weight = Fraction(factorial(size) * factorial(n - size - 2), 2 * factorial(n - 1))
            for chosen in combinations(others, size):
                four = [game[tuple(sorted((*chosen, *more)))] for more in ((i, j), (i,), (j,), ())]
                total = [t + weight * (a - b - c + d) for t, a, b, c, d in zip(total, *four, strict=True)]
        found[i, j] = found[j, i] = total
        for one in (i, j):
            found[one, one] = [a - b for a, b in zip(found[one, one], total, strict=True)]
    return found


def _covered(forest):
    """The game in which the children of unknown columns answer by their cover."""

    def answer(tree, row, known, players):
        def below(node):
            if node < 0:
                return _leaf(forest, tree, ~node)
            left, right = int(forest.trees.left[node]), int(forest.trees.right[node])
            if int(players[forest.trees.feature[node]]) in known:
                return below(left if row[node] else right)
            share = left_share(forest, node)
            return [share * a + (1 - share) * b for a, b in zip(below(left), below(right), strict=True)]

        return below(int(forest.trees.root[tree]))

    return answer


def _mixed(forest, background):
    """The game in which unknown columns have the values of a row of the background."""
    others = decisions(forest, background)

    def answer(tree, row, known, players):
        total = [Fraction(0)] * forest.n_outputs
        for other in others:
            node = int(forest.trees.root[tree])
            while node >= 0:
                decided = row if int(players[forest.trees.feature[node]]) in known else other
                node = int((forest.trees.left if decided[node] else forest.trees.right)[node])
            total = [a + b for a, b in zip(total, _leaf(forest, tree, ~node), strict=True)]
        return [value / len(others) for value in total]

    return answer


def _own_players(forest, players):
    return np.arange(forest.trees.n_columns) if players is None else players


def _nodes(forest, tree):
    stack = [int(forest.trees.root[tree])]
    while stack:
        node = stack.pop()
        if node >= 0:
            yield node
            stack += [int(forest.trees.left[node]), int(forest.trees.right[node])]


def _leaf(forest, tree, leaf):
    value = [Fraction(float(v)) for v in forest.trees.leaf_value[leaf]]
    target = int(forest.trees.tree_target[tree])
    if target < 0:
        return value
    return [value[0] if k == target else Fraction(0) for k in range(forest.n_outputs)]


def _at(forest, child):
    """Where the cover of a child stands: nodes first, then leaves."""
    return int(child) if child >= 0 else forest.n_nodes + int(~child)


def _factor(forest):
    outputs = forest.outputs
    return Fraction(1) if outputs.raw_is_pre_div else Fraction(outputs.scale) / Fraction(outputs.div)


def _shifted(forest, total):
    """The library's raw scores of exact sums."""
    outputs = forest.outputs
    bias = [0.0] * len(total) if outputs.bias is None or outputs.raw_is_pre_div else outputs.bias
    return [_factor(forest) * t + Fraction(float(b)) for t, b in zip(total, bias, strict=True)]
