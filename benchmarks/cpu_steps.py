"""What each step of the bit-sliced kernel takes: nanoseconds a row, beside the floor of reading the rows once.

The kernel is run on tables from which steps have been taken out: without ranks, planes, trees, or multiplexers.
One core, 50,000 distinct rows of 28 float32 features in row-major order.

    python -m benchmarks.cpu_steps --folder FOLDER [--save benchmarks/results/cpu_steps.json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.cpu.models import keep
from benchmarks.machine import facts
from sktensor import extract_forest
from sktensor.backends.cpu.kernels import BitslicedKernel
from sktensor.native import abi, loader

N_ROWS = 50_000
MODELS = ("xgb-100-d6", "xgb-500-d8", "xgb-7-classes", "lgbm-500-l31", "lgbm-100-l255", "hgb-100-l31", "gb-100-d3")


def without(structure, **changes):
    """A copy of a structure with other numbers, or arrays, in some fields."""
    copy = type(structure).from_buffer_copy(structure)
    types = {name: kind for name, kind, *_ in structure._fields_}
    for name, value in changes.items():
        setattr(copy, name, value.ctypes.data_as(types[name]) if isinstance(value, np.ndarray) else value)
    copy.kept = tuple(changes.values()), structure
    return copy


def steps(kernel):
    """Structures that do more and more of the work; the last one does all of it."""
    ((tables,),) = kernel._tables.values()
    full = tables._structure
    none = {
        "code_planes": np.zeros(full.n_codes + 1, np.int32),
        "n_category_columns": 0,
        "n_pieces": 0,
    }
    no_mux = {
        "piece_triples": np.zeros(full.n_pieces + 1, np.int32),
        "piece_muxes": np.zeros(full.n_pieces + 1, np.int32),
        "piece_demuxes": np.zeros(3 * full.n_pieces + 1, np.int32),
        "piece_code": np.zeros((full.n_pieces, 8), np.uint16),
    }
    return {
        "transposition": without(full, search_levels=np.zeros(full.n_searches, np.int32), **none),
        "ranks": without(full, **none),
        "planes": without(full, n_pieces=0),
        "look-up": without(full, **no_mux),
        "circuits": full,
    }


def ns_a_row(structure, forest, X, repeats=9):
    library = loader.library()
    out = np.empty((len(X), forest.n_outputs), forest.trees.acc_dtype)
    rows = loader.packed_rows(X, forest.inputs.missing_value, -1.0)
    features = abi.DTYPES[forest.trees.feature_dtype]
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        library.run_bitsliced(ctypes.addressof(structure), rows, features, out.ctypes.data, 1, library.isa)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) / len(X) * 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--save", type=Path, help="write the results as JSON")
    arguments = parser.parse_args()

    X = np.random.default_rng(1).normal(size=(N_ROWS, 28)).astype(np.float32)
    copy = np.empty_like(X)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        np.copyto(copy, X)
        times.append(time.perf_counter() - start)
    floor = float(np.median(times)) / len(X) * 1e9
    results = {"machine": facts(), "copying the rows": floor, "models": {}}
    print(f"copying the rows: {floor:.1f} ns a row")
    for name in MODELS:
        forest = extract_forest(keep(name, arguments.folder).load())
        kernel = BitslicedKernel(forest)
        taken, before = {}, 0.0
        for step, structure in steps(kernel).items():
            now = ns_a_row(structure, forest, X)
            taken[step], before = now - before, now
        results["models"][name] = {**taken, "all": before}
        print(f"{name:32}", "  ".join(f"{step} {ns:6.1f}" for step, ns in results["models"][name].items()))
    if arguments.save:
        arguments.save.parent.mkdir(parents=True, exist_ok=True)
        arguments.save.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
