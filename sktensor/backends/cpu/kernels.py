"""The native backend of the CPU: a forest's tables for the kernels, and the calls that run them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu import tops, traversal
from sktensor.backends.cpu.keys import Keys
from sktensor.backends.cpu.partitions import partitions_by_questions, runs
from sktensor.forest import Forest, Trees
from sktensor.forest.transform import take_trees
from sktensor.inputs.ctr_features import CtrColumns
from sktensor.inputs.rows import Columns, Rows, is_tensor
from sktensor.native import abi, loader
from sktensor.native.ranges import ranges, rows_at_once
from sktensor.strategies import bitsliced
from sktensor.strategies.costs import Shape
from sktensor.strategies.ranks import Ranked, compile_ranks

__all__ = ["BitslicedKernel", "ByDtype", "Calls", "Tables", "TraversalKernel"]

Array = npt.NDArray[Any]
T = TypeVar("T")

# Planes that a block of rows keeps at hand: one bit a row and plane, so half of a usual second-level cache.
MOST_PLANES = 8192

# What circuits do in 100 ns at least: a quarter of what they come to where no vector is wider than 16 bytes.
NODES_A_STEP, LOOKUPS_A_STEP = 2000, 32

# Leaves up to which a tree stays in a usual second-level cache while rows pass, which then take this part of 100 ns.
CACHED_LEAVES, CACHED_STEP = 2**14, 0.4


class BitslicedKernel:
    """Sums of a forest's trees through circuits.

    Parameters
    ----------
    forest : Forest
        What to run.
    shape : Shape, optional
        Of the forest, where it is known.
    """

    def __init__(self, forest: Forest, shape: Shape | None = None) -> None:
        if forest.trees.lin_off is not None:
            raise ValueError("strategy='bitsliced' has no kernel for linear leaves. Use 'tree_traversal', or 'auto'.")
        shape = shape or Shape.of(forest.trees)
        self._calls = Calls(forest, _steps(forest.trees, shape))
        partitions = list(_partitions(forest.trees, shape))
        dtypes = (
            {"float32"}
            if all(partition.ranked for partition in partitions)
            else {"float32", forest.trees.feature_dtype}
        )
        self._tables = {dtype: _continued(partitions, dtype) for dtype in dtypes}

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        tables = self._tables["float32"] if len(self._tables) == 1 else self._tables[rows.dtype]
        return self._calls.sums(tables, rows, n_threads, start)

    def tables_in_place(self, n_rows: int, dtype: str) -> Sequence[Tables]:
        """The tables for rows that are read where they lie, which continue each other's sums."""
        return self._tables["float32"] if len(self._tables) == 1 else self._tables[dtype]


def _steps(trees: Trees, shape: Shape) -> int:
    """Steps of up to 100 ns that a row takes: circuits, and trees that are too large for them."""
    large = shape.n_leaves > bitsliced.MOST_LEAVES
    small = shape.n_leaves[~large]
    lookups = len(small) * trees.leaf_value.shape[1]
    return int(np.count_nonzero(large) + small.sum() / NODES_A_STEP + lookups / LOOKUPS_A_STEP) + 1


def _steps_of_walks(shape: Shape) -> int:
    """Steps of up to 100 ns that a row takes which walks through all trees."""
    n_cached = int(np.count_nonzero(shape.n_leaves <= CACHED_LEAVES))
    return int(len(shape.n_leaves) - n_cached + n_cached * CACHED_STEP) + 1


@dataclass(frozen=True)
class _Partition:
    """Consecutive trees."""

    trees: Trees
    ranked: Ranked | None  # None for trees that are too large for circuits


def _partitions(trees: Trees, shape: Shape) -> Iterator[_Partition]:
    """Consecutive trees that circuits take, with few enough questions among them, and such that are too large."""
    large = shape.n_leaves > bitsliced.MOST_LEAVES
    for run in runs(large):
        partition = trees if len(run) == trees.n_trees else take_trees(trees, run)
        if len(run) and large[run[0]]:
            yield _Partition(partition, None)
            continue
        ranked = compile_ranks(partition)
        _, column, rank = ranked
        numbers = partitions_by_questions(partition, column.astype(np.int64) << 32 | rank, MOST_PLANES)
        if len(numbers) == 1:
            yield _Partition(partition, ranked)
            continue
        for some in numbers:
            taken = take_trees(partition, some)
            yield _Partition(taken, compile_ranks(taken))


