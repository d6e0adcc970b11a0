"""From sums to what graphs give: links, labels and probabilities as operators of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.export.onnx_graph import TEXT, Graph
from sktensor.forest import Forest

__all__ = ["class_numbers", "labels_of", "probabilities_of", "raw_of", "scores_of", "values_of"]

Array = npt.NDArray[Any]

# What XGBoost clips the exponent of its sigmoid at, and the links whose exponentials are but the library's own.
CLIPPED = 88.7
SOFTMAX = ("softmax", "row_softmax", "c_softmax", "table_softmax")
EXP = ("exp", "c_exp", "table_exp")


def raw_of(graph: Graph, forest: Forest, total: str) -> str:
    """The library's raw scores of sums, (n, K)."""
    return total if forest.outputs.raw_is_sum else _after_sum(graph, forest, total)


def values_of(graph: Graph, forest: Forest, raw: str) -> str:
    """Values of raw scores: of a regressor, or probabilities of a classifier before they are arranged, (n, K).

    Raises
    ------
    UnsupportedModelError
        If the library makes them itself.
    """
    out, dtype = forest.outputs, forest.trees.acc_dtype
    if out.raw_is_pre_div:
        raw = _after_sum(graph, forest, raw)

    def number(value: float) -> str:
        return graph.constant(value, dtype)

    if out.link in SOFTMAX:
        return graph.op("Softmax", raw, axis=1)
    if out.link in EXP:
        return graph.op("Exp", raw)
    match out.link:
        case "identity":
            return raw
        case "sigmoid":
            return graph.op("Sigmoid", raw if out.link_param == 1.0 else graph.op("Mul", raw, number(out.link_param)))
        case "clipped_sigmoid":
            bounded = graph.op("Min", graph.op("Neg", raw), number(CLIPPED))
            return graph.op("Div", number(1.0), graph.op("Add", graph.op("Exp", bounded), number(1.0)))
        case "mean_variance":
            variance = graph.op("Exp", graph.op("Mul", graph.columns(raw, [1]), number(2.0)))
            return graph.beside([graph.columns(raw, [0]), variance])
        case "log1p_exp":
            return graph.op("Log", graph.op("Add", graph.op("Exp", raw), number(1.0)))
        case "sign_square":
            return graph.op("Mul", graph.op("Mul", graph.op("Sign", raw), raw), raw)
        case "hinge":
            return graph.cast(graph.op("Greater", raw, number(0.0)), dtype)
        case "argmax":
            return graph.cast(graph.op("ArgMax", raw, axis=1, keepdims=1), dtype)
        case "isolation":
            if not out.link_param:
                return graph.op("Add", graph.op("Mul", raw, number(0.0)), number(-0.5))
            exponent = graph.op("Neg", graph.op("Div", raw, number(out.link_param)))
            return graph.op("Neg", graph.op("Pow", number(2.0), exponent))
    raise UnsupportedModelError(
        f"The values behind link={out.link!r} are made by the model's library. Ask for outputs=('raw',) or ('leaf',)."
    )


def probabilities_of(graph: Graph, forest: Forest, raw: str) -> list[str]:
    """What ``predict_proba`` gives: one matrix a target, (n, classes)."""
    out, dtype = forest.outputs, forest.trees.acc_dtype
    match out.proba:
        case "complement":
            positive = graph.columns(values_of(graph, forest, raw), [0])
            return [graph.beside([graph.op("Sub", graph.constant(1.0, dtype), positive), positive])]
        case "values":
            return _slices(graph, forest, values_of(graph, forest, raw))
        case "softmax":
            return [graph.op("Softmax", raw, axis=1)]
        case "ada_softmax":
            if forest.n_outputs == 1:
                half = graph.op("Div", raw, graph.constant(2.0, dtype))
                return [graph.op("Softmax", graph.beside([graph.op("Neg", half), half]), axis=1)]
            return [graph.op("Softmax", graph.op("Div", raw, graph.constant(forest.n_outputs - 1, dtype)), axis=1)]
    raise UnsupportedModelError("This model gives no probabilities.")


def scores_of(graph: Graph, forest: Forest, raw: str) -> str:
    """What ``decision_function`` gives, (n, K)."""
    if forest.outputs.decision != "inlier":
        return raw
    limit = graph.constant(forest.outputs.decision_threshold, forest.trees.acc_dtype)
    return graph.op("Sub", values_of(graph, forest, raw), limit)


