"""Interleaved timing: medians, quartiles, and ratios within a round."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender over the rounds."""

    seconds: np.ndarray

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return float(np.median(self.seconds))

    def ratio(self, other: Timing) -> float:
        """The median over rounds of this contender's time over another's in the same round."""
        return float(np.median(self.seconds / other.seconds))

    def __str__(self) -> str:
        low, middle, high = np.percentile(self.seconds, [25, 50, 75]) * 1e3
        return f"{middle:.3g} ms ({low:.3g} to {high:.3g})"


def interleaved(contenders: Mapping[str, Callable[[], object]], seconds: float, least: int = 5) -> dict[str, Timing]:
    """Run all contenders in turn, round after round, for about so many seconds and at least ``least`` rounds."""
    for run in contenders.values():
        run()
        run()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(found.values()))) < least:
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - start)
    return {name: Timing(np.array(times)) for name, times in found.items()}


def machine(threads: int) -> str:
    """One line about where and with what the numbers were made."""
    names = ("graphnet", "numpy", "torch", "jax", "onnxruntime")
    versions = ", ".join(f"{name} {_version(name)}" for name in names if _version(name))
    return f"{_processor()}, {os.cpu_count()} cores, {threads} threads, Python {platform.python_version()}, {versions}"


def _version(name: str) -> str:
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