def _continued(partitions: list[_Partition], rows_dtype: str) -> list[Tables]:
    """Tables of partitions that continue each other's sums."""
    found = []
    for i, partition in enumerate(partitions):
        sums = cpu_bitsliced.sum_structure(partition.trees, is_first=i == 0)
        if partition.ranked is not None:
            circuits = bitsliced.compile_circuits(partition.trees, partition.ranked)
            found.append(Tables("bitsliced", cpu_bitsliced.structure(partition.trees, *circuits, sums)))
        else:
            compiled = traversal.compile(partition.trees, rows_dtype)
            structure = traversal.structure(compiled)
            structure.sum = sums
            first = tops.structures(partition.trees, compiled) if tops.pay(partition.trees) else []
            found.append(Tables("traversal", structure, sums, tops.attach(structure, first)))
    return found


class Tables:
    """Tables for a kernel, checked.

    Parameters
    ----------
    kind : {"bitsliced", "traversal", "walk", "shap", "lookup"}
        The kernel.
    structure : ctypes.Structure
        The tables.
    *kept : object
        What the structure points into beside its own.
    """

    def __init__(self, kind: str, structure: ctypes.Structure, *kept: Any) -> None:
        kernels = _kernels()
        self.kind = kind
        self.address = ctypes.addressof(structure)
        self._structure, self._kept = structure, kept
        self._narrowed: Tables | None = None
        error = getattr(kernels, f"check_{kind}")(self.address)
        kernels.check(error, "Tables for the CPU kernels do not hold together")
        self.kernel = getattr(kernels, f"run_{kind}")
        self.call = partial(self.kernel, self.address)

    @cached_property
    def continuing(self) -> Tables:
        """The same tables for sums that start from what is there already."""
        structure: Any = type(self._structure).from_buffer_copy(self._structure)
        structure.sum.continues = 1
        return Tables(self.kind, structure, self)

    def narrowed(self, columns: Array) -> Tables:
        """The same tables for rows of these columns alone, among which are all that the trees look at."""
        if (found := self._narrowed) is None:
            structure: Any = type(self._structure).from_buffer_copy(self._structure)
            kept = _renumber(structure, columns)
            structure.n_columns = len(columns)
            found = Tables(self.kind, structure, self, kept)
            self._narrowed = found
        return found


def _renumber(structure: Any, columns: Array) -> list[Any]:
    """Have tables look at places among these columns; returns what they point into then."""

    def place(column: Array) -> Array:
        return np.minimum(np.searchsorted(columns, column), max(len(columns) - 1, 0)).astype(np.int32)

    if isinstance(structure, abi.WalkStructure):
        held = (ctypes.c_byte * (structure.n_nodes * abi.NODE.itemsize)).from_address(structure.nodes or 0)
        nodes = np.frombuffer(held, dtype=abi.NODE).copy()
        nodes["column"] = place(nodes["column"])
        structure.nodes = nodes.ctypes.data
        return [nodes]
    kept: list[Any] = []
    if isinstance(structure, abi.TraversalStructure) and structure.n_tops:
        found = [abi.BitslicedStructure.from_buffer_copy(each) for each in structure.tops[: structure.n_tops]]
        for each in found:
            kept += _renumber(each, columns)
            each.n_columns = len(columns)
        kept.append(tops.attach(structure, found))
    for name, n in _column_fields(structure):
        kept.append(place(np.ctypeslib.as_array(getattr(structure, name), shape=(n,))))
        setattr(structure, name, kept[-1].ctypes.data_as(ctypes.POINTER(ctypes.c_int32)))
    return kept


def _column_fields(structure: Any) -> Iterator[tuple[str, int]]:
    """The fields of tables that hold numbers of columns, and the lengths of those that are there."""
    if isinstance(structure, abi.BitslicedStructure):
        found = [("search_column", structure.n_searches), ("category_column", structure.n_category_columns)]
    else:
        found = [("code_column", structure.n_codes), ("category_column", structure.n_category_codes)]
        if isinstance(structure, abi.TraversalStructure) and structure.linear_first:
            found.append(("linear_column", structure.linear_first[structure.n_leaves]))
    return (field for field in found if field[1])


