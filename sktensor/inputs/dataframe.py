"""Data frames of any library, as rows of the forest's columns."""

from __future__ import annotations

import math
import reprlib
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.inputs.categories import Factorized, factorized, objects
from sktensor.inputs.frames import ArrowFrame, Frame, adapter, is_direct
from sktensor.inputs.frames.pandas import values_of_index
from sktensor.inputs.rows import IN_PLACE, Columns, Rows, as_rows, check_rounding, is_tensor, looked_up

__all__ = ["check_record_batch", "frame_columns", "frame_names", "is_frame", "is_lazy", "is_record_batch"]

# narwhals' names of integers.
WHOLE_NUMBERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")

# Frames of up to so many rows and bytes are copied into one array, which is faster than reading column by column.
ROWS_COPIED = 1024
BYTES_COPIED = 2**25


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or table of a library that narwhals knows."""
    if isinstance(X, np.ndarray) or is_tensor(X):
        return False
    if is_direct(X):
        return True
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(X)


def is_lazy(X: Any) -> bool:
    """Whether X is a lazy frame, a query whose rows are not computed yet, of a library that narwhals knows."""
    import narwhals as nw

    return isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame)


def frame_names(X: Any) -> list[Any]:
    """Names of a frame's columns."""
    return adapter(X).names()


def frame_columns(X: Any, forest: Forest) -> Rows:
    """The columns of a data frame as one matrix.

    Each column is cast on its own, straight to the forest's dtype, as the boosting libraries do; a common dtype
    of all columns in between would round large integers twice.

    Parameters
    ----------
    X : data frame of shape (n, F)
        Of pandas, polars, pyarrow or any library that narwhals knows.
    forest : Forest
        Whose columns they become.

    Returns
    -------
    Rows
        Columns of numbers, nulls as NaN; in a frame of many rows those without nulls are not copied.
        Columns of numbers that no node looks at are not read where the forest takes any number.

    Raises
    ------
    ValueError
        If a column holds anything but numbers, or categories other than the model's.
    """
    frame = adapter(X)
    if forest.inputs.reads_values:
        n_rows, n_columns = frame.shape
        # One after the other: the values of one are no longer held when those of the next are read.
        return looked_up(frame.names(), (_values(frame, j) for j in range(n_columns)), n_rows, forest)
    if forest.inputs.categories is None and (values := _at_once(frame, forest)) is not None:
        return as_rows(values, forest, flush=frame.flushes_tiny)
    return as_rows(_columns(frame, forest), forest, flush=frame.flushes_tiny)


def _at_once(frame: Frame, forest: Forest) -> npt.NDArray[Any] | None:
    """A frame of numbers as one array, if it is one already or small; None where columns are read one by one."""
    if (values := frame.in_place()) is not None:
        return values
    n_rows, n_columns = frame.shape
    if n_rows > ROWS_COPIED or n_rows * n_columns * 8 > BYTES_COPIED:
        return None
    return frame.matrix(np.dtype(forest.trees.feature_dtype), _read_columns(forest))


def _read_columns(forest: Forest) -> npt.NDArray[Any] | None:
    """The columns that have to be read; None for all, where the library refuses some numbers in any of them."""
    return forest.trees.used_columns if forest.inputs.accepts_nan and forest.inputs.accepts_inf else None


def _columns(frame: Frame, forest: Forest) -> Columns:
    """The columns of a frame, not copied where possible; zeros for columns of numbers that no node looks at."""
    n_rows, n_columns = frame.shape
    read, unread = _read_columns(forest), np.broadcast_to(np.float32(0), n_rows)
    columns = [unread] * n_columns
    tables: Any = forest.inputs.categories or (None,) * n_columns
    if forest.inputs.categories_in_order:
        tables = _in_order(frame, tables)
    places: Any = range(n_columns)
    if read is not None:
        with_table = [j for j, table in enumerate(tables) if table is not None] if forest.inputs.categories else []
        places = sorted({*read.tolist(), *with_table, *frame.others()})
    names, is_read = frame.names(), range(n_columns) if read is None else set(read.tolist())
    for j in places:
        table = tables[j]
        column = (
            _numbers(names[j], frame, j, forest)
            if table is None
            else _category_numbers(names[j], frame, j, table, forest)
        )
        if j in is_read:  # others had to be looked at, because the library refuses some of what they may hold
            columns[j] = column
    if len({columns[j].dtype for j in places}) > 1:
        for j in places:
            check_rounding(f"Column {names[j]!r}", columns[j], forest)
    lie = all(columns[j].dtype in IN_PLACE for j in places)
    return Columns(tuple(columns), n_rows, None if lie else forest.trees.feature_dtype)


def _in_order(frame: Frame, tables: Any) -> list[Any]:
    """Give the tables to the categorical columns of the frame in their order [LightGBM basic.py _data_from_pandas]."""
    is_categorical = [frame.is_categorical(j) for j in range(frame.shape[1])]
    known = [table for table in tables if table is not None]
    if sum(is_categorical) != len(known):
        raise ValueError(
            f"X has {sum(is_categorical)} categorical columns, and the model was fitted with {len(known)}: train and "
            "valid dataset categorical_feature do not match."
        )
    in_turn = iter(known)
    return [next(in_turn) if categorical else None for categorical in is_categorical]


