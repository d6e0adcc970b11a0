"""Comparison of a program with the wrapped model, on rows made of the model's own thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import VerificationError
from sktensor.forest import Forest
from sktensor.inputs.rows import as_rows
from sktensor.registry import Extractor
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["probe", "verify"]

# Enough that each of hundreds of thresholds a feature comes up a few times; some milliseconds for 500 trees.
N_ROWS = 256
N_SINGLE = 8  # of them once more on their own
N_MANY = 1000  # all of them several times over: with so many, kernels may begin otherwise
PROBE_BYTES = 64 * 2**20

# Values for columns of which a model keeps nothing but hashes; small integers are often among its categories.
UNKNOWN_CATEGORIES = [*range(-3, 30), "", "no category of this model"]


def probe(forest: Forest) -> npt.NDArray[Any]:
    """Rows that show differences: thresholds, the numbers beside them, zeros, and missing values if accepted.

    Parameters
    ----------
    forest : Forest
        Whose thresholds.

    Returns
    -------
    ndarray of the forest's feature dtype, shape (n, n_features)
        The same for the same forest, column by column drawn from these values; 0.0 in columns that the forest does not
        look at. 256 rows, or fewer where these would take more than 64 MiB, but 8 at least.
    """
    rng = np.random.default_rng(0)
    dtype = np.dtype(forest.trees.feature_dtype)
    n_rows = min(N_ROWS, max(N_SINGLE, PROBE_BYTES // (max(forest.n_features, 1) * dtype.itemsize)))
    special = np.array([0.0, -0.0, 1.0] + [np.nan] * forest.inputs.accepts_nan, dtype=dtype)
    X = np.zeros((n_rows, forest.n_features), dtype=dtype)
    for feature in _columns(forest):
        X[:, feature] = rng.choice(special, size=n_rows)
    order = np.argsort(forest.trees.feature, kind="stable")
    used, first = np.unique(forest.trees.feature[order], return_index=True)
    for feature, nodes in zip(used, np.split(order, first)[1:], strict=True):
        if feature >= forest.n_features:  # derived from others
            continue
        if forest.trees.is_cat is not None and forest.trees.is_cat[nodes].any():
            assert forest.trees.cat_words is not None
            X[:, feature] = rng.integers(-1, 32 * forest.trees.cat_words[nodes].max() + 2, size=n_rows)
            continue
        with np.errstate(over="ignore"):
            at = rng.choice(forest.trees.threshold[nodes], size=n_rows).astype(dtype)
            beside = np.nextafter(at, rng.choice(np.array([-np.inf, np.inf], dtype=dtype), size=n_rows))
        drawn = np.where(rng.random(n_rows) < 0.6, at, beside)
        usual = np.isfinite(drawn) & (rng.random(n_rows) < 0.9)
        X[usual, feature] = drawn[usual]
    return _with_values(X, forest, rng) if forest.inputs.reads_values else X


def _columns(forest: Forest) -> npt.NDArray[Any]:
    """The columns of X that trees, linear leaves or keys of derived columns look at."""
    looked_at = [forest.trees.feature, forest.trees.lin_feature, forest.inputs.key_column]
    columns = np.unique(np.concatenate([found for found in looked_at if found is not None]))
    return columns[columns < forest.n_features]


def _with_values(X: npt.NDArray[Any], forest: Forest, rng: np.random.Generator) -> npt.NDArray[Any]:
    """The rows with values for categories; an array of objects where some are text."""
    tables = forest.inputs.categories or (None,) * forest.n_features
    drawn: dict[int, list[Any]] = {}
    for column, table in enumerate(tables):
        if forest.inputs.hashed is not None and forest.inputs.hashed[column]:
            drawn[column] = UNKNOWN_CATEGORIES
        elif table is not None and all(isinstance(value, (int, float)) for value in table.tolist()):
            drawn[column] = [*table.tolist(), np.nan, -7.25]
        elif table is not None:
            drawn[column] = [*table.tolist(), None, "no category of this model"]
    if any(not isinstance(value, (int, float)) for values in drawn.values() for value in values):
        X = X.astype(object)
    for column, values in drawn.items():
        X[:, column] = [values[i] for i in rng.integers(0, len(values), len(X))]
    return X


def verify(program: Program, settings: Settings, extractor: Extractor, model: Any) -> None:
    """Compare raw scores, or leaf numbers where there are none, bit for bit on the probe.

    Parameters
    ----------
    program : Program
        Compiled from `model`.
    settings : Settings
        How it would run.
    extractor : Extractor
        Whose ``predict_raw(model, X)``, or ``predict_leaves(model, X)``, if it has one, asks the library. An extractor
        without it cannot be verified.
    model : object
        The fitted model.

    Raises
    ------
    VerificationError
        Naming rows, outputs and trees that differ.
    """
    ask = getattr(extractor, "predict_raw", None)
    forest = program.forest
    X = probe(forest)
    if forest.trees.aggregate == "per_tree":  # there are no raw scores
        _verify_leaves(program, settings, extractor, model, X)
        return
    if ask is None:
        return
    expected = np.asarray(ask(model, X)).reshape(len(X), forest.n_outputs)
    # Single rows and many may take ways of their own, through other tables.
    ways = [np.arange(len(X)), *np.arange(N_SINGLE)[:, None]]
    if len(X) == N_ROWS and program.plan(N_MANY, settings).backend == "native":
        ways.append(np.arange(N_MANY) % N_ROWS)
    for part in ways:
        found, _ = program.raw_scores(as_rows(X[part], forest), settings)
        if found.dtype != expected.dtype:
            raise VerificationError(f"Raw scores are {found.dtype}, those of {type(model).__name__} {expected.dtype}.")
        if (wrong := _wrong(expected[part], found)).any():
            trees = _trees(program, settings, extractor, model, X[part])
            raise VerificationError(_difference(type(model).__name__, expected[part], found, wrong, trees))


def _verify_leaves(program: Program, settings: Settings, extractor: Extractor, model: Any, X: npt.NDArray[Any]) -> None:
    trees = _differing_trees(program, settings, extractor, model, X)
    if trees is not None and len(trees):
        raise VerificationError(
            f"The program and {type(model).__name__} find other leaves in {len(trees)} trees (first {trees[0]}). "
            "Please report this with the output of sktensor.show_versions(); verify=False goes on regardless."
        )


def _wrong(expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where the bits differ; one NaN is as good as another."""
    bits = f"i{expected.dtype.itemsize}"
    differ = np.ascontiguousarray(expected).view(bits) != np.ascontiguousarray(found).view(bits)
    wrong: npt.NDArray[np.bool_] = differ & ~(np.isnan(expected) & np.isnan(found))
    return wrong