class ByDtype(Generic[T]):
    """What is made of a forest for rows of float32 and of float64, when the first of them come.

    Parameters
    ----------
    trees : Trees
        If they compare float32 numbers, one does for both.
    make : callable
        ``make(dtype)``; threads may call it twice, and one of the two results stays.
    """

    def __init__(self, trees: Trees, make: Callable[[str], T]) -> None:
        self._is_one, self._make = trees.feature_dtype == "float32", make
        self._made: dict[str, T] = {}

    def __getitem__(self, rows_dtype: str) -> T:
        key = "float32" if self._is_one else rows_dtype
        if (found := self._made.get(key)) is None:
            found = self._made.setdefault(key, self._make(key))
        return found


class TraversalKernel:
    """Sums and leaves of a forest's trees by walking them.

    Parameters
    ----------
    forest : Forest
        What to run.
    rows_dtype : {"float32", "float64"}
        Dtype of the rows that tables are made for at once. Where the forest compares float32 numbers, one set of tables
        does for both; otherwise those for the other dtype are made with the first rows of it.
    shape : Shape, optional
        Of the forest, where it is known.
    """

    def __init__(self, forest: Forest, rows_dtype: str = "float64", shape: Shape | None = None) -> None:
        self._forest = forest
        self._calls = Calls(forest, _steps_of_walks(shape or Shape.of(forest.trees)))
        self._leaf_id = forest.trees.leaf_id
        self._few = ByDtype(forest.trees, partial(_FewRows, forest.trees))
        self._many = ByDtype(forest.trees, self._with_tops)
        self._few[rows_dtype]

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._calls.sums(self.tables_in_place(len(rows), rows.dtype), rows, n_threads, start)

    def tables_in_place(self, n_rows: int, dtype: str) -> Sequence[Tables]:
        """The tables for rows that are read where they lie, which continue each other's sums."""
        return [self._many[dtype] if n_rows >= tops.LEAST_ROWS else self._few[dtype].tables]

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        (tables,) = self._calls.fitting(self.tables_in_place(len(rows), rows.dtype), rows)
        tree_number = self._few[rows.dtype].compiled.tree_number
        out = np.empty((len(rows), len(tree_number)), dtype=np.int32)
        numbers, call = loader.address(tree_number), self._calls.kernels.run_leaves

        def run(X: bytes, features: int, *rest: int) -> int:
            return call(tables.address, X, features, numbers, *rest)  # type: ignore[no-any-return]

        self._calls.run([run], rows, out, n_threads)
        return _like(rows, self._leaf_id[out])

    def _with_tops(self, rows_dtype: str) -> Tables:
        """The same tables with circuits for the tops of trees, where these are faster."""
        few = self._few[rows_dtype]
        if not tops.pay(self._forest.trees):
            return few.tables
        structure = abi.TraversalStructure.from_buffer_copy(few.structure)
        circuits = tops.structures(self._forest.trees, few.compiled)
        return Tables("traversal", structure, few.structure, tops.attach(structure, circuits))


class _FewRows:
    """The blocks of all trees, which few rows pass from the roots on."""

    def __init__(self, trees: Trees, rows_dtype: str) -> None:
        self.compiled = traversal.compile(trees, rows_dtype)
        self.structure = traversal.structure(self.compiled)
        self.tables = Tables("traversal", self.structure)


