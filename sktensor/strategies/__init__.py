"""The strategies: ways of finding, for each row and tree, the leaf that the row reaches.

A strategy is a pair of pure functions. ``compile(trees) -> tables`` returns a frozen dataclass of numpy arrays
(nested ones and tuples of them are fine); ``run(tables, X) -> leaves`` gets them back as tensors, with rows of the
forest's feature dtype, and returns the forest's leaf numbers, int32, shape (trees, rows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from sktensor.forest import Trees
from sktensor.strategies import bitsliced, gemm, perfect_tree_traversal, tree_traversal
from sktensor.strategies.costs import Cost, Shape

if TYPE_CHECKING:
    import torch

__all__ = ["CostedStrategy", "Strategy", "find_strategy", "register_strategy", "strategies", "tells_cost"]


@runtime_checkable
class Strategy(Protocol):
    """A pair of pure functions; a module will do."""

    def compile(self, trees: Trees) -> Any:
        """The forest's tables: a frozen dataclass of numpy arrays."""
        ...

    def run(self, tables: Any, X: torch.Tensor) -> torch.Tensor:
        """Leaf numbers of the rows `X`, int32, shape (trees, rows)."""
        ...


class CostedStrategy(Strategy, Protocol):
    """A strategy that can say beforehand what it would cost, so that ``strategy="auto"`` considers it."""

    def cost(self, shape: Shape) -> Cost:
        """What tables and steps a forest of this shape would take."""
        ...


_strategies: dict[str, Strategy] = {
    "gemm": gemm,
    "tree_traversal": tree_traversal,
    "perfect_tree_traversal": perfect_tree_traversal,
    "bitsliced": bitsliced,
}


def register_strategy(name: str, strategy: Strategy) -> None:
    """Register a strategy, to be named in ``TensorizedEstimator(..., strategy=name)``.

    Parameters
    ----------
    name : str
        An identifier other than ``"auto"``; a registered strategy of the same name is replaced.
    strategy : Strategy
        An object with ``compile(trees) -> tables`` and ``run(tables, X) -> leaves``; a module will do. With a third
        function, ``cost(shape)``, it also takes part in ``strategy="auto"``.

    Raises
    ------
    TypeError
        If `strategy` lacks one of the two functions.
    ValueError
        If `name` cannot be a name.

    Examples
    --------
    >>> from sktensor import register_strategy
    >>> from sktensor.strategies import find_strategy, tree_traversal
    >>> register_strategy("walk", tree_traversal)
    >>> find_strategy("walk") is tree_traversal
    True
    """
    if not isinstance(name, str) or not name.isidentifier() or name == "auto":
        raise ValueError(f"A strategy's name must be an identifier other than 'auto', got {name!r}.")
    if not isinstance(strategy, Strategy):
        raise TypeError(f"A strategy has compile(trees) and run(tables, X), got {strategy!r}.")
    _strategies[name] = strategy


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, or an error that lists those there are."""
    if not isinstance(name, str) or name not in _strategies:
        known = ", ".join(repr(known) for known in ["auto", *_strategies])
        raise ValueError(f"Unknown strategy {name!r}. Known: {known}. Others can be added with register_strategy.")
    return _strategies[name]


def tells_cost(strategy: Strategy) -> TypeGuard[CostedStrategy]:
    """Whether a strategy can say what it would cost."""
    return hasattr(strategy, "cost")


def strategies() -> dict[str, Strategy]:
    """All strategies by name, in the order of registration."""
    return dict(_strategies)
