"""A small forest with everything in it, made of dicts, and one with an entry changed."""

from __future__ import annotations

import numpy as np

from sktensor import Forest


def leaf(value, **more):
    return {"value": value, **more}


def split(feature, threshold, left, right, **more):
    return {"feature": feature, "threshold": threshold, "left": left, "right": right, **more}


def choice(feature, categories, left, right, **more):
    return {"feature": feature, "categories": categories, "left": left, "right": right, **more}


def small(**rules):
    """Nodes 0, 1 and leaves 0, 1, 2 in tree 0; leaf 3 is tree 1; node 2 and leaves 4, 5 in tree 2."""
    linear = {"const": 0.5, "features": [2, 0], "coef": [1.0, 2.0]}
    trees = [
        split(0, 0.5, leaf(1.0), choice(1, [1, 33], leaf(2.0), leaf(3.0, linear=linear)), zero_left=True),
        leaf(4.0),
        split(2, np.inf, leaf(5.0), leaf(6.0)),
    ]
    return Forest.from_trees(trees, n_features=3, **rules)


def edited(forest, field, index, value):
    """The forest with one entry of one array changed, not validated."""
    array = np.array(forest.fields()[field])
    array[index] = value
    return forest.replace(**{field: array})