def labels_of(graph: Graph, forest: Forest, raw: str) -> tuple[str, str, tuple[int, ...]]:
    """What ``predict`` of a classifier gives.

    Returns
    -------
    value : str
        (n,) for one target, (n, targets) for several.
    dtype : str
        Of the labels: ``"int64"``, ``"float64"``, ``"bool"`` or text.
    shape : tuple of int
        Of one row.
    """
    out = forest.outputs
    if out.decision == "multilabel_half":
        over = graph.op("Greater", values_of(graph, forest, raw), graph.constant(0.5, forest.trees.acc_dtype))
        return graph.cast(over, "int64"), "int64", (forest.n_outputs,)
    if out.decision == "multilabel_raw_positive":
        limit = graph.constant(out.decision_threshold, forest.trees.acc_dtype)
        return graph.cast(graph.op("Greater", raw, limit), "int64"), "int64", (forest.n_outputs,)
    found = []
    for classes, number in zip(out.classes, class_numbers(graph, forest, raw), strict=True):
        table, dtype = label_table(classes)
        found.append(graph.op("Gather", graph.constant(table, None if dtype == TEXT else dtype), number, axis=0))
    if len(found) == 1:
        return found[0], dtype, ()
    one = graph.constant([1], "int64")
    return graph.beside([graph.op("Unsqueeze", column, one) for column in found]), dtype, (len(found),)


def class_numbers(graph: Graph, forest: Forest, raw: str) -> list[str]:
    """The number of the class that each row belongs to: (n,) of int64 for each target."""
    out, dtype = forest.outputs, forest.trees.acc_dtype

    def first(of: str) -> str:
        return graph.op("Gather", of, graph.constant(0, "int64"), axis=1)

    def number(test: str, of: str, limit: float) -> list[str]:
        return [graph.cast(graph.op(test, first(of), graph.constant(limit, dtype)), "int64")]

    match out.decision:
        case "index":
            return [graph.cast(first(values_of(graph, forest, raw)), "int64")]
        case "half":
            return number("Greater", values_of(graph, forest, raw), 0.5)
        case "raw_positive":
            return number("Greater", raw, out.decision_threshold)
        case "raw_nonnegative":
            return number("GreaterOrEqual", raw, 0.0)
        case "inlier":
            return number("GreaterOrEqual", scores_of(graph, forest, raw), 0.0)
        case "raw_argmax":
            return [graph.op("ArgMax", raw, axis=1, keepdims=0)]
        case "argmax":
            if out.proba == "softmax":
                of_targets = probabilities_of(graph, forest, raw)
            else:
                of_targets = _slices(graph, forest, values_of(graph, forest, raw))
            return [graph.op("ArgMax", of, axis=1, keepdims=0) for of in of_targets]
    raise UnsupportedModelError("This model gives no labels.")


def label_table(classes: Array) -> tuple[Array, str]:
    """Labels, and the dtype that they have in a graph.

    Raises
    ------
    UnsupportedModelError
        If ONNX has none.
    """
    if classes.dtype.kind == "b":
        return classes, "bool"
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64), "int64"
    if classes.dtype.kind == "f":
        whole = bool((classes == np.rint(classes)).all())
        return (classes.astype(np.int64), "int64") if whole else (classes.astype(np.float64), "float64")
    if all(isinstance(label, str) for label in classes.tolist()):
        return classes, TEXT
    raise UnsupportedModelError(
        f"Labels such as {classes.tolist()[0]!r} ({classes.dtype}) have no type in ONNX. Train on numbers or text."
    )


def _after_sum(graph: Graph, forest: Forest, total: str) -> str:
    out, dtype = forest.outputs, forest.trees.acc_dtype
    if out.div != 1.0:
        total = graph.op("Div", total, graph.constant(out.div, dtype))
    if out.scale != 1.0:
        total = graph.op("Mul", total, graph.constant(out.scale, dtype))
    return total if out.bias is None else graph.op("Add", total, graph.constant([out.bias], dtype))


def _slices(graph: Graph, forest: Forest, x: str) -> list[str]:
    widths = forest.outputs.output_slices
    if len(widths) == 1:
        return [x]
    ends = np.cumsum(widths).tolist()
    return [graph.columns(x, np.arange(end - width, end)) for end, width in zip(ends, widths, strict=True)]
