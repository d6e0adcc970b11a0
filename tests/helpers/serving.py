"""Servers that tests start, and clients that ask them at the same time; all with an end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from engine_cases import COLUMNS, rows

SIZES = (1, 1, 2, 7, 64, 300)
N_CLIENTS, N_REQUESTS = 8, 60


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[object], log: Path, ready: str, **environment: object) -> Iterator[None]:
    """A server from when it answers `ready`, an address, until the block ends; then all its processes are ended."""
    environment = os.environ | {name: str(value) for name, value in environment.items()}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # engines start commands
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=output,
            stderr=output,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
        )
        try:
            wait_for(ready, server, log)
            yield
        finally:
            end(server)


def wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    """Return once something listens at an address that gives no error of a server; an error if none does in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.2)
    raise RuntimeError(f"no server at {address}:\n{log.read_text()[-4000:]}")


def end(server: subprocess.Popen) -> None:
    """End a server and all processes of its session, politely first."""
    for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(server.pid, number)
            server.wait(seconds)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    with suppress(ProcessLookupError):  # what outlived the first of the group
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(10)


def post(address: str, content: object, seconds: float = 60) -> tuple[int, object]:
    """Status and JSON of the answer to a request with JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON, which has null for what is missing."""
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame[COLUMNS].to_dict("records")
    ]


def frames_of_mixed_sizes() -> list[pd.DataFrame]:
    """The rows of each of N_REQUESTS requests, all different."""
    sizes = np.random.default_rng(0).choice(SIZES, N_REQUESTS)
    return [rows(int(size), seed=100 + number) for number, size in enumerate(sizes)]


def assert_replies_are_the_callers(address: str, pipeline, content, probabilities, wrong=()) -> None:
    """Assert that each of many concurrent requests gets the library's own answer for its rows, bit for bit.

    Parameters
    ----------
    address : str
        Where to post.
    pipeline : estimator
        The library's own.
    content, probabilities : callable
        What to post for a frame; and what of the answer's JSON holds the probabilities.
    wrong : sequence
        Requests that are wrong in some way: sent among the others, each is to fail alone, for what its client did.
    """
    frames = frames_of_mixed_sizes()
    good = [(content(frame), frame) for frame in frames]
    bad = [(request, None) for request in wrong] * 3
    order = np.random.default_rng(0).permutation(len(good) + len(bad))
    requests = [(good + bad)[at] for at in order]
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        replies = list(pool.map(lambda request: post(address, request[0]), requests))
    for (request, frame), (status, answer) in zip(requests, replies, strict=True):
        if frame is None:
            assert 400 <= status < 500, (request, status, answer)
        else:
            assert status == 200, answer
            found = np.array(probabilities(answer), dtype=np.float64)
            assert found.tobytes() == pipeline.predict_proba(frame[COLUMNS]).tobytes()


def at_once(address: str, contents: list[object]) -> list[tuple[int, object]]:
    """Answers to requests that are sent at the same time, within a minute."""
    barrier = threading.Barrier(len(contents))

    def ask(content):
        barrier.wait(30)
        return post(address, content)

    with ThreadPoolExecutor(len(contents)) as pool:
        return list(pool.map(ask, contents))


def wrong_requests() -> list[object]:
    """Requests that a server must refuse: no JSON, no rows, too many, wrong names, text for a number."""
    row = records(rows(1))[0]
    return [
        b"no JSON",
        {"rows": []},
        {"rows": [row] * 1_001},
        {"rows": [row | {"further": 1}]},
        {"rows": [{name: row[name] for name in ("age", "city")}]},
        {"rows": [row | {"age": "old"}]},
    ]
