"""X as the columns of a forest, in an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.export.onnx_graph import TEXT, Graph
from sktensor.export.sources import Source, TableView
from sktensor.forest import TINY, Forest
from sktensor.forest.views import BinView, CategoryView, NumberView

__all__ = ["columns_of"]

Array = npt.NDArray[Any]

ML = "ai.onnx.ml"

# What texts stand for missing ones: ONNX Runtime makes text of what is none by Python's str.
NAN, NONE = "nan", "None"


def columns_of(graph: Graph, source: Source) -> str:
    """The columns that a forest's trees look at, cast and missing as the library has it.

    Parameters
    ----------
    graph : Graph
        Gets the inputs, and the nodes.
    source : Source
        The forest, and what its columns are made of.

    Returns
    -------
    str
        A matrix of the forest's `feature_dtype`, (n, C).
    """
    if source.names is None:
        x = graph.input("X", source.dtypes[0], source.n_columns)
        if source.views is None:
            return _cleaned(graph, _cast(graph, x, source.dtypes[0], source.forest), source.forest)
        made = _Columns(graph, source, x)
    else:
        made = _Columns(graph, source, None)
    assert source.views is not None
    numbers = [(i, view) for i, view in enumerate(source.views) if isinstance(view, NumberView)]
    places, found = [], []
    if numbers:
        places += [i for i, _ in numbers]
        found.append(made.numbers([view for _, view in numbers]))
    for i, view in enumerate(source.views):
        if not isinstance(view, NumberView):
            places.append(i)
            found.append(made.other(view))
    matrix = graph.beside(found)
    order = np.argsort(places)
    if (order != np.arange(len(order))).any():
        matrix = graph.columns(matrix, order)
    return _cleaned(graph, matrix, source.forest)


class _Columns:
    """What makes views of an array, or of the columns of a frame."""

    def __init__(self, graph: Graph, source: Source, x: str | None) -> None:
        self.graph, self.source, self.x = graph, source, x
        self._raw: dict[int, str] = {}
        self.dtype = source.forest.trees.feature_dtype
        if source.names is not None and source.views is not None:  # inputs in the order of the frame
            for c in sorted({view.column for view in source.views}):
                self._raw[c] = graph.input(source.names[c], source.dtypes[c], 1)

    def raw(self, column: int) -> tuple[str, str]:
        """A column as it is given, (n, 1), and its dtype."""
        if self.x is None:
            return self._raw[column], self.source.dtypes[column]
        return self.graph.columns(self.x, [column]), self.source.dtypes[0]

    def numbers(self, views: list[NumberView]) -> str:
        """Views of numbers beside each other."""
        graph = self.graph
        if self.x is not None:
            cast = _cast(graph, self.x, self.source.dtypes[0], self.source.forest)
            z = graph.columns(cast, [view.column for view in views])
        else:
            columns = {view.column: self.raw(view.column) for view in views}
            of = {c: _cast(graph, raw, dtype, self.source.forest) for c, (raw, dtype) in columns.items()}
            z = graph.beside([of[view.column] for view in views])
        if any(view.fill is not None for view in views):
            fills = [[self._in_dtype(view) for view in views]]
            z = graph.op("Where", graph.op("IsNaN", z), graph.constant(fills, self.dtype), z)
        if any(view.low < view.high for view in views):
            low, high = ([[getattr(view, end) for view in views]] for end in ("low", "high"))
            above = graph.op("GreaterOrEqual", z, graph.constant(low, self.dtype))
            below = graph.op("Less", z, graph.constant(high, self.dtype))
            z = graph.op("Where", graph.op("And", above, below), graph.constant(np.nan, self.dtype), z)
        return z

    def _in_dtype(self, view: NumberView) -> float:
        """What missing numbers become, rounded as the column's dtype does."""
        dtype = self.source.dtypes[view.column if self.x is None else 0]
        fill = np.nan if view.fill is None else view.fill
        return float(np.float32(fill)) if dtype == "float32" else fill

    def other(self, view: Any) -> str:
        """Another view, (n, 1)."""
        raw, dtype = self.raw(view.column)
        if isinstance(view, BinView):
            return self._bins(raw, view)
        if isinstance(view, CategoryView):
            return self._categories(raw, dtype, view)
        if isinstance(view, TableView):
            return self._places(raw, dtype, view)
        raise UnsupportedModelError(f"{self.source.name}: a column that steps give which are run.")

    def _bins(self, raw: str, view: BinView) -> str:
        graph = self.graph
        x = graph.cast(raw, "float64")
        above = graph.cast(graph.op("GreaterOrEqual", x, graph.constant([view.breaks], "float64")), "float32")
        bins = graph.op("ReduceSum", above, graph.constant([1], "int64"), keepdims=1)
        absent = graph.op("IsNaN", x)
        bins = graph.op("Where", absent, graph.constant(np.nan, "float32"), bins)
        return bins if self.dtype == "float32" else graph.cast(bins, self.dtype)

    def _categories(self, raw: str, dtype: str, view: CategoryView) -> str:
        if dtype != TEXT:
            raise UnsupportedModelError(f"Column {self.source.names[view.column]!r} of X is {dtype}, not text.")  # type: ignore[index]
        codes = dict(view.codes)
        for text, code in ((NAN, view.nan), (NONE, view.none)):
            if code is not None:
                codes.setdefault(text, code)
        return self._encoded(raw, list(codes), list(codes.values()), np.nan if view.unknown is None else view.unknown)

    def _places(self, raw: str, dtype: str, view: TableView) -> str:
        values = view.table.tolist()
        text = [isinstance(value, str) for value in values]
        if all(text) and dtype == TEXT:
            return self._encoded(raw, values, list(range(len(values))), np.nan)
        if any(text) or dtype == TEXT or view.table.dtype.kind not in "biuf":
            raise UnsupportedModelError(
                f"{self.source.name} looks up column {view.column} of X ({dtype}) among values of several kinds "
                f"({', '.join(map(repr, values[:3]))} ...). Make all of them text, or numbers, before it is fitted."
            )
        x = self.graph.cast(raw, "float64")
        # -0.0 is 0.0 to the library, and another key to the look-up.
        x = self.graph.op("Add", x, self.graph.constant(0.0, "float64"))
        keys = view.table.astype(np.float64)
        known = ~np.isnan(keys)
        return self._encoded(x, keys[known], np.flatnonzero(known), np.nan)

    def _encoded(self, raw: str, keys: Any, codes: Any, default: float) -> str:
        kind = np.float32 if isinstance(keys, list) else np.float64  # ONNX Runtime has no text to float64
        made = self.graph.op(
            "LabelEncoder",
            raw,
            domain=ML,
            keys_tensor=np.array(keys, dtype=object if isinstance(keys, list) else np.float64),
            values_tensor=np.array(codes, dtype=kind),
            default_tensor=np.array([default], dtype=kind),
        )
        return made if np.dtype(kind).name == self.dtype else self.graph.cast(made, self.dtype)


def _cast(graph: Graph, x: str, dtype: str, forest: Forest) -> str:
    """Numbers in the forest's dtype, rounded on the way as the library does."""
    if forest.inputs.ints_as_float32 and dtype not in ("float32", "float64"):
        x, dtype = graph.cast(x, "float32"), "float32"
    return x if dtype == forest.trees.feature_dtype else graph.cast(x, forest.trees.feature_dtype)


def _cleaned(graph: Graph, x: str, forest: Forest) -> str:
    """Values that count as missing, and those that count as zero."""
    dtype, inputs = forest.trees.feature_dtype, forest.inputs
    if inputs.missing_value is not None and not np.isnan(inputs.missing_value):
        absent = graph.op("Equal", x, graph.constant(inputs.missing_value, dtype))
        x = graph.op("Where", absent, graph.constant(np.nan, dtype), x)
    if inputs.flush_tiny:
        tiny = graph.op("LessOrEqual", graph.op("Abs", x), graph.constant(TINY, dtype))
        x = graph.op("Where", tiny, graph.constant(0.0, dtype), x)
    return x
