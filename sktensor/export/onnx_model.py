"""Fitted models as ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sktensor.errors import UnsupportedModelError
from sktensor.export.onnx_columns import columns_of
from sktensor.export.onnx_graph import Graph
from sktensor.export.onnx_outputs import labels_of, probabilities_of, raw_of, scores_of, values_of
from sktensor.export.onnx_trees import Ensemble, exact_sums_of, leaves_of, sums_of
from sktensor.export.packages import require
from sktensor.export.sources import Source, source_of

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

OUTPUTS = ("label", "probabilities", "scores", "variable", "raw", "leaf")


def to_onnx(
    model: Any, X: Any = None, *, outputs: Sequence[str] | None = None, exact_sums: bool = True
) -> onnx.ModelProto:
    """Write a fitted model as an ONNX graph.

    Parameters
    ----------
    model : estimator, Booster, Forest or TensorizedEstimator
        Anything fitted that :class:`~sktensor.TensorizedEstimator` takes and that is one forest, pipelines whose steps
        fold into it included.
    X : array-like or data frame, optional
        Some rows like those that the graph will be given; one is enough. The graph has one input ``X`` of the dtype of
        an array (float64 if nothing is given), or one input of shape (n, 1) for each column of a frame that the model
        looks at, under its name: of the column's dtype, or of text.
    outputs : sequence of str, optional
        What the graph gives, in this order: ``"label"``, ``"probabilities"`` (of several targets
        ``"probabilities_0"`` and so on), ``"scores"`` (what ``decision_function`` gives), ``"variable"`` (what a
        regressor predicts), ``"raw"`` (raw scores), ``"leaf"`` (what ``apply`` gives). By default the names of
        skl2onnx: ``label`` and ``probabilities`` of classifiers, ``label`` and ``scores`` of outlier detectors,
        ``variable`` of everything else.
    exact_sums : bool, default=True
        Whether the graph adds leaf values one after the other, as the library does: raw scores have its bits where
        the engine's CumSum adds in order, as ONNX Runtime's does, and a row takes memory for a number of each tree.
        Otherwise the engine adds in an order of its own, and raw scores stay within :func:`sum_bound`.

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``; of operator sets ``ai.onnx`` 21 and ``ai.onnx.ml`` 5.

    Raises
    ------
    UnsupportedModelError
        If the model, or something that it does, has no operators in ONNX.
    ValueError
        If an output is unknown, or X does not go with the model.
    ImportError
        Without the package `onnx`.

    See Also
    --------
    to_treelite : The same for Treelite.

    Notes
    -----
    Graphs raise no errors: rows that the library refuses, such as NaN where it takes none, get an answer that means
    nothing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktensor.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> graph = to_onnx(RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y))
    >>> [output.name for output in graph.graph.output]
    ['label', 'probabilities']
    """
    require("onnx", "to_onnx")
    if isinstance(outputs, str):
        outputs = (outputs,)
    if unknown := set(outputs or ()) - set(OUTPUTS):
        raise ValueError(f"Unknown outputs {sorted(unknown)}. Known: {', '.join(map(repr, OUTPUTS))}.")
    source = source_of(model, X, "an ONNX graph")
    wanted = tuple(outputs or _usual(source))
    if not wanted:
        raise ValueError(f"outputs is empty. Known: {', '.join(map(repr, OUTPUTS))}.")
    _check_outputs(source, wanted)
    graph = Graph()
    forest = source.forest
    ensemble = Ensemble.of(graph, forest, columns_of(graph, source))
    by_sums = [name for name in wanted if name != "leaf"]
    leaves = leaves_of(graph, ensemble) if "leaf" in wanted or (exact_sums and by_sums) else ""
    raw = ""
    if by_sums:
        total = exact_sums_of(graph, ensemble, leaves) if exact_sums else sums_of(graph, ensemble)
        raw = raw_of(graph, forest, total)
    for name in wanted:
        _add_output(graph, source, name, raw, leaves)
    written: onnx.ModelProto = graph.model(f"{source.name}: {forest.n_trees} trees")
    return written


def _usual(source: Source) -> tuple[str, ...]:
    out = source.forest.outputs
    if out.decision == "inlier":
        return "label", "scores"
    if out.decision == "none":
        return ("variable",)
    return ("label", "probabilities") if out.proba != "none" else ("label",)


def _check_outputs(source: Source, wanted: Sequence[str]) -> None:
    aggregate = source.forest.trees.aggregate
    if aggregate != "sum" and set(wanted) != {"leaf"}:
        raise UnsupportedModelError(
            f"{source.name} makes no sum of its leaves ({aggregate}), and a graph does nothing else with them. Ask for "
            "outputs=('leaf',)."
        )
    made = {"predict": ("label", "variable"), "predict_proba": ("probabilities",), "decision_function": ("scores",)}
    for method in sorted(source.methods & made.keys()):
        if named := [name for name in made[method] if name in wanted]:
            raise UnsupportedModelError(
                f"{source.name}: {', '.join(named)} is made by its library of raw scores or leaves. Ask for "
                "outputs=('raw',) or ('leaf',)."
            )


def _add_output(graph: Graph, source: Source, name: str, raw: str, leaves: str) -> None:
    forest, dtype = source.forest, source.forest.trees.acc_dtype
    match name:
        case "leaf":
            numbers = graph.op("Gather", graph.constant(forest.trees.leaf_id, "int64"), leaves, axis=0)
            graph.output(name, numbers, "int64", [forest.n_trees])
        case "raw":
            graph.output(name, raw, dtype, [forest.n_outputs])
        case "label":
            value, of, shape = labels_of(graph, forest, raw)
            graph.output(name, value, of, shape)
        case "scores":
            value = scores_of(graph, forest, raw)
            graph.output(name, value, dtype, [1 if forest.outputs.decision == "inlier" else forest.n_outputs])
        case "variable":
            width = 1 if forest.outputs.link == "argmax" else forest.n_outputs
            graph.output(name, values_of(graph, forest, raw), dtype, [width])
        case "probabilities":
            of_targets = probabilities_of(graph, forest, raw)
            widths = forest.outputs.output_slices if forest.n_outputs > 1 or forest.outputs.proba == "values" else (2,)
            for i, (value, n_classes) in enumerate(zip(of_targets, widths, strict=True)):
                graph.output(name if len(of_targets) == 1 else f"{name}_{i}", value, dtype, [n_classes])
