"""Mutants of the GPU's kernels: each of them is to be noticed by the cases of tests/helpers/gpu_cases.py.

``python tests/mutants/gpu_kernels.py [WORD]`` takes those whose name has the word, or all of them: some ten minutes of
a core. Each mutant runs plainly, then under AddressSanitizer with UBSan, then under ThreadSanitizer, until something
is noticed. Exits non-zero if a mutant survives that `EQUAL` does not explain.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "sktensor/backends/gpu/forest.cu").read_text(encoding="utf-8")
CHANGES = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")

# Survivors that give the same answers, and why.
EQUAL = {
    "a row's place in a word is another": "equal: codes are read where they are written, whichever byte that is",
}


def mutants():
    """Names and sources: each barrier left out in turn, and the changes of the list."""
    yield "none", SOURCE
    for found in re.finditer(r"\bBARRIER\(\);", SOURCE):
        line = SOURCE.count("\n", 0, found.start()) + 1
        yield f"no barrier in line {line}", SOURCE[: found.start()] + ";" + SOURCE[found.end() :]
    for name, *lines in re.findall(r"^\* (.*)\n- (.*)\n\+ ?(.*)$", CHANGES, re.MULTILINE):
        old, new = (line.replace("\\n", "\n") for line in lines)
        assert old in SOURCE, f"{name}: {old!r} is not in the source"
        yield name, SOURCE.replace(old, new, 1)


def noticed(text):
    """What noticed a mutant, with a line of what was said; empty where nothing did."""
    with tempfile.NamedTemporaryFile("w", suffix=".cu") as file:
        file.write(text)
        file.flush()
        for kind in ("plain", "address", "thread"):
            try:
                done = subprocess.run(
                    [ROOT / "kernels/gpu/sanitize", kind, file.name],
                    env=os.environ | {"PYTHON": sys.executable},
                    capture_output=True,
                    text=True,
                    timeout=600,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"{kind}: it does not end"
            if done.returncode or not done.stdout.endswith("all passed\n"):
                said = re.findall(r"SUMMARY: .*|AssertionError.*|runtime error: .*|error: .*", done.stderr) or ["crash"]
                return f"{kind}: {said[0][:100]}"
    return ""


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    survivors, count = [], 0
    for name, text in mutants():
        if wanted not in name:
            continue
        found = EQUAL.get(name) or noticed(text)
        if name == "none":
            assert not found, f"the kernels themselves do not pass: {found}"
            continue
        print(f"{name:50s} {found or 'SURVIVES'}", flush=True)
        count += 1
        if not found:
            survivors.append(name)
    print(f"{count} mutants, {len(survivors)} survive unexplained: {', '.join(survivors) or 'none'}")
    return len(survivors) > 0


if __name__ == "__main__":
    sys.exit(main())