class Calls:
    """What calls for a forest have in common.

    Parameters
    ----------
    forest : Forest
        Whose rows and sums.
    n_steps : int, optional
        Steps of up to 100 ns that a row takes; by default as many as there are trees.
    least_rows : int, optional
        Rows that the kernels take at once, if not 512.
    """

    def __init__(self, forest: Forest, n_steps: int | None = None, least_rows: int | None = None) -> None:
        self.forest = forest
        self._least_rows = least_rows
        self._n_steps = forest.n_trees if n_steps is None else n_steps
        self._at_once = rows_at_once(self._n_steps, least_rows)
        self.kernels = _kernels()
        self.n_outputs = forest.n_outputs
        self.features = abi.DTYPES[forest.trees.feature_dtype]
        self.acc_dtype = np.dtype(forest.trees.acc_dtype)
        by_kernel = forest.inputs.key_off is not None and forest.trees.feature_dtype == "float32"
        self._keys = Keys(forest, self.kernels) if by_kernel else None

    def sums(self, tables: Sequence[Tables], rows: Rows, n_threads: int, start: Array | None) -> Any:
        """Sums over trees, of tables that continue each other's, shape (n, K); from `start` on, if there is one."""
        if start is None:
            out = np.empty((rows.data.shape[0], self.n_outputs), dtype=self.acc_dtype)
        else:
            rows = rows.checked()  # now: what has been added once cannot be begun again
            out, tables = np.array(start, dtype=self.acc_dtype, order="C"), [tables[0].continuing, *tables[1:]]
        if rows.in_place:
            self.run([each.call for each in tables], rows, out, n_threads)
            return out
        self.run([each.call for each in self.fitting(tables, rows)], rows, out, n_threads)
        return _like(rows, out)

    def fitting(self, tables: Sequence[Tables], rows: Rows) -> Sequence[Tables]:
        """The tables for the columns that the rows hand over."""
        if not rows.is_narrow(self.forest):
            return tables
        return [each.narrowed(self.forest.trees.used_columns) for each in tables]

    def run(self, calls: Sequence[Callable[..., int]], rows: Rows, out: Array, n_threads: int) -> None:
        """Call kernels, one after the other, for all rows; their values are checked on the way, if they have to be."""
        # Entries of sparse rows are looked at where they are gathered.
        kernels, look = self.kernels, rows.late_check is not None and not hasattr(rows.data, "indptr")
        few = rows.in_place and len(out) <= self._at_once  # without generators, which take longer than a row
        for first, X in ((0, rows.data),) if few else self._ranges(rows, n_threads):
            if isinstance(X, Columns):
                columns = loader.packed_columns(X.arrays)  # which has to stay until the call is over
                packed = loader.packed_frame(columns, len(X), rows.missing_value, rows.flush_limit)
            else:
                packed = loader.packed_rows(X, rows.missing_value, rows.flush_limit, look, rows.below_exponent)
            target = loader.address(out[first:] if first else out)
            for call in calls:
                error = call(packed, self.features, target, n_threads, kernels.isa)
                if error == abi.NOT_FINITE:
                    return self.run(calls, rows.checked(), out, n_threads)
                if error:
                    kernels.check(error)

    def _ranges(self, rows: Rows, n_threads: int) -> Iterator[tuple[int, Array | Columns]]:
        """Some rows at a time, and the number of the first of them."""
        arrays = self._arrays(rows, n_threads)
        return arrays if len(rows) <= self._at_once else self._cut(arrays, n_threads)

    def _cut(
        self, arrays: Iterator[tuple[int, Array | Columns]], n_threads: int
    ) -> Iterator[tuple[int, Array | Columns]]:
        for start, X in arrays:
            for first, last in ranges(len(X), self._n_steps, n_threads, self._least_rows):
                yield start + first, X if last - first == len(X) else _some(X, first, last)

    def _arrays(self, rows: Rows, n_threads: int) -> Iterator[tuple[int, Array | Columns]]:
        if self._keys is not None and isinstance(rows.data, CtrColumns):
            return self._keys.arrays(rows.data, n_threads)
        return rows.arrays(self.forest)


def _some(X: Array | Columns, first: int, last: int) -> Array | Columns:
    """Rows ``first:last``, where they lie."""
    if isinstance(X, Columns):
        return X.part(slice(first, last))
    return X[first:last]


def _kernels() -> loader.Library:
    found = loader.library()
    if found is None:  # a pickle from another machine is the one way here
        raise ValueError(
            f"backend='native' has no kernels here: {loader.why_missing()}. Use backend='torch' or 'auto'."
        )
    return found


def _like(rows: Rows, out: Array) -> Any:
    """The answer as the rows came: a tensor on their device, or an array."""
    if not is_tensor(rows.data):
        return out
    import torch

    return torch.from_numpy(out).to(rows.data.device)
