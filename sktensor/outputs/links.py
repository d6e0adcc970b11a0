"""From sums to raw scores, and on to values, probabilities and their logarithms.

Every function takes numpy arrays or torch tensors and returns the same kind. Links are computed as the libraries
do, in their dtype and with their exponential: of arrays to the bit, of tensors up to the last bits of torch's ``exp``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np

from sktensor.forest import Forest
from sktensor.outputs import link_kernels
from sktensor.outputs.exponentials import c_exp, c_log, c_log1p, exp, table_exp
from sktensor.outputs.shapes import Rows, by_slice, cast, namespace, shaped

__all__ = ["log_probabilities", "probabilities", "raw_scores", "shaped_raw", "shaped_values", "values"]

# expf overflows past this; XGBoost clips there [xgboost src/common/math.h Sigmoid].
EXPF_LIMIT = 88.7


def raw_scores(forest: Forest, total: Rows) -> Rows:
    """The library's raw scores from the sums over trees.

    Parameters
    ----------
    forest : Forest
        Whose trees were summed.
    total : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        The sums.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, K)
    """
    return total if forest.outputs.raw_is_sum else _after_sum(forest, total)


def _after_sum(forest: Forest, total: Rows) -> Rows:
    """Divide, scale and shift the sums, in this order."""
    if forest.outputs.div != 1.0:
        total = total / forest.outputs.div
    if forest.outputs.scale != 1.0:
        total = total * forest.outputs.scale
    if forest.outputs.bias is None:
        return total
    return total + (forest.outputs.bias if isinstance(total, np.ndarray) else total.new_tensor(forest.outputs.bias))


def values(forest: Forest, raw: Rows) -> Rows:
    """Apply the link: values of a regressor, probabilities of a classifier before they are arranged in columns.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        Of links ``"argmax"`` and ``"location"`` (n, 1).
    """
    if forest.outputs.raw_is_pre_div:
        raw = _after_sum(forest, raw)
    xp = namespace(raw)
    match forest.outputs.link:
        case "identity":
            return raw
        case "sigmoid":
            return _sigmoid(raw * forest.outputs.link_param)
        case "clipped_sigmoid":
            return 1.0 / (exp(xp.clip(-raw, None, EXPF_LIMIT)) + 1.0)  # XGBoost's 1e-16 is lost beside 1.0
        case "softmax":
            return _softmax(raw, exp) if forest.trees.acc_dtype == "float32" else _softmax_of_numpy(raw, "F")
        case "row_softmax":
            return _softmax_of_numpy(raw, "C")
        case "c_softmax":
            return _softmax(raw, c_exp)
        case "table_softmax":
            e, total = _table_softmax_terms(raw)
            return e / total
        case "exp":
            return exp(raw)
        case "c_exp":
            return c_exp(raw)
        case "table_exp":
            return table_exp(raw)
        case "mean_variance":
            return xp.stack([raw[:, 0], table_exp(2.0 * raw[:, 1])], 1)
        case "log1p_exp":
            return c_log1p(c_exp(raw))
        case "sign_square":
            return xp.sign(raw) * raw * raw
        case "hinge":
            return cast(raw > 0, raw.dtype)
        case "argmax":
            return cast(xp.argmax(raw, 1)[:, None], raw.dtype)
        case "isolation":
            exponent = raw / forest.outputs.link_param if forest.outputs.link_param else xp.ones_like(raw)
            return -(2**-exponent)
        case "location":
            scale = exp(raw[:, 1:])
            return xp.where((scale > 0) & (scale < xp.inf), raw[:, :1] + 0.0, xp.nan)
        case "none":
            raise AttributeError("The values of this model are made of its raw scores by its library. Ask for those.")
    raise ValueError(f"unknown link {forest.outputs.link!r}")


def probabilities(forest: Forest, raw: Rows, n_threads: int = 1) -> Rows | list[Rows]:
    """What ``predict_proba`` returns.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.
    n_threads : int, default=1
        Threads that a kernel may use.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, n_classes)
        For several targets a list of them; (0, 2) for an array without rows where `no_rows` is ``"flat"``.

    Raises
    ------
    AttributeError
        If the model has no probabilities.
    numpy.exceptions.AxisError
        For an array without rows, where XGBoost raises it.
    """
    if forest.outputs.proba_warning is not None:
        warnings.warn(forest.outputs.proba_warning, UserWarning, stacklevel=4)
    if forest.inputs.no_rows == "flat" and isinstance(raw, np.ndarray) and not len(raw):
        return _probabilities_of_no_rows(forest, raw)
    if (found := link_kernels.probabilities(forest, raw, n_threads)) is not None:
        return found
    xp = namespace(raw)
    match forest.outputs.proba:
        case "complement":
            positive = values(forest, raw)[:, 0]
            return xp.stack([1.0 - positive, positive], 1)
        case "values":
            return (
                shaped_values(forest, raw)
                if len(forest.outputs.output_slices) == 1
                else by_slice(forest, values(forest, raw))
            )
        case "softmax":
            return softmax_of_scipy(raw)
        case "ada_softmax":  # [sklearn/ensemble/_weight_boosting.py, _compute_proba_from_decision]
            two = forest.n_outputs == 1
            raw = xp.stack([-raw[:, 0], raw[:, 0]], 1) / 2 if two else raw / (forest.n_outputs - 1)
            return _softmax_of_numpy(raw, "F")
    raise AttributeError("This model gives no probabilities.")


def log_probabilities(forest: Forest, raw: Rows) -> Rows | list[Rows]:
    """What ``predict_log_proba`` returns, where that is made of raw scores.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, n_classes)
        For several targets a list of them.

    Raises
    ------
    ValueError
        If they are made of the trees' own logarithms, which ``Program.log_mean`` adds.
    """
    xp = namespace(raw)
    match forest.outputs.log_proba:
        case "log_add_exp":
            raise ValueError("These logarithms are not made of raw scores. Program.log_mean gives them.")
        case "sigmoid":
            both = xp.stack([-raw[:, 0], raw[:, 0]], 1) if forest.outputs.proba == "complement" else raw
            return -c_log(1.0 + c_exp(-both))  # as CatBoost does, not log1p [catboost eval_processing.h CalcLogSigmoid]
        case "softmax":
            _, total = _table_softmax_terms(raw)
            return raw - xp.amax(raw, 1)[:, None] - c_log(total)
    found = probabilities(forest, raw)
    log = xp.log
    return [log(of_target) for of_target in found] if isinstance(found, list) else log(found)


def shaped_raw(forest: Forest, raw: Rows) -> Rows | list[Rows]:
    """Raw scores in the library's shape.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, *raw_shape)
        For several targets of a classifier a list of (n, width); (0,) for an array without rows where `no_rows` is
        ``"flat"``.
    """
    return (
        by_slice(forest, raw)
        if len(forest.outputs.output_slices) > 1
        else shaped(forest, raw, forest.outputs.raw_shape)
    )


def shaped_values(forest: Forest, raw: Rows) -> Rows:
    """Values in the library's shape.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n, *value_shape)
        (0,) for an array without rows where `no_rows` is ``"flat"``.
    """
    return shaped(forest, values(forest, raw), forest.outputs.value_shape)


def _probabilities_of_no_rows(forest: Forest, raw: Rows) -> Rows:
    """What XGBoost answers for an array without rows [python-package/xgboost/sklearn.py predict_proba]."""
    if forest.outputs.proba == "none":
        raise AttributeError("This model gives no probabilities.")
    if forest.outputs.proba == "softmax":
        raise np.exceptions.AxisError(
            "X has no rows, and XGBClassifier(objective='multi:softmax') gives no probabilities of none. Give one at "
            "least."
        )
    return np.empty((0, 2), dtype=raw.dtype)


def _sigmoid(x: Rows) -> Rows:
    """``1 / (1 + exp(-x))`` with the C library's exp, as LightGBM and scikit-learn compute it."""
    if isinstance(x, np.ndarray):
        from scipy.special import expit

        return expit(x)  # type: ignore[no-any-return]
    return 1.0 / (1.0 + exp(-x))


