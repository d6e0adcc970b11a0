"""CUDA's driver, by ctypes: what its devices are, loading of compiled kernels, and launches."""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sktensor.backends.gpu import libraries

__all__ = ["Device", "Driver", "DriverError", "Function"]

# CUdevice_attribute and CUfunction_attribute of cuda.h
PROCESSORS, MAJOR, MINOR, SHARED_PER_PROCESSOR, SHARED_PER_BLOCK = 16, 75, 76, 81, 97
MAX_DYNAMIC_SHARED = 8
PREFERRED_CARVEOUT = 9

OUT_OF_MEMORY = 2
RESERVED_SHARED = 1024  # of each block, for the system, since compute capability 8.0


class DriverError(RuntimeError):
    """A call of the driver that failed.

    Parameters
    ----------
    call : str
        The function.
    result : int
        What it returned.
    name : str
        The driver's name of that.
    """

    def __init__(self, call: str, result: int, name: str) -> None:
        text = f"CUDA's driver refused {call} with error {result} ({name})."
        if result == OUT_OF_MEMORY:
            text += " There is not enough memory on the device: free some, or give fewer rows at a time (batch_size)."
        super().__init__(text)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return RuntimeError, self.args


class Driver:
    """The driver's library.

    Parameters
    ----------
    library : ctypes.CDLL, optional
        That of the system by default.

    Raises
    ------
    OSError
        If there is none.
    DriverError
        If it finds no device.
    """

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        self._library = library or libraries.driver_library()
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function; DriverError where it fails."""
        if result := getattr(self._library, name)(*arguments):
            raise DriverError(name, result, self._name_of(result))

    def _name_of(self, result: int) -> str:
        text = ctypes.c_char_p()
        failed = self._library.cuGetErrorName(result, ctypes.byref(text))
        return "unknown" if failed or text.value is None else text.value.decode()

    @cached_property
    def version(self) -> tuple[int, int]:
        """The CUDA version that it is made for."""
        found = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(found))
        return found.value // 1000, found.value % 1000 // 10

    def device(self, ordinal: int) -> Device:
        """A device by its number, which is torch's."""
        return Device(self, ordinal)


class Device:
    """A device, in the context that torch and other libraries use as well.

    Parameters
    ----------
    driver : Driver
        Of the system.
    ordinal : int
        The device's number.
    """

    def __init__(self, driver: Driver, ordinal: int) -> None:
        self.driver = driver
        handle, self._context = ctypes.c_int(), ctypes.c_void_p()
        driver.call("cuDeviceGet", ctypes.byref(handle), ordinal)
        self._handle = handle
        driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), handle)

    def _attribute(self, number: int) -> int:
        found = ctypes.c_int()
        self.driver.call("cuDeviceGetAttribute", ctypes.byref(found), number, self._handle)
        return found.value

    @cached_property
    def compute_capability(self) -> int:
        """As NVRTC counts architectures: 90 for 9.0."""
        return 10 * self._attribute(MAJOR) + self._attribute(MINOR)

    @cached_property
    def n_processors(self) -> int:
        """Streaming multiprocessors."""
        return self._attribute(PROCESSORS)

    @cached_property
    def shared_bytes(self) -> int:
        """Shared memory that a block may have."""
        return self._attribute(SHARED_PER_BLOCK)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Have calls of this thread go to the device, whatever they go to before and after."""
        self.driver.call("cuCtxPushCurrent_v2", self._context)
        try:
            yield
        finally:
            self.driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def load(self, image: bytes, name: str, threads: int, shared_bytes: int) -> Function:
        """A kernel of a compiled module.

        Parameters
        ----------
        image : bytes
            The module.
        name : str
            The kernel.
        threads : int
            Threads of a block.
        shared_bytes : int
            Shared memory of a block.
        """
        module, function, blocks = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        call = self.driver.call
        with self.current():
            call("cuModuleLoadData", ctypes.byref(module), image)
            call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
            call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, shared_bytes)
            call(
                "cuOccupancyMaxActiveBlocksPerMultiprocessor",
                ctypes.byref(blocks),
                function,
                threads,
                ctypes.c_size_t(shared_bytes),
            )
            at_once = max(1, blocks.value)
            # As much of the first-level cache as blocks need; the rest of it keeps what is read of nodes and values.
            wanted = at_once * (shared_bytes + RESERVED_SHARED) / self._attribute(SHARED_PER_PROCESSOR)
            call("cuFuncSetAttribute", function, PREFERRED_CARVEOUT, min(100, math.ceil(100 * wanted)))
        return Function(self, function, threads, shared_bytes, at_once * self.n_processors)


@dataclass(frozen=True)
class Function:
    """A kernel on a device.

    Attributes
    ----------
    device : Device
        Where it was loaded.
    handle : ctypes.c_void_p
        The driver's.
    threads, shared_bytes : int
        Of a block.
    blocks_at_once : int
        Blocks that the device runs at the same time.
    """

    device: Device
    handle: ctypes.c_void_p
    threads: int
    shared_bytes: int
    blocks_at_once: int

    def launch(self, n_blocks: int, stream: int, arguments: Sequence[Any]) -> None:
        """Start the kernel and return; what the stream is given later waits for it.

        Parameters
        ----------
        n_blocks : int
            Of the grid.
        stream : int
            The stream's handle.
        arguments : sequence of ctypes objects
            Copied before this returns.
        """
        pointers = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
        with self.device.current():
            self.device.driver.call(
                "cuLaunchKernel",
                self.handle,
                *(n_blocks, 1, 1),
                *(self.threads, 1, 1),
                self.shared_bytes,
                ctypes.c_void_p(stream),
                pointers,
                None,
            )
