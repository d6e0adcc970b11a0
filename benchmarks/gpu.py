"""CUDA's kernels on a device: the bits of forty models, and how fast five are. One command, within seven minutes.

    python -m benchmarks.gpu --models FOLDER --out gpu.json

The models that are timed are read from the folder, or trained into it where their libraries are installed; do that
beforehand on any machine: ``python -m benchmarks.gpu_models FOLDER``. What is found is written to the file after every
step, so that nothing is lost where time runs out. ``--steps`` takes some of the steps. Where XGBoost and nvForest do
not go into one environment: ``--steps peers`` in another one, with the same folder.

Exits with 1 if an answer has other bits than on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import gpu_models, gpu_peers, machine
from sktensor import Forest
from sktensor.backends import torch as tensor_code
from sktensor.backends.gpu import blocks, cubins, engine, nvrtc
from sktensor.backends.gpu.runner import CudaForest
from sktensor.backends.workload import Workload
from sktensor.inputs.rows import Rows
from sktensor.strategies import strategies

DEVICE = "cuda"

# Numbers of rows, and shapes of blocks, that are timed.
SIZES = (1, 32, 1000, 10_000, 100_000, 1_000_000, 4_000_000)
STAGES = (16 * 1024, 24 * 1024, 40 * 1024)
REPEATS = 7

# How rows lie on the device.
LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "row-major": lambda X: X.contiguous(),
    "column-major": lambda X: X.t().contiguous().t(),
    "strided": lambda X: X.repeat_interleave(2, dim=1)[:, ::2],
}
KERNELS = {"chosen": None, "few": 10**9, "many": -1}  # blocks.FEW_PER_PROCESSOR


def on_device(forest: Forest) -> CudaForest:
    """The forest's kernels; ValueError where there are none."""
    work = Workload(forest)
    (option,) = engine.options(work, 1000, DEVICE)
    if option.refused:
        raise ValueError(option.refused)
    return engine.build(work, option, DEVICE)


def tensor(X: np.ndarray, dtype: str) -> torch.Tensor:
    """Rows on the device."""
    there = torch.from_numpy(np.ascontiguousarray(gpu_models.as_dtype(X, dtype))).to(DEVICE)
    return there.to(torch.bfloat16) if dtype == "bfloat16" else there


def rows_of(forest: Forest, X: Any) -> Rows:
    return Rows(X, forest.inputs.flush_limit, forest.inputs.missing_value)


@contextmanager
def shape(few: int | None = None, block: blocks.Block | None = None, stage: int | None = None) -> Iterator[None]:
    """Another choice of kernels and blocks."""
    before = blocks.FEW_PER_PROCESSOR, blocks.BLOCKS, blocks.STAGE_BYTES
    blocks.FEW_PER_PROCESSOR = before[0] if few is None else few
    blocks.BLOCKS = before[1] if block is None else (block,)
    blocks.STAGE_BYTES = before[2] if stage is None else stage
    try:
        yield
    finally:
        blocks.FEW_PER_PROCESSOR, blocks.BLOCKS, blocks.STAGE_BYTES = before


# ------------------------------------------------------------------------------------------------------------- steps


def step_versions(run: Run) -> Any:
    there = engine.found(DEVICE)
    if isinstance(there, str):
        raise SystemExit(f"There are no kernels here: {there}.")
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": torch.cuda.get_device_name(0),
        "compute_capability": there.device.compute_capability,
        "processors": there.device.n_processors,
        "shared_bytes_of_a_block": there.device.shared_bytes,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "driver": there.device.driver.version,
        "nvrtc": there.compiler.version,
        "target": there.compiler.target(there.device.compute_capability),
        "packages": machine.versions(("numpy", "torch", "cupy-cuda12x", "cupy-cuda13x", "xgboost", "nvforest-cu13")),
        "machine": machine.facts(),
    }


def step_compile(run: Run) -> Any:
    """Time to the first answer, without compiled kernels and with them; twice, for what is loaded once."""
    forest = dict(gpu_models.forests())["xgboost, classifier"]
    X = tensor(gpu_models.rows(forest, 1), "float32")
    found = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as empty:
            os.environ["SKTENSOR_CACHE_DIR"] = empty
            for kept in (False, True):
                torch.cuda.synchronize()
                begin = time.perf_counter()
                on_device(forest).total(rows_of(forest, X), 1, 1)
                torch.cuda.synchronize()
                found.append({"kept": kept, "ms": round(1e3 * (time.perf_counter() - begin), 1)})
    os.environ.pop("SKTENSOR_CACHE_DIR")
    return {"first_answer": found, "options": nvrtc.OPTIONS, "cache": cubins.directory().name}