def _values(frame: Frame, j: int) -> npt.NDArray[Any] | Factorized:
    """A column of a frame as it is, with nulls as None or NaN."""
    if (numbers := frame.numbers(j)) is not None:
        return numbers
    if (distinct := frame.distinct(j)) is not None:
        return Factorized(*distinct)
    if (values := frame.listed(j)) is not None:
        return objects(values)
    import narwhals as nw

    column = nw.from_native(frame.series(j), series_only=True)
    if column.null_count() == 0 and (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        return np.asarray(column.to_numpy())
    return objects(column.to_list())


def _numbers(name: Any, frame: Frame, j: int, forest: Forest) -> npt.NDArray[Any]:
    """A numeric column as numpy, with nulls as NaN."""
    if (numbers := frame.numbers(j)) is not None or (numbers := frame.numbers_or_nan(j)) is not None:
        return numbers
    import narwhals as nw

    column = nw.from_native(frame.series(j), series_only=True)
    if column.dtype in (nw.Object, nw.String, nw.Unknown):  # all of which may be numbers, pandas' sparse ones are
        values = np.asarray(column.to_numpy())
        if values.dtype.kind in "biuf":
            return values
        if values.dtype.kind == "c":  # of which numpy would drop the imaginary parts
            raise ValueError(f"Complex data not supported: column {name!r}.")
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError):
            pass
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise ValueError(
            f"Column {name!r} holds no numbers but {column.dtype}, and the model was not fitted with categories there. "
            "Encode it as numbers."
        )
    if column.null_count() == 0:
        return np.asarray(column.to_numpy())
    integers = [getattr(nw, kind) for kind in WHOLE_NUMBERS]
    if column.dtype in integers:  # of which a cast of some libraries refuses what float64 rounds
        whole = np.asarray(column.fill_null(0).to_numpy())
        check_rounding(f"Column {name!r}", whole, forest)
        return np.where(np.asarray(column.is_null().to_numpy(), dtype=bool), np.nan, whole.astype(np.float64))
    return np.asarray(column.cast(nw.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _category_numbers(name: Any, frame: Frame, j: int, table: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A categorical column as the model's category numbers, by value: their order in the frame does not matter."""
    if not frame.is_categorical(j):
        import narwhals as nw

        dtype = nw.from_native(frame.series(j), series_only=True).dtype
        raise ValueError(f"Column {name!r} is {dtype}, but the model was fitted with categories there.")
    by_pandas = frame.categorical(j)
    if by_pandas is not None and forest.inputs.unknown_category == "nan":
        return _numbers_by_pandas(by_pandas, table)
    found = _values(frame, j)
    found = found if isinstance(found, Factorized) else factorized(found)
    number: dict[Any, float] = {value: float(i) for i, value in enumerate(table.tolist())} | {None: math.nan}
    unknown = [value for value in found.values if value not in number]
    if unknown and forest.inputs.unknown_category == "error":
        raise ValueError(f"Column {name!r} has categories that the model was not fitted with: {unknown[:5]}.")
    if forest.inputs.missing_value is not None:
        own = _arrow_categories(frame, j) if by_pandas is None else values_of_index(by_pandas.categories)
        _check_own_numbers(name, own, table.tolist(), forest.inputs.missing_value)
    numbers = np.array([number.get(value, math.nan) for value in found.values], dtype=np.float64)
    return numbers[found.codes]


def _numbers_by_pandas(values: Any, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Category numbers as LightGBM finds them, with pandas' equality of values.

    For it, whether True is 1 depends on what else is among the categories [python basic.py _data_from_pandas].
    """
    known = table.tolist()
    if values_of_index(values.categories) != known:
        values = values.set_categories(known)
    numbers: npt.NDArray[Any] = values.codes.astype(np.float64)
    numbers[numbers < 0] = np.nan
    return numbers


def _arrow_categories(frame: Frame, j: int) -> list[Any]:
    """Categories in the order that XGBoost finds in all frames but pandas' [xgboost/data.py _transform_arrow_table]."""
    import narwhals as nw

    arrow = nw.from_native(frame.series(j), series_only=True).to_arrow()
    return (arrow.combine_chunks() if hasattr(arrow, "chunks") else arrow).dictionary.to_pylist()  # type: ignore[no-any-return]


def _check_own_numbers(name: Any, own: list[Any], known: list[Any], missing: float) -> None:
    """Refuse categories in an order of the frame's own, where XGBoost takes a number among them for missing.

    It asks that of the frame's number, before it looks up the model's, which no number of the model can stand for
    [src/predictor/cpu_predictor.cc AdapterView, src/data/cat_container.h].
    """
    if missing not in range(max(len(own), len(known))):
        return
    theirs, ours = (values[int(missing)] if missing < len(values) else None for values in (own, known))
    if theirs != ours and (theirs is not None or ours in own):
        raise ValueError(
            f"Column {name!r}: with missing={missing:g}, XGBoost takes category number {missing:g} of the frame for "
            f"missing, which is {theirs!r} here and was {ours!r} in training. Give the categories in the order of "
            f"training, {reprlib.repr(known)}, or train with missing=nan and nulls for missing values."
        )


def is_record_batch(X: Any) -> bool:
    """Whether X is a record batch of pyarrow, which every library reads as the array that numpy makes of it."""
    return type(X) is getattr(sys.modules.get("pyarrow"), "RecordBatch", None)


def check_record_batch(X: Any, forest: Forest) -> None:
    """Refuse a record batch with columns of which numpy makes other numbers than a frame has, or rounds them twice.

    Parameters
    ----------
    X : pyarrow.RecordBatch of shape (n, F)
        The batch.
    forest : Forest
        Whose columns they become.

    Raises
    ------
    ValueError
        For dates and times, and for integers that depend on what stands beside them.
    """
    frame = ArrowFrame(X)
    if times := frame.times():
        field = X.schema.field(times[0])
        raise ValueError(f"Column {field.name!r} holds no numbers but {field.type}. Encode it as numbers.")
    for j in frame.wide_integers():
        if (numbers := frame.numbers(j)) is not None:
            check_rounding(f"Column {X.schema.field(j).name!r}", numbers, forest)
