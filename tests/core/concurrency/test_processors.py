"""The number of processors: affinity, a container's quota, OMP_NUM_THREADS, and BLAS."""

import os
import subprocess
import sys

import pytest

from graphnet import threads
from graphnet.core.concurrency import blas_threads, processors
from graphnet.core.concurrency.blas_libraries import Library


@pytest.mark.parametrize(
    ("text", "number"), [("max 100000", 1 << 20), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1)]
)
def test_quota_of_a_control_group(text, number, tmp_path):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert processors.quota(tmp_path) == number


def test_quota_of_the_first_version(tmp_path):
    assert processors.quota(tmp_path) == 1 << 20
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("250000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert processors.quota(tmp_path) == 3
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert processors.quota(tmp_path) == 1 << 20


@pytest.mark.parametrize(("value", "expected"), [("1", 1), ("3,2", 3), ("many", 8), ("", 8), ("0", 8)])
def test_variable_bounds_the_number(value, expected, monkeypatch):
    monkeypatch.setattr(processors, "CGROUP", processors.Path("/nowhere"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    processors._fixed.cache_clear()
    try:
        assert processors.processors() == expected
    finally:
        processors._fixed.cache_clear()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen")
def test_affinity_bounds_the_number():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from graphnet.core.concurrency.processors import processors; print(processors())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_number_of_blas_is_read_outside_of_limits(monkeypatch):
    present = [6]
    library = Library("openblas", lambda: present[0], lambda n: present.__setitem__(0, n))
    process = blas_threads.BlasThreads(lambda: (library,))
    monkeypatch.setattr(blas_threads, "PROCESS", process)
    monkeypatch.setattr(blas_threads, "processors", lambda: 4)
    assert blas_threads.allowed_threads() == 4
    with process.limit(1):
        assert present == [1]
        assert blas_threads.allowed_threads() == 4
    present[0] = 3  # as threadpoolctl sets it
    assert blas_threads.allowed_threads() == 3
    with threads(2):
        assert blas_threads.allowed_threads() == 2
        assert blas_threads.allowed_threads(everywhere=True) == 3
    monkeypatch.setattr(blas_threads, "PROCESS", blas_threads.BlasThreads(tuple))
    assert blas_threads.allowed_threads() == 4