def step_bits(run: Run) -> Any:
    """Forty models: every size, and every dtype, layout and kernel."""
    expected = json.loads(gpu_models.EXPECTED.read_text(encoding="utf-8"))
    equal, wrong, checked = 0, [], 0
    for name, forest in gpu_models.forests():
        X = gpu_models.rows(forest, gpu_models.N_ROWS)
        if gpu_models.hashed(X) != expected[name]["rows"]:
            raise RuntimeError(f"numpy {np.__version__} makes other rows for {name}")
        before = len(wrong)
        for kernel, few in KERNELS.items():
            with shape(few):
                there = on_device(forest)
                for dtype, n in gpu_models.of_dtypes(forest):
                    sums, leaves = expected[name]["answers"][f"{dtype} {n}"]
                    layouts = LAYOUTS if n == gpu_models.OTHERS else {"row-major": LAYOUTS["row-major"]}
                    for layout, lay in layouts.items():
                        given = rows_of(forest, lay(tensor(X[:n], dtype)))
                        for what, answer, right in (
                            ("sums", there.total(given, n, 1), sums),
                            ("leaves", there.leaves(given, n, 1), leaves),
                        ):
                            checked += 1
                            if gpu_models.hashed(answer.cpu().numpy()) != right:
                                wrong.append(f"{name}: {what}, {kernel}, {dtype}, {n} rows, {layout}")
        equal += len(wrong) == before
        run.note(f"bits: {equal} models equal, {len(wrong)} answers wrong of {checked}")
    run.wrong += len(wrong)
    return {"models": len(expected), "equal": equal, "answers": checked, "wrong": wrong[:50]}


def step_ways(run: Run) -> Any:
    """The same bits from the host's arrays, in a graph, on streams, in threads, and for CuPy's arrays."""
    forest = dict(gpu_models.forests())["xgboost, three classes"]
    there = on_device(forest)
    X = gpu_models.as_dtype(gpu_models.rows(forest, 20_000), "float32")
    given = tensor(X, "float32")
    right = there.total(rows_of(forest, given), 1, 1)

    def same(found: Any) -> bool:
        array = found if isinstance(found, np.ndarray) else found.cpu().numpy()
        return gpu_models.hashed(array) == gpu_models.hashed(right.cpu().numpy())

    found = {
        "numpy": same(there.total(rows_of(forest, X), 10**6, 1)),
        "numpy, in pieces": same(there.total(rows_of(forest, X), 777, 1)),
        "tensors of the host": same(there.total(rows_of(forest, torch.from_numpy(X)), 10**6, 1)),
    }
    graph = torch.cuda.CUDAGraph()
    static = torch.zeros_like(given)
    there.total(rows_of(forest, static), 1, 1)
    with torch.cuda.graph(graph):
        captured = there.total(rows_of(forest, static), 1, 1)
    static.copy_(given)
    graph.replay()
    found["graph"] = same(captured)
    streams, answers = [torch.cuda.Stream() for _ in range(2)], []
    for stream in streams:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            answers += [there.total(rows_of(forest, given), 1, 1) for _ in range(20)]
    torch.cuda.synchronize()
    found["two streams"] = all(same(answer) for answer in answers)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(there.total(rows_of(forest, given), 1, 1))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found["threads"] = len(answers) == 4 and all(same(answer) for answer in answers)
    try:
        import cupy
    except ImportError:
        found["CuPy"] = "not installed"
    else:
        from sktensor.inputs.rows import exchanged, is_exchangeable

        array = cupy.asarray(X)
        found["CuPy"] = is_exchangeable(array) and same(there.total(rows_of(forest, exchanged(array)), 1, 1))
    run.wrong += sum(value is False for value in found.values())
    return found


