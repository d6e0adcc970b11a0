"""From sums to what the methods of an estimator return: means, links, labels, shapes.

Every function takes numpy arrays or torch tensors and returns the same kind. Links are computed as the libraries
do, in their dtype and with their exponential: of arrays to the bit, of tensors up to the last bits of torch's ``exp``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from sktensor.forest import Forest
from sktensor.outputs import link_kernels
from sktensor.outputs.exponentials import c_exp, c_log, c_log1p, exp, table_exp

__all__ = [
    "decision_scores",
    "labels",
    "leaf_columns",
    "leaf_numbers",
    "log_probabilities",
    "probabilities",
    "raw_scores",
    "sample_scores",
    "shaped_raw",
    "shaped_values",
    "values",
]

Rows: TypeAlias = Any
"""A numpy array or a torch tensor, one row a sample."""

# expf overflows past this; XGBoost clips there [xgboost src/common/math.h Sigmoid].
EXPF_LIMIT = 88.7


def raw_scores(forest: Forest, total: Rows) -> Rows:
    """The library's raw scores from the sum over trees, both of shape (n, K)."""
    return total if forest.raw_is_pre_div else _after_sum(forest, total)


def _after_sum(forest: Forest, total: Rows) -> Rows:
    if forest.div != 1.0:
        total = total / forest.div
    if forest.scale != 1.0:
        total = total * forest.scale
    if forest.bias is None:
        return total
    return total + (forest.bias if isinstance(total, np.ndarray) else total.new_tensor(forest.bias))


def values(forest: Forest, raw: Rows) -> Rows:
    """What the library's own predict gives, from its raw scores, both of shape (n, K)."""
    if forest.raw_is_pre_div:
        raw = _after_sum(forest, raw)
    xp = _namespace(raw)
    match forest.link:
        case "identity":
            return raw
        case "sigmoid":
            return _sigmoid(raw * forest.link_param)
        case "clipped_sigmoid":
            return 1.0 / (exp(xp.clip(-raw, None, EXPF_LIMIT)) + 1.0)  # XGBoost's 1e-16 is lost beside 1.0
        case "softmax":
            return _softmax(raw, exp) if forest.acc_dtype == "float32" else _softmax_of_numpy(raw, "F")
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
            return _cast(raw > 0, raw.dtype)
        case "argmax":
            return _cast(xp.argmax(raw, 1)[:, None], raw.dtype)
        case "isolation":
            exponent = raw / forest.link_param if forest.link_param else xp.ones_like(raw)
            return -(2**-exponent)
    raise ValueError(f"unknown link {forest.link!r}")


def probabilities(forest: Forest, raw: Rows, n_threads: int = 1) -> Rows | list[Rows]:
    """What ``predict_proba`` returns, from the raw scores; a list for several targets."""
    if (found := _by_kernel(forest, raw, n_threads)) is not None:
        return found
    xp = _namespace(raw)
    match forest.proba:
        case "complement":
            positive = values(forest, raw)[:, 0]
            return xp.stack([1.0 - positive, positive], 1)
        case "values":
            return (
                shaped_values(forest, raw) if len(forest.output_slices) == 1 else _by_slice(forest, values(forest, raw))
            )
        case "softmax":
            return _softmax_of_scipy(raw)
        case "ada_softmax":  # [sklearn/ensemble/_weight_boosting.py, _compute_proba_from_decision]
            two = forest.n_outputs == 1
            raw = xp.stack([-raw[:, 0], raw[:, 0]], 1) / 2 if two else raw / (forest.n_outputs - 1)
            return _softmax_of_numpy(raw, "F")
    raise AttributeError("This model gives no probabilities.")


def log_probabilities(forest: Forest, raw: Rows) -> Rows | list[Rows]:
    """What ``predict_log_proba`` returns, from the raw scores."""
    xp = _namespace(raw)
    match forest.log_proba:
        case "log_add_exp":
            raise ValueError("These logarithms are not made of raw scores. Program.log_mean gives them.")
        case "sigmoid":
            both = xp.stack([-raw[:, 0], raw[:, 0]], 1) if forest.proba == "complement" else raw
            return -c_log(1.0 + c_exp(-both))  # as CatBoost does, not log1p [catboost eval_processing.h CalcLogSigmoid]
        case "softmax":
            _, total = _table_softmax_terms(raw)
            return raw - xp.amax(raw, 1)[:, None] - c_log(total)
    found = probabilities(forest, raw)
    log = xp.log
    return [log(part) for part in found] if isinstance(found, list) else log(found)


