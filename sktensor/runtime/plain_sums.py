"""Sums over trees for few rows that lie in an array: the kernels in one call of the extension module."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from sktensor.inputs.rows import Rows
from sktensor.native.plain_calls import PlainCall, Read, Steps, plain_call
from sktensor.runtime.settings import Settings

if TYPE_CHECKING:
    from sktensor.runtime.program import Program

__all__ = ["FEW_ROWS", "PlainSums", "steps_of"]

# As many as kMostRows in kernels/python/plain_call.h; of more rows, what stands around a kernel is a small part.
FEW_ROWS = 2048

# Kernels that take longer let other threads of Python run meanwhile; who lets go has to wait for the next turn.
RELEASE_NS = 20_000.0

# Python sees signals between the calls of the ordinary way, which take that long.
LONGEST_NS = 5e7


def steps_of(program: Program, settings: Settings, below_exponent: int, n_rows: int, dtype: str) -> Steps | None:
    """The kernel calls of a program for so many rows of a dtype; None where other code has a part in it.

    Parameters
    ----------
    program : Program
        What runs them.
    settings : Settings
        How it is to run.
    below_exponent : int
        Of which power of two values have to be below; 0 for none.
    n_rows : int
        How many rows.
    dtype : {"float32", "float64"}
        Of the array that they lie in.
    """
    if (found := program.tables_in_place(n_rows, dtype, settings)) is None:
        return None
    tables, expected_ns = found
    if expected_ns > LONGEST_NS:
        return None
    return Steps(expected_ns > RELEASE_NS, program.forest.trees.feature_dtype, below_exponent, tables)


class PlainSums:
    """What sums over trees for few rows, by the settings and by how the rows are to be read."""

    def __init__(self) -> None:
        self._calls: dict[tuple[Any, ...], PlainCall | None] = {}

    def of(self, program: Program, rows: Rows, settings: Settings) -> Any:
        """The sums, shape (n, K); None where the rows take the ordinary way.

        Parameters
        ----------
        program : Program
            The one that these are for.
        rows : Rows
            Known to lie in an array.
        settings : Settings
            How the program is to run.
        """
        must_be_finite = rows.late_check is not None
        key = settings, rows.flush_limit, rows.missing_value, must_be_finite, rows.below_exponent
        try:
            call = self._calls[key]
        except KeyError:
            read = Read(rows.data.shape[1], rows.missing_value, rows.flush_limit, must_be_finite)
            call = self._calls[key] = _call(program, read, settings, rows.below_exponent)
        except TypeError:  # an unhashable device, which is no device
            return None
        return None if call is None else call(rows.data)


def _call(program: Program, read: Read, settings: Settings, below_exponent: int) -> PlainCall | None:
    forest = program.forest
    find = partial(_steps_of_living, weakref.ref(program), settings, below_exponent)  # which would keep itself alive
    return plain_call(read, forest.n_outputs, forest.trees.acc_dtype, find, width=forest.n_outputs)


def _steps_of_living(
    program: weakref.ref[Program], settings: Settings, below_exponent: int, n_rows: int, dtype: str
) -> Steps | None:
    alive = program()
    return None if alive is None else steps_of(alive, settings, below_exponent, n_rows, dtype)
