"""Where and with what numbers are made, and how a process is held to a number of threads."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from threadpoolctl import threadpool_info

LIBRARIES = ("graphnet", "numpy", "torch", "jax", "onnxruntime")


def variables(threads: int) -> dict[str, str]:
    """What to set before numpy is imported, for so many threads in every library."""
    found = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), str(threads))
    found["OPENBLAS_THREAD_TIMEOUT"] = "20"  # idle workers of one library must not starve another's
    found |= dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 30))  # see README: pages
    found["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return found


def machine(libraries: tuple[str, ...] = LIBRARIES) -> str:
    """One line: processor, cores, Python, versions of those libraries that are installed, kernels of numpy's BLAS."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries if version(name))
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}{_kernels()}"


def _kernels() -> str:
    """For which processor numpy's BLAS multiplies, where it says so; and whether somebody has chosen that."""
    found = [info.get("architecture") for info in threadpool_info() if info.get("internal_api") == "openblas"]
    chosen = " (set by OPENBLAS_CORETYPE)" if os.environ.get("OPENBLAS_CORETYPE") else ""
    return f", BLAS kernels {found[0]}{chosen}" if found else ""


def version(name: str) -> str:
    """The installed version of a distribution, or nothing."""
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
