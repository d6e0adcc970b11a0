"""How few rows of frames of floats are read at once for a model that is one forest."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from sktensor.estimator.frame_answers import LAYOUTS_KEPT, FrameAnswers
from sktensor.estimator.plain_answers import PlainAnswers, PlainProgram
from sktensor.forest import NO_FLUSH
from sktensor.forest.views import NumberView
from sktensor.inputs.few_rows import FEW_VALUES, FLOATS, FewRows, FewRowsReader
from sktensor.inputs.frame_reads import frame_read
from sktensor.inputs.frames import adapter
from sktensor.inputs.layouts import layout_of
from sktensor.inputs.names import has_known_names
from sktensor.native.plain_calls import Read, is_there
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["ModelFrames"]

# Frames from which may be learned, of a method with its settings; whoever has so many others goes the ordinary way.
MOST_TRIES = 4 * LAYOUTS_KEPT


class ModelFrames:
    """What learns how frames are read.

    Parameters
    ----------
    program : Program
        Of the model.
    made_by_library : container of str
        Methods that the library makes of leaves or sums itself.

    Attributes
    ----------
    frame_answers : FrameAnswers
        What has been learned.
    """

    def __init__(self, program: Program, made_by_library: Container[str]) -> None:
        self.frame_answers = FrameAnswers()
        self._program, self._made_by_library = program, made_by_library
        self._tries: dict[tuple[type, str, Settings], int] = {}
        inputs, n_features = program.forest.inputs, program.forest.n_features
        self._takes_frames = not inputs.reads_values and inputs.categories is None and inputs.key_column is None
        self._takes_frames &= 0 < n_features <= FEW_VALUES and is_there()
        self._columns = list(range(n_features)) if self._takes_frames else []
        self._few = FewRowsReader(self._columns)

    def learn(self, method: str, settings: Settings, X: Any) -> None:
        """Answer rows like X at once from now on, if they are few rows of a frame of floats with the model's names.

        Parameters
        ----------
        method : str
            That has answered them.
        settings : Settings
            With which.
        X : object
            The rows.
        """
        if not self._takes_frames or not (library := layout_of(X)):
            return
        n_rows, n_columns = X.shape
        if n_columns != len(self._columns) or not 0 < n_rows * n_columns <= FEW_VALUES:
            return
        key = type(X), method, settings
        self._tries[key] = tries = self._tries.get(key, 0) + 1
        if tries > MOST_TRIES or not has_known_names(X, self._program.names):
            return
        found = self._few.of(library, X, n_rows, self._columns)
        if found is None or type(found[1]) is not FewRows:  # a layout is known from the second rows on
            return
        layout = found[1].layout
        self.frame_answers.learn(method, settings, X, layout, lambda: self._call_for(method, settings, X, layout))

    def _call_for(self, method: str, settings: Settings, X: Any, layout: Any) -> Any:
        if not all(kind in FLOATS for kind in layout.kinds):  # others are cast one by one, by rules of the libraries
            return None
        inputs, n_features = self._program.forest.inputs, len(self._columns)
        flush = inputs.flush_limit if adapter(X).flushes_tiny else NO_FLUSH
        takes_all = inputs.accepts_nan and inputs.accepts_inf
        plain = PlainProgram(self._program, Read(n_features, inputs.missing_value, flush, not takes_all))
        read = frame_read(
            X,
            layout,
            [NumberView(c) for c in self._columns],
            np.full(n_features, -np.inf),
            np.full(n_features, np.inf),
            np.ones(n_features, dtype=bool),
            "float32" if set(layout.kinds) == {"float32"} else "float64",
        )
        if read is None:
            return None
        return PlainAnswers(lambda dtype: plain, self._made_by_library).of_frames(method, settings, read)