def _softmax(x: Rows, exp: Callable[[Rows], Rows]) -> Rows:
    """``exp(x - max)`` over its sum in float64, class after class [xgboost src/common/math.h Softmax]."""
    xp = namespace(x)
    e = exp(x - xp.amax(x, 1)[:, None])
    return e / cast(xp.cumsum(cast(e, "float64"), 1)[:, -1:], x.dtype)


def _softmax_of_numpy(x: Rows, order: Literal["C", "F"]) -> Rows:
    """scikit-learn's, of float64 [utils/extmath.py softmax].

    In which order numpy adds up many classes depends on how the library's scores lie, row or class after each other.
    """
    if not isinstance(x, np.ndarray):
        return _softmax(x, exp)
    e = np.asarray(exp(x - x.max(1, keepdims=True)), order=order)
    return np.ascontiguousarray(e / e.sum(1, keepdims=True))


def softmax_of_scipy(x: Rows) -> Rows:
    """What XGBClassifier makes of margins [python-package/xgboost/sklearn.py predict_proba]."""
    if not isinstance(x, np.ndarray):
        return _softmax(x, exp)
    from scipy.special import softmax

    return softmax(x, axis=1)  # type: ignore[no-any-return]


def _table_softmax_terms(x: Rows) -> tuple[Rows, Rows]:
    """The terms of a softmax by CatBoost's exp, and their sum class after class [eval_processing.h CalcSoftmax]."""
    xp = namespace(x)
    e = table_exp(x - xp.amax(x, 1)[:, None])
    return e, xp.cumsum(e, 1)[:, -1:]
