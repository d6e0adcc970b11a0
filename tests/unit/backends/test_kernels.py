"""The CPU kernels, held against the slow evaluator: the same bits in every instruction set, layout and thread."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from agreement import same_bits
from forests import forests, random_forest, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS
from reference import reference_leaves, reference_sum

from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.inputs.rows import Columns, Rows, as_rows
from sktensor.native import finite as cpu_finite
from sktensor.native import loader

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

HERE = () if loader.library() is None else loader.INSTRUCTION_SETS[: loader.library().best + 1]


@pytest.fixture(params=loader.INSTRUCTION_SETS)
def instruction_set(request, monkeypatch):
    """Each instruction set in turn, forced."""
    if request.param not in HERE:
        pytest.skip("not an instruction set of this processor or build")
    monkeypatch.setattr(loader.library(), "isa", loader.INSTRUCTION_SETS.index(request.param))
    return request.param


def kernels(forest, rows_dtype):
    """Every kernel that takes the forest."""
    if forest.trees.lin_off is None:
        yield BitslicedKernel(forest)
    yield TraversalKernel(forest, "float32" if forest.trees.feature_dtype == "float32" else rows_dtype)


def rows_for(forest, rng, n, dtype):
    with np.errstate(over="ignore"):
        return random_rows(forest, rng, n).astype(dtype)


def assert_as_reference(forest, X, n_threads=1):
    with np.errstate(over="ignore"):
        seen = X.astype(forest.trees.feature_dtype)
    expected = reference_sum(forest, seen)
    for kernel in kernels(forest, X.dtype.name):
        same_bits(kernel.total(as_rows(X, forest), 0, n_threads), expected)
        if isinstance(kernel, TraversalKernel):
            found = kernel.leaves(as_rows(X, forest), 0, n_threads)
            np.testing.assert_array_equal(found, forest.trees.leaf_id[reference_leaves(forest, seen)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_every_kernel_finds_the_leaves_and_sums_of_the_reference(dtype, forest, seed):
    assert_as_reference(forest, rows_for(forest, np.random.default_rng(seed), 60, dtype))


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_every_instruction_set_finds_the_same(seed):
    rng = np.random.default_rng(seed)
    forest = random_forest(
        rng,
        n_trees=int(rng.integers(1, 40)),
        max_depth=int(rng.integers(1, 12)),
        n_features=int(rng.integers(1, 40)),
        n_outputs=int(rng.integers(1, 4)),
        vector=bool(rng.integers(2)),
        cmp=rng.choice(["le", "lt"]),
        feature_dtype=rng.choice(["float32", "float64"]),
        acc_dtype=rng.choice(["float32", "float64"]),
        zero_dir=bool(rng.integers(2)),
        categorical=bool(rng.integers(2)),
        linear=False,
    )
    X = rows_for(forest, rng, int(rng.integers(1, 1200)), rng.choice(["float32", "float64"]))
    with pytest.MonkeyPatch.context() as patch:
        for number in range(len(HERE)):
            patch.setattr(loader.library(), "isa", number)
            assert_as_reference(forest, X, n_threads=int(rng.integers(1, 4)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_rows_of_every_memory_layout_are_read(instruction_set, layout, dtype, feature_dtype):
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=37, feature_dtype=feature_dtype, n_outputs=3)
    X = layout(rows_for(forest, rng, 700, dtype))
    for n_threads in (1, 3):
        assert_as_reference(forest, X, n_threads)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1025])
def test_any_number_of_rows_is_accepted(instruction_set, n_rows):
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_outputs=3, n_trees=7, categorical=True, linear=True)
    X = rows_for(forest, rng, n_rows, "float64")
    assert_as_reference(forest, X)
    plain = random_forest(rng, n_outputs=3, n_trees=7, categorical=True)
    assert_as_reference(plain, rows_for(plain, rng, n_rows, "float64"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 65, 512, 513])
def test_missing_value_is_seen_in_whichever_row_it_stands_alone(instruction_set, n_rows, dtype):
    forest = random_forest(np.random.default_rng(3), n_trees=20, n_features=2, feature_dtype=dtype)
    present, missing = reference_sum(forest, np.array([[0, 0], [np.nan, 0]], dtype=dtype))
    assert (present != missing).all()
    kernel = BitslicedKernel(forest)
    for row in {0, 1, n_rows // 2 - 1, n_rows // 2, n_rows // 2 + 1, n_rows - 2, n_rows - 1} & set(range(n_rows)):
        X = np.zeros((n_rows, 2), dtype=dtype)
        X[row, 0] = np.nan
        expected = np.repeat(present[None], n_rows, axis=0)
        expected[row] = missing
        same_bits(kernel.total(as_rows(X, forest), 0, 1), expected)


def test_column_with_thousands_of_thresholds_is_searched_block_by_block(instruction_set):
    rng = np.random.default_rng(5)
    trees = [
        {
            "feature": int(rng.integers(2)),
            "threshold": float(rng.normal()),
            "left": {"value": 1.0},
            "right": {"value": 2.0},
        }
        for _ in range(3000)
    ]
    from sktensor import Forest

    forest = Forest.from_trees(trees, n_features=2)
    X = rng.normal(size=(600, 2))
    X[:200, 0] = forest.trees.threshold[:200]
    X[200:400, 0] = np.nextafter(forest.trees.threshold[:200], np.inf)
    assert_as_reference(forest, X)
    assert_as_reference(forest, X.astype(np.float32))


def test_float64_values_equal_to_a_threshold_in_float32_are_distinguished(instruction_set):
    rng = np.random.default_rng(6)
    for cmp in ("le", "lt"):
        forest = random_forest(rng, n_trees=30, max_depth=5, n_features=3, cmp=cmp, feature_dtype="float64")
        at = rng.choice(forest.trees.threshold[np.isfinite(forest.trees.threshold)], size=(900, 3))
        X = np.where(rng.random(at.shape) < 0.5, at, np.nextafter(at, rng.choice([-np.inf, np.inf], size=at.shape)))
        assert_as_reference(forest, X)


def test_nothing_is_read_beyond_the_last_value(instruction_set):
    """The last row of an array that ends where a page does, and the next page may not be read."""
    import mmap

    rng = np.random.default_rng(8)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=5, feature_dtype="float32")
    X = rows_for(forest, rng, 1000, "float32")
    pages = -(-X.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    room = mmap.mmap(-1, pages + mmap.PAGESIZE)
    whole = np.frombuffer(room, dtype=np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    guard = ctypes.c_void_p(whole.ctypes.data + pages)
    assert libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    try:
        at_end = whole[pages - X.nbytes : pages].view(np.float32).reshape(X.shape)
        at_end[...] = X
        assert_as_reference(forest, at_end)
    finally:
        libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), 3)


def test_unavailable_instruction_set_is_refused_at_load(monkeypatch):
    monkeypatch.setenv(loader.VARIABLE, "mmx")
    with pytest.raises(OSError, match=r"mmx.*baseline"):
        loader.Library(loader.library().path)


def test_columns_of_a_frame_are_read_without_a_copy(instruction_set):
    rng = np.random.default_rng(9)
    for feature_dtype in ("float32", "float64"):
        forest = random_forest(
            rng, n_trees=20, max_depth=6, n_features=7, feature_dtype=feature_dtype, categorical=True
        )
        X = rows_for(forest, rng, 700, "float64")
        columns = [X[:, j].astype("float32") if j % 2 else X[:, j] for j in range(7)]
        seen = np.stack([c.astype("float64") for c in columns], 1)
        with np.errstate(over="ignore"):
            expected = reference_sum(forest, seen.astype(feature_dtype))
        for kernel in kernels(forest, "float64"):
            same_bits(kernel.total(as_rows(Columns(tuple(columns), 700), forest), 0, 2), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cast", ["float32", "float64"])
def test_finiteness_is_that_of_numpy_after_the_cast(instruction_set, layout, dtype, cast):
    rng = np.random.default_rng(10)
    largest = float(np.finfo(np.float32).max)
    beyond = 3.4028235677973366e38  # halfway to what float32 has no number for
    special = [
        np.nan,
        np.inf,
        -np.inf,
        largest,
        -largest,
        beyond,
        -beyond,
        np.nextafter(beyond, 0),
        1e300,
        5e-324,
        -0.0,
    ]
    for value in special:
        for shape in ((1, 1), (3, 28), (300, 28)):
            with np.errstate(over="ignore"):
                X = rng.normal(size=shape).astype(dtype)
                X[rng.integers(shape[0]), rng.integers(shape[1])] = value
                expected = bool(np.isfinite(X.astype(cast)).all())
            assert cpu_finite.all_finite(layout(X), cast) == expected, value


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_late_check_is_asked_for_exactly_where_a_value_is_not_finite(instruction_set, layout, dtype):
    rng = np.random.default_rng(11)
    forest = random_forest(rng, n_trees=8, max_depth=5, n_features=9, feature_dtype="float32")
    X = np.clip(rows_for(forest, rng, 1500, dtype), -1e30, 1e30)
    X[np.isnan(X)] = 0.5
    expected = reference_sum(forest, X.astype("float32"))
    asked = []

    def refuse(X):
        asked.append("refused")
        raise ValueError("not finite")

    for kernel in kernels(forest, dtype):
        for n_threads in (1, 3):
            same_bits(kernel.total(Rows(layout(X), late_check=refuse), 0, n_threads), expected)
            assert not asked
            for row, column, value in ((0, 0, np.nan), (1499, 8, np.inf), (700, 4, -np.inf), (1024, 8, 3.5e38)):
                wrong = X.copy()
                with np.errstate(over="ignore"):
                    wrong[row, column] = value
                    seen = wrong.astype("float32")
                with pytest.raises(ValueError, match="not finite"):
                    kernel.total(Rows(layout(wrong), late_check=refuse), 0, n_threads)
                if isinstance(kernel, TraversalKernel):
                    with pytest.raises(ValueError, match="not finite"):
                        kernel.leaves(Rows(layout(wrong), late_check=refuse), 0, n_threads)
                lets_pass = Rows(layout(wrong), late_check=lambda X: asked.append("passed"))
                same_bits(kernel.total(lets_pass, 0, n_threads), reference_sum(forest, seen))
                assert asked and asked[-1] == "passed"
            asked.clear()
