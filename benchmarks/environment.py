"""Description of the machine and its libraries, and environment variables that set the number of threads."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from threadpoolctl import threadpool_info

LIBRARIES = ("graphnet", "numpy", "torch", "jax", "onnxruntime")


def variables(threads: int) -> dict[str, str]:
    """Return environment variables that set the number of threads of every library, if set before numpy loads."""
    values = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), str(threads))
    values["OPENBLAS_THREAD_TIMEOUT"] = "20"  # idle threads must not slow down other libraries
    values |= dict.fromkeys(
        ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 30)
    )  # avoid page faults, see README
    values["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        values["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return values


def machine(libraries: tuple[str, ...] = LIBRARIES) -> str:
    """Return one line: processor, cores, Python, versions of the installed libraries, kernels of numpy's BLAS."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries if version(name))
    return (
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}{_kernels()}{_level()}"
    )


def _kernels() -> str:
    """Return the kernels that numpy's BLAS uses, if known, and whether an environment variable chose them."""
    architectures = [info.get("architecture") for info in threadpool_info() if info.get("internal_api") == "openblas"]
    chosen = " (set by OPENBLAS_CORETYPE)" if os.environ.get("OPENBLAS_CORETYPE") else ""
    return f", BLAS kernels {architectures[0]}{chosen}" if architectures else ""


def _level() -> str:
    """The instructions for which native code is compiled, and the threads of a pass; empty without the backend."""
    try:
        from graphnet_native import status
    except ImportError:
        return ""
    from graphnet.core.concurrency.blas_threads import allowed_threads

    found = status()
    code = f"native code for {found.level}" if found.available else f"no native code ({found.reason})"
    return f", {code}, {allowed_threads()} threads"


def version(name: str) -> str:
    """Return the installed version of a distribution; an empty string if there is none."""
    if name == "graphnet":
        import graphnet  # not before: compile_time.py measures this import

        return graphnet.__version__
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
