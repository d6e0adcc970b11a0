"""Folded pipelines as what JSON holds and arrays, and back: every index in its range, and nothing taken on trust."""

from __future__ import annotations

import re
import reprlib
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.estimator.folded_rows import Kind, Ready, RowKinds
from sktensor.forest import Forest, InputSpec
from sktensor.forest.views import BinView, CategoryView, NumberView, View
from sktensor.inputs.layouts import NUMBERS
from sktensor.persistence.codec import check_size, decode_value, encode_value
from sktensor.persistence.forest_codec import decode_forest, encode_forest
from sktensor.pipelines.folding import Folded
from sktensor.pipelines.numbers import MOST_BINS
from sktensor.pipelines.walk import Note
from sktensor.runtime.program import Program

__all__ = ["decode_pipeline", "encode_pipeline"]

Array = npt.NDArray[Any]

# Kinds of rows in a file, at most: beyond those that a program keeps, arrays of two dtypes.
MOST_KINDS = 18

ENTRIES = {"n_columns": int, "by_name": bool, "read": list, "steps": list, "kinds": list}
ENTRIES_OF_KIND = {"library": str, "columns": list, "forest": dict, "views": list, "in_place": bool, "shared": list}

# What the limits of the columns are kept as.
LIMITS = {"lowest": "float64", "highest": "float64", "takes_missing": "bool"}

NUMBER_NAMES = {np.dtype(char).name: np.dtype(char).char for char in reversed(NUMBERS)}
TEXT = {
    "pandas": re.compile(r"object|category|string (python|pyarrow) (nan|NA)"),
    "polars": re.compile(r"String|Categorical|Enum"),
}

# What the inputs of a folded forest may say: its rows are views, which are read by other rules.
OF_FOLDED = ("n_features", "accepts_nan", "accepts_inf", "no_rows", "sparse_absent", "accepts_margin")


