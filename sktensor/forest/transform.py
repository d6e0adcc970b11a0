"""Trees from trees: some of them, several one behind the other, the same over other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.fields import array_fields
from sktensor.forest.structure import trees_of_nodes
from sktensor.forest.trees import Trees

__all__ = ["concat_trees", "map_columns", "take_trees"]

Array = npt.NDArray[Any]


def take_trees(trees: Trees, numbers: Array) -> Trees:
    """The trees of these numbers, in this order, with everything else as it was.

    Parameters
    ----------
    trees : Trees
        Valid ones.
    numbers : ndarray of int, shape (n,)
        Distinct numbers of trees.

    Returns
    -------
    Trees
        Nodes and leaves keep their order among themselves; those of other trees are gone. The sum starts where that
        of all trees starts.
    """
    chosen = np.zeros(trees.n_trees, dtype=bool)
    chosen[numbers] = True
    nodes = np.flatnonzero(chosen[trees_of_nodes(trees.root, trees.left, trees.right)])
    children = np.concatenate([trees.left[nodes], trees.right[nodes], trees.root[numbers]])
    leaves = np.unique(~children[children < 0])
    node_number, leaf_number = np.zeros(trees.n_nodes, dtype=np.int32), np.zeros(trees.n_leaves, dtype=np.int32)
    node_number[nodes], leaf_number[leaves] = np.arange(len(nodes)), np.arange(len(leaves))
    places: dict[str, Array] = {
        "node": nodes,
        "tree": numbers,
        "leaf": leaves,
        "node, leaf": np.concatenate([nodes, trees.n_nodes + leaves]),
    }
    taken: dict[str, Any] = {}
    if trees.lin_off is not None:
        counts = np.diff(trees.lin_off)[leaves]
        taken["lin_off"] = off = np.concatenate([[0], np.cumsum(counts)])
        places["term"] = np.arange(off[-1]) + np.repeat(trees.lin_off[:-1][leaves] - off[:-1], counts)
    for spec in array_fields(Trees):
        value = getattr(trees, spec.name)
        if value is None or spec.metadata["axis"] not in places:
            continue
        value = value[places[spec.metadata["axis"]]]
        if spec.metadata["child"]:
            inner = value >= 0
            value[inner], value[~inner] = node_number[value[inner]], ~leaf_number[~value[~inner]]
        taken[spec.name] = value
    return replace(trees, **taken)


def concat_trees(parts: Sequence[Trees]) -> Trees:
    """The trees of several ensembles one behind the other.

    Parameters
    ----------
    parts : sequence of Trees
        At least one; valid.

    Returns
    -------
    Trees
        The sum starts where that of the first starts.

    Raises
    ------
    ValueError
        If they differ in anything that is no array, in the width of their leaves, or in whether there are covers or
        weights.
    """
    if not parts:
        raise ValueError("There is nothing to concatenate: expected at least one forest.")
    first, rest = parts[0], parts[1:]
    arrays = {spec.name: spec for spec in array_fields(Trees)}
    for spec in fields(Trees):
        if spec.name in arrays:
            continue
        for other in rest:
            if getattr(other, spec.name) != getattr(first, spec.name):
                raise ValueError(
                    f"Trees of different {spec.name} cannot be added up: {getattr(first, spec.name)!r} and "
                    f"{getattr(other, spec.name)!r}."
                )
    if len({part.leaf_value.shape[1] for part in parts}) > 1:
        raise ValueError("Trees whose leaves hold one value and trees whose leaves hold all cannot be added up.")
    parts = _with_alike_groups(parts)
    offsets = {
        name: np.concatenate([[0], np.cumsum([sizes(part) for part in parts])])
        for name, sizes in (
            ("node", lambda part: part.n_nodes),
            ("leaf", lambda part: part.n_leaves),
            ("word", lambda part: 0 if part.cat_bits is None else len(part.cat_bits)),
            ("term", lambda part: 0 if part.lin_coef is None else len(part.lin_coef)),
        )
    }
    joined: dict[str, Any] = {}
    for name, spec in arrays.items():
        values = [getattr(part, name) for part in parts]
        axis = spec.metadata["axis"]
        if values[0] is None or axis == "output":
            continue
        if spec.metadata["child"]:
            values = [
                np.where(value >= 0, value + offsets["node"][i], value - offsets["leaf"][i])
                for i, value in enumerate(values)
            ]
        elif name == "cat_off":
            values = [value + offsets["word"][i] for i, value in enumerate(values)]
        elif name == "lin_off":
            ends = [value[1:] + offsets["term"][i] for i, value in enumerate(values)]
            values = [np.zeros(1, dtype=np.int64), *ends]
        if axis == "node, leaf":
            values = [part.cover[: part.n_nodes] for part in parts] + [part.cover[part.n_nodes :] for part in parts]  # type: ignore[index]
        joined[name] = np.concatenate(values)
    return replace(first, **joined)


def _with_alike_groups(parts: Sequence[Trees]) -> list[Trees]:
    """The same trees, with arrays for what only some of them have."""
    kinds = {spec.name: spec for spec in array_fields(Trees)}
    found = []
    for part in parts:
        more: dict[str, Any] = {}
        for name, spec in kinds.items():
            if getattr(part, name) is not None or all(getattr(other, name) is None for other in parts):
                continue
            if spec.metadata["group"] == "linear":
                more |= {
                    "lin_off": np.zeros(part.n_leaves + 1, dtype=np.int32),
                    "lin_feature": np.zeros(0, dtype=np.int32),
                    "lin_coef": np.zeros(0),
                    "lin_const": part.leaf_value[:, 0].astype(np.float64),
                }
            elif name == "cat_bits":
                more[name] = np.zeros(0, dtype=np.uint32)
            elif spec.metadata["absent"] is not None:
                more[name] = np.full(part.n_nodes, spec.metadata["absent"], dtype=spec.metadata["dtype"])
            else:
                raise ValueError(f"Trees with and without {name} cannot be added up.")
        found.append(replace(part, **more) if more else part)
    return found


def map_columns(trees: Trees, columns: Array, n_columns: int) -> Trees:
    """The same trees over other columns.

    Parameters
    ----------
    trees : Trees
        Valid ones.
    columns : ndarray of int, shape (C,)
        For each column that they look at now, the one that they are to look at instead.
    n_columns : int
        How many columns there are then.

    Returns
    -------
    Trees
    """
    linear = None if trees.lin_feature is None else columns[trees.lin_feature]
    return replace(trees, n_columns=n_columns, feature=columns[trees.feature], lin_feature=linear)
