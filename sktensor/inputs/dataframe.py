"""Data frames of any library, as rows of the forest's columns."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.inputs import pandas_polars
from sktensor.inputs.categories import Coded, coded, objects
from sktensor.inputs.rows import IN_PLACE, Columns, Rows, check_rounding, is_tensor, looked_up

__all__ = ["frame_columns", "frame_names", "is_frame", "is_lazy"]

# narwhals' names of integers.
WHOLE_NUMBERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")

# Rows of a frame that are copied into one array faster than the columns are taken one by one.
ROWS_AT_HAND = 256


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or table of a library that narwhals knows."""
    if isinstance(X, np.ndarray) or is_tensor(X):
        return False
    if pandas_polars.is_plain(X):
        return True
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(X)


def is_lazy(X: Any) -> bool:
    """Whether X is a frame that only describes how to come by its rows, of a library that narwhals knows."""
    import narwhals as nw

    return isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame)


def frame_names(X: Any) -> list[Any]:
    """Names of a frame's columns."""
    if pandas_polars.is_plain(X):
        return pandas_polars.names(X)
    import narwhals as nw

    return list(nw.from_native(X, eager_only=True).columns)


def frame_columns(X: Any, forest: Forest) -> Rows:
    """The columns of a data frame as one matrix.

    Each column is cast on its own, straight to the forest's dtype, as the boosting libraries do; a common dtype
    of all columns in between would round large integers twice.

    Parameters
    ----------
    X : data frame of shape (n, F)
        Of pandas, polars, pyarrow or any library that narwhals knows.
    forest : Forest
        The forest that asks.

    Returns
    -------
    Rows
        Columns of float32 or float64, nulls as NaN; those that were so in the frame are not copied.

    Raises
    ------
    ValueError
        If a column holds anything but numbers, or categories other than the model's.
    """
    is_plain = pandas_polars.is_plain(X)
    if forest.reads_values:
        return looked_up(frame_names(X), [_values(column) for column in _columns(X)], X.shape[0], forest)
    if is_plain and forest.categories is None and len(X) <= ROWS_AT_HAND and pandas_polars.has_only_floats(X):
        return Rows(X.to_numpy(), flush=pandas_polars.is_pandas(X))
    columns = []
    given = _columns(X)
    tables = forest.categories or (None,) * X.shape[1]
    if forest.categories_in_order:
        tables = _in_order(given, tables)
    for name, column, table in zip(frame_names(X), given, tables, strict=True):
        columns.append(
            _numbers(name, column, forest) if table is None else _category_numbers(name, column, table, forest)
        )
    if len({values.dtype for values in columns}) > 1:
        for name, values in zip(frame_names(X), columns, strict=True):
            check_rounding(f"Column {name!r}", values, forest)
    columns = [values if values.dtype in IN_PLACE else values.astype(forest.feature_dtype) for values in columns]
    return Rows(
        Columns(tuple(columns), X.shape[0]), flush=pandas_polars.is_pandas(X) if is_plain else _is_pandas_like(X)
    )


def _in_order(columns: list[Any], tables: Any) -> list[Any]:
    """Each column's table, where those of categories take them in turn [LightGBM basic.py _data_from_pandas]."""
    is_categorical = [_is_categorical(column) for column in columns]
    known = [table for table in tables if table is not None]
    if sum(is_categorical) != len(known):
        raise ValueError(
            f"X has {sum(is_categorical)} categorical columns, and the model was fitted with {len(known)}: train and "
            "valid dataset categorical_feature do not match."
        )
    in_turn = iter(known)
    return [next(in_turn) if categorical else None for categorical in is_categorical]


def _is_categorical(column: Any) -> bool:
    import narwhals as nw

    if pandas_polars.is_categorical(column):
        return True
    return nw.from_native(column, series_only=True).dtype in (nw.Categorical, nw.Enum)


def _is_pandas_like(X: Any) -> bool:
    import narwhals as nw

    return bool(nw.from_native(X, eager_only=True).implementation.is_pandas_like())


