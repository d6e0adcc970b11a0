"""Answers for few rows of a plain array, which a shorter way leads to the kernels and back.

The ordinary way is :mod:`~sktensor.estimator.answers`. Both give the same bits; whatever is not plain takes that one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sktensor.forest import Forest
from sktensor.inputs.rows import IN_PLACE
from sktensor.native.frame_calls import FrameRead, frame_call
from sktensor.native.plain_calls import NO_LINK, Link, PlainCall, Read, Steps, plain_call
from sktensor.outputs import OUTPUTS
from sktensor.outputs.link_kernels import link_of
from sktensor.runtime.plain_sums import steps_of
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["PlainAnswers", "PlainProgram", "plain_programs"]

# The outputs that methods give; apply and transform are made of leaves.
OUTPUT_OF = {
    "predict": "label",
    "predict_proba": "proba",
    "predict_log_proba": "log_proba",
    "decision_function": "decision",
    "score_samples": "score_samples",
    "predict_raw": "raw",
}


@dataclass(frozen=True)
class PlainProgram:
    """What runs rows of a dtype that need no more than kernels.

    Attributes
    ----------
    program : Program
        With the forest that reads these rows themselves.
    read : Read
        How it reads them.
    below_exponent : int
        Of which power of two values have to be below; 0 for none.
    """

    program: Program
    read: Read
    below_exponent: int = 0


def plain_programs(program: Any, columns: Any) -> Callable[[str], PlainProgram | None]:
    """What finds the plain program for a dtype: none where names are to be compared, or X is not what trees read.

    Parameters
    ----------
    program : Program, or what stands for one
        Of a model, pipeline or meta-estimator.
    columns : object
        What scikit-learn compares X with, in its ``feature_names_in_``.
    """
    if not isinstance(program, Program):
        return getattr(program, "plain_program", _none)
    forest = program.forest
    if forest.inputs.reads_values or "feature_names_in_" in columns.__dict__:
        return _none
    takes_all = forest.inputs.accepts_nan and forest.inputs.accepts_inf
    read = Read(forest.n_features, forest.inputs.missing_value, forest.inputs.flush_limit, not takes_all)
    found = PlainProgram(program, read)
    return lambda dtype: found


def _none(dtype: str) -> None:
    return None


def _itself(call: PlainCall) -> PlainCall:
    return call


class PlainAnswers:
    """What answers few rows of a plain array, by method and settings.

    Parameters
    ----------
    find : callable
        ``find(dtype)``: the plain program for arrays of a dtype, or None.
    made_by_library : container of str
        Methods that the library makes of leaves or sums itself.
    fold_for : callable, optional
        ``fold_for(X)``, called with the first rows of a method: by these, if steps are run, rather than by any.
    of_others : callable, optional
        ``of_others(method, settings, X)``: the same for what is no plain array.
    """

    def __init__(
        self,
        find: Callable[[str], PlainProgram | None],
        made_by_library: Container[str] = (),
        fold_for: Callable[[Any], Any] | None = None,
        of_others: Callable[[str, Settings, Any], Any] | None = None,
    ) -> None:
        self._find, self._made_by_library, self._fold_for, self._of_others = find, made_by_library, fold_for, of_others
        self._calls: dict[tuple[str, Settings], Callable[[Any], Any] | None] = {}

    def __call__(self, method: str, settings: Settings, X: Any) -> Any:
        """What a method returns; None where X takes the ordinary way."""
        if type(X) is not np.ndarray:
            return None if self._of_others is None else self._of_others(method, settings, X)
        try:
            call = self._calls[method, settings]
        except KeyError:
            if X.dtype not in IN_PLACE:
                return None  # the steps of a pipeline are not folded for arrays of floats before there is one
            if self._fold_for is not None:
                self._fold_for(X)
            call = self._calls[method, settings] = self._call_for(method, settings, X.dtype.name)
        except TypeError:  # an unhashable device, which is no device
            return None
        return None if call is None else call(X)

    def of_frames(self, method: str, settings: Settings, read: FrameRead) -> Callable[[Any], Any] | None:
        """The call for frames of which arrays are made first; None where there is none for these.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the program is to run.
        read : FrameRead
            How the arrays are made.
        """
        return self._call_for(
            method, settings, "float64" if read.is_double else "float32", partial(frame_call, read=read)
        )

    def _call_for(
        self, method: str, settings: Settings, dtype: str, behind: Callable[[PlainCall], Callable[[Any], Any]] = _itself
    ) -> Callable[[Any], Any] | None:
        """The call for a method; None where it makes its answers of something else than sums over trees.

        It is for arrays of both dtypes, which give the same kind of answer; `dtype` is that of the first one.
        ``behind(call)`` is what comes before the call of the extension, and calls it.
        """
        if method in self._made_by_library or (first := self._find(dtype)) is None:
            return None
        forest = first.program.forest
        output = OUTPUTS.get(OUTPUT_OF.get(method, ""))
        if output is None or forest.trees.aggregate != "sum" or forest.outputs.proba_warning is not None:
            return None
        if not output.given_by(forest):
            return None
        last = _last(forest, method)
        call = plain_call(
            first.read,
            forest.n_outputs,
            forest.trees.acc_dtype,
            partial(_steps, self._find, settings),
            width=last.width,
            divisor=last.divisor,
            link=last.link,
        )
        if call is None:
            return None
        whole = behind(call)
        return whole if last.is_all else partial(_finished, forest, output.finish, whole)


def _finished(forest: Forest, finish: Callable[[Forest, Any], Any], call: Callable[[Any], Any], X: Any) -> Any:
    """An answer whose last step is not the call's."""
    total = call(X)
    return None if total is None else finish(forest, total)


def _steps(find: Callable[[str], PlainProgram | None], settings: Settings, n_rows: int, dtype: str) -> Steps | None:
    """The kernel calls for so many rows of a dtype."""
    found = find(dtype)
    return None if found is None else steps_of(found.program, settings, found.below_exponent, n_rows, dtype)


@dataclass(frozen=True)
class _Last:
    """What the extension does with sums, and whether that is all."""

    width: int  # of a row of the answer; 0 for one number a row, without an axis of its own
    divisor: float = 1.0
    link: Link = NO_LINK
    is_all: bool = True


def _last(forest: Forest, method: str) -> _Last:
    """The last step of a method, where it is no more than a division and a kernel; otherwise the sums themselves."""
    spec = forest.outputs
    sums = _Last(forest.n_outputs, is_all=False)
    if len(spec.output_slices) > 1 or spec.bias is not None or spec.scale != 1.0:
        return sums
    if method == "predict_raw":
        return _shaped(forest, spec.raw_shape, 1.0 if spec.raw_is_pre_div else spec.div) or sums
    if method == "predict_proba" and (link := link_of(forest)) is not None:
        return _Last(2 if spec.proba == "complement" else forest.n_outputs, spec.div, link)
    gives_values = (method == "predict_proba" and spec.proba == "values") or (
        method == "predict" and spec.decision == "none"
    )
    return (_shaped(forest, spec.value_shape, spec.div) if gives_values and spec.link == "identity" else None) or sums


def _shaped(forest: Forest, shape: tuple[int, ...], divisor: float) -> _Last | None:
    if shape == () and forest.n_outputs == 1:
        return _Last(0, divisor)
    return _Last(forest.n_outputs, divisor) if shape == (forest.n_outputs,) else None