def step_sanitizer(run: Run) -> Any:
    """compute-sanitizer's tools on three tiny models."""
    tool = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if tool is None:
        return "not installed"
    found = {}
    for kind in ("memcheck", "racecheck"):
        command = [tool, "--tool", kind, "--error-exitcode", "9", sys.executable, "-m", "benchmarks.gpu", "--tiny"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            found[kind] = "not done within a minute"
            continue
        summary = [line for line in (done.stdout + done.stderr).splitlines() if "SUMMARY" in line]
        found[kind] = {"exit": done.returncode, "summary": summary[-1:] or (done.stdout + done.stderr)[-300:]}
    return found


def tiny() -> None:
    """Three tiny models through both kernels, for compute-sanitizer."""
    for name in ("xgboost, three classes", "lightgbm, categories with NaN", "sklearn, forest"):
        forest = dict(gpu_models.forests())[name]
        for few in (10**9, -1):
            with shape(few):
                there = on_device(forest)
                given = rows_of(forest, tensor(gpu_models.rows(forest, 300), "float64"))
                there.total(given, 1, 1)
                there.leaves(given, 1, 1)
    torch.cuda.synchronize()


def milliseconds(call: Callable[[], Any]) -> float:
    """Median time of a call on the device, from events around several of them."""
    call()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    call()
    torch.cuda.synchronize()
    inner = max(1, min(100, int(2e-3 / max(time.perf_counter() - begin, 1e-6))))
    found = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(inner):
            call()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) / inner)
    return statistics.median(found)


def call(there: CudaForest, forest: Forest, X: torch.Tensor, n: int) -> Callable[[], Any]:
    """Sums of the first rows, to be timed."""
    given = rows_of(forest, X[:n])
    return lambda: there.total(given, 1, 1)


def step_speed(run: Run) -> Any:
    """Sums of the models that are timed, at every size, as users get them; and one row until it is on the host."""
    found: dict[str, Any] = {}
    for name, forest, _ in gpu_models.standard(run.folder):
        there = on_device(forest)
        X = torch.randn((SIZES[-1], forest.n_features), device=DEVICE)
        found[name] = {}
        for n in SIZES:
            ms = milliseconds(call(there, forest, X, n))
            found[name][n] = {"us": round(1e3 * ms, 2), "rows_per_s": round(n / ms * 1e3)}
        one, times = rows_of(forest, X[:1]), []
        for _ in range(200):
            begin = time.perf_counter()
            there.total(one, 1, 1).cpu()
            times.append(time.perf_counter() - begin)
        found[name]["one row, until it is on the host, us"] = round(1e6 * statistics.median(times), 1)
        host = X[:1_000_000].cpu().numpy()
        begin = time.perf_counter()
        there.total(rows_of(forest, host), 10**9, 1)
        found[name]["a million rows of numpy, ms"] = round(1e3 * (time.perf_counter() - begin), 1)
        run.note(f"{name}: {found[name][SIZES[-2]]['rows_per_s']:.3g} rows/s")
    return found


def step_shapes(run: Run) -> Any:
    """The same for every shape of blocks and every room for nodes."""
    found: dict[str, Any] = {}
    for name, forest, _ in gpu_models.standard(run.folder):
        X = torch.randn((1_000_000, forest.n_features), device=DEVICE)
        for block in blocks.BLOCKS:
            for stage in STAGES:
                if run.is_late():
                    return found
                with shape(-1, block, stage):
                    there = on_device(forest)
                    for n in (100_000, 1_000_000):
                        key = f"{name}, {n} rows, {block.threads} x {block.rows_per_thread}, {stage // 1024} KiB"
                        try:
                            ms = milliseconds(
                                lambda n=n, there=there, X=X, f=forest: there.total(rows_of(f, X[:n]), 1, 1)
                            )
                        except ValueError as error:  # not enough shared memory
                            found[key] = str(error)[:60]
                            continue
                        found[key] = round(n / ms * 1e3)
        for few in (10**9, -1):
            with shape(few):
                there = on_device(forest)
                for n in (1, 32, 1000, 4000, 16_000):
                    key = f"{name}, {n} rows, {'few' if few > 0 else 'many'}"
                    ms = milliseconds(call(there, forest, X, n))
                    found[key] = {"us": round(1e3 * ms, 2)}
        run.write("shapes", found)
    return found


