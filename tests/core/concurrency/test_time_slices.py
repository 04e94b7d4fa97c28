"""The lock that threads hold while they run small programs."""

import threading
import time

import numpy as np
import pytest
from helpers.concurrency import LIMIT, in_another_thread, in_threads

from graphnet import Builder, Runner, dense
from graphnet.core.concurrency.time_slices import TimeSliceLock


def test_lock_excludes_other_threads():
    lock, inside, worst = TimeSliceLock(), [], []

    def enter():
        for _ in range(200):
            with lock, lock:  # reentrant
                inside.append(1)
                worst.append(len(inside))
                np.ones(10) @ np.ones(10)
                inside.pop()

    in_threads(*[enter] * 6)
    assert set(worst) == {1}
    assert not lock._owner and not lock._queue and not lock._depth


def test_abandoned_lock_is_taken_over():
    lock = TimeSliceLock()
    lock._owner, lock._end = -1, time.monotonic() + 3600  # a thread that left and does not come back
    assert in_another_thread(lambda: _enter(lock)) is True


def test_overlong_slice_is_taken_over():
    lock, done = TimeSliceLock(), threading.Event()
    with lock:
        thread = threading.Thread(target=lambda: _enter(lock) and done.set())
        thread.start()
        assert done.wait(LIMIT)
        thread.join(LIMIT)
    assert in_another_thread(lambda: _enter(lock)) is True


def test_long_program_rests_between_blocks(monkeypatch):
    lock, seen = TimeSliceLock(), []

    def long():
        with lock:
            for _ in range(10_000):
                lock.rest()
                if seen:
                    return len(seen)
                time.sleep(0.001)
        return 0

    def short():
        with lock:
            seen.append(1)

    assert in_threads(long, short)[0] == 1


def _enter(lock):
    with lock:
        return True


@pytest.mark.parametrize(("units", "rows", "small"), [(8, 4, True), (64, 8, True), (64, 2000, False)])
def test_large_programs_take_no_lock(units, rows, small):
    g = Builder("net")
    x = g.input("x", f"batch, feature={units}")
    y = dense(dense(dense(x, units), units), units)
    runner = Runner(g.build(y=y))
    runner.forward({"x": np.ones((rows, units))})
    (region,) = runner.last_pass.bound.steps
    lock = region.programs[True].lock
    assert isinstance(lock, TimeSliceLock) == small
    with lock:
        lock.rest()
        assert small or in_another_thread(lambda: _enter(lock)) is True
