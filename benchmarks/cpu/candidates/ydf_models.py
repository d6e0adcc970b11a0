"""YDF (Yggdrasil Decision Forests).

It reads some scikit-learn models itself. Of other libraries it reads none, but it lets trees be built, and its tests
``x >= t`` can say what any of these models asks of float32 rows: ``x < t`` and ``x <= t`` are the other side of it.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.cpu.candidates import Runner

BY_ITSELF = ("RandomForestClassifier", "GradientBoostingRegressor")  # what ydf.from_sklearn reads, of our models


def carried_over(kept, fitted, threads, scratch):
    """From a dictionary with the array, as YDF takes it."""
    import ydf

    ydf.verbose(0)
    read_by_itself = type(fitted).__name__ in BY_ITSELF
    model = ydf.from_sklearn(fitted) if read_by_itself else _rebuilt(kept.model, kept.arrays("trees"))
    predict = partial(model.predict, num_threads=threads)
    return Runner(lambda X: predict({"features": X}))


def _rebuilt(model, trees):
    """A YDF model of as many classes, with these trees in place of its own."""
    import ydf

    y = np.arange(200) % model.n_classes
    shell = ydf.GradientBoostedTreesLearner(
        label="y", num_trees=1, max_depth=2, validation_ratio=0.0, num_threads=1
    ).train({"features": model.rows(len(y)), "y": y.astype(str)})
    while shell.num_trees():
        shell.remove_tree(0)
    shell.set_initial_predictions([float(value) for value in trees["base"]])
    columns = dict(enumerate(shell.input_features_col_idxs()))
    threshold = _not_below(trees["threshold"], trees["cmp"])

    def node(number):
        if number < 0:
            leaf = ydf.tree.RegressionValue(num_examples=1.0, value=float(trees["leaf_value"][~number, 0]))
            return ydf.tree.Leaf(value=leaf)
        condition = ydf.tree.NumericalHigherThanCondition(
            missing=False, score=0.0, attribute=columns[trees["feature"][number]], threshold=float(threshold[number])
        )
        return ydf.tree.NonLeaf(
            condition=condition, pos_child=node(trees["right"][number]), neg_child=node(trees["left"][number])
        )

    for root in trees["root"]:
        shell.add_tree(ydf.tree.Tree(root=node(root)))
    return shell


def _not_below(threshold, cmp):
    """The float32 `t` for which ``x >= t`` sends the same float32 rows right as the comparison does."""
    above = np.float32(np.inf)
    t = threshold.astype(np.float32)
    if cmp == "lt":  # right iff x >= threshold
        return np.where(t < threshold, np.nextafter(t, above), t)
    return np.where(t > threshold, t, np.nextafter(t, above))  # right iff x > threshold
