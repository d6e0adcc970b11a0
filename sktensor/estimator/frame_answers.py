"""Answers for few rows of frames, which one call of the extension module reads and leads through the kernels.

The ordinary way leads by :mod:`~sktensor.estimator.answers` or through a pipeline. Rows that have gone it show how the
next ones of their layout are read at once, to the same bits; whatever is not known takes it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sktensor.inputs.few_rows import Layout
from sktensor.runtime.settings import Settings

__all__ = ["LAYOUTS_KEPT", "FrameAnswers"]

# Layouts of a class of frames that are known at a time, of each method with its settings.
LAYOUTS_KEPT = 4


class _Known(NamedTuple):
    """What has been made for frames of a layout whose columns have these names: None where that is not possible."""

    layout: Layout
    names: tuple[Any, ...]
    call: Callable[[Any], Any] | None


class FrameAnswers:
    """What answers few rows of frames, by their class, method and settings."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, str, Settings], tuple[_Known, ...]] = {}
        self._calls: dict[tuple[type, str, Settings], tuple[Callable[[Any], Any], ...]] = {}

    def __call__(self, method: str, settings: Settings, X: Any) -> Any:
        """What a method returns; None where X takes the ordinary way."""
        try:
            calls = self._calls[type(X), method, settings]
        except (KeyError, TypeError):  # an unhashable device, which is no device
            return None
        for call in calls:
            if (found := call(X)) is not None:
                return found
        return None

    def learn(
        self, method: str, settings: Settings, X: Any, layout: Layout, make: Callable[[], Callable[[Any], Any] | None]
    ) -> None:
        """Answer rows like X at once from now on.

        Parameters
        ----------
        method : str
            That has answered them.
        settings : Settings
            With which.
        X : data frame
            The rows.
        layout : Layout
            Of them.
        make : callable
            Gives what answers rows of this layout, or None; called once for it.
        """
        key, names = (type(X), method, settings), tuple(X.columns)
        known = self._known.get(key, ())
        if any(one.layout is layout and one.names == names for one in known):
            return
        known = (_Known(layout, names, make()), *known[: LAYOUTS_KEPT - 1])
        self._known[key] = known
        self._calls[key] = tuple(one.call for one in known if one.call is not None)
