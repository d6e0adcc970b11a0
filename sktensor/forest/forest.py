"""The neutral forest: what every library's trees become, and all that a strategy may know.

A :class:`Forest` is plain numpy. Every rule by which libraries differ (comparison, missing values, order
and dtype of the sum, links, labels) is a field, so that nothing to the right of it asks where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.specs import TINY, InputSpec, OutputSpec
from sktensor.forest.trees import Trees

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forest"]

# What CatBoost mixes the parts of a key with [catboost/libs/helpers/hash.h, CalcHash].
KEY_FACTOR = 0x4906BA494954CB65

# What a part of a key is, by InputSpec.key_test.
HASH, EXCEEDS, IS_HASH = 0, 1, 2

# The class that each field belongs to; no two share a name.
OWNER = {
    spec.name: part
    for part, kind in (("trees", Trees), ("inputs", InputSpec), ("outputs", OutputSpec))
    for spec in fields(kind)
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """A fitted tree ensemble as plain arrays, with every rule that its answers depend on.

    Parameters
    ----------
    trees : Trees
        What strategies and backends see: nodes, leaves, and how the sum is made.
    inputs : InputSpec
        How X becomes the columns that the trees look at.
    outputs : OutputSpec
        How sums become answers.

    See Also
    --------
    Forest.from_fields : The same from the fields of all three.
    Forest.from_trees : A forest from nested dicts.

    Examples
    --------
    >>> from sktensor import Forest
    >>> forest = Forest.from_trees(
    ...     [{"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}],
    ...     n_features=1,
    ... )
    >>> forest.n_trees, forest.n_nodes, forest.n_leaves
    (1, 1, 2)
    """

    trees: Trees
    inputs: InputSpec
    outputs: OutputSpec

    @classmethod
    def from_fields(cls, **values: Any) -> Forest:
        """Build a forest from the fields of its parts, for extractors.

        Parameters
        ----------
        **values
            Fields of :class:`Trees`, :class:`InputSpec` and :class:`OutputSpec`, which have no names in common. By
            default, `n_columns` is what `inputs` derives, `zero_limit` follows `flush_tiny`, and `output_slices` is
            one of all outputs.

        Returns
        -------
        Forest
            Not validated yet.

        Raises
        ------
        TypeError
            If a name is not a field, or one without a default is missing.

        Examples
        --------
        >>> from sktensor import Forest
        >>> forest = Forest.from_fields(
        ...     n_features=1,
        ...     feature=[0],
        ...     threshold=[0.5],
        ...     left=[~0],
        ...     right=[~1],
        ...     nan_left=[False],
        ...     root=[0],
        ...     tree_target=[0],
        ...     leaf_value=[[1.0], [2.0]],
        ...     leaf_id=[0, 1],
        ...     base=[0.0],
        ...     leaf_shape=(1,),
        ... )
        >>> forest.validate().trees.leaf_value.tolist()
        [[1.0], [2.0]]
        """
        parts = _by_owner(values)
        if "derived_value" in values and values["derived_value"] is not None:
            dtype = "float32" if values.get("feature_dtype") == "float32" else "float64"
            parts["inputs"]["derived_value"] = np.asarray(values["derived_value"], dtype=dtype)
        inputs = InputSpec(**parts["inputs"])
        usual = {"n_columns": inputs.n_columns, "zero_limit": TINY if inputs.flush_tiny else 0.0}
        trees = Trees(**(usual | parts["trees"]))
        if not parts["outputs"].get("output_slices"):
            parts["outputs"]["output_slices"] = (int(trees.n_outputs),)
        return cls(trees=trees, inputs=inputs, outputs=OutputSpec(**parts["outputs"]))

    def fields(self) -> dict[str, Any]:
        """Give the fields of all parts, the inverse of :meth:`from_fields`.

        Returns
        -------
        dict
            By name.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).fields()["link"]
        'identity'
        """
        return {name: getattr(getattr(self, part), name) for name, part in OWNER.items()}

    def replace(self, **changes: Any) -> Forest:
        """Change some fields of the parts.

        Parameters
        ----------
        **changes
            As in :meth:`from_fields`. The trees' `n_columns` follows the inputs.

        Returns
        -------
        Forest
            Another one, not validated yet.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).replace(link="exp").outputs.link
        'exp'
        """
        parts = _by_owner(changes)
        inputs = replace(self.inputs, **parts["inputs"]) if parts["inputs"] else self.inputs
        if inputs.n_columns != self.inputs.n_columns:
            parts["trees"].setdefault("n_columns", inputs.n_columns)
        trees = replace(self.trees, **parts["trees"]) if parts["trees"] else self.trees
        outputs = replace(self.outputs, **parts["outputs"]) if parts["outputs"] else self.outputs
        return replace(self, trees=trees, inputs=inputs, outputs=outputs)

    @property
    def n_features(self) -> int:
        """Number of columns of X, ``F``."""
        return self.inputs.n_features

    @property
    def n_outputs(self) -> int:
        """Number of raw scores a row, ``K``."""
        return self.trees.n_outputs

    @property
    def n_trees(self) -> int:
        """Number of trees, ``T``."""
        return self.trees.n_trees

    @property
    def n_nodes(self) -> int:
        """Number of internal nodes, ``M``."""
        return self.trees.n_nodes

    @property
    def n_leaves(self) -> int:
        """Number of leaves, ``L``."""
        return self.trees.n_leaves

    def validate(self) -> Forest:
        """Check that the arrays describe a forest; return it.

        Returns
        -------
        Forest
            This forest.

        Raises
        ------
        ValueError
            Naming the field, and the tree and node where one is at fault.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).validate().n_leaves
        1
        """
        from sktensor.forest.validation import check_forest

        check_forest(self)
        return self

    def take(self, trees: npt.ArrayLike) -> Forest:
        """Keep some of the trees.

        Parameters
        ----------
        trees : array-like of int, shape (n,)
            Distinct numbers of trees, in the order in which they are to be added.

        Returns
        -------
        Forest
            Nodes and leaves keep their order among themselves. Its sum starts where the whole forest's starts.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}, {"value": 2.0}], n_features=1).take([1]).trees.leaf_value.tolist()
        [[2.0]]
        """
        from sktensor.forest.transform import take_trees

        taken = take_trees(self.trees, np.asarray(trees))
        return replace(self, trees=taken, outputs=replace(self.outputs, leaf_shape=(taken.n_trees,)))

    @classmethod
    def concat(cls, forests: Sequence[Forest]) -> Forest:
        """Put the trees of several forests one behind the other.

        Parameters
        ----------
        forests : sequence of Forest
            At least one. Their trees have the same columns, outputs and rules.

        Returns
        -------
        Forest
            Its sum starts where the first one's starts; inputs and outputs are those of the first.

        Raises
        ------
        ValueError
            Naming the rule in which they differ.

        Examples
        --------
        >>> from sktensor import Forest
        >>> one = Forest.from_trees([{"value": 1.0}], n_features=1)
        >>> Forest.concat([one, one]).trees.leaf_value.tolist()
        [[1.0], [1.0]]
        """
        from sktensor.forest.transform import concat_trees

        trees = concat_trees([forest.trees for forest in forests])
        first = forests[0]
        return replace(first, trees=trees, outputs=replace(first.outputs, leaf_shape=(trees.n_trees,)))

    @classmethod
    def from_trees(cls, trees: Sequence[dict[str, Any]], *, n_features: int, **rules: Any) -> Forest:
        """Build a forest from nested dicts, for tests and plug-ins.

        Parameters
        ----------
        trees : sequence of dict
            A leaf is ``{"value": v}`` with a number or a sequence of `n_outputs` numbers, optionally
            ``"leaf_id"``, ``"cover"`` and ``"linear"`` (a dict of ``"const"``, ``"features"``, ``"coef"``).
            An internal node has ``"feature"``, ``"left"``, ``"right"`` and either ``"threshold"`` or
            ``"categories"`` (numbers that go left), optionally ``"nan_left"`` and ``"cover"``, beside a
            threshold ``"zero_left"``, beside categories ``"oov_left"`` and ``"cat_words"`` (where the set holds
            more words than its largest number needs). Thresholds are kept as float32 if all of them are.
        n_features : int
            Number of input columns.
        **rules
            Any other field of :class:`Trees`, :class:`InputSpec` and :class:`OutputSpec`. `tree_target` defaults to
            the trees taking the outputs in turn, `base` to zero.

        Returns
        -------
        Forest
            The validated forest. Nodes are numbered depth first, leaves from left to right, tree after tree.

        Raises
        ------
        ValueError
            For a malformed dict, naming the tree and the way to it from the root.

        Examples
        --------
        >>> from sktensor import Forest
        >>> stump = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
        >>> Forest.from_trees([stump, {"value": 0.5}], n_features=1).trees.leaf_value.ravel().tolist()
        [1.0, 2.0, 0.5]
        """
        from sktensor.forest.nested import fields_from_trees

        return cls.from_fields(**fields_from_trees(trees, n_features=n_features, **rules)).validate()

    def to_trees(self) -> list[dict[str, Any]]:
        """Give the trees as nested dicts, the inverse of :meth:`from_trees`.

        Returns
        -------
        list of dict
            One dict a tree.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).to_trees()
        [{'value': 1.0, 'leaf_id': 0}]
        """
        from sktensor.forest.nested import dicts_from_trees

        return dicts_from_trees(self.trees)

    def to_frame(self) -> pd.DataFrame:
        """One row a node and leaf, for people who want to look at the trees.

        Returns
        -------
        pandas.DataFrame
            Columns ``tree, node, depth, feature, threshold, left, right, missing, value, leaf_id, cover``.
            Within a tree, rows stand in breadth-first order, and ``node``, ``left``, ``right`` and
            ``missing`` (the child that a missing value goes to) count them.

        Examples
        --------
        >>> from sktensor import Forest
        >>> stump = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
        >>> Forest.from_trees([stump], n_features=1).to_frame()[["node", "left", "right"]].shape
        (3, 3)
        """
        from sktensor.forest.to_pandas import frame_from_trees

        return frame_from_trees(self.trees)


def _by_owner(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Fields by the part that each belongs to."""
    parts: dict[str, dict[str, Any]] = {"trees": {}, "inputs": {}, "outputs": {}}
    if unknown := sorted(values.keys() - OWNER.keys()):
        raise TypeError(f"{', '.join(unknown)}: no fields of Trees, InputSpec or OutputSpec.")
    for name, value in values.items():
        parts[OWNER[name]][name] = value
    return parts
