"""The CPU kernels: the shared library that was built with the package, found, checked and called.

Calls release the GIL and keep no state, so any thread may make them at any time, also after a fork.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi

__all__ = [
    "INSTRUCTION_SETS",
    "Library",
    "address",
    "library",
    "packed_columns",
    "packed_frame",
    "packed_rows",
    "why_missing",
]

Array = npt.NDArray[Any]

INSTRUCTION_SETS = ("baseline", "avx2", "avx512")

# Forces an instruction set, for comparisons: one of INSTRUCTION_SETS.
VARIABLE = "SKTENSOR_INSTRUCTION_SET"

# Without a cache: pip keeps the wheel that it has once built, and would install it again.
WITHOUT = (
    "sktensor was installed without them, for want of a C++ compiler (where there is one, "
    "pip install --force-reinstall --no-deps --no-cache-dir sktensor builds them)"
)

NAME = {"win32": "sktensor_kernels.dll", "darwin": "libsktensor_kernels.dylib"}.get(
    sys.platform, "libsktensor_kernels.so"
)


class Library:
    """The loaded kernels.

    Parameters
    ----------
    path : path-like
        Of the shared library.

    Raises
    ------
    OSError
        If it cannot be loaded, or is of another version than this package.
    """

    def __init__(self, path: os.PathLike[str] | str) -> None:
        self.path = Path(path)
        self._calls = ctypes.CDLL(str(path))
        if (found := self._calls.skt_abi()) != abi.ABI:
            raise OSError(f"{path} has interface {found}, this package needs {abi.ABI}: install it again.")
        self._calls.skt_message.restype = ctypes.c_char_p
        pointer, number, rows = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
        self.check_bitsliced = self._function("skt_check_bitsliced", pointer)
        self.check_traversal = self._function("skt_check_traversal", pointer)
        self.run_bitsliced = self._function("skt_run_bitsliced", pointer, rows, number, pointer, number, number)
        self.run_traversal = self._function("skt_run_traversal", pointer, rows, number, pointer, number, number)
        self.run_leaves = self._function("skt_leaves", pointer, rows, number, pointer, pointer, number, number)
        self.check_walk = self._function("skt_check_walk", pointer)
        self.run_walk = self._function("skt_run_walk", pointer, rows, number, pointer, number, number)
        self.walk_leaves = self._function("skt_walk_leaves", pointer, rows, number, pointer, number, number)
        self.check_shap = self._function("skt_check_shap", pointer)
        self.run_shap = self._function("skt_shap_values", pointer, rows, number, pointer, number, number)
        self.shap_pairs = self._function("skt_shap_pairs", pointer, rows, number, pointer, number, number)
        self.shap_decisions = self._function("skt_shap_decisions", pointer, rows, number, pointer, number, number)
        self.shap_codes = self._function("skt_shap_codes", pointer, rows, number, pointer, number, number)
        self.shap_direct = self._function(
            "skt_shap_direct", pointer, rows, number, pointer, ctypes.c_int64, pointer, number, number
        )
        self.check_lookup = self._function("skt_check_lookup", pointer)
        self.run_lookup = self._function("skt_lookup_values", pointer, rows, number, pointer, number, number)
        self.check_keys = self._function("skt_check_keys", pointer)
        self.all_finite = self._function("skt_all_finite", rows, number, number)
        self.indices_ascend = self._function("skt_indices_ascend", pointer, number)
        self.gather = self._function("skt_gather", pointer, pointer, ctypes.c_int64, ctypes.c_int64, number, number)
        long, double = ctypes.c_int64, ctypes.c_double
        self.gather_columns = self._function(
            "skt_gather_columns", pointer, pointer, pointer, pointer, long, long, number
        )
        self.derive = self._function("skt_derive", pointer, rows, pointer, long, long, pointer, number, number)
        self.cityhash64 = self._function("skt_cityhash64", ctypes.c_char_p, pointer, long, pointer)
        self.sigmoid32 = self._function("skt_sigmoid32", pointer, pointer, long, pointer, number, number)
        self.sigmoid64 = self._function("skt_sigmoid64", pointer, long, double, pointer, number, number)
        self.softmax32 = self._function("skt_softmax32", pointer, pointer, long, long, pointer, number, number)
        self.softmax64 = self._function("skt_softmax64", pointer, long, long, pointer, number, number)
        self.best = int(self._calls.skt_best_isa())
        self.isa = self.best  # the instruction set that calls are to use
        if forced := os.environ.get(VARIABLE):
            if forced not in INSTRUCTION_SETS[: self.best + 1]:
                here = ", ".join(INSTRUCTION_SETS[: self.best + 1])
                raise OSError(
                    f"{VARIABLE}={forced!r} is not an instruction set of this processor and build, which are: {here}"
                )
            self.isa = INSTRUCTION_SETS.index(forced)

    def _function(self, name: str, *arguments: Any) -> Any:
        function = self._calls[name]
        function.argtypes = arguments
        return function

    def message(self, error: int) -> str:
        """What an error number means."""
        return self._calls.skt_message(error).decode()  # type: ignore[no-any-return]

    def check(self, error: int, subject: str = "The CPU kernels refuse this call") -> None:
        """Raise what the number that a kernel returned stands for; nothing where it is 0.

        Parameters
        ----------
        error : int
            What the kernel returned.
        subject : str
            What the words about the error follow on.

        Raises
        ------
        MemoryError
            If there was no memory for what the kernel keeps at hand.
        ValueError
            If the rows have another number of columns than the tables were made for.
        RuntimeError
            Of everything else, which sktensor's own code never leads to.
        """
        if not error:
            return
        kind = {abi.NO_MEMORY: MemoryError, abi.WIDTH: ValueError}.get(error, RuntimeError)
        raise kind(f"{subject}: {self.message(error)}.")


@cache
def _loaded() -> tuple[Library | None, str]:
    path = Path(__file__).with_name(NAME)
    if not path.exists():
        return None, WITHOUT
    try:
        return Library(path), ""
    except OSError as error:
        return None, str(error)


@cache
def library() -> Library | None:
    """The kernels, or None where the package was installed without them."""
    return _loaded()[0]


def why_missing() -> str:
    """Why there are no kernels; empty where there are."""
    return _loaded()[1]


def address(array: Array) -> int:
    """Where an array's data begin; for one that is writeable and contiguous, in a third of the time."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return array.ctypes.data


