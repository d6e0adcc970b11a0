"""Rows of the host by way of torch's memory and streams, of which a machine without a device has the names only."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import stand_in_gpu as gpu
import torch
from agreement import same_bits
from forests import random_forest, random_rows
from reference import reference_sum

from sktensor.backends.gpu import runner
from sktensor.backends.gpu.memory import Memory
from sktensor.backends.gpu.runner import CudaForest
from sktensor.inputs.rows import Rows

pytestmark = gpu.needs_compiler


@pytest.fixture
def said(monkeypatch):
    """What torch's streams and events are told, in order; memory of the device and pinned memory are the host's."""
    told = []

    class Stream:
        cuda_stream = 0

        def __init__(self, device):
            told.append(("new stream", str(device)))

        def wait_stream(self, other):
            told.append(("waits for", type(other).__name__))

    class Event:
        def record(self, stream):
            told.append(("record", type(stream).__name__))

        def synchronize(self):
            told.append(("synchronize",))

    real = torch.empty

    def empty(shape, *, dtype, device="cpu", pin_memory=False):
        told.append(("pinned" if pin_memory else str(device),))
        return real(shape, dtype=dtype)

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream.__new__(Stream))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *given, **how: self)
    return told


def test_pieces_are_copied_by_streams_of_their_own_and_waited_for_before_they_are_used_again(said, monkeypatch):
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_outputs=2)
    there = CudaForest(forest, gpu.device(), gpu.compiler(), Memory(0))
    X = random_rows(forest, rng, 100)
    monkeypatch.setattr(runner, "PIECE_BYTES", 20 * (X.shape[1] + 2) * 8)
    same_bits(there.total(Rows(X, -1.0), 10**6, 1), reference_sum(forest, X))
    assert said.count(("new stream", "cuda:0")) == 3 and said.count(("waits for", "Stream")) == 3
    assert said.count(("pinned",)) == 6 and said.count(("cuda:0",)) == 6  # rows and answers of three pieces
    assert said.count(("record", "Stream")) == 3 + 5  # once for the memory of each, then for each piece
    assert said.count(("synchronize",)) == 5
    # The first piece is waited for before its place is filled by the fourth.
    events = [what for what in said if what[0] in ("record", "synchronize")]
    assert [what[0] for what in events[-10:]] == ["record"] * 3 + ["synchronize", "record"] * 2 + ["synchronize"] * 3


def test_what_is_uploaded_is_a_copy(said):
    array = np.arange(5.0)
    array.flags.writeable = False
    address, kept = Memory(0).uploaded(array)
    assert kept.numpy().tobytes() == array.tobytes() and address != array.ctypes.data
