"""Instructions of the GPU's kernels a tree and step, and a step of a search, counted in what NVRTC makes of them.

``python -m benchmarks.gpu_sass`` needs no device, but NVRTC and ``nvdisasm``: ``pip install nvidia-cuda-nvrtc
nvidia-cuda-nvdisasm``. The bounds are those that the arithmetic of docs/devices.rst rests on; the script fails where
one does not hold.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sktensor import Forest
from sktensor.backends.gpu import blocks, libraries, tables
from sktensor.backends.gpu.blocks import Block
from sktensor.backends.gpu.nvrtc import Compiler, find_compiler
from sktensor.backends.gpu.variants import Variant, compared_dtype, definitions, source

BLOCK = Block(512, 4)

# Instructions at most: a tree and step with codes of 8 and 16 bits, a step of a search.
BOUNDS = {"u8": 7.5, "u16": 9.5, "search": 6.0}


def forest(n_thresholds: int) -> Forest:
    """Trees of depth 1 with so many thresholds of one feature."""
    trees = [
        {"feature": 0, "threshold": float(i), "left": {"value": 1.0}, "right": {"value": 2.0}}
        for i in range(n_thresholds)
    ]
    return Forest.from_trees(trees, n_features=1, feature_dtype="float32", acc_dtype="float32", cmp="lt")


def compiled(n_thresholds: int, target: str, compiler: Compiler) -> tuple[bytes, str]:
    """Code of the kernel for many rows of float32."""
    model, variant = forest(n_thresholds), Variant("float32", False, BLOCK)
    compared = compared_dtype(model, variant.dtype)
    made = tables.compile(model.trees, compared, blocks.staging(np.dtype(compared).itemsize))
    return compiler.compile(source(), definitions(model, made, variant), target)


def disassembled(image: bytes) -> list[tuple[int, str]]:
    """Addresses and instructions."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(image)
        file.flush()
        text = subprocess.run([nvdisasm(), "-c", file.name], capture_output=True, text=True, check=True).stdout
    found, labels = [], {}
    for line in text.splitlines():
        if label := re.match(r"(\.L_x_\d+):", line):
            labels[label[1]] = len(found)
        if instruction := re.match(r"\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", line):
            found.append((int(instruction[1], 16), instruction[2]))
    address = {label: found[place][0] for label, place in labels.items() if place < len(found)}
    return [(at, re.sub(r"`\((\.L_x_\d+)\)", lambda m: hex(address.get(m[1], 0)), what)) for at, what in found]


def nvdisasm() -> str:
    """The disassembler: that of NVIDIA's wheel, or one on the path."""
    for place in libraries._places("nvidia"):
        for path in Path(place).glob("*/bin/nvdisasm*"):
            path.chmod(path.stat().st_mode | 0o111)
            return str(path)
    if (found := shutil.which("nvdisasm")) is None:
        raise SystemExit("There is no nvdisasm: pip install nvidia-cuda-nvdisasm.")
    return found


def loops(code: list[tuple[int, str]]) -> list[list[str]]:
    """The instructions of every loop, the shortest first."""
    at = {address: i for i, (address, _) in enumerate(code)}
    found = []
    for i, (address, what) in enumerate(code):
        target = re.search(r"\bBRA\S*\s.*?(0x[0-9a-f]+)", what)
        if target and int(target[1], 16) <= address:
            found.append([one for _, one in code[at[int(target[1], 16)] : i + 1]])
    return sorted(found, key=len)


def walk(code: list[tuple[int, str]], load: str) -> float:
    """Instructions a tree, row and step: of the shortest loop that loads a code for each row."""
    for loop in loops(code):
        loads = sum(load in one for one in loop)
        if loads and loads % BLOCK.rows_per_thread == 0:
            return len(loop) / loads
    raise SystemExit(f"There is no loop that loads codes by {load}.")


def search(code: list[tuple[int, str]]) -> float:
    """Instructions a step of the search, on average: from one comparison to the next."""
    places, last = [], None
    for i, (_, what) in enumerate(code):
        if re.match(r"LDS R\d+, \[R\d+(\+0x[0-9a-f]*[37bf]c)?\]", what):
            last = i
        elif "FSETP.G" in what and last is not None and i - last <= 2:
            places.append(i)
    distances = [b - a for a, b in itertools.pairwise(places) if b - a < 12]
    if len(distances) < 8:
        raise SystemExit("The steps of the search were not found.")
    return float(np.mean(distances))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", default="sm_90")
    target = parser.parse_args().target
    compiler = find_compiler((99, 0))
    if isinstance(compiler, str):
        raise SystemExit(compiler)
    image, log = compiled(200, target, compiler)
    narrow = disassembled(image)
    wide = disassembled(compiled(1000, target, compiler)[0])
    counts = {"u8": walk(narrow, "LDS.U8"), "u16": walk(wide, "LDS.U16"), "search": search(narrow)}
    print(json.dumps({"target": target, "nvrtc": compiler.version, "instructions": counts, "bounds": BOUNDS}))
    print(re.findall(r"Used .*", log)[0])
    return int(any(counts[name] > most for name, most in BOUNDS.items()))


if __name__ == "__main__":
    sys.exit(main())
