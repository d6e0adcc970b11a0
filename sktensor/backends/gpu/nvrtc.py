"""NVRTC, by ctypes: from source to code for a device."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sktensor.backends.gpu import libraries

__all__ = ["CompilationError", "Compiler", "find_compiler"]

# Every kernel is compiled with these. Products and sums are not to be contracted, whose rounding would be another one;
# device=default would be the code of any function.
OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")


class CompilationError(RuntimeError):
    """A kernel that NVRTC did not compile."""


class Compiler:
    """NVRTC's library.

    Parameters
    ----------
    library : ctypes.CDLL
        Of CUDA 12 or newer.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value, minor.value

    def _call(self, name: str, *arguments: Any) -> None:
        if result := getattr(self._library, name)(*arguments):
            raise CompilationError(f"NVRTC refused {name} with error {result}.")

    @cached_property
    def architectures(self) -> tuple[int, ...]:
        """The compute capabilities that it compiles for, ascending: 90 is 9.0."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return tuple(sorted(found))

    def target(self, compute_capability: int) -> str:
        """The architecture to compile for: ``"sm_90"``, or ``"compute_90"`` for what the driver is to finish.

        Code for a device runs on later ones of the same major version. Devices that are newer than NVRTC get an
        intermediate form; for those that are older there is nothing, an empty text.
        """
        older = [known for known in self.architectures if known <= compute_capability]
        if not older:
            return ""
        kind = "sm" if older[-1] // 10 == compute_capability // 10 else "compute"
        return f"{kind}_{older[-1]}"

    def compile(self, source: str, definitions: Sequence[str], target: str) -> tuple[bytes, str]:
        """Code for an architecture.

        Parameters
        ----------
        source : str
            CUDA C++.
        definitions : sequence of str
            ``"NAME=value"``.
        target : str
            As :meth:`target` gives it.

        Returns
        -------
        image : bytes
            What the driver loads.
        log : str
            What the compiler says of it: registers, spills, shared memory.
        """
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"forest.cu", 0, None, None)
        try:
            options = [f"--gpu-architecture={target}", *OPTIONS, *(f"-D{one}" for one in definitions)]
            if target.startswith("sm"):
                options.append("--ptxas-options=-v")
            encoded = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
            result = self._library.nvrtcCompileProgram(program, len(options), encoded)
            log = self._text(program, "nvrtcGetProgramLog").decode(errors="replace")
            if result:
                version = ".".join(map(str, self.version))
                raise CompilationError(f"NVRTC {version} refused a kernel: {log.strip(chr(0))} Use backend='torch'.")
            return self._text(program, "nvrtcGetCUBIN" if target.startswith("sm") else "nvrtcGetPTX"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(what, program, text)
        return text.raw


def find_compiler(driver_version: tuple[int, int]) -> Compiler | str:
    """NVRTC of the newest version that the driver has code for, or why there is none."""
    too_new = None
    for name in libraries.nvrtc_candidates():
        try:
            found = Compiler(libraries.nvrtc_library(name))
        except OSError:
            continue
        if found.version[0] <= driver_version[0]:
            return found
        too_new = found.version
    wanted = f"'nvidia-cuda-nvrtc{'-cu12' if driver_version[0] < 13 else ''}'"
    if too_new is not None:
        newer, older = (".".join(map(str, version)) for version in (too_new, driver_version))
        return f"NVRTC is of CUDA {newer} and the driver of CUDA {older}: update the driver, or install {wanted}"
    return f"NVRTC, which compiles them, is not there: install {wanted}"
