"""What explains a forest: refusals, the choice between kernels and tensor code, and the tables that have been built."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.explain import interventional, native
from sktensor.explain.base import Explain, Needed
from sktensor.explain.native import NativeExplainer
from sktensor.explain.players import Players, players_of_columns
from sktensor.explain.tables import base_values, refusal
from sktensor.explain.tensors import TensorExplainer
from sktensor.forest import Forest
from sktensor.forest.structure import levels
from sktensor.inputs.rows import Rows
from sktensor.inputs.tensors import on_host
from sktensor.runtime.locks import CompilationLock
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings, find_device

__all__ = ["Background", "Explainers"]

Array = npt.NDArray[Any]
K = TypeVar("K")
V = TypeVar("V")

# Background sets whose tables are kept: explanations are asked for again and again with the same one.
BACKGROUNDS_KEPT = 4

_compiling = CompilationLock()


class Background:
    """Rows that unknown columns are taken from.

    Parameters
    ----------
    rows : Rows
        At least one.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, rows: Rows) -> None:
        if not len(rows):
            raise ValueError("background has no rows. Give at least one, for instance a sample of the training rows.")
        self.rows = replace(rows.checked(), data=on_host(rows.data))

    def key(self, forest: Forest) -> bytes:
        """A digest of what the trees see of them."""
        found = hashlib.blake2b(str((len(self.rows), self.rows.flush_limit)).encode())
        for _, part in self.rows.arrays(forest):
            values = part if isinstance(part, np.ndarray) else part[:]
            found.update(str((values.shape, values.dtype)).encode())
            found.update(np.ascontiguousarray(values).tobytes())
        return found.digest()


class Explainers:
    """A program's forest, explained: tables are built once, on first use, under a lock.

    Parameters
    ----------
    program : Program
        Whose forest it is.
    players : Players, optional
        Of the game; the columns of X by default.
    """

    def __init__(self, program: Program, players: Players | None = None) -> None:
        self.program = program
        self._given = players
        self._built: dict[tuple[str, str], NativeExplainer | TensorExplainer] = {}
        self._of_background: dict[tuple[str, str, bytes], tuple[Explain, Array]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"program": self.program, "players": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Explainers.__init__(self, state["program"], state["players"])

    @cached_property
    def players(self) -> Players:
        """Who plays."""
        return players_of_columns(self.program.forest) if self._given is None else self._given

    @cached_property
    def base(self) -> Array:
        """The expected sums over trees by the covers, float64, shape (K,)."""
        return base_values(self.program.forest.trees)

    @cached_property
    def refusals(self) -> tuple[str, str]:
        """Why there are no path-dependent values of the forest, and why no interventional ones, or empty texts."""
        trees = self.program.forest.trees
        covered = replace(trees, cover=np.ones(trees.n_nodes + trees.n_leaves))  # a background stands in for covers
        return refusal(trees), refusal(covered)

    def path_dependent(self, settings: Settings, needed: Needed = "values") -> Explain:
        """What gives path-dependent values of players, or of pairs of them, on the device of the settings."""
        key = find_device(settings.device), settings.backend

        def build() -> NativeExplainer | TensorExplainer:
            return _path_dependent(self.program.forest, self.players, *key)

        found = _kept(self._built, key, build)
        return found.interactions if needed == "interactions" else found.values

    def interventional(self, settings: Settings, background: Background) -> tuple[Explain, Array]:
        """What gives interventional values of players, and the mean of the background's sums, float64, shape (K,)."""
        forest = self.program.forest
        device, backend = find_device(settings.device), settings.backend

        def build() -> tuple[Explain, Array]:
            base = _mean_sums(self.program, background.rows)
            return _interventional(forest, self.players, device, backend, background.rows), base

        return _kept(self._of_background, (device, backend, background.key(forest)), build, most=BACKGROUNDS_KEPT)


def _kept(found: dict[K, V], key: K, build: Callable[[], V], most: int | None = None) -> V:
    """What has been built for a key, built now if it has not been."""
    if (known := found.get(key)) is None:
        with _compiling.held():
            if (known := found.get(key)) is None:
                known = build()
                if most is not None and len(found) >= most:
                    found.pop(next(iter(found)))
                found[key] = known
    return known


def _path_dependent(forest: Forest, players: Players, device: str, backend: str) -> NativeExplainer | TensorExplainer:
    given = forest, players.of_column, players.n_players
    if _takes_kernel(device, backend, native.refusal(forest)):
        return NativeExplainer(*given)
    return TensorExplainer(*given, device)


def _interventional(forest: Forest, players: Players, device: str, backend: str, background: Rows) -> Explain:
    given = forest, players.of_column, players.n_players
    if _takes_kernel(device, backend, interventional.refusal(forest)):
        return interventional.InterventionalExplainer(*given, background).values
    return TensorExplainer(*given, device, background).values


def _takes_kernel(device: str, backend: str, refused: str) -> bool:
    """Whether a kernel is to run, and not tensor code; errors for what neither runs."""
    if device.startswith("mps"):
        raise UnsupportedModelError("device='mps' has no float64, in which SHAP values are computed. Use 'cpu'.")
    if not refused and device != "cpu":
        refused = f"there is none for device={device!r}"
    if backend == "native" and refused:
        raise ValueError(f"backend='native' has no kernel for these SHAP values: {refused}. Use 'auto' or 'torch'.")
    return backend != "torch" and not refused


def _mean_sums(program: Program, background: Rows) -> Array:
    """The mean of the sums of some rows, in float64: of each leaf's value, as many times as it is reached."""
    trees = program.forest.trees
    reached = np.zeros(trees.n_leaves, dtype=np.int64)
    for batch in background.batches(max(1, 2**22 // max(trees.n_trees, 1))):
        reached += np.bincount(on_host(program.reached(batch, Settings())).ravel(), minlength=trees.n_leaves)
    weighed = trees.leaf_value.astype(np.float64) * (reached / len(background))[:, None]
    found: Array = trees.base.astype(np.float64)
    if trees.leaf_value.shape[1] == trees.n_outputs:
        found += weighed.sum(0)
        return found
    target = np.empty(trees.n_leaves, dtype=np.int32)
    for tree, node in levels(trees.root, trees.left, trees.right):
        is_leaf = node < 0
        target[~node[is_leaf]] = trees.tree_target[tree[is_leaf]]
    found += [weighed[target == k].sum() for k in range(trees.n_outputs)]
    return found
