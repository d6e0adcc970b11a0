"""What the CPU kernels would take for a forest, told from its size alone.

A kernel's time is a sum of amounts of work, each times a constant: ``costs.json``, in nanoseconds of one core,
written by ``benchmarks/fit_cpu_costs.py``. What matters is which of two kernels is faster, and that changes little from
one processor to the next.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu import tops, traversal, walk
from sktensor.backends.cpu.kernels import MOST_PLANES
from sktensor.forest import Trees
from sktensor.native import abi
from sktensor.strategies import bitsliced
from sktensor.strategies.auto import TABLE_LIMIT, Option
from sktensor.strategies.costs import Cost, Shape

__all__ = ["CONSTANTS_FILE", "DIRECT", "option", "work"]

# Walking values rather than codes; no strategy of its own to name, but what "auto" may choose.
DIRECT = "direct_walk"

CONSTANTS_FILE = Path(__file__).with_name("costs.json")

BLOCK = 512  # rows that circuits answer at once, however few there are
FEW_ROWS = 96  # up to here, traversal takes many trees at once instead of many rows
MOST_ROWS = 4096  # that traversal has at hand
FEW_WALKING = 32  # fewer rows that walk on their own wait for memory
CACHE_BYTES = 400 << 10  # tables beyond that do not stay in the second-level cache by themselves
NODE_BYTES = 12.0  # of traversal's tables, a node
FAR_BYTES, FAR_COLUMNS = 4 << 20, 128  # rows beyond are not in the cache when a column is read, and share no lines
LINE_BYTES = 64  # of a cache
REGISTER_CODES = 64  # of a row, which traversal keeps in registers; of more it looks each up
# Constants that are not fitted with the others, which are of rows in the cache.
UNFITTED = {
    "far line": 5.0,  # of rows beyond: at least, 5 to 50 were measured, of 300 to 4,000 columns
    "near step": 3.0,  # of walking rows that have just been copied into the cache
}
HISTOGRAM = 255  # thresholds of a column, where a library makes them of histograms
PIECE_LEAVES = 72.0  # of a tree that circuits cut into pieces
ENTRIES = 3.0  # of their tables of values, a leaf
MOST_RUNS = 9  # of trees for one kernel, then for the other; each looks at all rows again


@cache
def constants() -> dict[str, dict[str, float]]:
    """Nanoseconds of each amount of work, by kernel."""
    return json.loads(CONSTANTS_FILE.read_text(encoding="utf-8"))["nanoseconds"]  # type: ignore[no-any-return]


def option(name: str, trees: Trees, shape: Shape, n_rows: int, *, compact: bool = False) -> Option:
    """A kernel that could run the forest: the time it would take, or what speaks against it.

    Of rows that are cast a block at a time, or lie by columns, `compact`, a cache holds the columns that the trees look
    at and no others.
    """
    if refused := _refusal(name, trees, shape):
        refused = f"strategy={name!r} has no kernel for this forest: {refused}. Use backend='torch', or 'auto'."
    large = shape.n_leaves > bitsliced.MOST_LEAVES
    if name == "bitsliced" and large.any() and not refused:  # those are walked
        small, rest = _some(shape, ~large), _some(shape, large)
        expected = sum(
            _expected(kind, trees, some, n_rows, compact) for kind, some in ((name, small), ("tree_traversal", rest))
        )
        table_bytes = bitsliced.cost(small).table_bytes + NODE_BYTES * float(np.sum(rest.n_leaves))
    else:
        expected = _expected(name, trees, shape, n_rows, compact)
        nodes_bytes = (abi.NODE.itemsize if name == DIRECT else NODE_BYTES) * float(np.sum(shape.n_leaves))
        table_bytes = bitsliced.cost(shape).table_bytes if name == "bitsliced" else nodes_bytes
    return Option(name, Cost(table_bytes, 0.0, 1.0, expected / max(n_rows, 1)), refused, expected, "native")


def _refusal(name: str, trees: Trees, shape: Shape) -> str:
    if name == DIRECT:
        return walk.refusal(trees)
    return _bitsliced_refusal(trees, shape) if name == "bitsliced" else traversal.refusal(trees)


def _bitsliced_refusal(trees: Trees, shape: Shape) -> str:
    if trees.aggregate != "sum":
        return f"circuits answer with sums, and this forest's aggregate is {trees.aggregate!r}"
    large = shape.n_leaves > bitsliced.MOST_LEAVES
    if trees.lin_off is not None:
        return "leaves are linear functions, for which only traversal has a kernel"
    if (answers := cpu_bitsliced.answer_bytes(trees)) > TABLE_LIMIT:
        return f"its categories would take {answers / 2**20:,.0f} MiB of tables"
    if large.any() and (why := traversal.refusal(trees)):
        return why
    if large.any() and (large.all() or 1 + np.count_nonzero(np.diff(large)) > MOST_RUNS):
        return f"trees of up to {shape.n_leaves.max()} leaves are too large for circuits"
    if (needed := bitsliced.cost(_some(shape, ~large)).table_bytes) > TABLE_LIMIT:
        return f"its circuits would take {needed / 2**20:,.0f} MiB of tables"
    return ""


def _some(shape: Shape, numbers: npt.NDArray[Any]) -> Shape:
    return Shape(shape.depth[numbers], shape.n_leaves[numbers])


def _expected(name: str, trees: Trees, shape: Shape, n_rows: int, compact: bool) -> float:
    """Nanoseconds of one core."""
    each = UNFITTED | constants()[name]
    return sum(each[kind] * amount for kind, amount in work(name, trees, shape, n_rows, compact=compact).items())


def _steps(trees: Trees, shape: Shape) -> float:
    """Nodes that a row passes: in trees over many columns, which are far from balanced, as many as in training."""
    balanced = float(np.sum(np.log2(np.maximum(shape.n_leaves, 2))))
    if trees.cover is None or not trees.n_nodes:
        return balanced
    of_roots = float(np.sum(trees.cover[trees.root[trees.root >= 0]], dtype=np.float64))
    of_nodes = float(np.sum(trees.cover[: trees.n_nodes], dtype=np.float64))
    seen = len(shape.n_leaves) * of_nodes / of_roots if of_roots > 0 else 0.0
    return max(balanced, seen) if np.isfinite(seen) else balanced


def work(name: str, trees: Trees, shape: Shape, n_rows: int, *, compact: bool = False) -> dict[str, float]:
    """Amounts of work that a kernel does for trees of such shapes in a forest, and so many rows."""
    of = {DIRECT: _walking, "bitsliced": _circuits}.get(name, _traversal)
    return {"call": 1.0, **of(trees, shape, n_rows, compact)}


def _far_lines(trees: Trees, n_rows: int, n_values: float, compact: bool) -> float:
    """Lines of the cache that come from far, where so many values of each row are read."""
    if compact or 4.0 * n_rows * trees.n_columns <= FAR_BYTES or trees.n_columns < FAR_COLUMNS:
        return 0.0
    # A column that lies apart has a line of its own, neighbours share one.
    return n_rows * min(n_values, 8.0 * trees.n_columns / LINE_BYTES)


def _columns(trees: Trees, shape: Shape) -> tuple[float, float]:
    """The nodes of trees of such shapes, and the columns that these look at."""
    n_nodes = float(np.sum(shape.n_leaves - 1))
    return n_nodes, min(float(len(trees.used_columns)), n_nodes)


def _walking(trees: Trees, shape: Shape, n_rows: int, compact: bool) -> dict[str, float]:
    steps = _steps(trees, shape)
    kind = "near step" if compact else f"step, {'few' if n_rows < FEW_WALKING else 'many'} rows"
    return {kind: n_rows * steps, "far line": _far_lines(trees, n_rows, steps, compact)}


def _circuits(trees: Trees, shape: Shape, n_rows: int, compact: bool) -> dict[str, float]:
    n_nodes, columns = _columns(trees, shape)
    wide = float(trees.acc_dtype == "float64")
    blocks = float(-(-n_rows // BLOCK))
    too_large = shape.n_leaves.max(initial=0) > bitsliced.MOST_LEAVES  # not worth counting what will not be built
    planes = n_nodes
    if not too_large and n_nodes > HISTOGRAM * columns:
        planes = min(n_nodes, float(trees.n_thresholds))
    parts = float(max(1, -(-planes // MOST_PLANES)))  # each looks at all its columns again
    searches = max(columns * parts, columns * parts / 2 + planes / cpu_bitsliced.PER_SEARCH)
    levels = searches * math.log2(1 + planes / max(searches, 1.0))
    n_values, item = trees.leaf_value.shape[1], trees.leaf_value.dtype.itemsize
    lookups = blocks * n_values * float(np.sum(np.maximum(1.0, shape.n_leaves / PIECE_LEAVES)))
    table_bytes = ENTRIES * item * n_values * float(np.sum(shape.n_leaves))
    return {
        "search": blocks * searches,
        "level of a search": n_rows * levels,  # for the rank of a value
        "far line": parts * _far_lines(trees, n_rows, columns, compact),
        "plane": blocks * planes,
        "multiplexer": blocks * n_nodes,  # about one a node
        "float32 look-up": lookups * (1.0 - wide),
        "float64 look-up": lookups * wide,
        "cold table line": blocks * table_bytes / LINE_BYTES if table_bytes > CACHE_BYTES else 0.0,
    }


def _traversal(trees: Trees, shape: Shape, n_rows: int, compact: bool) -> dict[str, float]:
    n_nodes, columns = _columns(trees, shape)
    levels = float(np.sum(np.log2(np.maximum(shape.n_leaves, 2))))
    few, cold = n_rows <= FEW_ROWS, NODE_BYTES * n_nodes > CACHE_BYTES
    topped = n_rows >= tops.LEAST_ROWS and tops.pay(trees)
    regime = f"{'few rows' if few else 'tops' if topped else 'many rows'}, {'large' if cold else 'small'} tables"
    return {
        "column": float(-(-n_rows // MOST_ROWS)) * columns,
        "value": n_rows * columns,
        "far line": _far_lines(trees, n_rows, columns, compact),
        f"tree, {regime}": float(n_rows * len(shape.depth)),
        f"level, {regime}": n_rows * levels,
        "level of many codes": 0.0 if columns <= REGISTER_CODES else n_rows * levels,
    }
