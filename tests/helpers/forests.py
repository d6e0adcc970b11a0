"""Random forests of every kind that a Forest can describe, for the tests of everything that runs one."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from reference import hurting

from sktensor import Forest
from sktensor.strategies.costs import Shape

THRESHOLDS = np.array(
    [
        *(np.arange(-10, 11) / 10),  # a grid of one decimal, so that they repeat
        *(0.0, -0.0, np.inf, -np.inf),
        *(5e-324, -5e-324, 1e-45, -1e-45, 1e-40, 1e-36, 1e-35),  # denormals, LightGBM's tiny zone around 0
        *(1 + 1e-12, 0.1 + 1e-9, 16777217.0, 1.7e9 + 0.5, 1e300, -1e300),  # too fine or too large for float32
        float(np.finfo(np.float32).max),
    ]
)

LEAF_VALUES = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, 0.1, 1 / 3, 5e-324])

CODES = np.array([-0.0, -0.5, -0.999, -1.0, -1.5, 3.7, 31.0, 31.99, 32.0, 63.0, 64.0, 95.5, 96.0, 1e5])
CODES = np.concatenate([CODES, [2.0**24 - 1, 2.0**24, 2.0**31 - 1, 2.0**31, -(2.0**31), 2.0**63, 1e300, -1e300]])

SINGLE_LEAF = ("none", "first", "middle", "last", "all", "some")


def random_forest(
    rng,
    *,
    n_trees=5,
    max_depth=4,
    n_features=4,
    n_outputs=1,
    vector=False,
    cmp="le",
    feature_dtype="float64",
    threshold_dtype=None,
    acc_dtype="float64",
    missing=True,
    zero_dir=False,
    categorical=False,
    cat_mode="lgb",
    oov=True,
    linear=False,
    chain=False,
    single_leaf="some",
    cover=False,
    shuffle=True,
    **rules,
):
    """Return a validated Forest with trees of random shape.

    `missing`: nodes send missing values to a random side, otherwise to the right. `zero_dir`, `categorical`: about
    a third of the nodes do. `oov`: a category out of reach goes to a random side. `chain`: every tree is a chain
    of `max_depth` nodes. `single_leaf`: which trees consist of a leaf. `shuffle`: nodes and leaves are numbered at
    random over all trees; otherwise depth first. `rules`: any other fields of Forest, taken as they are.
    """
    root, left, right = _shapes(rng, n_trees, max_depth, chain, single_leaf)
    if shuffle:
        root, left, right = _renumbered(rng, root, left, right)
    n_nodes, n_leaves = len(left), len(left) + n_trees
    width = n_outputs if vector else 1

    fields = {
        "n_features": n_features,
        "n_outputs": n_outputs,
        "cmp": cmp,
        "feature_dtype": feature_dtype,
        "acc_dtype": acc_dtype,
        "cat_mode": cat_mode,
        "feature": rng.integers(0, n_features, n_nodes),
        "threshold": _thresholds(rng, n_nodes, threshold_dtype or feature_dtype),
        "left": left,
        "right": right,
        "nan_left": rng.random(n_nodes) < (0.5 if missing else 0.0),
        "root": root,
        "tree_target": np.full(n_trees, -1) if vector else np.arange(n_trees) % n_outputs,
        "leaf_value": _mixed(rng, LEAF_VALUES, (n_leaves, width)),
        "leaf_id": rng.permutation(n_leaves),
        "base": _mixed(rng, LEAF_VALUES, n_outputs),
        "raw_shape": () if n_outputs == 1 else (n_outputs,),
        "value_shape": () if n_outputs == 1 else (n_outputs,),
        "leaf_shape": (n_trees,),
    }
    if zero_dir:
        fields["zero_dir"] = rng.choice([-1, -1, -1, -1, 0, 1], n_nodes)
    if categorical:
        fields |= _categories(rng, n_nodes, oov)
    if cover:
        fields["cover"] = rng.integers(1, 100, n_nodes + n_leaves).astype(float)
    if linear:
        fields |= _linear(rng, fields["leaf_value"], n_features)
    return Forest.from_fields(**(fields | rules)).validate()


def _mixed(rng, pool, shape):
    """Numbers from the pool for about a quarter, normal ones for the rest."""
    return np.where(rng.random(shape) < 0.25, rng.choice(pool, shape), rng.normal(size=shape))


def _thresholds(rng, size, dtype):
    with np.errstate(over="ignore"):
        values = np.where(rng.random(size) < 0.6, rng.choice(THRESHOLDS, size), rng.normal(size=size))
        return values.astype(dtype)


def _shapes(rng, n_trees, max_depth, chain, single_leaf):
    """Roots and children of random trees, numbered depth first."""
    place, last = np.arange(n_trees), n_trees - 1
    stumps = {
        "none": place < 0,
        "first": place == 0,
        "middle": place == last // 2,
        "last": place == last,
        "all": place >= 0,
        "some": rng.random(n_trees) < 0.15,
    }[single_leaf]
    root, children, n_leaves = [], [], 0
    for stump in stumps:
        stack = [(-1, 0, 0)]  # parent, side and depth of a place to fill
        while stack:
            parent, side, depth = stack.pop()
            if stump or depth == max_depth:
                grows = False
            elif chain:
                grows = depth == 0 or side == children[parent][2]
            else:
                grows = depth == 0 or rng.random() < 0.75
            number = len(children) if grows else ~n_leaves
            n_leaves += not grows
            if parent < 0:
                root.append(number)
            else:
                children[parent][side] = number
            if grows:
                children.append([0, 0, int(rng.integers(2))])  # the side on which a chain goes on
                stack += [(number, 1, depth + 1), (number, 0, depth + 1)]
    table = np.array(children, dtype=np.int32).reshape(-1, 3)
    return np.array(root, dtype=np.int32), table[:, 0], table[:, 1]


def _renumbered(rng, root, left, right):
    """The same trees with nodes and leaves numbered at random."""
    node, leaf = rng.permutation(len(left)), rng.permutation(len(left) + len(root))
    number = np.concatenate([node, ~leaf[::-1]])  # indexed by the old number, leaves from the end
    old = np.argsort(node)
    return number[root], number[left[old]], number[right[old]]


def _categories(rng, n_nodes, oov):
    is_cat = rng.random(n_nodes) < 0.35
    words = np.where(is_cat, rng.choice([0, 1, 1, 1, 2, 3], n_nodes), 0)
    bits = rng.integers(0, 2**32, words.sum(), dtype=np.uint32)
    bits[rng.random(len(bits)) < 0.2] = rng.choice(np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint32))
    return {
        "is_cat": is_cat,
        "cat_off": np.where(words, np.cumsum(words) - words, 0),
        "cat_words": words,
        "cat_bits": bits,
        "oov_left": is_cat & (rng.random(n_nodes) < 0.5) if oov else None,
    }


def _linear(rng, leaf_value, n_features):
    n_leaves = len(leaf_value)
    terms = rng.choice([0, 1, 1, 2, 3], n_leaves)
    const = rng.normal(size=n_leaves)
    return {
        "lin_off": np.concatenate([[0], np.cumsum(terms)]),
        "lin_feature": rng.integers(0, n_features, terms.sum()),
        "lin_coef": _mixed(rng, LEAF_VALUES, terms.sum()),
        # a leaf without terms has its value twice
        "lin_const": np.where(terms == 0, leaf_value[:, 0], const),
    }


def random_rows(forest, rng, n=100, *, nan=True, inf=True):
    """Rows that hurt this forest: its thresholds and their neighbours, awkward numbers, edges of categories."""
    with np.errstate(over="ignore"):
        X = hurting(forest, rng, n, nan=nan, inf=inf)
    if forest.trees.is_cat is not None:
        columns = np.unique(forest.trees.feature[forest.trees.is_cat])
        picked = rng.random((n, len(columns))) < 0.6
        codes = np.where(
            rng.random(picked.shape) < 0.5, rng.integers(0, 100, picked.shape), rng.choice(CODES, picked.shape)
        )
        X[:, columns] = np.where(picked, codes, X[:, columns])
    if forest.inputs.missing_value is not None:
        X[rng.random(X.shape) < 0.1] = forest.inputs.missing_value
    return X


@st.composite
def forests(draw, **fixed):
    """Forests of all kinds mixed; `fixed` arguments of random_forest are not drawn."""
    flags = ("missing", "zero_dir", "categorical", "chain", "cover", "shuffle", "flush_tiny")
    options = {
        "n_trees": draw(st.integers(1, 7)),
        "max_depth": draw(st.integers(1, 6)),
        "n_features": draw(st.integers(1, 5)),
        "n_outputs": draw(st.sampled_from([1, 1, 2, 3])),
        "cmp": draw(st.sampled_from(["lt", "le"])),
        "feature_dtype": draw(st.sampled_from(["float32", "float64"])),
        "acc_dtype": draw(st.sampled_from(["float32", "float64"])),
        "cat_mode": draw(st.sampled_from(["xgb", "lgb"])),
        "single_leaf": draw(st.sampled_from(SINGLE_LEAF)),
        "missing_value": draw(st.sampled_from([None, None, -999.0, 0.0, 0.1])),
        **{name: draw(st.booleans()) for name in flags},
        **fixed,
    }
    options.setdefault("vector", draw(st.booleans()))
    # float64 features against float32 thresholds exist in no library
    wide = options["feature_dtype"] == "float64" or draw(st.booleans())
    options.setdefault("threshold_dtype", "float64" if wide else "float32")
    # linear leaves are LightGBM's: one float64 value each
    may_be_linear = options["acc_dtype"] == "float64" and not options["vector"]
    options.setdefault("linear", may_be_linear and draw(st.booleans()))
    seed = draw(st.integers(0, 2**32 - 1))
    return random_forest(np.random.default_rng(seed), **options)


def perfect_tree(depth, first=0):
    """A tree with another question in each node, all of whose leaves are equally deep."""
    if depth == 0:
        return {"value": float(first)}
    middle = first + 2 ** (depth - 1)
    below = perfect_tree(depth - 1, first), perfect_tree(depth - 1, middle)
    return {"feature": 0, "threshold": middle - 0.5, "left": below[0], "right": below[1]}


@st.composite
def deep_forests(draw, *, most_leaves):
    """Forests of up to 14 levels, bushy ones and chains, whose trees have no more leaves than so many."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depth, chain = draw(st.integers(1, 14)), draw(st.booleans())
    forest = random_forest(rng, n_trees=3, max_depth=depth, n_features=6, chain=chain)
    assume(Shape.of(forest.trees).n_leaves.max() <= most_leaves)
    return forest