def _columns(X: Any) -> list[Any]:
    """A frame's columns: those of plain frames as they are, all others as narwhals has them."""
    if pandas_polars.is_plain(X):
        return pandas_polars.columns(X)
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    return [frame[:, j] for j in range(len(frame.columns))]


def _values(column: Any) -> npt.NDArray[Any] | Coded:
    """A column of a frame as it is, with nulls as None or NaN."""
    if (numbers := pandas_polars.numbers(column)) is not None:
        return numbers
    if (distinct := pandas_polars.distinct(column)) is not None:
        return Coded(*distinct)
    if (values := pandas_polars.listed(column)) is not None:
        return objects(values)
    import narwhals as nw

    column = nw.from_native(column, series_only=True)
    if column.null_count() == 0 and (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        return np.asarray(column.to_numpy())
    return objects(column.to_list())


def _numbers(name: Any, column: Any, forest: Forest) -> npt.NDArray[Any]:
    """A numeric column as numpy, with nulls as NaN."""
    if (numbers := pandas_polars.numbers(column)) is not None:
        return numbers
    import narwhals as nw

    column = nw.from_native(column, series_only=True)
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


def _category_numbers(name: Any, column: Any, table: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A categorical column as the numbers that its values have in the model, whatever their order in the frame."""
    if not pandas_polars.is_categorical(column):
        import narwhals as nw

        native = nw.from_native(column, series_only=True)
        if native.dtype not in (nw.Categorical, nw.Enum):
            raise ValueError(f"Column {name!r} is {native.dtype}, but the model was fitted with categories there.")
        column = native.to_native()
    by_pandas = hasattr(column, "array")  # its series, and those of its like
    if by_pandas and forest.unknown_category == "nan":
        return _numbers_by_pandas(column, table)
    found = _values(column)
    found = found if isinstance(found, Coded) else coded(found)
    number: dict[Any, float] = {value: float(i) for i, value in enumerate(table.tolist())} | {None: math.nan}
    unknown = [value for value in found.values if value not in number]
    if unknown and forest.unknown_category == "error":
        raise ValueError(f"Column {name!r} has categories that the model was not fitted with: {unknown[:5]}.")
    if forest.missing_value is not None:
        _check_own_numbers(name, column, table, forest.missing_value, by_pandas=by_pandas)
    numbers = np.array([number.get(value, math.nan) for value in found.values], dtype=np.float64)
    return numbers[found.position]


def _numbers_by_pandas(column: Any, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As LightGBM has them, by pandas' idea of what equals what.

    For it, whether True is 1 depends on what else is among the categories [python basic.py _data_from_pandas].
    """
    known = table.tolist()
    if column.cat.categories.tolist() != known:
        column = column.cat.set_categories(known)
    numbers: npt.NDArray[Any] = column.array.codes.astype(np.float64)
    numbers[numbers < 0] = np.nan
    return numbers


def _check_own_numbers(name: Any, column: Any, table: npt.NDArray[Any], missing: float, *, by_pandas: bool) -> None:
    """Refuse categories in an order of the frame's own, where XGBoost takes a number among them for missing.

    It asks that of the frame's number, before it looks up the model's, which no number of the model can stand for
    [src/predictor/cpu_predictor.cc AdapterView, src/data/cat_container.h].
    """
    if by_pandas:
        own = column.cat.categories.tolist()
    else:  # as the library itself comes by the numbers [python-package/xgboost/data.py, _transform_arrow_table]
        import narwhals as nw

        arrow = nw.from_native(column, series_only=True).to_arrow()
        own = (arrow.combine_chunks() if hasattr(arrow, "chunks") else arrow).dictionary.to_pylist()
    known = table.tolist()
    if missing not in range(max(len(own), len(known))):
        return
    theirs, ours = (values[int(missing)] if missing < len(values) else None for values in (own, known))
    if theirs != ours and (theirs is not None or ours in own):
        raise ValueError(
            f"Column {name!r}: with missing={missing:g}, XGBoost takes category number {missing:g} of the frame for "
            f"missing, which is {theirs!r} here and was {ours!r} in training. Give the categories in the order of "
            f"training, {reprlib.repr(known)}, or train with missing=nan and nulls for missing values."
        )
