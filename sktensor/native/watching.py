"""Whether dicts, lists and tuples still hold the same objects, and functions still give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

from sktensor.native.plain_calls import extension

__all__ = ["watch"]


def watch(
    containers: Sequence[tuple[Any, str | None]], functions: Sequence[Callable[[], Iterable[Any]]] = ()
) -> Callable[[], bool]:
    """What says whether all of these hold or give the same objects as now.

    Parameters
    ----------
    containers : sequence of (dict, list or tuple, str or None)
        Each with the key, of a dict, whose value alone is looked at, or None for all that it holds.
    functions : sequence of callable
        Each gives objects, in the same order every time.

    Returns
    -------
    callable
        Containers are looked at by an extension module where there is one: it touches none of the objects, for which
        one row of a pipeline would wait.
    """
    module = extension()
    are_same = _Watch(containers) if module is None else module.Watch(tuple(containers))
    if not functions:
        return are_same  # type: ignore[no-any-return]
    given = [[*function()] for function in functions]
    return lambda: are_same() and all(_is_same(f(), known) for f, known in zip(functions, given, strict=True))


class _Watch:
    """What the extension module does."""

    def __init__(self, containers: Sequence[tuple[Any, str | None]]) -> None:
        self._containers = containers
        self._known = [[*_held(*one)] for one in containers]

    def __call__(self) -> bool:
        return all(_is_same(_held(*one), known) for one, known in zip(self._containers, self._known, strict=True))


def _held(container: Any, key: str | None) -> Iterable[Any]:
    if key is not None:
        return (container.get(key),)
    return container.values() if isinstance(container, dict) else container  # type: ignore[no-any-return]


def _is_same(held: Iterable[Any], known: list[Any]) -> bool:
    held = [*held]
    return len(held) == len(known) and all(map(is_, held, known))
