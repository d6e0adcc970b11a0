"""Instructions a row of the CPU kernels on 64-bit Arm and with AVX2, counted by qemu-user: without an Arm processor.

Each trained model's tables are written to a file; a small program (``kernels/count/predict.cpp``), built for both,
predicts N rows and twice as many with them, and the difference of the instructions that qemu runs is that of N rows.
The answers of both have to be those of this machine's kernels, to the bit. With ``--steps`` the steps of the bit-sliced
kernel are counted one by one.

    apt-get install cmake g++ g++-aarch64-linux-gnu qemu-user
    python -m benchmarks.instructions --folder FOLDER [--models xgb-100-d6 ...] [--rows-a-call 1] [--steps]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cpu_steps
from benchmarks.cpu.models import MODELS, keep
from sktensor import extract_forest
from sktensor.backends.cpu.costs import DIRECT
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.native import abi, loader
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COUNT = ROOT / "kernels" / "count"

N_ROWS = 4096  # whole blocks of every kernel
PLANNED_ROWS = 50_000  # for which the kernel is chosen that is counted
BOUND = 2.0  # NEON's registers are half as wide as AVX2's

KERNELS = {"bitsliced": BitslicedKernel, "tree_traversal": TraversalKernel, DIRECT: WalkKernel}
KINDS = (abi.BitslicedStructure, abi.TraversalStructure, abi.WalkStructure)  # in the order of predict.cpp
VERSIONS = range(1, 9)  # of qemu's interface for plugins


@dataclass(frozen=True)
class Target:
    """A processor to build for and to emulate."""

    name: str
    emulator: tuple[str, ...]
    options: tuple[str, ...] = ()
    compiler: str = "g++"


ARM = Target(
    "neon",
    ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
    ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"),
    "aarch64-linux-gnu-g++",
)
X86 = Target("avx2", ("qemu-x86_64", "-cpu", "max"))
TARGETS = (X86, ARM)


# -------------------------------------------------------------------------------------------------------------- builds


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """What a command prints; the script ends where it fails."""
    found = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if found.returncode:
        raise SystemExit(f"{command[0]} failed:\n{found.stdout}{found.stderr}")
    return found


def built(target: Target, folder: Path) -> Path:
    """The program for a target."""
    place = folder / target.name
    environment = {**os.environ, "CXX": os.environ.get("CXX", X86.compiler) if target is X86 else target.compiler}
    # SKBUILD_STATE: the library is not to be put beside the module that loads it.
    run("cmake", "-S", ROOT, "-B", place, "-DSKBUILD_STATE=wheel", *target.options, env=environment)
    run("cmake", "--build", place, "--target", "sktensor_predict", "--parallel", os.cpu_count() or 1)
    return place / "sktensor_predict"


def tools() -> list[str]:
    """Which compilers and emulators these are."""
    commands = [X86.emulator[0], ARM.emulator[0], os.environ.get("CXX", X86.compiler), ARM.compiler]
    return [run(command, "--version").stdout.splitlines()[0] for command in commands]


def plugin(folder: Path) -> Path:
    """The plugin that counts, for the interface that this qemu has: its number changes, what is used of it does not."""
    for version in VERSIONS:
        path = folder / f"plugin{version}.so"
        run("cc", "-O2", "-shared", "-fPIC", f"-DVERSION={version}", COUNT / "plugin.c", "-o", path)
        tried = subprocess.run([*X86.emulator, "-plugin", path, "/bin/true"], capture_output=True, check=False)
        if not tried.returncode:
            return path
    raise SystemExit(f"This qemu takes no plugin: {tried.stderr.decode()}")


# --------------------------------------------------------------------------------------------------------------- files


def held(kept: Any) -> Iterator[np.ndarray]:
    """The arrays that a structure keeps alive."""
    if isinstance(kept, np.ndarray):
        yield kept
    for part in kept if isinstance(kept, tuple | list) else (getattr(kept, "kept", ()) or ()):
        if isinstance(part, np.ndarray | tuple | list | ctypes.Structure):
            yield from held(part)


def pointers(kind: type[ctypes.Structure], place: int = 0) -> Iterator[int]:
    """Where a structure has pointers."""
    for name, type_, *_ in kind._fields_:
        at = place + getattr(kind, name).offset
        if issubclass(type_, ctypes.Structure):
            yield from pointers(type_, at)
        elif type_ is ctypes.c_void_p or issubclass(type_, ctypes._Pointer):
            yield at


class Image:
    """Structures and arrays as they lie in memory, with places in the image for addresses."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.pointers: list[int] = []
        self.structures: list[tuple[int, int]] = []  # kind, place

    def _place(self, data: bytes) -> int:
        self.bytes += bytes(-len(self.bytes) % 64)
        place = len(self.bytes)
        self.bytes += data
        return place

    def add(self, structure: ctypes.Structure, kept: Sequence[Any] = ()) -> None:
        """One more structure, with the arrays that it points into."""
        arrays: dict[int, np.ndarray] = {}
        for array in held((structure, *kept)):
            if array.nbytes >= arrays.get(array.ctypes.data, array[:0]).nbytes:
                arrays[array.ctypes.data] = array
        place = self._place(bytes(structure))
        self.structures.append((KINDS.index(type(structure)), place))
        self._point(structure, place, arrays)

    def _point(self, structure: ctypes.Structure, place: int, arrays: dict[int, np.ndarray]) -> None:
        """Have a structure that stands at `place` point into the image."""
        circuits = structure.tops[: structure.n_tops] if isinstance(structure, abi.TraversalStructure) else []
        for at in pointers(type(structure), place):
            (address,) = struct.unpack_from("P", self.bytes, at)
            if not address:
                continue
            if circuits and at == place + abi.TraversalStructure.tops.offset:
                there = self._place(b"".join(map(bytes, circuits)))
                for i, each in enumerate(circuits):
                    self._point(each, there + i * ctypes.sizeof(each), arrays)
            else:
                there = self._place(arrays[address].tobytes())
            struct.pack_into("P", self.bytes, at, there)
            self.pointers.append(at)

    def write(self, path: Path, forest: Any) -> None:
        """The file as predict.cpp reads it."""
        inputs, missing = forest.inputs, forest.inputs.missing_value
        row_bytes = forest.n_outputs * np.dtype(forest.trees.acc_dtype).itemsize
        head = struct.pack(
            "7q2d",
            *(len(self.structures), len(self.pointers), len(self.bytes), forest.trees.n_columns, row_bytes),
            *(abi.DTYPES[forest.trees.feature_dtype], missing is not None, missing or 0.0, inputs.flush_limit),
        )
        places = np.array([*sum(self.structures, ()), *self.pointers], dtype=np.int64)
        path.write_bytes(head + places.tobytes() + self.bytes)


