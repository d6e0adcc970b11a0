"""From raw scores to decisions and labels: what ``predict``, ``decision_function`` and ``score_samples`` return.

Every function takes numpy arrays or torch tensors and returns the same kind.
"""

from __future__ import annotations

import warnings

import numpy as np

from sktensor.forest import Forest
from sktensor.outputs import link_kernels
from sktensor.outputs.links import shaped_values, softmax_of_scipy, values
from sktensor.outputs.shapes import Rows, cast, namespace, shaped, slices

__all__ = ["decision_scores", "labels", "sample_scores"]


def labels(forest: Forest, raw: Rows, n_threads: int = 1) -> Rows:
    """What ``predict`` returns: labels of a classifier, values of any other model.

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
    ndarray or Tensor, shape (n, *label_shape)
        Labels in the dtype of `classes` or in `label_dtype`; (n, targets) for several targets; (n, K) of float64 or
        int64 for several labels a row; values as of :func:`shaped_values`. Labels that torch has no dtype for are
        arrays.
    """
    xp = namespace(raw)
    match forest.outputs.decision:
        case "none":
            if forest.outputs.proba_warning is not None:
                warnings.warn(forest.outputs.proba_warning, UserWarning, stacklevel=4)
            return shaped_values(forest, raw)
        case "index":
            return _labels_of(forest, [cast(values(forest, raw)[:, 0], "int64")])
        case "half":
            both = link_kernels.probabilities(forest, raw, n_threads)
            return _labels_of(forest, [(values(forest, raw)[:, 0] if both is None else both[:, 1]) > 0.5])
        case "multilabel_half":
            if forest.inputs.no_rows == "flat" and isinstance(raw, np.ndarray) and not len(raw):
                return np.empty(0, dtype=np.int64)  # as of one output [python-package/xgboost/sklearn.py predict]
            return cast(values(forest, raw) > 0.5, "float64")
        case "multilabel_raw_positive":
            return cast(raw > forest.outputs.decision_threshold, "int64")
        case "raw_positive":
            return _labels_of(forest, [raw[:, 0] > forest.outputs.decision_threshold])
        case "raw_nonnegative":
            return _labels_of(forest, [raw[:, 0] >= 0])
        case "inlier":
            return _labels_of(forest, [decision_scores(forest, raw) >= 0])
        case "raw_argmax":
            return _labels_of(forest, [xp.argmax(raw, 1)])
        case "argmax":
            found = link_kernels.probabilities(forest, raw, n_threads)
            if found is None:
                found = softmax_of_scipy(raw) if forest.outputs.proba == "softmax" else values(forest, raw)
            return _labels_of(forest, [xp.argmax(of_target, 1) for of_target in slices(forest, found)])
    raise ValueError(f"unknown decision {forest.outputs.decision!r}")


def decision_scores(forest: Forest, raw: Rows) -> Rows:
    """What ``decision_function`` returns.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of the forest's acc_dtype, shape (n,) or (n, K)
        One column is flattened.
    """
    if forest.outputs.decision == "inlier":
        return sample_scores(forest, raw) - forest.outputs.decision_threshold
    return raw[:, 0] if forest.n_outputs == 1 else raw


def sample_scores(forest: Forest, raw: Rows) -> Rows:
    """What ``score_samples`` returns.

    A threshold is often the very score of a training row, which is why the last bit counts: wherever the raw scores
    are, the power is numpy's, as in the library.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`raw_scores`.

    Returns
    -------
    ndarray or Tensor of float64, shape (n,)
    """
    if isinstance(raw, np.ndarray):
        return values(forest, raw)[:, 0]
    return raw.new_tensor(values(forest, raw.detach().cpu().numpy())[:, 0])


def _labels_of(forest: Forest, indices: list[Rows]) -> Rows:
    """Labels of class numbers, one array of them a target.

    A tensor stays a tensor where torch has the labels' dtype; text cannot be one and comes back as numpy.
    """
    classes = forest.outputs.classes
    if isinstance(indices[0], np.ndarray) or not all(c.dtype.kind in "biuf" for c in classes):
        numbers = [i if isinstance(i, np.ndarray) else i.cpu().numpy() for i in indices]
        picked = [c[i.astype(np.intp)] for c, i in zip(classes, numbers, strict=True)]
        out = shaped(forest, picked[0], forest.outputs.label_shape) if len(picked) == 1 else np.stack(picked, 1)
        return out if forest.outputs.label_dtype is None else out.astype(forest.outputs.label_dtype)
    import torch

    tables = [torch.as_tensor(c, device=i.device) for c, i in zip(classes, indices, strict=True)]
    chosen = [t.index_select(0, i.to(torch.int64)) for t, i in zip(tables, indices, strict=True)]
    result = shaped(forest, chosen[0], forest.outputs.label_shape) if len(chosen) == 1 else torch.stack(chosen, 1)
    return result if forest.outputs.label_dtype is None else result.to(getattr(torch, forest.outputs.label_dtype))
