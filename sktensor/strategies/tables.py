"""Tables: frozen dataclasses of arrays that a strategy compiles once and that then live on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias, TypeVar

__all__ = ["Array", "arrays", "map_arrays"]

Array: TypeAlias = Any
"""A numpy array where tables are compiled, the same as a torch tensor where they run."""

T = TypeVar("T")


def map_arrays(tables: T, change: Callable[[Any], Any]) -> T:
    """The same tables with every array (numpy or torch) in them replaced by ``change(array)``."""
    if isinstance(tables, tuple):
        return tuple(map_arrays(part, change) for part in tables)  # type: ignore[return-value]
    if is_dataclass(tables) and not isinstance(tables, type):
        return replace(tables, **{f.name: map_arrays(getattr(tables, f.name), change) for f in fields(tables)})
    return change(tables) if hasattr(tables, "dtype") else tables  # type: ignore[no-any-return]


def arrays(tables: Any) -> Iterator[Array]:
    """Every array of the tables, in a fixed order."""
    found: list[Any] = []
    map_arrays(tables, lambda array: found.append(array))
    return iter(found)
