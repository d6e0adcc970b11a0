"""How trees are cut into blocks."""

from __future__ import annotations

from functools import cache

import numpy as np
from forests import forests, random_forest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktensor.backends.cpu.cuts import BLOCK_SHARE, EXITS, NODES, cut


def least(trees, weight, root):
    """What the cheapest cut of a tree costs, by recursion over all."""
    if root < 0:
        return 0.0
    own = BLOCK_SHARE * weight[root]

    @cache
    def below(node, n_places):  # blocks below, with so many nodes of the block above from here on
        if n_places == 0:
            return 0.0 if node < 0 else own + weight[node] + min(below(node, k) for k in range(1, NODES + 1))
        if node < 0:
            return float("inf")
        left, right = int(trees.left[node]), int(trees.right[node])
        return min(below(left, k) + below(right, n_places - 1 - k) for k in range(n_places))

    return below(int(root), 0)


def summed(trees, leaf):
    """For each node what its leaves have together, then these."""
    node_sum = np.zeros(trees.n_nodes)

    def below(node):
        if node < 0:
            return leaf[~node]
        node_sum[node] = below(trees.left[node]) + below(trees.right[node])
        return node_sum[node]

    for root in trees.root:
        below(root)
    return np.concatenate([node_sum, leaf])


@given(seed=st.integers(0, 2**32 - 1), chain=st.booleans())
@settings(max_examples=25, deadline=None)
def test_no_cut_has_rows_pass_fewer_blocks(seed, chain):
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, n_trees=3, max_depth=25 if chain else 7, chain=chain, single_leaf="some", cover=True)
    trees = forest.replace(cover=summed(forest.trees, rng.integers(0, 50, forest.n_leaves).astype(float))).trees
    made = cut(trees, trees.root)
    first = made.member[:, 0]
    for tree, root in enumerate(trees.root):
        blocks = first[(made.tree == tree) & (first >= 0)]
        cost = trees.cover[blocks].sum() + len(blocks) * BLOCK_SHARE * (trees.cover[root] if root >= 0 else 0)
        np.testing.assert_allclose(cost, least(trees, trees.cover, root), rtol=1e-5)  # sums of float32


@given(forest=forests(), weight=st.sampled_from(["own", "none", "random", "zero", "infinite", "nan", "negative"]))
@settings(max_examples=60)
def test_every_node_is_in_one_block_whatever_its_weight(forest, weight):
    made_up = {"none": None, "zero": 0.0, "infinite": np.inf, "nan": np.nan, "negative": -1.0}
    trees = forest.trees
    if weight == "random":
        cover = np.random.default_rng(forest.n_nodes).exponential(size=forest.n_nodes + forest.n_leaves)
        trees = forest.replace(cover=cover).trees
    elif weight != "own":
        value = made_up[weight]
        cover = None if value is None else np.full(forest.n_nodes + forest.n_leaves, value)
        trees = forest.replace(cover=cover).trees
    made = cut(trees, trees.root)
    assert made.member.shape[1:] == (NODES,) and made.exit.shape[1:] == (EXITS,)
    assert sorted(made.member[made.member >= 0]) == list(range(forest.n_nodes))
    inside = np.arange(EXITS) < made.used[:, None]
    leads_to = {int(child): b for b in range(len(made.used)) for child in made.exit[b][inside[b]] if child >= 0}
    for b in np.flatnonzero(made.is_top & (made.member[:, 0] >= 0)):
        above = leads_to.get(int(made.member[b, 0]))
        assert above is None or made.is_top[above]
    assert sorted(~made.exit[inside & (made.exit < 0)]) == list(range(forest.n_leaves))


def test_without_covers_as_many_rows_are_expected_as_there_are_nodes():
    rng = np.random.default_rng(0)
    trees = random_forest(rng, n_trees=1, max_depth=9, single_leaf="none").trees
    assert trees.cover is None
    size = summed(trees, np.ones(trees.n_leaves)) - 1  # a tree has one node less than leaves
    blocks = cut(trees, trees.root).member[:, 0]
    cost = size[blocks].sum() + len(blocks) * BLOCK_SHARE * size[trees.root[0]]
    np.testing.assert_allclose(cost, least(trees, size, trees.root[0]), rtol=1e-5)  # sums of float32
