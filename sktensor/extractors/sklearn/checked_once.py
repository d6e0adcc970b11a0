"""Methods of scikit-learn's models of models without checks that come out the same in every call.

Between two submodels, such methods ask again and again what cannot have changed since the model was fitted, and look
through arrays that they have made themselves. Of one row, that takes milliseconds; the arithmetic in between takes
microseconds. Nothing of it is written anew here: the library's own functions run, and see under the names of a few
others ones that give the same, sooner: what is known of the same object already, and arrays of numbers in which
nothing is to be found as they are. Whatever else is given goes to the library's function.
"""

from __future__ import annotations

import copy
import functools
import inspect
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.registry import extract_forest

__all__ = ["check_once"]

# What predictions are made of, in these models and in what they keep beside their submodels.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "inverse_transform",
    "_get_predictions", "_predict", "_transform", "_concatenate_predictions", "_collect_probas", "_check_X",
    "get_support",
)  # fmt: skip

# Methods without arguments, of which the answer is known.
ANSWERED = ("_get_support_mask",)

# Functions that these methods call, which call some of those that are replaced.
BETWEEN = (
    "_get_response_values", "_get_response_values_binary", "_check_is_fitted", "_predict_binary",
    "_threshold_for_binary_predict", "pairwise_distances_argmin", "check_pairwise_arrays", "_convert_to_logits",
)  # fmt: skip

# What models keep beside their submodels, and have answer.
KEPT = ("le_", "_label_encoder", "label_binarizer_", "transformer_")

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

# Of how many objects something is remembered, at most: of one that is made in each call it would be of no use.
MOST = 256

Function = Callable[..., Any]


def check_once(model: Any) -> None:
    """Have a copy of a fitted model skip what its library checks anew in each call.

    Parameters
    ----------
    model : estimator
        A copy, with what answers in the place of its submodels. Methods are set on it, and nothing of its class is
        changed; methods that a subclass has replaced stay as they are.
    """
    rebound = _Rebound()
    rebound.methods_of(model)
    for name in KEPT:
        if name in vars(model):
            setattr(model, name, rebound.copied(vars(model)[name]))
    for calibrated in vars(model).get("calibrated_classifiers_", ()):  # copies, as the model is one
        rebound.methods_of(calibrated)
        calibrated.calibrators = [rebound.copied(one) for one in calibrated.calibrators]


