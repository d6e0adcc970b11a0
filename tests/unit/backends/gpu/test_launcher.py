"""The launcher by a stand-in for the driver and NVRTC: what is said where something is missing, and what is kept."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import stand_in_gpu as gpu
from agreement import same_bits
from forests import random_forest, random_rows
from reference import reference_sum

from sktensor.backends.gpu import cubins, engine, launch, libraries, nvrtc
from sktensor.backends.gpu.driver import DriverError
from sktensor.backends.gpu.nvrtc import CompilationError
from sktensor.backends.workload import Workload
from sktensor.runtime import settings
from sktensor.runtime.planner import Planner
from sktensor.runtime.settings import Settings

pytestmark = gpu.needs_compiler

FOREST = random_forest(np.random.default_rng(0))
X = random_rows(FOREST, np.random.default_rng(1), 50)
EXPECTED = reference_sum(FOREST, X)


@pytest.fixture
def machine(monkeypatch):
    """A machine whose driver and NVRTC are the stand-in, as the engine finds them."""
    monkeypatch.setattr(libraries, "driver_library", gpu.library)
    monkeypatch.setattr(libraries, "nvrtc_candidates", lambda: iter(["libnvrtc.so"]))
    monkeypatch.setattr(libraries, "nvrtc_library", lambda name: gpu.library())
    monkeypatch.setattr(engine, "Memory", lambda ordinal: gpu.HostMemory())
    monkeypatch.setattr(engine, "found", lambda device: engine._found.__wrapped__(0))
    monkeypatch.setattr(settings, "find_device", str)
    return monkeypatch


def plan(device="cuda"):
    return Planner(Workload(FOREST)).plan(100, Settings(device))


def refused(match):
    """The plan is made for tensor code and says why; who insists on kernels is told the same."""
    found = plan()
    assert found.backend == "torch" and match in repr(found), found
    with pytest.raises(ValueError, match="backend='native' has no kernel here") as error:
        Planner(Workload(FOREST)).plan(100, Settings("cuda", backend="native"))
    assert match in str(error.value) and "Use backend='torch' or 'auto'" in str(error.value)


def test_where_nothing_is_missing_kernels_run(machine):
    assert plan().backend == "native"


def test_without_a_driver_tensor_code_runs(machine):
    def none():
        raise OSError("libcuda.so.1: cannot open shared object file")

    machine.setattr(libraries, "driver_library", none)
    refused("CUDA's driver is not there (libcuda.so.1: cannot open shared object file)")


def test_without_a_device_tensor_code_runs(machine):
    with gpu.failing("cuInit", 100):
        refused("CUDA's driver refused cuInit with error 100 (CUDA_ERROR_NO_DEVICE)")


def test_without_nvrtc_tensor_code_runs(machine):
    machine.setattr(libraries, "nvrtc_candidates", lambda: iter(()))
    refused("NVRTC, which compiles them, is not there: install 'nvidia-cuda-nvrtc'")
    with gpu.numbers(driver=12080):
        refused("install 'nvidia-cuda-nvrtc-cu12'")


def test_with_a_driver_that_is_too_old_tensor_code_runs(machine):
    with gpu.numbers(driver=12040):
        refused("NVRTC is of CUDA 13.0 and the driver of CUDA 12.4: update the driver, or install")


def test_an_architecture_that_nvrtc_does_not_know_has_no_kernels(machine):
    with gpu.numbers(major=6, minor=1):
        refused("NVRTC 13.0 does not compile for the device's compute capability 6.1")


@pytest.mark.parametrize(
    ("major", "minor", "target"),
    [(9, 0, "sm_90"), (8, 6, "sm_86"), (7, 5, "sm_75"), (12, 1, "sm_121"), (13, 0, "compute_121")],
)
def test_code_is_made_for_the_device_or_for_the_driver_to_finish(major, minor, target, monkeypatch):
    compiler = gpu.compiler()
    monkeypatch.setattr(type(compiler), "architectures", (75, 80, 86, 89, 90, 100, 120, 121))
    assert compiler.target(10 * major + minor) == target
    with gpu.numbers(major=major, minor=minor):
        same_bits(gpu.sums(gpu.on_device(FOREST), FOREST, X), EXPECTED)


@pytest.mark.parametrize("call", ["cuModuleLoadData", "cuLaunchKernel", "cuFuncSetAttribute"])
def test_an_error_of_the_driver_is_told_by_its_name(call):
    there = gpu.on_device(FOREST)
    with (
        gpu.failing(call, 2),
        pytest.raises(DriverError, match=rf"{call} with error 2 \(CUDA_ERROR_OUT_OF_MEMORY\).*batch_size"),
    ):
        gpu.sums(there, FOREST, X)
    assert gpu.library().stand_in_contexts() == 0
    same_bits(gpu.sums(there, FOREST, X), EXPECTED)  # once there is memory again
    with gpu.failing("cuLaunchKernel", 719), pytest.raises(DriverError, match=r"error 719 \(unknown\)"):
        gpu.sums(there, FOREST, X)


def test_a_kernel_that_is_not_compiled_is_told_with_what_the_compiler_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SKTENSOR_CACHE_DIR", str(tmp_path))
    with (
        gpu.failing("nvrtcCompileProgram", 6),
        pytest.raises(CompilationError, match=r"NVRTC 13.0.*a test wants it.*'torch'"),
    ):
        gpu.sums(gpu.on_device(FOREST), FOREST, X)


def test_devices_have_contexts_and_tables_of_their_own():
    both = [gpu.on_device(FOREST, ordinal) for ordinal in (0, 1)]
    for there in (*both, *both[::-1]):
        same_bits(gpu.sums(there, FOREST, X), EXPECTED)
    with pytest.raises(DriverError, match="cuDeviceGet with error 101"):
        gpu.device(2)


def test_threads_without_a_context_launch_as_well():
    there, found = gpu.on_device(FOREST), []
    threads = [threading.Thread(target=lambda: found.append(gpu.sums(there, FOREST, X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for each in found:
        same_bits(each, EXPECTED)


def test_a_launch_of_many_rows_is_split(monkeypatch):
    monkeypatch.setattr("sktensor.backends.gpu.launch.MOST_ROWS", 16)
    start = np.random.default_rng(2).normal(size=(50, 1))
    there, before = gpu.on_device(FOREST), gpu.calls("cuLaunchKernel")
    same_bits(gpu.sums(there, FOREST, np.asfortranarray(X)), EXPECTED)
    assert gpu.calls("cuLaunchKernel") == before + 4
    each = [reference_sum(FOREST.replace(base=b), x[None]) for b, x in zip(start, X, strict=True)]
    same_bits(gpu.sums(there, FOREST, X, start=start), np.concatenate(each))


# ---------------------------------------------------------------------------------------------------- compiled kernels


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SKTENSOR_CACHE_DIR", str(tmp_path / "cubins"))
    return tmp_path / "cubins"


def compilations(predict):
    before = gpu.calls("nvrtcCompileProgram")
    predict()
    return gpu.calls("nvrtcCompileProgram") - before


def sums():
    same_bits(gpu.sums(gpu.on_device(FOREST), FOREST, X), EXPECTED)


def test_a_kernel_is_compiled_once_for_all_processes(cache):
    assert compilations(sums) == 1
    assert compilations(sums) == 0
    assert [path.suffix for path in cache.iterdir()] == [".cubin"]  # and nothing temporary


def test_compiled_kernels_are_for_one_source_architecture_and_version(cache, monkeypatch):
    assert compilations(sums) == 1
    with gpu.numbers(nvrtc_minor=2):
        assert compilations(sums) == 1
    with gpu.numbers(oldest_arch=80, major=8):
        assert compilations(sums) == 1
    text = launch.source()
    monkeypatch.setattr(launch, "source", lambda: f"{text}\n")
    assert compilations(sums) == 1
    assert compilations(sums) == 0


@pytest.mark.parametrize("damage", [b"", b"something else", None])
def test_a_damaged_file_is_compiled_anew(damage, cache):
    sums()
    (path,) = cache.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-1] if damage is None else damage)
    assert compilations(sums) == 1
    assert path.read_bytes() == content
    assert compilations(sums) == 0


def test_a_cache_that_cannot_be_written_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SKTENSOR_CACHE_DIR", str(tmp_path / "file" / "cubins"))
    assert compilations(sums) == 1
    assert compilations(sums) == 1


def test_without_a_home_directory_there_is_no_cache(monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SKTENSOR_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cubins.Path, "home", none)
    assert compilations(sums) == 1


def test_the_cache_is_in_the_users_own_folder(monkeypatch):
    monkeypatch.delenv("SKTENSOR_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cubins.directory().as_posix() == "/somewhere/sktensor"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cubins.directory() == cubins.Path.home() / ".cache" / "sktensor"


# ------------------------------------------------------------------------------------------------- where libraries are


def test_nvrtc_is_looked_for_beside_torch_in_wheels_and_in_the_toolkit(monkeypatch, tmp_path):
    places = {"nvidia": tmp_path / "nvidia", "torch": tmp_path / "torch"}
    files = [
        places["nvidia"] / "cu13/lib/libnvrtc.so.13",
        places["nvidia"] / "cuda_nvrtc/lib/libnvrtc.so.12",
        places["torch"] / "lib/libnvrtc.so.12",
        tmp_path / "cuda/lib64/libnvrtc.so.13",
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    monkeypatch.setattr(libraries, "_places", lambda package: [places[package]])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.delenv("CUDA_PATH", raising=False)
    found = list(libraries.nvrtc_candidates())
    assert [path for path in found if path.startswith(str(tmp_path))] == [str(file) for file in files]
    assert found[-2:] == ["libnvrtc.so.13", "libnvrtc.so.12"]


def test_of_several_versions_the_first_that_the_driver_runs_is_taken(monkeypatch):
    monkeypatch.setattr(libraries, "nvrtc_candidates", lambda: iter(["absent", "13", "12"]))

    class Known:
        def __init__(self, name):
            self.version = int(name), 0

    def load(name):
        if name == "absent":
            raise OSError
        return name

    monkeypatch.setattr(libraries, "nvrtc_library", load)
    monkeypatch.setattr(nvrtc, "Compiler", Known)
    assert nvrtc.find_compiler((13, 1)).version == (13, 0)
    assert nvrtc.find_compiler((12, 8)).version == (12, 0)
    assert "update the driver" in nvrtc.find_compiler((11, 8))


def test_an_error_of_the_driver_can_be_pickled():
    error = DriverError("cuInit", 2, "CUDA_ERROR_OUT_OF_MEMORY")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_packages_folders_are_found_without_importing_it():
    assert libraries._places("no_such_package") == []
    assert libraries._places("numpy")
