"""A stand-in for a CUDA device: the launcher's own calls, kernels compiled by g++ [kernels/gpu/stand_in.cpp].

Memory of the device is that of the host, so that arrays and torch's CPU tensors are device arrays.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sktensor.backends.gpu import engine
from sktensor.backends.gpu.driver import Driver
from sktensor.backends.gpu.launch import DeviceForest, Matrix
from sktensor.backends.gpu.nvrtc import Compiler

FOLDER = Path(__file__).parents[2] / "kernels" / "gpu"
CXX = os.environ.get("CXX", "g++")

needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which(CXX) is None, reason="the stand-in for a GPU needs Linux and a C++ compiler"
)


@cache
def library() -> ctypes.CDLL:
    """The stand-in; its kernels will be compiled with the same flags."""
    flags = os.environ.get("STAND_IN_FLAGS", "-O1")
    os.environ["STAND_IN_COMPILER"] = f"{CXX} {flags} -I{FOLDER}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stand_in.so"
        command = [CXX, "-std=c++17", *flags.split(), "-shared", "-fPIC", "-o", path, FOLDER / "stand_in.cpp", "-ldl"]
        subprocess.run([*command, "-lpthread"], check=True)
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)  # kernels call it


@contextlib.contextmanager
def numbers(**values):
    """The stand-in with another version, another architecture and so on, until the end of the block."""
    before = {name: library().stand_in_set(name.encode(), value) for name, value in values.items()}
    try:
        yield
    finally:
        for name, value in before.items():
            library().stand_in_set(name.encode(), value)


@contextlib.contextmanager
def failing(call, result):
    """The stand-in with a call that fails, until the end of the block."""
    library().stand_in_fail(call.encode(), result)
    try:
        yield
    finally:
        library().stand_in_fail(call.encode(), 0)


def calls(name):
    """How often a function of the stand-in has been called."""
    return int(library().stand_in_calls(name.encode()))


def device(ordinal=0):
    """A device."""
    return Driver(library()).device(ordinal)


def compiler():
    """NVRTC's place is taken by g++."""
    return Compiler(library())


def uploaded(array):
    """An array of the host is one of the device."""
    return array.ctypes.data, array


def on_device(forest, ordinal=0):
    """The forest on the device."""
    return DeviceForest(forest, device(ordinal), compiler(), uploaded)


def matrix(X, dtype=None):
    """Rows of an array that lies on the device."""
    steps = [step // X.itemsize for step in X.strides]
    return Matrix(X.ctypes.data, dtype or X.dtype.name, len(X), *steps)


def sums(there, forest, X, dtype=None, start=None):
    """Sums of the rows of an array, between two rows that nothing may touch."""
    out = np.full((len(X) + 2, forest.n_outputs), 7, dtype=forest.trees.acc_dtype)
    begin = 0 if start is None else start.ctypes.data
    there.sums(matrix(X, dtype), out[1:].ctypes.data, 0, forest.inputs.flush_limit, begin)
    assert (out[[0, -1]] == 7).all()
    return out[1:-1]


def leaves(there, forest, X, dtype=None):
    """The library's leaf numbers of the rows of an array."""
    out = np.full((len(X) + 2, forest.n_trees), -7, dtype=np.int32)
    there.leaves(matrix(X, dtype), out[1:].ctypes.data, 0, forest.inputs.flush_limit)
    assert (out[[0, -1]] == -7).all()
    return out[1:-1]


class HostMemory:
    """Memory and streams, of which a stand-in has one kind and none."""

    def __init__(self):
        import torch

        self.device = torch.device("cpu")

    def uploaded(self, array):
        copy = np.array(array)
        return copy.ctypes.data, copy

    def empty(self, shape, dtype):
        import torch

        return torch.full(shape, 7, dtype=getattr(torch, dtype))

    pinned = empty

    def stream(self):
        return 0

    def lane(self):
        return HostLane()


class HostLane:
    """A stream that is done at once."""

    @contextlib.contextmanager
    def working(self):
        yield

    def wait(self):
        pass


@pytest.fixture
def stand_in(monkeypatch):
    """``device="cuda"`` is the stand-in; its tensors are those of the CPU, where tensor code runs as well."""
    from sktensor.backends import torch
    from sktensor.runtime import settings

    there = engine.Found(device(), compiler(), HostMemory())
    monkeypatch.setattr(engine, "found", lambda name: there)
    monkeypatch.setattr(torch, "build", lambda work, option, name: torch.TensorBackend(work.forest, option.name, "cpu"))
    real = settings.find_device
    monkeypatch.setattr(settings, "find_device", lambda name: "cuda" if str(name) == "cuda" else real(name))
    return there
