"""Walk through trees written as nested dicts, and say where in them something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

__all__ = ["Place", "walk"]

BRANCH = frozenset({"feature", "left", "right"})
KEYS = {  # by the key that tells the kinds apart: the keys a dict must have, and those it may have besides
    "value": (frozenset({"value"}), frozenset({"leaf_id", "cover", "linear"})),
    "threshold": (BRANCH | {"threshold"}, frozenset({"nan_left", "cover", "zero_left"})),
    "categories": (BRANCH | {"categories"}, frozenset({"nan_left", "cover", "oov_left", "cat_words"})),
}


@dataclass(slots=True)
class Place:
    """Where in the trees a dict stands: linked upwards, spelt out only when an error needs it."""

    tree: int
    above: Place | None = None
    side: str = ""
    row: dict[str, Any] = field(default_factory=dict)

    def fail(self, problem: str) -> NoReturn:
        """Raise a ValueError that names the tree and the way from its root."""
        steps: list[str] = []
        place = self
        while place.above is not None:
            steps.append(place.side)
            place = place.above
        steps.append("root")
        if len(steps) > 20:
            steps[10:-10] = [f"({len(steps) - 20} more)"]
        raise ValueError(f"Tree {self.tree}, {'.'.join(reversed(steps))}: {problem}.")

    def number(self, value: Any, key: str) -> Any:
        """`value`, if it is a real number."""
        if not isinstance(value, Real) or value is True or value is False:
            self.fail(f"expected a number for {key!r}, got {value!r}")
        return value

    def integer(self, value: Any, key: str, *, high: int = 2**31 - 1) -> int:
        """`value` as an int, if it is a whole number from 0 to `high`."""
        if not isinstance(value, Integral) or value is True or value is False or not 0 <= int(value) <= high:
            self.fail(f"expected an integer from 0 to {high} for {key!r}, got {value!r}")
        return int(value)

    def flag(self, value: Any, key: str) -> bool:
        """`value` as a bool, if it is one."""
        if not isinstance(value, (bool, np.bool_)):
            self.fail(f"expected True or False for {key!r}, got {value!r}")
        return bool(value)

    def sequence(self, value: Any, key: str) -> list[Any]:
        """`value` as a list, if it is a sequence; its entries are not looked at."""
        if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
            self.fail(f"expected a sequence of numbers for {key!r}, got {value!r}")
        return list(value)


def walk(tree: Any, number: int) -> Iterator[tuple[dict[str, Any], Place]]:
    """Yield the dicts of a tree with their places, depth first, left before right.

    Each has been checked for its keys, not for their values. ``place.above`` is the place of the parent.

    Raises
    ------
    ValueError
        If what stands in a place is no dict of one of the three kinds, or contains itself.
    """
    stack: list[tuple[Any, Place, bool]] = [(tree, Place(number), False)]
    above: set[int] = set()  # a dict may stand in several places, but not below itself
    while stack:
        spec, place, left_behind = stack.pop()
        if left_behind:
            above.remove(id(spec))
            continue
        if not isinstance(spec, dict):
            place.fail(f"expected a dict, got {type(spec).__name__}")
        if id(spec) in above:
            place.fail("the node contains itself")
        _check_keys(spec, place)
        yield spec, place
        if "value" not in spec:
            above.add(id(spec))
            stack.append((spec, place, True))
            stack.extend((spec[side], Place(number, place, side), False) for side in ("right", "left"))


def _check_keys(spec: dict[str, Any], place: Place) -> None:
    kinds = [key for key in KEYS if key in spec]
    if len(kinds) != 1:
        place.fail(f"expected exactly one of 'value', 'threshold' and 'categories', got the keys {list(spec)}")
    required, optional = KEYS[kinds[0]]
    for key in sorted(required - spec.keys()):
        place.fail(f"a dict with {kinds[0]!r} needs {key!r}")
    for key in sorted(map(repr, spec.keys() - required - optional)):
        place.fail(f"a dict with {kinds[0]!r} takes no {key}, only {', '.join(sorted(required | optional))}")