# The fields of abi.RowsStructure and abi.ColumnStructure, packed at a fraction of what filling one takes.
_rows_fields = struct.Struct("PPqqqqiiddii")
_column_fields = struct.Struct("Pqii")

_dtype_number = {np.dtype(name).num: number for name, number in abi.DTYPES.items()}


def packed_rows(
    X: Array, missing: float | None, flush: float, must_be_finite: bool = False, below_exponent: int = 0
) -> bytes:
    """An ``skt_rows`` for an array of float32 or float64 values, shape (n, F): read in place, whatever its strides."""
    row_stride, column_stride = X.strides
    lie = address(X), 0, *X.shape, row_stride, column_stride, _dtype_number[X.dtype.num]
    return _rows_fields.pack(*lie, missing is not None, missing or 0.0, flush, must_be_finite, below_exponent)


def packed_columns(columns: Sequence[Array]) -> bytes:
    """An array of ``skt_column`` for columns of float32 or float64 values."""
    return b"".join([_column_fields.pack(address(c), c.strides[0], _dtype_number[c.dtype.num], 0) for c in columns])


def packed_frame(columns: bytes, n_rows: int, missing: float | None, flush: float) -> bytes:
    """An ``skt_rows`` for the columns that :func:`packed_columns` gave, which must outlive it."""
    where = ctypes.cast(ctypes.c_char_p(columns), ctypes.c_void_p).value
    n_columns = len(columns) // _column_fields.size
    return _rows_fields.pack(0, where, n_rows, n_columns, 0, 0, 0, missing is not None, missing or 0.0, flush, 0, 0)
