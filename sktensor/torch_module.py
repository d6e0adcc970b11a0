"""The functional interface: a fitted model as a :class:`torch.nn.Module`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch

from sktensor import outputs
from sktensor.backends.torch import compiled
from sktensor.backends.workload import Workload
from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest
from sktensor.inputs.categories import number_tables, numbered
from sktensor.inputs.rows import as_columns
from sktensor.registry import extract_forest
from sktensor.runtime.planner import Planner
from sktensor.runtime.settings import Settings
from sktensor.strategies import find_strategy, sums
from sktensor.strategies.tables import arrays, map_arrays

__all__ = ["ForestModule", "tensorize"]

Output = Literal["value", "label", "proba", "log_proba", "raw", "decision", "score_samples", "leaf", "transform"]

# Rows that a table's cost is weighed for when strategy="auto": a module does not know its batches beforehand.
TYPICAL_ROWS = 1000

# Strategies that view tensors as other dtypes.
NOT_TRACED = ("bitsliced",)

POST_TRANSFORMS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "linear": lambda x: x,
    "sigmoid": torch.sigmoid,
    "log_sigmoid": torch.nn.functional.logsigmoid,
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
}


def tensorize(
    model: Any,
    *,
    device: Any = "cpu",
    strategy: str = "auto",
    backend: str = "auto",
    output: Output = "value",
    post_transform: str | Callable[[torch.Tensor], torch.Tensor] | None = None,
    iterations: tuple[int, int | None] | None = None,
) -> ForestModule:
    """Turn a fitted model into a torch module.

    Parameters
    ----------
    model : estimator, Booster or Forest
        Anything that :func:`~sktensor.extract_forest` reads, or a forest.
    device : str or torch.device, default="cpu"
        Where the module starts; ``module.to(...)`` moves it.
    strategy : str, default="auto"
        As for :class:`~sktensor.TensorizedEstimator`.
    backend : {"auto", "torch"}, default="auto"
        What runs it.
    output : str, default="value"
        What ``forward`` returns: ``"value"``, what the library's booster predicts (for a classifier of scikit-learn the
        probabilities before they are arranged in columns); ``"raw"``, raw scores; ``"leaf"``, the library's leaf
        numbers; or what a method of the estimator gives: ``"label"`` (``predict``), ``"proba"``, ``"log_proba"``,
        ``"decision"``, ``"score_samples"``, ``"transform"``.
    post_transform : str or callable, optional
        Applied to the result: ``"linear"``, ``"sigmoid"``, ``"log_sigmoid"``, ``"softmax"``, ``"log_softmax"``, or a
        function of a tensor.
    iterations : tuple of (int, int or None), optional
        The first boosting round to use and the one behind the last, as for :func:`~sktensor.extract_forest`.

    Returns
    -------
    ForestModule
        Its tables are buffers; ``forward`` can be compiled and exported.

    Raises
    ------
    UnsupportedModelError
        If the model cannot be reproduced.
    ValueError
        If an argument is not one that is accepted.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sktensor import tensorize
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RandomForestRegressor(n_estimators=5, random_state=0).fit(X, y)
    >>> module = tensorize(model)
    >>> bool((module(torch.from_numpy(X)).numpy() == model.predict(X)).all())
    True
    """
    if output not in outputs.OUTPUTS:
        raise ValueError(f"Unknown output {output!r}. Known: {', '.join(map(repr, outputs.OUTPUTS))}.")
    wanted = outputs.OUTPUTS[output]
    if not (post_transform is None or callable(post_transform) or post_transform in POST_TRANSFORMS):
        known = ", ".join(map(repr, POST_TRANSFORMS))
        raise ValueError(f"Unknown post_transform {post_transform!r}. Known: {known}, or a function of a tensor.")
    if isinstance(model, Forest) and iterations is not None:
        raise ValueError(
            "iterations: a forest is what it is. Give the model, or extract_forest(model, iterations=...)."
        )
    forest = model if isinstance(model, Forest) else extract_forest(model, iterations=iterations)
    if not wanted.given_by(forest):
        given = "probabilities" if output == "proba" else "such answer"
        instead = "'value' or 'raw'" if outputs.OUTPUTS["value"].given_by(forest) else "'raw'"
        raise ValueError(f"output={output!r}: {type(model).__name__} gives no {given}. Use {instead}.")
    if wanted.needs == "sums" and forest.trees.aggregate != "sum":
        raise UnsupportedModelError(
            f"output={output!r}: {type(model).__name__} has Trees.aggregate={forest.trees.aggregate!r}, and modules "
            "only add up what trees say. Use output='leaf', or a TensorizedEstimator."
        )
    if backend == "native":
        raise ValueError("backend='native' runs no modules, which are tensor code. Use 'torch' or 'auto'.")
    if backend not in ("auto", "torch"):
        raise ValueError(f"Unknown backend {backend!r}. Known: 'auto', 'torch'.")
    plan = Planner(Workload(forest)).plan(TYPICAL_ROWS, Settings(device, strategy, "torch"))
    transform = POST_TRANSFORMS[post_transform] if isinstance(post_transform, str) else post_transform
    return ForestModule(forest, plan.strategy, output, transform).to(plan.device)


class ForestModule(torch.nn.Module):
    """A forest as a torch module; made by :func:`tensorize`.

    Parameters
    ----------
    forest : Forest
        What to run.
    strategy : str
        A registered strategy.
    output : str
        What ``forward`` returns, as for :func:`tensorize`.
    post_transform : callable, optional
        Applied to the result.
    """

    def __init__(
        self,
        forest: Forest,
        strategy: str,
        output: Output,
        post_transform: Callable[[torch.Tensor], torch.Tensor] | None,
    ) -> None:
        super().__init__()
        self.forest = forest
        # Found out now: before Python 3.12 a cached property takes a lock, which torch.compile cannot trace.
        _ = forest.inputs.flush_limit, forest.inputs.reads_values, forest.outputs.raw_is_sum
        self.strategy = strategy
        self.output = output
        self.post_transform = post_transform
        self._run = find_strategy(strategy).run
        added = forest.replace(aggregate="sum")  # whatever is made of them, leaves are found in the same way
        host: Any = (*compiled(added, strategy), forest.trees.leaf_id, number_tables(forest))
        self._tables: Any = map_arrays(host, torch.tensor)
        for i, tensor in enumerate(arrays(self._tables)):
            self.register_buffer(f"table_{i}", tensor)

    def forward(self, X: torch.Tensor) -> Any:
        """The model's output for rows X.

        Parameters
        ----------
        X : torch.Tensor of shape (n, n_features)
            Of any real dtype, on the module's device.

        Returns
        -------
        torch.Tensor, or list of them
            One row a row of `X`.

        Raises
        ------
        RuntimeError
            If :func:`torch.jit.trace` runs it and the strategy is one that it cannot write down.
        """
        if self.strategy in NOT_TRACED and torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            raise RuntimeError(
                f"strategy={self.strategy!r} reads bytes of one dtype as another, for which torch.jit.trace has no "
                "operator. Use torch.export or torch.compile, or tensorize(model, strategy='tree_traversal')."
            )
        if X.ndim != 2 or X.shape[1] != self.forest.n_features:
            raise ValueError(f"Expected a tensor of shape (n, {self.forest.n_features}), got {tuple(X.shape)}.")
        strategy_tables, sum_tables, leaf_id, numbers = self._tables
        rows = as_columns(numbered(numbers, X), self.forest, self.forest.inputs.flush_limit)
        leaves = self._run(strategy_tables, rows)
        output = outputs.OUTPUTS[self.output]
        match output.needs:
            case "sums":
                needed = sums.run(sum_tables, leaves, rows)
            case "leaf numbers":
                needed = leaf_id.index_select(0, leaves.flatten()).view(leaves.shape).t()
            case "leaves":
                needed = leaves.t()
        return self._post(output.finish(self.forest, needed))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> ForestModule:
        if any(fn(t.new_empty(0)).dtype != t.dtype for t in self.buffers()):
            raise TypeError("A forest's tables keep their dtypes: in another one, its answers would be others.")
        # Moving a module replaces its buffers; the tables are to hold those that it has now.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        buffers = self.buffers()
        self._tables = map_arrays(self._tables, lambda _: next(buffers))
        return self

    def _post(self, found: Any) -> Any:
        if self.post_transform is None:
            return found
        return [self.post_transform(part) for part in found] if isinstance(found, list) else self.post_transform(found)