def step_torch(run: Run) -> Any:
    """Tensor code of every strategy, which runs where kernels refuse a forest, once."""
    found: dict[str, Any] = {}
    for name, forest, _ in gpu_models.standard(run.folder):
        X = torch.randn((100_000, forest.n_features), device=DEVICE)
        work = Workload(forest)
        for option in tensor_code.options(work, len(X), DEVICE):
            if option.refused or option.name not in strategies() or run.is_late():
                continue
            runner = tensor_code.build(work, option, DEVICE)
            in_flight = option.rows_in_flight or len(X)
            try:
                runner.total(rows_of(forest, X[:1000]), in_flight, 1)
                torch.cuda.synchronize()
                begin = time.perf_counter()
                runner.total(rows_of(forest, X), in_flight, 1)
                torch.cuda.synchronize()
                found[f"{name}, {option.name}"] = round(len(X) / (time.perf_counter() - begin))
            except torch.cuda.OutOfMemoryError:
                found[f"{name}, {option.name}"] = "out of memory"
            del runner
        run.write("torch", found)
    return found


def step_peers(run: Run) -> Any:
    """XGBoost's own predictor and nvForest, on CuPy's arrays, where they are installed."""
    return gpu_peers.timed(run.folder, REPEATS)


STEPS: dict[str, Callable[[Run], Any]] = {
    "versions": step_versions,
    "compile": step_compile,
    "bits": step_bits,
    "ways": step_ways,
    "sanitizer": step_sanitizer,
    "speed": step_speed,
    "peers": step_peers,
    "torch": step_torch,
    "shapes": step_shapes,
}


class Run:
    """What has been found so far, and how much time is left.

    Parameters
    ----------
    out : Path
        The file that it is written to.
    folder : Path
        Where the models that are timed are.
    minutes : float
        After which no further step begins.
    """

    def __init__(self, out: Path, folder: Path, minutes: float) -> None:
        self.out, self.folder = out, folder
        self.begin, self.minutes = time.monotonic(), minutes
        self.results: dict[str, Any] = {}
        self.wrong = 0

    def is_late(self) -> bool:
        return time.monotonic() - self.begin > 60 * self.minutes

    def note(self, text: str) -> None:
        print(f"{time.monotonic() - self.begin:6.1f} s  {text}", flush=True)

    def write(self, step: str, found: Any) -> None:
        """Add what a step has found, and replace the file."""
        self.results[step] = found
        temporary = self.out.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.results, indent=1, default=str) + "\n", encoding="utf-8")
        os.replace(temporary, self.out)

    def step(self, name: str) -> None:
        if self.is_late():
            self.note(f"{name}: no time is left")
            return
        begin = time.monotonic()
        try:
            found = STEPS[name](self)
        except Exception as error:  # the other steps are worth having
            traceback.print_exc()
            self.wrong += 1
            found = {"error": f"{type(error).__name__}: {error}"}
        self.write(name, found)
        self.results.setdefault("seconds", {})[name] = round(time.monotonic() - begin, 1)
        self.note(f"{name}: done in {time.monotonic() - begin:.1f} s")

    def table(self) -> None:
        """The speed of each model beside the peers'."""
        speed, peers = self.results.get("speed"), self.results.get("peers")
        if not isinstance(speed, dict):
            return
        print(f"\n{'rows/s at a million rows':34s} {'sktensor':>10s} {'XGBoost':>10s} {'nvForest':>10s}")
        for name, of_sizes in speed.items():
            if not isinstance(of_sizes, dict):
                continue
            cells = [of_sizes[1_000_000]["rows_per_s"]]
            for peer in ("xgboost", "nvforest"):
                seen = peers.get(f"{name}, {peer}, 1000000 rows") if isinstance(peers, dict) else None
                cells.append(seen["rows_per_s"] if isinstance(seen, dict) else None)
            said = " ".join(f"{'-' if cell is None else format(cell, '.3g'):>10s}" for cell in cells)
            print(f"{gpu_models.STANDARD[name]:34s} {said}")
            print(
                f"{'  one row, until it is on the host':34s} {of_sizes['one row, until it is on the host, us']:8.1f} us"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("gpu-models"), help="folder of the models that are timed")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="file of the results")
    parser.add_argument("--minutes", type=float, default=6.5, help="after which no further step begins")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="all by default")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.tiny:
        tiny()
        return 0
    run = Run(given.out, given.models, given.minutes)
    for name in given.steps:
        run.step(name)
    run.write("seconds", run.results.get("seconds", {}))
    run.table()
    print(f"\n{run.wrong} wrong" if run.wrong else "\nAll answers have the bits of the CPU's.")
    return int(run.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
