"""One process that measures, in the environment of whom it measures: a task as JSON on stdin, findings as JSON lines.

Three tasks. ``train``: the model's files, unless they are there. ``build``: one candidate in a process of its own,
compiled from scratch, its answers compared with the library's, the memory it takes. ``speed``: candidates that can
live together take turns on the same rows.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.cpu.candidates import CANDIDATES
from benchmarks.cpu.models import MODELS, N_ANSWERS, Kept, keep
from benchmarks.machine import versions
from benchmarks.peak import peak_of

POOL = 100_000  # small batches are cut from at least so many rows: repeated rows train branch predictors
WHOLE_ROUNDS = 5  # turns that each candidate gets
MOST_CALLS = 2_000
YARDSTICK_SHARE = 0.25  # of the time of a cell
PACED_ROWS = 1_000  # of fewer, a call takes longer than its rows
PAUSE = 0.02  # seconds before a turn, in which the threads of the one before stop spinning


def main():
    say = claim_stdout()
    task = json.load(sys.stdin)
    limit_memory(task["memory_bytes"])
    say(kind="versions", versions=versions(task["packages"]), python=sys.version.split()[0])
    {"train": train, "build": measure_build, "speed": measure_speed}[task["kind"]](task, say)


def claim_stdout():
    """Keep standard output for findings: what libraries print there goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**finding):
        print(json.dumps(finding), file=out, flush=True)

    return say


def limit_memory(n_bytes):
    """Let a candidate that needs more than the machine has fail by itself."""
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


def train(task, say):
    say(kind="stage", stage="train")
    keep(task["model"], Path(task["folder"]))


def prepare(name, task, kept):
    """The candidate, built; its imports come first and count for nothing."""
    candidate = CANDIDATES[name]
    for module in candidate.imports:
        import_module(module)
    scratch = Path(task["folder"]) / "compiled" / f"{kept.model.name}-{name}"
    if task["kind"] == "build":
        shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    fitted = kept.load()  # each its own: some set the number of threads on it
    return lambda: candidate.build(kept, fitted, task["threads"], scratch)


# --- build ------------------------------------------------------------------------------------------------------------


def measure_build(task, say):
    kept = Kept(MODELS[task["model"]], Path(task["folder"]))
    (name,) = task["candidates"]
    say(kind="stage", candidate=name, stage="load")
    build = prepare(name, task, kept)
    row = kept.model.rows(1)

    def first_answer():
        runner = build()
        run(runner, row)
        return runner

    say(kind="stage", candidate=name, stage="compile")
    runner, seconds, peak = peak_of(first_answer)
    finding = {"compile_seconds": seconds, "compile_peak_bytes": max(peak, largest_child())}
    say(kind="stage", candidate=name, stage="answer")
    answers = kept.arrays("answers")
    finding["on_rows"] = compare(run(runner, kept.model.rows(N_ANSWERS, seed=task["answers_seed"])), answers["on_rows"])
    finding["on_ties"] = compare(run(runner, answers["ties"]), answers["on_ties"])
    say(kind="stage", candidate=name, stage="memory")
    X = kept.model.rows(task["memory_rows"])
    data = runner.convert(X) if runner.convert else X
    answer, _, peak = peak_of(lambda: runner.predict(data))
    finding["predict_peak_bytes"] = peak - np.asarray(answer).nbytes
    say(kind="build", candidate=name, **finding)


def largest_child():
    """Bytes that the largest process started from here needed, if it has ended: a compiler, where there is one."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def run(runner, X):
    """The answer, with the conversion before it."""
    return runner.predict(runner.convert(X) if runner.convert else X)


def compare(got, expected):
    """How an answer differs from the library's; one that gives the second class alone is held to that."""
    got = np.asarray(got)
    if got.size == len(expected) and expected.ndim == 2:
        got, expected = got.reshape(-1), expected[:, 1]
    got = got.reshape(expected.shape)
    difference = np.abs(got.astype(np.float64) - expected)
    return {
        "dtype": str(got.dtype),
        "same_bits": got.dtype == expected.dtype and got.tobytes() == np.ascontiguousarray(expected).tobytes(),
        "largest_difference": float(difference.max()),
        "share_beyond_1e-5": float((difference > 1e-5).reshape(len(got), -1).any(1).mean()),
    }


# --- speed ------------------------------------------------------------------------------------------------------------


