"""The number of the file format, and what older numbers mean in terms of the newest.

A new number takes one line and one function: raise `FORMAT`, and say in `_STEPS` what a header of the number before
becomes. Readers see the newest format alone; every older one stays readable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from sktensor.forest import TINY

__all__ = ["FORMAT", "upgrade", "upgrade_arrays"]

# To be raised when a file's content changes its meaning: a field that comes, goes or says something else.
FORMAT = 5

# Arrays of format 1 that nothing looked at.
ONLY_IN_1 = ("tree_iter", "ob_feature", "ob_threshold")

# What fields of the forest that format 1 did not have mean in it.
LATER_THAN_1 = {
    "sparse_repeated": "sum",
    "no_rows": "answer",
    "array_kinds": "biufOSUTmM",
    "accepts_1d": False,
    "categories_in_order": False,
    "proba_warning": None,
}

# Classes of rows that models with `csr_matrix_only` took in formats 1 and 2, as `container_types` names them.
CSR_MATRIX_ONLY = [
    "pandas.DataFrame",
    "pandas.core.frame.DataFrame",
    "polars.dataframe.frame.DataFrame",
    "pyarrow.lib.Table",
    "scipy.sparse._csr.csr_matrix+",
]


def upgrade(header: dict[str, Any]) -> dict[str, Any]:
    """Give a header of any format as one of the newest.

    Parameters
    ----------
    header : dict
        As a file holds it, which may be anything, but its ``"format"`` is an integer.

    Returns
    -------
    dict
        The same in the newest format. What is wrong with it is for its readers to find.

    Raises
    ------
    ValueError
        If its format is unknown.
    """
    number = header["format"]
    if not 1 <= number <= FORMAT:
        raise ValueError(
            f"it is of format {number}, and this version of sktensor reads formats 1 to {FORMAT}. Load it with the "
            "version that wrote it, or a newer one"
        )
    for older in range(number, FORMAT):
        header = {**_STEPS[older](header), "format": older + 1}
    return header


def upgrade_arrays(header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Give the arrays of a file of any format as those of one of the newest.

    Parameters
    ----------
    header : dict
        As the file holds it.
    arrays : dict of ndarray
        What else it holds.

    Returns
    -------
    dict of ndarray
    """
    return arrays if header["format"] > 1 else {name: a for name, a in arrays.items() if name not in ONLY_IN_1}


def _from_1(header: dict[str, Any]) -> dict[str, Any]:
    """Format 1 kept neither `verbose` nor names. Fields of the forest came later, too."""
    header = _with(_with(header, "parameters", {"verbose": 0}), "forest", LATER_THAN_1)
    forest = header.get("forest")
    if type(forest) is dict:
        kept = {name: value for name, value in forest.items() if name != "base_last" or value}  # which no model had set
        header = {**header, "forest": {"zero_limit": TINY if forest.get("flush_tiny") is True else 0.0, **kept}}
    return {"columns": {}, **header}


def _from_2(header: dict[str, Any]) -> dict[str, Any]:
    """Format 2 told by a truth value alone that the library answers some classes of rows differently."""
    forest = header.get("forest")
    if type(forest) is not dict or type(forest.get("csr_matrix_only")) is not bool:
        return header
    kept = {name: value for name, value in forest.items() if name != "csr_matrix_only"}
    return {
        **header,
        "forest": {"container_types": CSR_MATRIX_ONLY if forest["csr_matrix_only"] else None, **kept},
    }


def _from_3(header: dict[str, Any]) -> dict[str, Any]:
    """Format 3 kept no pipelines."""
    return {"pipeline": {}, **header}


def _from_4(header: dict[str, Any]) -> dict[str, Any]:
    """Format 4 did not say how the library lays out contributions of features: they come as from most libraries."""
    added = {"contribution_dtype": "float64", "contribution_layout": "by_output"}
    if header.get("forest"):  # that of a pipeline stands with each kind of rows
        header = _with(header, "forest", added)
    pipeline = header.get("pipeline")
    if type(pipeline) is dict and type(pipeline.get("kinds")) is list:
        kinds = [_with(kind, "forest", added) if type(kind) is dict else kind for kind in pipeline["kinds"]]
        header = {**header, "pipeline": {**pipeline, "kinds": kinds}}
    return header


def _with(header: dict[str, Any], entry: str, added: dict[str, Any]) -> dict[str, Any]:
    """A header with more in one of its entries, if that is what it is to be."""
    value = header.get(entry)
    return {**header, entry: {**added, **value}} if type(value) is dict else header


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2, 3: _from_3, 4: _from_4}
