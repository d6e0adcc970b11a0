"""A forest evaluated the slow, obvious way: node by node, straight from the rules in semantics.

It shares no code with the strategies, so that the two can be held against each other.
"""

from __future__ import annotations

import numpy as np

FLUSH = np.float64(np.float32(1e-35))


def prepared(forest, X):
    """X in the forest's dtype, with missing values as NaN and tiny ones flushed."""
    X = np.asarray(X)
    if forest.inputs.ints_as_float32 and X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float32)
    with np.errstate(over="ignore"):
        X = X.astype(forest.trees.feature_dtype)
    if forest.inputs.missing_value is not None:
        X = np.where(X == X.dtype.type(forest.inputs.missing_value), X.dtype.type(np.nan), X)
    if forest.inputs.flush_tiny:
        X = np.where(np.abs(X) <= FLUSH, X.dtype.type(0.0), X)
    return X


def goes_left(forest, node, x):
    """Which of the values `x` of the node's column go left."""
    nan = np.isnan(x)
    if forest.trees.is_cat is not None and forest.trees.is_cat[node]:
        left = np.array([category_left(forest, node, float(v)) for v in x], dtype=bool)
        return np.where(nan, forest.trees.nan_left[node], left)
    t = forest.trees.threshold[node]
    wide = x.astype(np.float64)
    left = wide < t if forest.trees.cmp == "lt" else wide <= t
    if forest.trees.zero_dir is not None and forest.trees.zero_dir[node] >= 0:
        left = np.where(x == 0, forest.trees.zero_dir[node] == 1, left)
    return np.where(nan, forest.trees.nan_left[node], left)


def category_left(forest, node, value):
    outside = bool(forest.trees.oov_left[node]) if forest.trees.oov_left is not None else False
    if np.isnan(value):
        return bool(forest.trees.nan_left[node])
    if forest.trees.cat_mode == "xgb":
        if value < 0 or value >= 2**24:
            return outside
    elif value <= -1 or value >= 2**31:
        return outside
    code = int(value)
    if code >= 32 * int(forest.trees.cat_words[node]):
        return outside
    word = int(forest.trees.cat_bits[int(forest.trees.cat_off[node]) + code // 32])
    return bool(word >> (code % 32) & 1)


def reference_leaves(forest, X):
    """Leaf numbers within the forest (not the library's), shape (n, T)."""
    X = prepared(forest, X)
    out = np.empty((len(X), forest.n_trees), dtype=np.int64)
    for t, root in enumerate(forest.trees.root):
        stack = [(int(root), np.arange(len(X)))]
        while stack:
            node, rows = stack.pop()
            if node < 0:
                out[rows, t] = ~node
                continue
            left = goes_left(forest, node, X[rows, forest.trees.feature[node]])
            stack.append((int(forest.trees.left[node]), rows[left]))
            stack.append((int(forest.trees.right[node]), rows[~left]))
    return out


def leaf_outputs(forest, X, leaves):
    """What one tree adds for each row, shape (n, Kl)."""
    value = forest.trees.leaf_value[leaves]
    if forest.trees.lin_off is None:
        return value
    value = value.copy()
    for i, leaf in enumerate(leaves):
        terms = range(int(forest.trees.lin_off[leaf]), int(forest.trees.lin_off[leaf + 1]))
        xs = [X[i, forest.trees.lin_feature[j]] for j in terms]
        if not xs or np.isnan(xs).any():
            continue
        total = forest.trees.lin_const[leaf]
        for j, x in zip(terms, xs, strict=True):
            total = total + forest.trees.lin_coef[j] * np.float64(x)
        value[i, 0] = total
    return value


def reference_sum(forest, X):
    """The sum over trees in order, before any division, or their weighted median, shape (n, K)."""
    leaves = reference_leaves(forest, X)
    if forest.trees.aggregate == "weighted_median":
        return np.array(
            [[weighted_median(row, forest.trees.tree_weight)] for row in forest.trees.leaf_value[leaves, 0]]
        )
    ready = prepared(forest, X)
    acc = np.zeros((len(leaves), forest.n_outputs), dtype=forest.trees.acc_dtype)
    acc[:] = forest.trees.base
    with np.errstate(over="ignore", invalid="ignore"):
        for t, target in enumerate(forest.trees.tree_target):
            add = leaf_outputs(forest, ready, leaves[:, t])
            if target < 0:
                acc = acc + add
            else:
                acc[:, target] = acc[:, target] + add[:, 0]
        return acc


def weighted_median(values, weights):
    """The first value, in the order of numpy's sort, that half of the weight has been reached with."""
    sums, total = [], np.float64(0.0)
    for tree in (order := np.argsort(values)):
        sums.append(total := total + weights[tree])
    return next(values[tree] for tree, reached in zip(order, sums, strict=True) if reached >= 0.5 * total)


def reference_raw(forest, X):
    """The library's raw scores, shape (n, K)."""
    acc = reference_sum(forest, X)
    if not forest.outputs.raw_is_pre_div and forest.outputs.div != 1.0:
        acc = acc / forest.outputs.div
    if forest.outputs.scale != 1.0:
        acc = acc * forest.outputs.scale
    return acc if forest.outputs.bias is None else acc + forest.outputs.bias


def reference_apply(forest, X):
    """The library's leaf numbers, shape (n, *leaf_shape)."""
    numbers = forest.trees.leaf_id[reference_leaves(forest, X)]
    return numbers.reshape(len(numbers), *forest.outputs.leaf_shape).astype(forest.outputs.leaf_dtype)


def hurting(forest, rng, n=300, nan=True, inf=True):
    """Rows made of the forest's own thresholds, their neighbours and every awkward value, float64."""
    X = rng.normal(size=(n, forest.n_features))
    for column in range(forest.n_features):
        t = forest.trees.threshold[forest.trees.feature == column].astype(np.float64)
        t = t[np.isfinite(t)]
        t32 = t.astype(np.float32)
        near = [t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf)]
        near += [np.nextafter(t32, np.float32(s) * np.float32(np.inf)).astype(np.float64) for s in (1, -1)]
        near += [
            t32.astype(np.float64),
            np.array([0.0, -0.0, 1e-40, -1e-40, 1e-36, -1e-36, 1e-300, 5e-324, 0.1, 1.5, -3.7]),
        ]
        near += [np.array([0.0, 1.0, 2.0, 3.0, -0.5, -1.0, 40.0])]
        if nan:
            near.append(np.array([np.nan]))
        if inf:
            near.append(np.array([np.inf, -np.inf, 1e300, -1e300]))
        pool = np.concatenate(near)
        picked = rng.random(n) < 0.8
        X[picked, column] = rng.choice(pool, size=picked.sum())
    return X
