"""Kernels that run out of memory: each allocation fails once, and MemoryError or the right answer comes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sktensor.native import loader

COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

pytestmark = [
    pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}"),
    pytest.mark.skipif(sys.platform != "linux" or COMPILER is None, reason="no compiler for a library to preload"),
    pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="something else is preloaded"),
]

# Stands in for the C++ library's operators: the n-th call after skt_fail(n), counted from 0, throws.
OPERATORS = r"""
#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<long> left{-1};

extern "C" void skt_fail(long n) { left = n; }
extern "C" long skt_left() { return left; }

static void count() {
  long n = left;
  while (n >= 0)
    if (left.compare_exchange_weak(n, n - 1)) {
      if (n == 0) throw std::bad_alloc();
      return;
    }
}
static void *checked(void *memory) {
  if (!memory) throw std::bad_alloc();
  return memory;
}
void *operator new(std::size_t n) { count(); return checked(std::malloc(n ? n : 1)); }
void *operator new(std::size_t n, std::align_val_t a) {
  count();
  const std::size_t step = static_cast<std::size_t>(a);
  return checked(std::aligned_alloc(step, (n / step + 1) * step));
}
void operator delete(void *p) noexcept { std::free(p); }
void operator delete(void *p, std::size_t) noexcept { std::free(p); }
void operator delete(void *p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void *p, std::size_t, std::align_val_t) noexcept { std::free(p); }
"""

# Prints, for each kernel and number of threads, how often a failure became a MemoryError and how often an answer.
SCRIPT = r"""
import ctypes, json, threading
import numpy as np
from sktensor import Forest
from sktensor.backends.cpu import keys
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.inputs.rows import Rows
from sktensor.native import finite, loader
from sktensor.outputs import link_kernels

operators = ctypes.CDLL(None)
rng = np.random.default_rng(0)
trees = [
    {"feature": int(rng.integers(5)), "threshold": float(rng.normal()), "left": {"value": 1.0}, "right": {"value": 2.0}}
    for _ in range(50)
]
forest = Forest.from_trees(trees, n_features=5)
bits, walk = BitslicedKernel(forest), TraversalKernel(forest, "float64")
X, wide = rng.normal(size=(40_000, 5)), rng.normal(size=(40_000, 7))


def probabilities(raw, proba, link, n_threads):
    rules = {"n_outputs": raw.shape[1], "acc_dtype": raw.dtype.name, "proba": proba, "link": link}
    of_scores = Forest.from_trees([{"value": 1.0}], n_features=1, tree_target=[0], **rules)
    return link_kernels.probabilities(of_scores, raw, n_threads)


KERNELS = {
    "bitsliced": lambda n: bits.total(Rows(X), 0, n),
    "traversal": lambda n: walk.total(Rows(X), 0, n),
    "leaves": lambda n: walk.leaves(Rows(X), 0, n),
    "sigmoid32": lambda n: probabilities(wide[:, :1].astype(np.float32), "complement", "clipped_sigmoid", n),
    "sigmoid64": lambda n: probabilities(wide[:, :1], "complement", "sigmoid", n),
    "softmax32": lambda n: probabilities(wide.astype(np.float32), "values", "softmax", n),
    "softmax64": lambda n: probabilities(wide, "values", "c_softmax", n),
    "finite": lambda n: finite.all_finite(X, "float32"),
    "cityhash64": lambda n: keys.cityhash64([b"a", b"longer than sixteen bytes"] * 50, loader.library()),
}


def in_new_thread(call, fails):
    # A thread of its own has no memory kept from earlier calls.
    outcome = []

    def run():
        operators.skt_fail(fails)
        try:
            outcome.append(call())
        except BaseException as error:
            outcome.append(error)
        outcome.append(operators.skt_left() == -1)
        operators.skt_fail(-1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome


found = {}
operators.skt_left.restype = ctypes.c_long
operators.skt_fail.argtypes = [ctypes.c_long]
for name, kernel in KERNELS.items():
    for n_threads in (3, 1):  # helpers that have no memory of earlier calls come first
        counts = {"MemoryError": 0, "answers": 0, "wrong": []}
        outcomes = []
        for _ in range(2):  # the second time all helpers are there, and fewer allocations come before this thread's own
            for fails in range(100):
                answer, failed = in_new_thread(lambda: kernel(n_threads), fails)
                if not failed:
                    break
                outcomes.append(answer)
        expected = np.asarray(kernel(n_threads)).tobytes()
        for answer in outcomes:
            if type(answer) is MemoryError:
                counts["MemoryError"] += 1
            elif isinstance(answer, BaseException) or np.asarray(answer).tobytes() != expected:
                counts["wrong"].append(repr(answer)[:200])
            else:
                counts["answers"] += 1
        counts["tries"] = len(outcomes)
        found[f"{name}, {n_threads} threads"] = counts
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of the failures of each kernel's allocations."""
    source: Path = tmp_path_factory.mktemp("operators") / "operators.cpp"
    source.write_text(OPERATORS)
    library = source.with_suffix(".so")
    subprocess.run([COMPILER, "-O1", "-std=c++17", "-shared", "-fPIC", "-o", library, source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_allocation_that_fails_gives_a_memory_error_or_the_right_answer(outcomes):
    assert {name: each["wrong"] for name, each in outcomes.items() if each["wrong"]} == {}
    assert all(each["tries"] < 100 for each in outcomes.values())  # all allocations were tried


@pytest.mark.parametrize("name", ["bitsliced", "traversal", "leaves", "softmax32"])
def test_kernels_that_keep_memory_raise_memory_error_without_it(outcomes, name):
    alone = outcomes[f"{name}, 1 threads"]
    assert alone["MemoryError"] == alone["tries"] == 2
    assert outcomes[f"{name}, 3 threads"]["MemoryError"] > 0
