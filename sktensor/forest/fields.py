"""Array fields of frozen dataclasses: dtype and axis declared once, kept read-only, all else derived from that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, field, fields
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

__all__ = ["array", "array_fields", "fail", "keep_arrays", "outside", "restore"]

Array = npt.NDArray[Any]


def array(
    dtype: str,
    *,
    axis: str,
    ndim: int = 1,
    optional: bool = False,
    child: bool = False,
    group: str = "",
    absent: float | None = None,
) -> Any:
    """Declare an array field.

    Parameters
    ----------
    dtype : str
        The dtype it is kept in; ``"acc"`` is that of the field `acc_dtype`, ``"floating"`` the given one of float32 and
        float64.
    axis : str
        What its first dimension counts, for instance ``"node"``: all fields of an axis are of one length, that of the
        first of them. ``"leaf end"`` is one longer than ``"leaf"``; ``"node, leaf"`` has one entry for each node, then
        for each leaf.
    ndim : int
        Number of dimensions.
    optional : bool
        Whether it may be None.
    child : bool
        Whether it holds numbers of nodes, and of leaves as ``~leaf``.
    group : str
        Optional fields of the same group come together or not at all.
    absent : number, optional
        The entries that mean the same as no array at all.
    """
    metadata = {"dtype": dtype, "axis": axis, "ndim": ndim, "child": child, "group": group, "absent": absent}
    return field(default=None, metadata=metadata) if optional else field(metadata=metadata)


def array_fields(kind: type, axis: str = "") -> Iterator[Field[Any]]:
    """The array fields of a dataclass, all or those of one axis, in their order."""
    for spec in fields(kind):
        if "axis" in spec.metadata and axis in ("", spec.metadata["axis"]):
            yield spec


def keep_arrays(instance: Any) -> None:
    """Put read-only contiguous copies in the place of a frozen dataclass's arrays, for its ``__post_init__``.

    Raises
    ------
    ValueError
        Naming a field whose values its dtype cannot hold.
    """
    for spec in array_fields(type(instance)):
        value = getattr(instance, spec.name)
        if value is not None:
            object.__setattr__(instance, spec.name, _kept(instance, spec, value))


def _kept(instance: Any, spec: Field[Any], value: Any) -> Array:
    found = np.asarray(value)
    dtype, ndim = spec.metadata["dtype"], spec.metadata["ndim"]
    if found.dtype.kind not in "biuf" and found.size:
        raise ValueError(f"Forest.{spec.name}: expected numbers, got dtype {found.dtype}.")
    if found.ndim != ndim:
        raise ValueError(f"Forest.{spec.name}: expected {ndim} dimension(s), got shape {found.shape}.")
    if dtype == "acc":
        dtype = instance.acc_dtype
        if dtype not in ("float32", "float64"):
            raise ValueError(f"Forest.acc_dtype: expected 'float32' or 'float64', got {dtype!r}.")
    elif dtype == "floating":
        dtype = found.dtype.name if found.dtype.name in ("float32", "float64") else "float64"
    with np.errstate(invalid="ignore", over="ignore"):
        kept = np.array(found, dtype=dtype, order="C")
    if kept.dtype.kind != "f" and not np.array_equal(kept, found):
        raise ValueError(f"Forest.{spec.name}: {found.dtype} values do not fit into {dtype}.")
    kept.flags.writeable = False
    return kept


def restore(instance: Any, state: dict[str, Any]) -> None:
    """Set the state of a pickled or deeply copied dataclass, whose arrays would otherwise come back writeable."""
    instance.__dict__.update(state)
    for value in state.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


def fail(name: str, problem: str) -> NoReturn:
    """Refuse what a field holds."""
    raise ValueError(f"Forest.{name}: {problem}.")


def outside(values: Array, high: int, *, low: int = 0) -> Array:
    """Which integers are not from `low` to below `high`."""
    wrong: Array = (values < low) | (values >= high)
    return wrong