def labels(forest: Forest, raw: Rows, n_threads: int = 1) -> Rows:
    """What ``predict`` returns, from the raw scores."""
    xp = _namespace(raw)
    match forest.decision:
        case "none":
            return shaped_values(forest, raw)
        case "index":
            return _labels_of(forest, [_cast(values(forest, raw)[:, 0], "int64")])
        case "half":
            return _labels_of(forest, [values(forest, raw)[:, 0] > 0.5])
        case "multilabel_half":
            return _cast(values(forest, raw) > 0.5, "float64")
        case "multilabel_raw_positive":
            return _cast(raw > forest.decision_threshold, "int64")
        case "raw_positive":
            return _labels_of(forest, [raw[:, 0] > forest.decision_threshold])
        case "raw_nonnegative":
            return _labels_of(forest, [raw[:, 0] >= 0])
        case "inlier":
            return _labels_of(forest, [decision_scores(forest, raw) >= 0])
        case "raw_argmax":
            return _labels_of(forest, [xp.argmax(raw, 1)])
        case "argmax":
            found = _by_kernel(forest, raw, n_threads)
            if found is None:
                found = _softmax_of_scipy(raw) if forest.proba == "softmax" else values(forest, raw)
            parts = _slices(forest, found)
            return _labels_of(forest, [xp.argmax(part, 1) for part in parts])
    raise ValueError(f"unknown decision {forest.decision!r}")


def decision_scores(forest: Forest, raw: Rows) -> Rows:
    """What ``decision_function`` returns: one column is flattened."""
    if forest.decision == "inlier":
        return sample_scores(forest, raw) - forest.decision_threshold
    return raw[:, 0] if forest.n_outputs == 1 else raw


def sample_scores(forest: Forest, raw: Rows) -> Rows:
    """What ``score_samples`` returns, from the raw scores, shape (n,).

    A threshold is often the very score of a training row, which is why the last bit counts: wherever the raw scores
    are, the power is numpy's, as in the library.
    """
    if isinstance(raw, np.ndarray):
        return values(forest, raw)[:, 0]
    return raw.new_tensor(values(forest, raw.detach().cpu().numpy())[:, 0])


def shaped_raw(forest: Forest, raw: Rows) -> Rows | list[Rows]:
    """Raw scores in the library's shape; a list for several targets of a classifier."""
    return _by_slice(forest, raw) if len(forest.output_slices) > 1 else _shaped(raw, forest.raw_shape)


def shaped_values(forest: Forest, raw: Rows) -> Rows:
    """Values in the library's shape, from the raw scores."""
    return _shaped(values(forest, raw), forest.value_shape)


def leaf_numbers(forest: Forest, numbers: Rows) -> Rows:
    """Leaf numbers of shape (n, T) in the library's shape and dtype."""
    return _cast(_shaped(numbers, forest.leaf_shape), forest.leaf_dtype)


def leaf_columns(forest: Forest, leaves: Rows) -> Any:
    """What ``transform`` returns, from the forest's own numbers of the leaves, shape (n, T).

    Of arrays a CSR matrix or an array, of tensors a sparse or a dense tensor.
    """
    if forest.embedding == "none":
        raise AttributeError("This model has no transform.")
    number, width = _columns_of(forest, leaves)
    shape = leaves.shape[0], width
    if not isinstance(leaves, np.ndarray):
        import torch

        ones = torch.ones_like(leaves, dtype=torch.float64)
        if forest.embedding == "dense":
            return ones.new_zeros(shape).scatter_(1, number.to(torch.int64), ones)
        row = torch.arange(len(leaves), device=leaves.device).repeat_interleave(leaves.shape[1])
        at = torch.stack([row, number.flatten().to(torch.int64)])
        return torch.sparse_coo_tensor(at, ones.flatten(), shape, check_invariants=False, is_coalesced=True)
    if forest.embedding == "dense":
        columns = np.zeros(shape)
        np.put_along_axis(columns, number, 1.0, axis=1)
        return columns
    from scipy.sparse import csr_matrix

    ends = np.arange(0, leaves.size + 1, max(leaves.shape[1], 1))
    return csr_matrix((np.ones(leaves.size), number.ravel(), ends), shape=shape)


def _columns_of(forest: Forest, leaves: Rows) -> tuple[Rows, int]:
    """The column of each of the leaves, and how many columns there are; scikit-learn's error for one without."""
    without = np.isnan(forest.leaf_value[:, 0])
    if not without.any():
        return leaves, forest.n_leaves
    reached = leaves if isinstance(leaves, np.ndarray) else leaves.cpu().numpy()
    for tree, unknown in enumerate(without[reached].T):
        if unknown.any():  # [sklearn/preprocessing/_encoders.py, _BaseEncoder._transform]
            found = np.unique(forest.leaf_id[reached[unknown, tree]]).tolist()
            raise ValueError(
                f"Found unknown categories {found} in column {tree} during transform: no row of the last fit reached "
                "these leaves, so that there are no columns for them. Fit the model again, on all rows."
            )
    number = (np.cumsum(~without) - 1).astype(np.int32)[reached]
    return (number if reached is leaves else leaves.new_tensor(number)), int(np.count_nonzero(~without))