class _Rebound:
    """The library's functions, with others under some of their global names."""

    def __init__(self) -> None:
        self._made: dict[Function, Function] = {}
        self._known: dict[str, _Remembered] = defaultdict(_Remembered)
        self._methods, self._encoders, self._answers = _Remembered(), _Remembered(), _Remembered()

    def copied(self, kept: Any) -> Any:
        """A copy of what a model keeps, with methods of this kind; as it is if it is not the library's."""
        if not type(kept).__module__.startswith("sklearn."):
            return kept
        kept = copy.copy(kept)
        self.methods_of(kept)
        return kept

    def methods_of(self, model: Any) -> None:
        """Set the methods that are other functions this way."""
        for name in (*ANSWERED, *METHODS):
            found = inspect.getattr_static(type(model), name, None)
            function = getattr(found, "fn", found)  # behind available_if
            if name in vars(model) or not isinstance(function, FunctionType) or not hasattr(model, name):
                continue
            if not function.__module__.startswith("sklearn."):
                continue
            if name in ANSWERED:
                setattr(
                    model, name, functools.partial(self._answers.get, (model,), (name,), MethodType(function, model))
                )
            elif (bound := self.function(function)) is not function:
                setattr(model, name, MethodType(bound, model))

    def function(self, function: FunctionType) -> Function:
        """A function of the library with the names replaced that it uses; itself where it uses none."""
        if function not in self._made:
            self._made[function] = self._remade(function)
        return self._made[function]

    def _remade(self, function: FunctionType) -> Function:
        names = set(_names(function.__code__))
        found = {name: function.__globals__[name] for name in names if name in function.__globals__}
        replaced: dict[str, Any] = {}
        for name, known in found.items():
            if name in BETWEEN and isinstance(known, FunctionType):
                replaced[name] = self.function(inspect.unwrap(known))  # without the check of constant parameters
            elif (make := getattr(self, f"_{name.lstrip('_').lower()}", None)) is not None and name in REPLACED:
                replaced[name] = make(known)
        if function.__name__ == "_get_predictions" and "_get_response_values" in replaced:
            replaced["_get_response_values"] = self._asked_once(replaced["_get_response_values"])
        closure = self._closure(function)
        if not replaced and closure is function.__closure__:
            return function
        made = FunctionType(
            function.__code__, {**function.__globals__, **replaced}, function.__name__, function.__defaults__, closure
        )
        made.__kwdefaults__ = function.__kwdefaults__
        return made

    def _closure(self, function: FunctionType) -> tuple[CellType, ...] | None:
        """What a function encloses, with the one that it wraps [sklearn/utils/_set_output.py] replaced."""
        inner, cells = getattr(function, "__wrapped__", None), function.__closure__
        if cells is None or not isinstance(inner, FunctionType) or (made := self.function(inner)) is inner:
            return cells
        return tuple(CellType(made) if cell.cell_contents is inner else cell for cell in cells)

    def _asked_once(self, ask: Function) -> Function:
        """What chains ask twice of each link [sklearn/multioutput.py]: for the links behind it, and for the answer.

        The rows are an array that was made for this link, and nobody changes it in between. Of a model that is more
        than a forest, it is not known whether it says the same twice.
        """
        last: tuple[Any, ...] = ()

        def get_response_values(estimator: Any, X: Any, response_method: Any) -> Any:
            nonlocal last
            before = last
            if before and before[0] is estimator and before[1]() is X and before[2] == response_method:
                return before[3]
            found = ask(estimator, X, response_method=response_method)
            if type(X) is np.ndarray and self._of("is_one_forest", _is_one_forest, estimator):
                last = estimator, weakref.ref(X), response_method, found
            return found

        return get_response_values

    # --- what is seen under the names in REPLACED ---------------------------------------------------------------------

    def _check_is_fitted(self, real: Function) -> Function:
        """The model is: it has been compiled."""
        return lambda *given, **more: None

    def _type_of_target(self, real: Function) -> Function:
        return lambda y, *given, **more: (
            real(y, *given, **more) if more or given else self._of("type_of_target", real, y)
        )

    def _is_classifier(self, real: Function) -> Function:
        return lambda estimator: self._of("is_classifier", real, estimator)

    def _is_regressor(self, real: Function) -> Function:
        return lambda estimator: self._of("is_regressor", real, estimator)

    def _get_tags(self, real: Function) -> Function:
        return lambda estimator: self._of("get_tags", real, estimator)

    def _of(self, name: str, real: Function, given: Any) -> Any:
        return self._known[name].get((given,), (), lambda: real(given))

    def _check_response_method(self, real: Function) -> Function:
        def check_response_method(estimator: Any, response_method: Any) -> Any:
            names = response_method if isinstance(response_method, str) else tuple(response_method)
            return self._methods.get((estimator,), (names,), lambda: real(estimator, response_method))

        return check_response_method

    def _labelencoder(self, real: Any) -> Any:
        encoders = self._encoders

        class LabelEncoder:
            """Codes of labels that may be known."""

            def fit(self, y: Any) -> LabelEncoder:
                self._classes = y
                self._fitted = encoders.get((y,), ("fit",), lambda: real().fit(y))
                return self

            def transform(self, y: Any) -> Any:
                return encoders.get((self._classes, y), ("transform",), lambda: self._fitted.transform(y))

        return LabelEncoder

    def _check_array(self, real: Function) -> Function:
        return _check_array(real)

    def _validate_data(self, real: Function) -> Function:
        check = _check_array(None)

        def nameless_columns(estimator: Any) -> int | None:
            named = getattr(estimator, "feature_names_in_", None) is not None
            return None if named else getattr(estimator, "n_features_in_", None)

        def validate_data(
            estimator: Any,
            /,
            X: Any = "no_validation",
            reset: bool = True,
            skip_check_array: bool = False,
            **given: Any,
        ) -> Any:
            if (
                not (reset or skip_check_array or "y" in given)
                and type(X) is np.ndarray
                and X.ndim == 2
                and self._of("columns", nameless_columns, estimator) == X.shape[1]
                and (checked := check(X, **given)) is not None
            ):
                return checked
            return real(estimator, X=X, reset=reset, skip_check_array=skip_check_array, **given)

        return validate_data

    def _column_or_1d(self, real: Function) -> Function:
        def column_or_1d(y: Any, **given: Any) -> Any:
            if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuf" and given.get("dtype") is None:
                return np.ascontiguousarray(y)
            return real(y, **given)

        return column_or_1d

    def _safe_indexing(self, real: Function) -> Function:
        def safe_indexing(X: Any, indices: Any, *, axis: int = 0) -> Any:
            plain = type(X) is np.ndarray and type(indices) is np.ndarray and axis == 1 and X.ndim == 2
            if plain and indices.dtype == bool and indices.shape == X.shape[1:]:
                return X[:, indices]
            return real(X, indices, axis=axis)

        return safe_indexing

    def _parallel(self, real: Any) -> Any:
        from sklearn.utils.parallel import delayed

        class Parallel:
            """Calls one after another where there is one job and nothing is reported."""

            def __init__(self, n_jobs: int | None = None, verbose: int = 0, **given: Any) -> None:
                self._one = n_jobs in (None, 1) and not verbose
                self._given = {"n_jobs": n_jobs, "verbose": verbose, **given}

            def __call__(self, calls: Iterator[tuple[Function, tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
                if self._one:
                    return [function(*given, **more) for function, given, more in calls]
                found: list[Any] = real(**self._given)(
                    delayed(function)(*given, **more) for function, given, more in calls
                )
                return found

        return Parallel

    def _delayed(self, real: Function) -> Function:
        return lambda function: lambda *given, **more: (function, given, more)


# What functions see others in the place of, all of them of scikit-learn.
REPLACED = (
    "check_is_fitted", "type_of_target", "is_classifier", "is_regressor", "_check_response_method", "LabelEncoder",
    "check_array", "validate_data", "column_or_1d", "get_tags", "_safe_indexing", "Parallel",
    "delayed",
)  # fmt: skip


class _Remembered:
    """What has been found out of some objects, which are kept, so that no other can be at their place."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}

    def get(self, objects: tuple[Any, ...], more: tuple[Any, ...], find: Callable[[], Any]) -> Any:
        """What is known of `objects`, the very ones, and `more`; otherwise what is found out now."""
        key = (*map(id, objects), *more)
        known = self._found.get(key)
        if known is not None:
            return known[1]
        found = find()
        if len(self._found) < MOST:
            self._found[key] = objects, found
        return found


def _is_one_forest(estimator: Any) -> bool:
    """Whether what answers in the place of a submodel is the program of a forest, and nothing else."""
    try:
        return hasattr(type(estimator), "__sktensor_forest__") and extract_forest(estimator) is not None
    except UnsupportedModelError:
        return False


def _names(code: CodeType) -> Iterator[str]:
    """Global names that a function uses, within its comprehensions, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _check_array(real: Function | None) -> Function:
    """An array of numbers in which :func:`sklearn.utils.check_array` finds nothing, as it is or copied.

    Anything else goes to `real`; without that, the answer is None.
    """

    def check_array(array: Any, accept_sparse: Any = False, **given: Any) -> Any:
        if type(array) is np.ndarray and array.dtype in FLOATS and _is_clean(array, given):
            return array.copy("K") if given.get("copy") else array
        return None if real is None else real(array, accept_sparse, **given)

    return check_array


# With any other value of these, and with any other parameter, the library's function is asked.
UNDERSTOOD: Mapping[str, tuple[Any, ...]] = {
    "accept_sparse": (),
    "copy": (True, False),
    "dtype": (),
    "ensure_2d": (True, False),
    "ensure_all_finite": (True, False, "allow-nan"),
    "ensure_min_samples": (0, 1),
    "ensure_min_features": (0, 1),
    "estimator": (),
    "force_writeable": (False,),
    "input_name": (),
    "order": (None,),
    "allow_nd": (True, False),
    "accept_large_sparse": (True, False),
}


def _is_clean(array: npt.NDArray[Any], given: Mapping[str, Any]) -> bool:
    """Whether an array of floats passes all checks and stays as it is."""
    for name, value in given.items():
        if (legal := UNDERSTOOD.get(name)) is None or (legal and value not in legal):
            return False
    if array.ndim != 2 and (array.ndim != 1 or given.get("ensure_2d", True)):
        return False
    if not array.size or not _keeps(array.dtype, given.get("dtype", "numeric")):
        return False
    if given.get("ensure_all_finite", True) is False:
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None)))


def _keeps(dtype: np.dtype[Any], wanted: Any) -> bool:
    """Whether an array of floats need not be cast."""
    if wanted is None or (isinstance(wanted, str) and wanted == "numeric"):
        return True
    if isinstance(wanted, (list, tuple)):
        return any(dtype == one for one in wanted)
    return bool(dtype == wanted)
