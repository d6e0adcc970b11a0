"""Fitted models as Treelite models, which FIL, nvForest, Triton and TL2cgen take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.export.category_sets import sets_of
from sktensor.export.packages import require
from sktensor.export.sources import Source, source_of
from sktensor.export.thresholds import before_cast, before_flush
from sktensor.export.treelite_outputs import Outputs, outputs_of
from sktensor.forest import Forest
from sktensor.forest.views import NumberView

if TYPE_CHECKING:
    import treelite

__all__ = ["to_treelite"]

Array = npt.NDArray[Any]


def to_treelite(model: Any, X: Any = None, *, output: Literal["value", "raw"] = "value") -> treelite.Model:
    """Make a Treelite model of a fitted model.

    Parameters
    ----------
    model : estimator, Booster, Forest or TensorizedEstimator
        Anything fitted that :class:`~sktensor.TensorizedEstimator` takes and that is one forest of numbers, pipelines
        whose steps fold into it included.
    X : array-like or data frame, optional
        Some rows like those of which predictions will be asked, for pipelines: folded steps depend on their dtype.
    output : {"value", "raw"}, default="value"
        What the model predicts: ``"value"``, what a regressor predicts and the probabilities of a classifier (of the
        second class where there are two); of an isolation forest the scores without their sign; ``"raw"``, raw scores.

    Returns
    -------
    treelite.Model
        Of float32 if the model's thresholds, leaves and sums are, otherwise of float64. Nodes of a tree are numbered in
        breadth-first order, as in :meth:`Forest.to_frame`.

    Raises
    ------
    UnsupportedModelError
        If the model, or something that it does, cannot be said in Treelite.
    ImportError
        Without the package `treelite`.

    See Also
    --------
    to_onnx : The same for ONNX.

    Notes
    -----
    Columns of categories have to hold whole numbers, or NaN: to LightGBM a number between -1 and 0 is category 0, to
    Treelite it is none. Rows that the library refuses get an answer that means nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktensor.export import to_treelite
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    >>> to_treelite(forest).num_tree
    5
    """
    require("treelite", "to_treelite")
    if output not in ("value", "raw"):
        raise ValueError(f"Unknown output {output!r}. Known: 'value', 'raw'.")
    source = source_of(model, X, "a Treelite model")
    forest = _of_columns(source)
    _check(source.name, forest)
    outputs = outputs_of(source.name, forest, output)
    return _built(forest, outputs, source.n_columns)


def _of_columns(source: Source) -> Forest:
    """The forest with its nodes asking the columns of X themselves.

    Raises
    ------
    UnsupportedModelError
        If their views are more than numbers.
    """
    if source.views is None:
        return source.forest
    for view in source.views:
        if not isinstance(view, NumberView) or view.low < view.high:
            raise UnsupportedModelError(
                f"{source.name} looks up column {view.column}: categories by their values, bins of numbers, or numbers "
                "that count as missing. A Treelite model compares numbers alone. Encode the column before the model "
                "and export that, or write an ONNX graph (sktensor.export.to_onnx)."
            )
    trees = source.forest.trees
    column = np.array([view.column for view in source.views], dtype=np.int32)
    fill = np.array([np.nan if view.fill is None else view.fill for view in source.views])[trees.feature]  # type: ignore[union-attr]
    left = fill < trees.threshold if trees.cmp == "lt" else fill <= trees.threshold
    if trees.is_cat is not None and (trees.is_cat & ~np.isnan(fill)).any():
        raise UnsupportedModelError(f"{source.name} fills in missing categories, which a Treelite model cannot.")
    return source.forest.replace(
        n_features=source.n_columns,
        n_columns=source.n_columns,
        feature=column[trees.feature],
        nan_left=np.where(np.isnan(fill), trees.nan_left, left),
    )


def _check(name: str, forest: Forest) -> None:
    trees, inputs = forest.trees, forest.inputs
    why = ""
    if not forest.n_trees:
        why = "has no trees"
    elif trees.lin_off is not None:
        why = "has leaves that are linear functions (linear_tree=True); train with linear_tree=False"
    elif trees.aggregate != "sum":
        why = f"makes no sum of its leaves ({trees.aggregate})"
    elif inputs.missing_value is not None and not np.isnan(inputs.missing_value):
        why = f"takes {inputs.missing_value} for missing; train with missing=nan, and put NaN in its place"
    elif trees.zero_dir is not None and (trees.zero_dir >= 0).any():
        why = "takes zeros for missing (zero_as_missing=True); train with zero_as_missing=False"
    elif inputs.flush_tiny and (trees.cmp == "lt" or trees.feature_dtype == "float32"):
        why = "flushes numbers to zero before it compares them by < or as float32"
    if why:
        raise UnsupportedModelError(f"A Treelite model cannot say what {name} does: it {why}.")


def _built(forest: Forest, outputs: Outputs, n_columns: int) -> treelite.Model:
    from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

    trees = forest.trees
    narrow = "float32" == trees.feature_dtype == trees.threshold.dtype.name == trees.acc_dtype
    dtype = "float32" if narrow else "float64"
    builder = ModelBuilder(
        threshold_type=dtype,
        leaf_output_type=dtype,
        metadata=Metadata(
            num_feature=n_columns,
            task_type=outputs.task,
            average_tree_output=outputs.average,
            num_target=len(outputs.n_classes),
            num_class=list(outputs.n_classes),
            leaf_vector_shape=outputs.leaf_shape,
        ),
        tree_annotation=TreeAnnotation(forest.n_trees, outputs.target_id.tolist(), outputs.class_id.tolist()),
        postprocessor=PostProcessorFunc(outputs.postprocessor, **outputs.parameters),
        base_scores=outputs.base.tolist(),
    )
    nodes = _Nodes(forest, narrow)
    for tree in range(forest.n_trees):
        builder.start_tree()
        queue = [int(trees.root[tree])]
        for key, node in enumerate(queue):  # grows meanwhile
            builder.start_node(key)
            if node < 0:
                builder.leaf(
                    outputs.leaf_value[~node].tolist() if outputs.is_vector else float(outputs.leaf_value[~node, 0])
                )
            else:
                nodes.add_test(builder, node, len(queue))
                queue += [int(trees.left[node]), int(trees.right[node])]
            builder.end_node()
        builder.end_tree()
    return builder.commit()


class _Nodes:
    """What the nodes of a forest ask, of numbers as they are given."""

    def __init__(self, forest: Forest, narrow: bool) -> None:
        trees = forest.trees
        self.feature, self.nan_left = trees.feature.tolist(), trees.nan_left.tolist()
        threshold, less = trees.threshold, np.full(trees.n_nodes, trees.cmp == "lt")
        if trees.feature_dtype == "float32" and not narrow:
            if trees.cmp == "lt":  # up to the largest float32 below; below minus infinity there is none
                below = threshold.astype(np.float32)
                below = np.where(below >= threshold, np.nextafter(below, np.float32(-np.inf)), below)
                less = np.isneginf(threshold)
                threshold = np.where(less, -np.inf, before_cast(below.astype(np.float32)))
            else:
                threshold = before_cast(threshold)
        elif forest.inputs.flush_tiny:
            threshold = before_flush(threshold)
        self.op = np.where(less, "<", "<=").tolist()
        self.threshold = threshold.tolist()
        self.sets = sets_of(trees)
        if self.sets is not None:
            self.ends = np.cumsum(self.sets.sizes)

    def add_test(self, builder: Any, node: int, n_keys: int) -> None:
        """Declare the current node; its children have the next two keys."""
        keys = {"left_child_key": n_keys, "right_child_key": n_keys + 1}
        if self.sets is not None and self.sets.is_set[node]:
            end = int(self.ends[node])
            builder.categorical_test(
                self.feature[node],
                default_left=self.nan_left[node],
                category_list=self.sets.members[end - int(self.sets.sizes[node]) : end].tolist(),
                category_list_right_child=bool(self.sets.right[node]),
                **keys,
            )
            return
        builder.numerical_test(
            self.feature[node], self.threshold[node], default_left=self.nan_left[node], opname=self.op[node], **keys
        )