def _namespace(x: Rows) -> Any:
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def _cast(x: Rows, dtype: Any) -> Rows:
    """`x` in a dtype given as its name, or as another array's ``dtype``."""
    if isinstance(x, np.ndarray):
        return x.astype(dtype)
    return x.to(getattr(sys.modules["torch"], dtype) if isinstance(dtype, str) else dtype)


def _shaped(x: Rows, shape: tuple[int, ...]) -> Rows:
    if x.shape[1:] == shape:
        return x
    if not shape and x.ndim == 2:  # of one column; in a third of the time that reshape takes
        return x[:, 0]
    return x.reshape(x.shape[0], *shape)


def _slices(forest: Forest, x: Rows) -> list[Rows]:
    ends = np.cumsum(forest.output_slices).tolist()
    return [x[:, end - width : end] for end, width in zip(ends, forest.output_slices, strict=True)]


def _by_slice(forest: Forest, x: Rows) -> Rows | list[Rows]:
    if len(forest.output_slices) == 1:
        return x
    return [part.copy() if isinstance(part, np.ndarray) else part for part in _slices(forest, x)]


def _labels_of(forest: Forest, indices: list[Rows]) -> Rows:
    """Labels of class numbers, one array of them a target.

    A tensor stays a tensor where torch has the labels' dtype; text cannot be one and comes back as numpy.
    """
    classes = forest.classes
    if isinstance(indices[0], np.ndarray) or not all(c.dtype.kind in "biuf" for c in classes):
        numbers = [i if isinstance(i, np.ndarray) else i.cpu().numpy() for i in indices]
        picked = [c[i.astype(np.intp)] for c, i in zip(classes, numbers, strict=True)]
        out = _shaped(picked[0], forest.label_shape) if len(picked) == 1 else np.stack(picked, 1)
        return out if forest.label_dtype is None else out.astype(forest.label_dtype)
    import torch

    tables = [torch.as_tensor(c, device=i.device) for c, i in zip(classes, indices, strict=True)]
    chosen = [t.index_select(0, i.to(torch.int64)) for t, i in zip(tables, indices, strict=True)]
    result = _shaped(chosen[0], forest.label_shape) if len(chosen) == 1 else torch.stack(chosen, 1)
    return result if forest.label_dtype is None else result.to(getattr(torch, forest.label_dtype))


def _sigmoid(x: Rows) -> Rows:
    """``1 / (1 + exp(-x))`` with the C library's exp, as LightGBM and scikit-learn compute it."""
    if isinstance(x, np.ndarray):
        from scipy.special import expit

        return expit(x)  # type: ignore[no-any-return]
    return 1.0 / (1.0 + exp(-x))


def _by_kernel(forest: Forest, raw: Rows, n_threads: int) -> Rows | None:
    """Probabilities with the same bits as below in one pass, where there is a kernel for them."""
    if not isinstance(raw, np.ndarray) or forest.raw_is_pre_div or len(forest.output_slices) > 1:
        return None
    match forest.proba, forest.link, forest.acc_dtype:  # which raw scores have; asking them takes a microsecond
        case "complement", "clipped_sigmoid", "float32":
            return link_kernels.sigmoid32(raw, n_threads)
        case "complement", "sigmoid", "float64":
            return link_kernels.sigmoid64(raw, forest.link_param, n_threads)
        case "values", "softmax", "float32":
            return link_kernels.softmax32(raw, n_threads)
        case "values", "c_softmax", "float64":
            return link_kernels.softmax64(raw, n_threads)
    return None


def _softmax(x: Rows, exp: Callable[[Rows], Rows]) -> Rows:
    """``exp(x - max)`` over its sum in float64, class after class [xgboost src/common/math.h Softmax]."""
    xp = _namespace(x)
    e = exp(x - xp.amax(x, 1)[:, None])
    return e / _cast(xp.cumsum(_cast(e, "float64"), 1)[:, -1:], x.dtype)


def _softmax_of_numpy(x: Rows, order: Literal["C", "F"]) -> Rows:
    """scikit-learn's, of float64 [utils/extmath.py softmax].

    In which order numpy adds up many classes depends on how the library's scores lie, row or class after each other.
    """
    if not isinstance(x, np.ndarray):
        return _softmax(x, exp)
    e = np.asarray(exp(x - x.max(1, keepdims=True)), order=order)
    return np.ascontiguousarray(e / e.sum(1, keepdims=True))


def _softmax_of_scipy(x: Rows) -> Rows:
    """What XGBClassifier makes of margins [python-package/xgboost/sklearn.py predict_proba]."""
    if not isinstance(x, np.ndarray):
        return _softmax(x, exp)
    from scipy.special import softmax

    return softmax(x, axis=1)  # type: ignore[no-any-return]


def _table_softmax_terms(x: Rows) -> tuple[Rows, Rows]:
    """The terms of a softmax by CatBoost's exp, and their sum class after class [eval_processing.h CalcSoftmax]."""
    xp = _namespace(x)
    e = table_exp(x - xp.amax(x, 1)[:, None])
    return e, xp.cumsum(e, 1)[:, -1:]
