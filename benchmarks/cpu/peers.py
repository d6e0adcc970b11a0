"""Environments of their own for the peers, whose requirements contradict one another.

Usage: python -m benchmarks.cpu.peers [--folder FOLDER] [NAME ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import versions


@dataclass(frozen=True)
class Environment:
    """What one of them installs: peers at the versions that were tried, model libraries at the versions used here."""

    peers: tuple[str, ...]
    libraries: tuple[str, ...] = ("scikit-learn", "xgboost", "lightgbm", "catboost")
    first: tuple[str, ...] = ()  # in a step before
    last: tuple[str, ...] = ()  # over the others, without what it requires
    same_libraries: bool = True  # whether the library's time there can be compared with its time elsewhere


ENVIRONMENTS = {
    # protobuf 7 refuses the numpy booleans that skl2onnx 1.20 writes for HistGradientBoosting.
    "onnxruntime": Environment(
        ("onnxruntime==1.31.1", "onnxmltools==1.16.0", "skl2onnx==1.20.0", "onnx==1.23.2", "protobuf<7")
    ),
    "treelite": Environment(("treelite==4.8.1", "tl2cgen==1.0.0"), ("scikit-learn", "xgboost", "lightgbm")),
    "lleaves": Environment(("lleaves==1.3.0", "llvmlite<0.45"), ("scikit-learn", "lightgbm")),
    "sklearnex": Environment(("scikit-learn-intelex==2026.2.0", "treelite==4.8.1")),
    "ydf": Environment(("ydf==0.16.1",)),
    # 3.4 asks for Python 3.12; its Python files run under 3.11.
    "xgboost-newest": Environment((), ("scikit-learn", "xgboost"), last=("xgboost==3.4.1",), same_libraries=False),
    # A looser request for torch brings gigabytes of CUDA along. onnx is pinned by Hummingbird itself.
    "hummingbird": Environment(
        ("hummingbird-ml==0.4.12", "onnx<=1.16.1"), ("scikit-learn", "xgboost", "lightgbm"), first=("torch==2.13.0",)
    ),
}


def default_folder() -> Path:
    """A cache folder of the user's, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sktensor-benchmarks"


def python_of(name: str, folder: Path) -> Path:
    """The environment's interpreter, whether it is there or not."""
    return folder / name / "bin" / "python"


def packages_of(name: str) -> tuple[str, ...]:
    """The packages whose versions belong beside its figures."""
    environment = ENVIRONMENTS[name]
    required = (*environment.peers, *environment.first, *environment.libraries, "numpy")
    return tuple(requirement.partition("==")[0].partition("<")[0] for requirement in required)


def install(name: str, folder: Path) -> None:
    """Make the environment anew."""
    environment = ENVIRONMENTS[name]
    here = versions((*environment.libraries, "numpy", "joblib"))
    libraries = [f"{package}=={version}" for package, version in here.items()]
    venv.create(folder / name, clear=True, with_pip=True)
    pip = [str(python_of(name, folder)), "-m", "pip", "install", "--quiet"]
    last = environment.last and ("--no-deps", "--ignore-requires-python", *environment.last)
    for step in (environment.first, (*libraries, *environment.peers), last):
        if step:
            subprocess.run([*pip, *step], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(ENVIRONMENTS)}")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="default: %(default)s")
    args = parser.parse_args()
    if unknown := set(args.names) - ENVIRONMENTS.keys():
        parser.error(f"unknown environments: {', '.join(sorted(unknown))}. Known: {', '.join(ENVIRONMENTS)}")
    failed = []
    for name in args.names or ENVIRONMENTS:
        print(f"{name}: {args.folder / name}", flush=True)
        try:
            install(name, args.folder)
        except subprocess.CalledProcessError as error:
            print(f"{name}: not installed, pip ended with {error.returncode}", file=sys.stderr)
            failed.append(name)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