def _difference(
    name: str, expected: npt.NDArray[Any], found: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], trees: str
) -> str:
    rows, columns = np.unique(np.nonzero(wrong)[0]), np.unique(np.nonzero(wrong)[1])
    worst = np.nanmax(np.abs(expected - found)[wrong], initial=0.0)
    return (
        f"The program and {name} differ in {len(rows)} of {len(expected)} probe rows (first {rows[0]}), in outputs "
        f"{columns.tolist()[:5]}, by up to {worst:.3g}{trees}. Please report this with the output of "
        "sktensor.show_versions(); verify=False goes on regardless."
    )


def _trees(program: Program, settings: Settings, extractor: Extractor, model: Any, X: npt.NDArray[Any]) -> str:
    """Which trees end in other leaves than the library's, as the end of a sentence."""
    trees = _differing_trees(program, settings, extractor, model, X)
    if trees is None:
        return ""
    if not len(trees):
        return "; all leaves are the same, so the sum or what follows it differs"
    return f"; {len(trees)} trees end in other leaves (first {trees[0]})"


def _differing_trees(
    program: Program, settings: Settings, extractor: Extractor, model: Any, X: npt.NDArray[Any]
) -> npt.NDArray[Any] | None:
    """Trees that end in other leaves than the library's for some row; None where it does not tell."""
    ask = getattr(extractor, "predict_leaves", None)
    if ask is None or (expected := ask(model, X)) is None:
        return None
    expected = np.asarray(expected).reshape(len(X), -1)
    return np.flatnonzero((expected != program.leaves(as_rows(X, program.forest), settings)).any(axis=0))