# ------------------------------------------------------------------------------------------------------------ counting


@dataclass(frozen=True)
class Counter:
    """Counts instructions of programs for both targets, in a folder for files."""

    folder: Path
    plugin: Path
    programs: dict[Target, Path]

    def _run(self, target: Target, n: int, at_once: int) -> tuple[int, bytes]:
        """Instructions of a run on the rows and tables of the folder, and what it answers."""
        program, out = self.programs[target], self.folder / "out"
        given = (self.folder / "tables", self.folder / "rows", n, at_once, out)
        found = run(*target.emulator, "-plugin", self.plugin, program, *given)
        if found.stdout.strip() != ("avx2" if target is X86 else "baseline"):
            raise SystemExit(f"{target.emulator[0]} does not emulate {target.name}.")
        return int(re.findall(r"instructions (\d+)", found.stderr)[-1]), out.read_bytes()

    def count(self, target: Target, n: int, at_once: int) -> tuple[float, bytes]:
        """Instructions a row, and the answers of 2 n rows."""
        few, _ = self._run(target, n, at_once)
        many, answers = self._run(target, 2 * n, at_once)
        return (many - few) / n, answers

    def compare(self, tables: Sequence[Any], forest: Any, X: np.ndarray, at_once: int) -> dict[str, float]:
        """Instructions a row of both targets, whose answers are the same."""
        image = Image()
        for structure, kept in tables:
            image.add(structure, kept)
        image.write(self.folder / "tables", forest)
        (self.folder / "rows").write_bytes(X.tobytes())
        found = {target.name: self.count(target, len(X) // 2, at_once) for target in TARGETS}
        expected = answers_here(tables, forest, X).tobytes()
        for name, (_, answers) in found.items():
            if answers != expected:
                raise SystemExit(f"{name} gives other answers than the kernels of this machine.")
        return {name: each for name, (each, _) in found.items()}


def answers_here(tables: Sequence[Any], forest: Any, X: np.ndarray) -> np.ndarray:
    """What the kernels of this machine answer."""
    library, inputs = loader.library(), forest.inputs
    out = np.empty((len(X), forest.n_outputs), forest.trees.acc_dtype)
    rows = loader.packed_rows(X, inputs.missing_value, inputs.flush_limit)
    calls = (library.run_bitsliced, library.run_traversal, library.run_walk)
    for structure, _ in tables:
        call = calls[KINDS.index(type(structure))]
        features = abi.DTYPES[forest.trees.feature_dtype]
        library.check(call(ctypes.addressof(structure), rows, features, loader.address(out), 1, library.isa))
    return out


# --------------------------------------------------------------------------------------------------------------- table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--kernel", choices=list(KERNELS), help="rather than the one that many rows take")
    parser.add_argument("--rows-a-call", type=int, help="rather than all; for so many rows the kernel is chosen then")
    parser.add_argument("--rows", type=int, default=N_ROWS, help="N: 2 N rows are predicted")
    parser.add_argument("--steps", action="store_true", help="of the bit-sliced kernel, one by one")
    parser.add_argument("--build", type=Path, help="a folder that keeps the builds for the next time")
    parser.add_argument("--save", type=Path, help="write the counts as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build = arguments.build or folder
        counter = Counter(folder, plugin(folder), {target: built(target, build) for target in TARGETS})
        found = {name: _counted(name, counter, arguments) for name in arguments.models}
    if arguments.save:
        arguments.save.write_text(json.dumps({"tools": tools(), "models": found}, indent=1) + "\n", encoding="utf-8")
    broken = [name for name, each in found.items() if each["all"]["neon"] > BOUND * each["all"]["avx2"]]
    if broken:
        print(f"NEON takes more than {BOUND} times the instructions of AVX2 for {', '.join(broken)}.")
    return int(bool(broken))


def _counted(name: str, counter: Counter, arguments: Any) -> dict[str, Any]:
    """The counts of a model, printed."""
    kept = keep(name, arguments.folder)
    forest = extract_forest(kept.load())
    X = kept.model.rows(2 * arguments.rows)
    at_once = arguments.rows_a_call or len(X)
    chosen = Program(forest).plan(arguments.rows_a_call or PLANNED_ROWS, Settings(backend="native"))
    strategy = arguments.kernel or chosen.strategy
    kernel = KERNELS[strategy](forest)
    found: dict[str, Any] = {"kernel": strategy}
    if arguments.steps and strategy == "bitsliced":
        before = dict.fromkeys((target.name for target in TARGETS), 0.0)
        for step, structure in cpu_steps.steps(kernel).items():
            now = counter.compare([(structure, ())], forest, X, at_once)
            found[step] = {target: each - before[target] for target, each in now.items()}
            _show(name, step, found[step])
            before = now
    tables = [(each._structure, each._kept) for each in kernel.tables_in_place(at_once, "float32")]
    found["all"] = counter.compare(tables, forest, X, at_once)
    _show(name, strategy, found["all"])
    return found


def _show(name: str, what: str, counts: dict[str, float]) -> None:
    ratio = counts["neon"] / counts["avx2"] if counts["avx2"] else float("nan")
    print(f"{name:18} {what:16} avx2 {counts['avx2']:9.1f}  neon {counts['neon']:9.1f}  {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