def encode_pipeline(
    kinds: RowKinds, ready: dict[Kind, Ready], notes: tuple[Note, ...]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take folded steps apart.

    Parameters
    ----------
    kinds : RowKinds
        How kinds of rows are told apart.
    ready : dict
        The folded steps, by kind; none of them runs any.
    notes : tuple of Note
        What the steps were.

    Returns
    -------
    encoded : dict
        What JSON holds.
    arrays : dict of ndarray
        The others, each name with the number of its kind in front.
    """
    arrays: dict[str, Array] = {}
    encoded = [_encode_kind(i, kind, one, arrays) for i, (kind, one) in enumerate(ready.items())]
    return {
        "n_columns": kinds.n_columns,
        "by_name": kinds.by_name,
        "read": list(kinds.read),
        "names": None if kinds.names is None else list(kinds.names),
        "steps": [[note.name, note.step, list(note.columns)] for note in notes],
        "kinds": encoded,
    }, arrays


def _encode_kind(i: int, kind: Kind, ready: Ready, arrays: dict[str, Array]) -> dict[str, Any]:
    folded = ready.folded
    scalars, found = encode_forest(ready.program.forest)
    shared = [name for name, array in found.items() if i and _same(array, arrays.get(f"0.{name}"))]
    arrays |= {f"{i}.{name}": array for name, array in found.items() if name not in shared}
    arrays |= {
        f"{i}.{name}": np.ascontiguousarray(getattr(folded, name), dtype=dtype) for name, dtype in LIMITS.items()
    }
    views = () if ready.in_place else folded.views
    library, columns = ("numpy", (np.dtype(kind).name,)) if isinstance(kind, str) else kind
    return {
        "library": library,
        "columns": list(columns),
        "forest": scalars,
        "views": [_encode_view(f"{i}.view{j}", view, arrays) for j, view in enumerate(views)],
        "in_place": ready.in_place,
        "shared": shared,
    }


def _same(a: Array, b: Array | None) -> bool:
    return b is not None and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _encode_view(name: str, view: View, arrays: dict[str, Array]) -> dict[str, Any]:
    if isinstance(view, NumberView):
        limits = {key: float(getattr(view, key)) for key in ("low", "high")}
        return {"column": view.column, **limits, "fill": None if view.fill is None else float(view.fill)}
    if isinstance(view, BinView):
        arrays[f"{name}.breaks"] = np.ascontiguousarray(view.breaks, dtype=np.float64)
        if view.refused is not None:
            arrays[f"{name}.refused"] = np.ascontiguousarray(view.refused, dtype=bool)
        return {"column": view.column, "refuses": view.refused is not None}
    assert isinstance(view, CategoryView)  # no step is run
    texts = np.empty(len(view.codes), dtype=object)
    texts[:] = [str(text) for text in view.codes]
    return {
        "column": view.column,
        "texts": encode_value(texts, "categories"),
        "codes": list(view.codes.values()),
        **{key: getattr(view, key) for key in ("nan", "none", "unknown", "all_missing")},
    }


def decode_pipeline(
    encoded: dict[str, Any], arrays: dict[str, Array]
) -> tuple[RowKinds, dict[Kind, Ready], tuple[Note, ...]]:
    """Put together what :func:`encode_pipeline` has taken apart.

    Parameters
    ----------
    encoded : dict
        Whatever a file says.
    arrays : dict of ndarray
        Whatever a file holds.

    Returns
    -------
    kinds : RowKinds
    ready : dict
    notes : tuple of Note

    Raises
    ------
    ValueError
        Naming what is missing, unknown or not what it can be.
    """
    names = _checked(encoded, {**ENTRIES, "names": object}, "pipeline")["names"]
    n_columns = encoded["n_columns"]
    check_size("pipeline: n_columns", n_columns)
    if n_columns < 1:
        raise ValueError(f"pipeline: n_columns cannot be {n_columns}")
    if names is not None and not (_are(names, str) and len(names) == n_columns):
        raise ValueError(f"pipeline: names cannot be {reprlib.repr(names)}")
    read = encoded["read"]
    if not (_are(read, int) and all(0 <= c < n_columns for c in read) and sorted(set(read)) == read):
        raise ValueError(f"pipeline: read cannot be {reprlib.repr(read)}")
    notes = tuple(_note(one) for one in encoded["steps"])
    if not 1 <= len(encoded["kinds"]) <= MOST_KINDS:
        raise ValueError(f"pipeline: {len(encoded['kinds'])} kinds of rows, of which there can be 1 to {MOST_KINDS}")
    taken: set[str] = set()
    ready: dict[Kind, Ready] = {}
    for i, one in enumerate(encoded["kinds"]):
        kind, found = _decode_kind(i, one, arrays, taken, n_columns, read)
        if kind in ready or (isinstance(kind, str) != (names is None)):
            raise ValueError(f"pipeline: kind {i} comes twice, or is none of these columns")
        ready[kind] = found
    if extra := arrays.keys() - taken:
        raise ValueError(f"tensors that are no part of a pipeline: {', '.join(sorted(extra))}")
    return RowKinds(None if names is None else tuple(names), encoded["by_name"], n_columns, read), ready, notes


def _checked(value: Any, entries: dict[str, type], name: str) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != entries.keys():
        raise ValueError(f"{name}: expected {', '.join(entries)}, got {reprlib.repr(value)}")
    for key, kind in entries.items():
        if kind is not object and type(value[key]) is not kind:
            raise ValueError(f"{name}: {key} cannot be {reprlib.repr(value[key])}")
    return value


def _are(values: Any, kind: type) -> bool:
    return type(values) is list and all(type(value) is kind for value in values)


def _note(encoded: Any) -> Note:
    is_legal = type(encoded) is list and len(encoded) == 3 and _are(encoded[:2], str) and _are(encoded[2], int)
    if not is_legal:
        raise ValueError(f"pipeline: a step cannot be {reprlib.repr(encoded)}")
    return Note(encoded[0], encoded[1], tuple(encoded[2]))


def _decode_kind(
    i: int, encoded: Any, arrays: dict[str, Array], taken: set[str], n_columns: int, read: list[int]
) -> tuple[Kind, Ready]:
    _checked(encoded, ENTRIES_OF_KIND, f"pipeline: kind {i}")

    def take(name: str, dtype: str, shape: tuple[int, ...] | None = None) -> Array:
        taken.add(f"{i}.{name}")
        array = arrays.get(f"{i}.{name}")
        if array is None or array.dtype.name != dtype or array.ndim != 1 or (shape and array.shape != shape):
            raise ValueError(f"tensor {i}.{name}: expected one dimension of {dtype}, or other values")
        return array

    limits = {name: take(name, dtype, (n_columns,)) for name, dtype in LIMITS.items()}
    kind, is_text = _kind(encoded["library"], encoded["columns"], n_columns, read)
    if np.isnan(limits["lowest"]).any() or np.isnan(limits["highest"]).any():
        raise ValueError(f"pipeline: kind {i}: limits of columns are missing")
    in_place = encoded["in_place"]
    views = tuple(
        _decode_view(f"view{j}", view, take, is_text, read if not isinstance(kind, str) else range(n_columns))
        for j, view in enumerate(encoded["views"])
    )
    forest = _decode_forest(i, encoded, arrays, taken)
    expected = n_columns if in_place else len(views)
    if forest.n_features != expected or (in_place and (views or not isinstance(kind, str))):
        raise ValueError(f"pipeline: kind {i}: a forest of {forest.n_features} columns for {len(views)} views")
    folded = Folded(forest=forest, views=views, columns=tuple(read), **limits)  # type: ignore[arg-type]
    return kind, Ready.of(folded, Program(forest), kind, in_place=in_place)


def _kind(library: str, columns: Any, n_columns: int, read: list[int]) -> tuple[Kind, list[bool]]:
    """The kind of rows that a file names, and which of their columns are text."""
    if not _are(columns, str):
        raise ValueError(f"pipeline: columns cannot be {reprlib.repr(columns)}")
    if library == "numpy" and len(columns) == 1 and columns[0] in NUMBER_NAMES:
        return NUMBER_NAMES[columns[0]], [False] * n_columns
    if library in TEXT and len(columns) == n_columns:
        of_text = [bool(TEXT[library].fullmatch(kind)) for kind in columns]
        wanted = set(read)
        if all(
            (kind in NUMBER_NAMES or text) if c in wanted else not kind
            for c, (kind, text) in enumerate(zip(columns, of_text, strict=True))
        ):
            return (library, tuple(columns)), of_text
    raise ValueError(f"pipeline: there are no rows of {reprlib.repr(library)} with columns {reprlib.repr(columns)}")


def _decode_forest(i: int, encoded: dict[str, Any], arrays: dict[str, Array], taken: set[str]) -> Forest:
    """The forest of a kind of rows, which may share tensors with that of the first kind."""
    own = {f"{i}.{spec}": spec for spec in (name.partition(".")[2] for name in arrays if name.startswith(f"{i}."))}
    found = {spec: arrays[name] for name, spec in own.items() if name not in taken and not spec.startswith("view")}
    taken |= {f"{i}.{spec}" for spec in found}
    for name in encoded["shared"]:
        if not i or type(name) is not str or name in found or name in LIMITS or f"0.{name}" not in arrays:
            raise ValueError(f"pipeline: kind {i} cannot share {reprlib.repr(name)}")
        found[name] = arrays[f"0.{name}"]
    forest = decode_forest(encoded["forest"], found)
    for field in fields(InputSpec):
        value = getattr(forest.inputs, field.name)
        if field.name in OF_FOLDED or field.default is MISSING:
            continue
        if isinstance(value, (np.ndarray, tuple)) or value != field.default:
            raise ValueError(f"pipeline: a folded forest has no {field.name}")
    if forest.trees.lin_off is not None:
        raise ValueError("pipeline: a folded forest has no linear leaves")
    return forest


def _decode_view(name: str, encoded: Any, take: Any, is_text: list[bool], legal: Any) -> View:
    column = encoded.get("column") if type(encoded) is dict else None
    if type(column) is not int or column not in legal:
        raise ValueError(f"pipeline: a view cannot be {reprlib.repr(encoded)}")
    if is_text[column] != ("texts" in encoded):
        raise ValueError(f"pipeline: column {column} cannot be looked up like this: {reprlib.repr(encoded)}")
    if "texts" in encoded:
        return _category_view(column, encoded)
    if "refuses" in encoded:
        _checked(encoded, {"column": int, "refuses": bool}, "pipeline: bins")
        breaks = take(f"{name}.breaks", "float64")
        if len(breaks) > MOST_BINS or not np.isfinite(breaks).all() or not (np.diff(breaks) > 0).all():
            raise ValueError(f"pipeline: the breaks of column {column} are not ascending numbers, {MOST_BINS} at most")
        return BinView(
            column, breaks, take(f"{name}.refused", "bool", (len(breaks) + 1,)) if encoded["refuses"] else None
        )
    _checked(encoded, {"column": int, "low": float, "high": float, "fill": object}, "pipeline: numbers")
    fill = encoded["fill"]
    if fill is not None and (type(fill) is not float or fill != fill):
        raise ValueError(f"pipeline: missing numbers of column {column} cannot become {reprlib.repr(fill)}")
    return NumberView(column, encoded["low"], encoded["high"], fill)


def _category_view(column: int, encoded: dict[str, Any]) -> CategoryView:
    special = ("nan", "none", "unknown")
    types = {"column": int, "texts": dict, "codes": list, **dict.fromkeys(special, object), "all_missing": bool}
    _checked(encoded, types, "pipeline: text")
    texts = decode_value(encoded["texts"], "categories")
    if not (isinstance(texts, np.ndarray) and texts.dtype == object and all(type(text) is str for text in texts)):
        raise ValueError(f"pipeline: the categories of column {column} are no texts")
    codes = encoded["codes"]
    given = [*codes, *(encoded[name] for name in special if encoded[name] is not None)]
    if not (_are(given, int) and len(codes) == len(texts) == len(set(texts.tolist()))):
        raise ValueError(f"pipeline: the categories of column {column} have no code each")
    if not all(0 <= code < MOST_BINS + len(special) for code in given):
        raise ValueError(f"pipeline: codes of column {column} are out of range")
    known = dict(zip(texts.tolist(), codes, strict=True))
    nan, none, unknown = (encoded[name] for name in special)
    return CategoryView(column, known, nan, none, unknown, encoded["all_missing"])