def measure_speed(task, say):
    kept = Kept(MODELS[task["model"]], Path(task["folder"]))
    runners = {}
    for name in task["candidates"]:
        say(kind="stage", candidate=name, stage="load")
        try:
            runners[name] = prepare(name, task, kept)()
        except Exception as error:
            say(kind="failed", candidate=name, stage="load", message=message_of(error))
    for dtype in task["dtypes"]:
        # Doubles that are floats as well: whoever rounds to float32 answers the same.
        X = kept.model.rows(max(POOL, *task["sizes"])).astype(dtype)
        pace = {}
        for size in task["sizes"]:
            measure_cells(task, runners, pace, X, size, partial(say, dtype=dtype))


def measure_cells(task, runners, pace, X, size, say):
    """Every candidate with so many rows; whoever fails is out of the runners from then on.

    `pace` is each one's seconds a row with fewer rows, by which a call that is certain to take too long is not tried.
    """
    calls = {}
    for name in list(runners):
        if name == task["yardstick"] and size > task["yardstick_rows"]:
            continue
        say(kind="stage", candidate=name, stage=f"{size} rows")
        try:
            expected = pace.get(name, 0.0) * size
            if expected < 2 * task["longest_seconds"]:
                expected = expected_seconds(runners[name], X, size)
        except Exception as error:
            say(kind="failed", candidate=name, rows=size, message=message_of(error))
            del runners[name]
            continue
        pace[name] = expected / size if size >= PACED_ROWS else 0.0
        if expected > task["longest_seconds"]:
            message = f"about {expected:.0f} s expected, the limit is {task['longest_seconds']:g} s"
            say(kind="skipped", candidate=name, rows=size, message=message)
        else:
            share = YARDSTICK_SHARE if name == task["yardstick"] else 1
            calls[name] = number_of_calls(expected, share * task["cell_seconds"], task["longest_seconds"])
    for _ in range(task["tries"]):
        others = others_at_work()
        measured = take_turns(runners, {name: n for name, n in calls.items() if name in runners}, X, size, say)
        busy = others()
        if busy is None or busy <= task["most_others"]:
            break
    for name, times in measured.items():
        plan = runners[name].plan
        finding = {"plan": plan(size)} if plan else {}
        say(kind="cell", candidate=name, rows=size, threads=task["threads"], **times, **finding, others_cores=busy)


def expected_seconds(runner, X, size):
    """What a call will take, by a call of a part where the whole may be too long; warms up as well."""
    part = min(size, max(1_000, size // 20))
    for _ in range(2):  # twice: the first compiles what depends on the shape
        start = time.perf_counter()
        run(runner, X[:part])
        seconds = time.perf_counter() - start
        if seconds > 1:
            break
    return seconds * size / part


def number_of_calls(expected, seconds, longest):
    """As many as fit into the time, at least three, but one or two where they would take very long."""
    expected = max(expected, 1e-9)
    return int(min(max(seconds / expected, min(3, longest / expected), 1), MOST_CALLS))


def others_at_work():
    """A function that gives how many cores other processes have used since; None where the system does not say."""

    def used():
        with open("/proc/stat", encoding="ascii") as stat:
            user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        everybody = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return everybody - time.process_time(), time.perf_counter()

    try:
        before, began = used()
    except OSError:
        return lambda: None

    def cores():
        after, now = used()
        return round(max(after - before, 0.0) / (now - began), 2)

    return cores


def take_turns(runners, calls, X, size, say):
    """Seconds of each call; candidates alternate, each with a share of its calls at a time."""
    seconds = {name: [] for name in calls}
    used = dict.fromkeys(calls, 0.0)
    batches = len(X) // size
    for turn in range(WHOLE_ROUNDS):
        for name, n_calls in calls.items():
            share = range(turn, n_calls, WHOLE_ROUNDS)
            if not share or name not in seconds:
                continue
            runner = runners[name]
            say(kind="stage", candidate=name, stage=f"{size} rows")
            time.sleep(PAUSE)
            gc.collect()
            gc.disable()
            try:
                if size <= 1_000:  # back from the pause, which is no part of a server's second request
                    run(runner, X[:size])
                for call in share:
                    start = call % batches * size
                    batch = X[start : start + size]
                    data = runner.convert(batch) if runner.convert else batch
                    cpu, began = time.process_time(), time.perf_counter()
                    runner.predict(data)
                    seconds[name].append(time.perf_counter() - began)
                    used[name] += time.process_time() - cpu
            except Exception as error:
                say(kind="failed", candidate=name, rows=size, message=message_of(error))
                del seconds[name], runners[name]
            finally:
                gc.enable()
    return {
        name: {
            "median_seconds": median(times),
            "fastest_seconds": min(times),
            "slowest_decile_seconds": float(np.quantile(times, 0.9)),
            "calls": len(times),
            "cores_used": round(used[name] / sum(times), 2),
        }
        for name, times in seconds.items()
    }


def message_of(error):
    """What a failure said, of bearable length."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-90:]}"


if __name__ == "__main__":
    main()
