"""Whether an InputSpec is sound: names of classes, tables of categories, and columns derived from keys."""

from __future__ import annotations

import reprlib

import numpy as np

from sktensor.forest.fields import fail, outside
from sktensor.forest.specs import InputSpec
from sktensor.forest.trees import Trees

__all__ = ["check_inputs"]


def check_inputs(inputs: InputSpec, trees: Trees) -> None:
    """Check names of classes, tables of categories and derived columns, each with its key, and each key with its table.

    Parameters
    ----------
    inputs : InputSpec
        Whose arrays are of the lengths that they declare.
    trees : Trees
        That look at the columns.

    Raises
    ------
    ValueError
        Naming the field.
    """
    if inputs.key_off is not None:
        _check_derived(inputs)
    if inputs.derived_value is not None and inputs.derived_value.dtype != trees.feature_dtype:
        fail("derived_value", f"expected {trees.feature_dtype}, as feature_dtype, got {inputs.derived_value.dtype}")
    types = inputs.container_types
    if types is not None and not (isinstance(types, tuple) and all(_is_class_name(name) for name in types)):
        fail("container_types", f"expected a tuple of modules and names of classes, got {reprlib.repr(types)}")
    tables = inputs.categories
    if tables is not None and not (
        isinstance(tables, tuple)
        and len(tables) == inputs.n_features
        and all(table is None or (isinstance(table, np.ndarray) and table.ndim == 1) for table in tables)
    ):
        fail("categories", f"expected a tuple with a one-dimensional array or None for {inputs.n_features} columns")


def _is_class_name(name: object) -> bool:
    """Whether this is a module and the name of a class in it, with or without a plus sign behind."""
    return isinstance(name, str) and "." in name and all(map(str.isidentifier, name.removesuffix("+").split(".")))


def _check_derived(inputs: InputSpec) -> None:
    """Check that every derived column has a key, and every key its parts and tables."""
    assert inputs.key_off is not None and inputs.key_column is not None and inputs.key_test is not None
    assert inputs.table_off is not None and inputs.table_key is not None
    assert inputs.derived_key is not None and inputs.derived_value is not None
    for name, offset, size in (
        ("key_off", inputs.key_off, len(inputs.key_column)),
        ("table_off", inputs.table_off, len(inputs.table_key)),
    ):
        if not len(offset) or offset[0] != 0 or offset[-1] != size or (np.diff(offset) < 0).any():
            fail(name, f"expected ascending offsets from 0 to {size}, got {offset.tolist()[:10]}")
    n_keys = len(inputs.key_off) - 1
    if len(inputs.table_off) != n_keys + 1:
        fail("table_off", f"expected {n_keys + 1} offsets, as in key_off, got {len(inputs.table_off)}")
    for at in np.flatnonzero(outside(inputs.key_column, inputs.n_features))[:1]:
        legal = f"a column from 0 to {inputs.n_features - 1}"
        fail("key_column", f"part {at}: expected {legal}, got {inputs.key_column[at]}")
    for at in np.flatnonzero(outside(inputs.key_test, 3))[:1]:
        fail("key_test", f"part {at}: expected 0, 1 or 2, got {inputs.key_test[at]}")
    # Nothing here is as long as X is wide: a number of columns is a number that anybody can write into a file.
    hashed = False if inputs.hashed is None else inputs.hashed[inputs.key_column]
    for at in np.flatnonzero((inputs.key_test != 1) != hashed)[:1]:
        kind = "hashes of a column that is not hashed" if inputs.key_test[at] != 1 else "numbers of a hashed column"
        fail("key_test", f"part {at}: asks for {kind}, {inputs.key_column[at]}")
    assert inputs.key_value is not None
    value = np.nan_to_num(inputs.key_value, nan=0.5)
    for at in np.flatnonzero((inputs.key_test == 2) & ((value % 1 != 0) | (np.abs(value + 0.5) > 2**31)))[:1]:
        fail("key_value", f"part {at}: expected a signed number of 32 bits, got {inputs.key_value[at]}")
    for at in np.flatnonzero((inputs.key_test == 1) & np.isnan(inputs.key_value))[:1]:
        fail("key_value", f"part {at}: expected a number or an infinity, got nan")
    key = np.repeat(np.arange(n_keys), np.diff(inputs.table_off))
    for at in np.flatnonzero((key[1:] == key[:-1]) & (inputs.table_key[1:] <= inputs.table_key[:-1]))[:1]:
        fail("table_key", f"key {key[at]}: expected ascending values, got {inputs.table_key[at : at + 2].tolist()}")
    for at in np.flatnonzero(outside(inputs.derived_key, n_keys))[:1]:
        fail("derived_key", f"column {at}: expected a key from 0 to {n_keys - 1}, got {inputs.derived_key[at]}")
    needed = int((np.diff(inputs.table_off)[inputs.derived_key].astype(np.int64) + 1).sum())
    if len(inputs.derived_value) != needed:
        fail(
            "derived_value",
            f"expected {needed} values, one for each known key and one more, for each column, got "
            f"{len(inputs.derived_value)}",
        )
