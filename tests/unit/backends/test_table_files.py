"""Tables in a file, as benchmarks/instructions.py hands them to a program for another processor."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest, random_rows

from benchmarks.instructions import KERNELS, KINDS, Image, answers_here
from sktensor.native import loader

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

HEAD = struct.Struct("7q2d")


def loaded(path):
    """What predict.cpp makes of a file: the memory, the structures in it, and the head."""
    data = path.read_bytes()
    head = HEAD.unpack_from(data)
    n_tables, n_pointers, n_bytes = head[:3]
    places = np.frombuffer(data, np.int64, 2 * n_tables + n_pointers, HEAD.size)
    room = np.zeros(n_bytes + 64, np.uint8)
    memory = room[-room.ctypes.data % 64 :][:n_bytes]
    memory[:] = np.frombuffer(data, np.uint8, n_bytes, HEAD.size + places.nbytes)
    for at in places[2 * n_tables :]:
        memory[at : at + 8].view(np.int64)[0] += memory.ctypes.data
    structures = places[: 2 * n_tables].reshape(-1, 2).tolist()
    return memory, [KINDS[kind].from_address(memory.ctypes.data + at) for kind, at in structures], head


@pytest.mark.parametrize("strategy", KERNELS)
def test_tables_from_a_file_give_the_answers_of_those_in_memory(strategy, tmp_path):
    rng = np.random.default_rng(4)
    forest = random_forest(rng, n_trees=20)
    with np.errstate(over="ignore"):
        X = random_rows(forest, rng, 300).astype(np.float32)
    tables = [(each._structure, each._kept) for each in KERNELS[strategy](forest).tables_in_place(len(X), "float32")]
    image = Image()
    for structure, kept in tables:
        image.add(structure, kept)
    image.write(tmp_path / "tables", forest)

    memory, structures, head = loaded(tmp_path / "tables")
    assert head[3:5] == (forest.n_features, forest.n_outputs * np.dtype(forest.trees.acc_dtype).itemsize)
    assert all(ctypes.addressof(structure) >= memory.ctypes.data for structure in structures)
    same_bits(answers_here([(each, ()) for each in structures], forest, X), answers_here(tables, forest, X))
