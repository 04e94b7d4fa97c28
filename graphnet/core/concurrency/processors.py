"""The number of processors that this process may use."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

#: Environment variables that every library with threads of its own respects.
VARIABLE = "OMP_NUM_THREADS"
CGROUP = Path("/sys/fs/cgroup")


def processors() -> int:
    """Processors by affinity, a container's quota and OMP_NUM_THREADS; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _fixed()))


@cache
def _fixed() -> int:
    """What does not change while the process runs."""
    limits = [quota(CGROUP)]
    first = os.environ.get(VARIABLE, "").split(",")[0].strip()
    if first.isdigit() and int(first):
        limits.append(int(first))
    return min(limits)


def quota(folder: Path) -> int:
    """The processors of a control group, rounded up; a large number without a limit.

    cgroup v2 has ``cpu.max`` with quota and period, v1 two files below ``cpu``.
    """
    none = 1 << 20
    try:
        if (folder / "cpu.max").exists():
            words = (folder / "cpu.max").read_text().split()
        else:
            words = [(folder / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")]
        most, period = int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError):
        return none
    return max(1, -(-most // period)) if most > 0 and period > 0 else none
