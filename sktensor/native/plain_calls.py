"""Rows of a plain array through kernels and back, in one call of an extension module.

What Python does around a kernel takes several times what the kernel takes for a row. The extension is optional: where
it is missing, as on builds of Python without a stable ABI, rows take the ordinary way to the same answers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader

__all__ = ["NO_LINK", "Link", "PlainCall", "Read", "Steps", "extension", "is_there", "plain_call"]

PlainCall = Callable[[Any], npt.NDArray[Any] | None]
"""``call(X)``: the answer, or None where X, or what is found in it, is for the ordinary way."""


class Link(NamedTuple):
    """A kernel that makes probabilities of raw scores.

    Attributes
    ----------
    name : {"none", "sigmoid32", "sigmoid64", "softmax32", "softmax64"}
        As :class:`~sktensor.native.loader.Library` names it.
    factor : float
        That ``"sigmoid64"`` multiplies by.
    expf : int
        Address of the table of exponentials, for those of float32.
    """

    name: str = "none"
    factor: float = 1.0
    expf: int = 0


NO_LINK = Link()


class Read(NamedTuple):
    """How kernels are to read rows: the fields of ``skt_rows`` that do not depend on them."""

    n_columns: int
    missing: float | None
    flush: float
    must_be_finite: bool


class Steps(NamedTuple):
    """The kernel calls for some number of rows.

    Attributes
    ----------
    releases : bool
        Whether other threads of Python may run meanwhile, which pays for long calls only.
    features : {"float32", "float64"}
        The dtype in which trees compare values.
    below_exponent : int
        The field of ``skt_rows``.
    tables : sequence of Tables
        Each continues the sums of those before.
    """

    releases: bool
    features: str
    below_exponent: int
    tables: Sequence[Any]


@cache
def extension() -> Any:
    """The extension module; None where the package was installed without it, or with one of another version."""
    try:
        from sktensor.native import _plain_call  # type: ignore[attr-defined]
    except ImportError:
        return None
    return _plain_call if _plain_call.ABI == abi.ABI and loader.library() is not None else None


def is_there() -> bool:
    """Whether the package was installed with the extension, and with the kernels that it calls."""
    return extension() is not None


def plain_call(
    read: Read,
    n_outputs: int,
    acc_dtype: str,
    find_steps: Callable[[int, str], Steps | None],
    *,
    width: int,
    divisor: float = 1.0,
    link: Link = NO_LINK,
) -> PlainCall | None:
    """What answers rows of a plain array in one call; None where the extension is missing.

    Parameters
    ----------
    read : Read
        How the rows are to be read.
    n_outputs : int
        Sums of a row, K.
    acc_dtype : {"float32", "float64"}
        Their dtype, and that of the answer.
    find_steps : callable
        ``find_steps(n_rows, dtype)``: the kernel calls, or None where others are needed. Asked once for each number of
        rows; beyond 128 rows once for 64 numbers, of which the first one that comes counts for all.
    width : int
        Numbers in a row of the answer, shape (n, width); 0 for an answer of shape (n,).
    divisor : float
        What the sums are divided by.
    link : Link
        What is applied to the quotients.

    Returns
    -------
    PlainCall or None
    """
    if (module := extension()) is None:
        return None
    kernels = loader.library()
    assert kernels is not None

    def resolve(n_rows: int, dtype: str) -> Any:
        found = find_steps(n_rows, dtype)
        if found is None:
            return None
        calls = tuple((_function_address(tables.kernel), tables.address) for tables in found.tables)
        return found.releases, abi.DTYPES[found.features], found.below_exponent, calls, found.tables

    return module.PlainCall(  # type: ignore[no-any-return]
        array_type=np.ndarray,
        empty=np.empty,
        dtype=np.dtype(acc_dtype),
        item=np.dtype(acc_dtype).itemsize,
        resolve=resolve,
        n_columns=read.n_columns,
        n_outputs=n_outputs,
        isa=kernels.isa,
        has_missing=read.missing is not None,
        missing=read.missing or 0.0,
        flush=read.flush,
        must_be_finite=read.must_be_finite,
        divisor=divisor,
        link=link.name,
        link_kernel=0 if link.name == "none" else _function_address(getattr(kernels, link.name)),
        factor=link.factor,
        expf=link.expf,
        width=width,
    )


def _function_address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
