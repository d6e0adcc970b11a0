"""What all libraries' drawers share: a drawn configuration, and short ways to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.random_models.data import Data


@dataclass(frozen=True)
class Configuration:
    """A model that is still to be fitted, with all that tells it from others."""

    library: str
    kind: str  # the class, or "Booster"
    parameters: dict[str, Any]
    data: Data
    fit: Callable[[], Any]
    given: Callable[[np.ndarray], Any] = np.asarray  # rows of numbers as the model takes them

    def __str__(self):
        told = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.library}: {self.kind}({told}) on {self.data.describe()}"


def chance(rng, probability):
    return bool(rng.random() < probability)


def one_of(rng, *choices):
    """One of the choices, as it was given."""
    return choices[rng.integers(len(choices))]


def some_of(rng, choices, probability=0.25):
    """Some entries of a dict of functions, drawn: ``{"eta": lambda: ...}``."""
    return {name: draw() for name, draw in choices.items() if rng.random() < probability}


def labels(rng, classes):
    """Class numbers as labels of any type."""
    count = int(classes.max()) + 1
    names = one_of(
        rng,
        np.arange(count),
        np.arange(count),
        np.arange(count, dtype=np.int32) * 3 - 2,
        np.arange(count) * 2.0 - 1,
        np.array([f"class {k}" for k in range(count)]),
        np.array([f"{k}" for k in range(count)], dtype=object),
        *([np.array([False, True])] if count == 2 else []),
    )
    return names[classes]
