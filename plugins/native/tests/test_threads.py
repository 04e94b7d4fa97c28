"""Threads: the same bits at any number, alone or together, and what else a process may do meanwhile."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_backend import everything, scan

import graphnet
from graphnet import Builder, Cell, Phase, Runner, Scan, dense
from graphnet_native import backend, executable, pool

COUNTS = (2, 3, 5)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    # Also on a busy machine, tasks are shared: workers are waited for, and no time is lost.
    wait(pool.pool())
    monkeypatch.setattr(pool, "Pool", Patient)


def wait(used):
    used._word(pool.team.SETTINGS + 48).value = int(5 * used.code.looks)
    used._word(pool.team.SETTINGS + 72).value = 10**6


class Patient(pool.Pool):
    """A pool whose tasks wait for workers for a long time."""

    def __init__(self, code):
        super().__init__(code)
        wait(self)


@pytest.fixture
def use(monkeypatch):
    """``use(n)`` lets programs of every size run with n workers."""

    def set_number(number):
        monkeypatch.setattr(backend, "useful", lambda *_: number)
        monkeypatch.setattr(executable, "useful", lambda *_: number)
        monkeypatch.setattr(executable, "allowed", lambda: number)
        monkeypatch.setattr(backend, "machine_threads", lambda: number)

    return set_number


def shared():
    return pool.pool().counts[0]


def assert_equal_bits(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


def check(use, graph, inputs, dtype, lengths=None):
    use(1)
    expected = everything(graph, inputs, dtype, "native", lengths)
    for number in COUNTS:
        use(number)
        before = shared()
        assert_equal_bits(expected, everything(graph, inputs, dtype, "native", lengths))
        assert shared() > before


SHAPES = [(9, 1, 3, 1), (7, 1, 5, 70), (6, 2, 4, 15), (5, 3, 3, 16), (5, 7, 6, 17), (4, 8, 9, 31), (4, 16, 2, 32),
          (30, 17, 33, 48), (4, 20, 70, 63), (3, 33, 5, 13), (40, 12, 40, 70)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("steps", "batch", "features", "units"), SHAPES)
def test_same_bits_at_any_number_of_threads(steps, batch, features, units, dtype, use):
    x = np.random.default_rng(units).normal(size=(steps, batch, features)).astype(dtype)
    check(use, scan(units, features, dtype), {"x": x}, dtype)


def test_same_bits_of_rows_that_end_early_and_truncated_gradients(use):
    rng = np.random.default_rng(3)
    x = {"x": rng.normal(size=(12, 6, 4))}
    check(use, scan(24, 4, "float64"), x, "float64", [12, 3, 1, 12, 0, 7])
    many = {"x": rng.normal(size=(6, 35, 4))}  # enough rows that workers divide them
    check(use, scan(24, 4, "float64"), many, "float64", rng.integers(0, 7, size=35))
    builder = Builder("cut")
    sequence = builder.input("x", "time, batch, feature=4")
    scanned = scan(24, 4, "float64").nodes["scan"].layer
    graph = builder.build(Scan(scanned.cell, bptt_length=5)(sequence))
    check(use, graph, x, "float64")
    check(use, graph, x, "float64", [12, 3, 1, 12, 0, 7])


@pytest.mark.parametrize("batch", [1, 4])
def test_widths_that_only_fusion_makes_are_shared(batch, use):
    """One product has the outputs of two layers, and the instructions after it are cut at their borders."""
    cell = Cell("cut", sequences={"x": 5}, states={"s": 7})
    wide, narrow = dense(cell.x, 33) * 1.7 - 0.3, dense(dense(cell.x, 8), 7)
    g = Builder("cut")
    scanned = Scan(cell.build(y=wide, s=narrow))(dense(g.input("x", "time, batch, feature=63"), 5))
    graph = g.build(y=scanned["y"], s=scanned["s"])
    x = {"x": np.random.default_rng(4).normal(size=(5, batch, 63))}
    found = []
    for number in (1, *COUNTS):
        use(number)
        graphnet.seed(0)
        found.append(Runner(graph, backend="native").forward(x, phase=Phase.test, keep=False))
    for other in found[1:]:
        assert_equal_bits(found[0], other)


def test_workers_flush_denormal_numbers_as_the_caller_does(use):
    x = np.random.default_rng(3).normal(size=(20, 8, 4)).astype("float32") * np.float32(1e-38)
    check(use, scan(32, 4, "float32"), {"x": x}, "float32")


def test_not_a_number_stays_where_it_is(use):
    x = np.random.default_rng(3).normal(size=(8, 8, 4))
    x[3, 2, 1] = np.nan
    check(use, scan(32, 4, "float64"), {"x": x}, "float64")


def test_threads_that_find_the_pool_busy_get_the_same_bits(use):
    use(2)
    graphs = [scan(40, 6, "float32") for _ in range(8)]
    x = np.random.default_rng(1).normal(size=(60, 9, 6)).astype("float32")

    def work(graph):
        return [everything(graph, {"x": x}, "float32", "native") for _ in range(6)]

    expected = everything(graphs[0], {"x": x}, "float32", "native")
    before = pool.pool().counts
    with ThreadPoolExecutor(8) as threads:
        for results in threads.map(work, graphs):
            for result in results:
                assert_equal_bits(expected, result)
    assert pool.pool().counts[0] > before[0]


@pytest.mark.parametrize("number", [2, 5])
def test_task_of_a_busy_pool_runs_alone(number, use):
    use(number)
    graph = scan(40, 6, "float32")
    x = np.random.default_rng(1).normal(size=(20, 9, 6)).astype("float32")
    expected = everything(graph, {"x": x}, "float32", "native")
    busy = ctypes.c_int32.from_address(pool.pool().team + pool.team.BUSY)
    before = pool.pool().counts
    busy.value = 1
    try:
        result = everything(graph, {"x": x}, "float32", "native")
    finally:
        busy.value = 0
    assert_equal_bits(expected, result)
    after = pool.pool().counts
    assert after[0] == before[0] and after[1] > before[1]


class Clock:
    """``clock_gettime`` of a pool without workers, 10 ms further at each look."""

    def __init__(self, used):
        self.looks = 0
        self.kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64))
        self.function = self.kind(self.read)
        used._word(pool.team.SETTINGS + 48).value = 1
        used._word(pool.team.SETTINGS + 56).value = ctypes.cast(self.function, ctypes.c_void_p).value

    def read(self, kind, time):
        self.looks += 1
        time[0], time[1] = divmod(10_000_000 * self.looks, 10**9)
        return 0


def times_of_roll_call(used, settings, tasks):
    """Which of the tasks called for workers, each of 10 ms."""
    clock = Clock(used)
    for offset, value in settings.items():
        used._word(pool.team.SETTINGS + offset).value = value
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7)(lambda *_: None)
    task, found = pool.Task(ctypes.cast(function, ctypes.c_void_p).value), []
    for _ in range(tasks):
        before = clock.looks
        used.code.share(used.team, task.function, 0, 0, 8, 0, 2, task.record)
        found.append(clock.looks - before == 2)
    return found


def test_missing_workers_let_tasks_run_alone_for_a_while():
    used = pool.Pool(pool.pool().code)
    found = times_of_roll_call(used, {80: 15_100_000}, 17)
    # Rest for 15, 30 and 60 ms: the next tasks begin 10, 20, ... ms after the lost one has ended.
    assert found == [True, False, True, False, False, False, True, *[False] * 6, True, *[False] * 3]
    assert used._lost.value == 4


def test_rest_has_an_end():
    used = pool.Pool(pool.pool().code)
    used._word(pool.team.REST).value = 200
    times_of_roll_call(used, {80: 10**9}, 1)
    assert used._word(pool.team.RESTING).value == 20_000_000 + 200_000_000
    assert used._word(pool.team.REST).value == pool.team.MOST_REST


# ---------------------------------------------------------------------- settings
def test_setting_of_one_thread_starts_none(use, monkeypatch):
    use(4)
    monkeypatch.setattr(executable, "allowed", graphnet.core.concurrency.blas_threads.allowed_threads)
    graph = scan(40, 6, "float32")
    x = np.random.default_rng(1).normal(size=(20, 9, 6)).astype("float32")
    with graphnet.threads(1):
        before = shared()
        everything(graph, {"x": x}, "float32", "native")
        assert shared() == before


def in_process(code, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, env=environment,
                          timeout=120)  # fmt: skip


PRELUDE = f"""
import os, sys, threading, time
sys.path[:0] = [{os.path.dirname(__file__)!r}]
import numpy as np
from conftest import Source
from graphnet import Runner
from graphnet.core.run import backends
from graphnet_native import backend, executable, pool
backends._sources[:] = [Source]
from test_backend import scan
pool.GAIN, pool.ROLL = 1000, 5
backend.useful = executable.useful = lambda *_: 2
graph = scan(40, 6, "float32")
x = np.random.default_rng(1).normal(size=(200, 9, 6)).astype("float32")

def run():
    return Runner(graph, backend="native").forward({{"x": x}})["output"]
"""
TWO = "executable.allowed = backend.machine_threads = lambda: 2\n"


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
def test_variable_of_one_thread_starts_none(variable):
    done = in_process("run(); print(threading.active_count(), pool._pool)", **{variable: "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "None"]


# ---------------------------------------------------------------------- interrupts
@pytest.mark.parametrize("number", [1, 2])
def test_interrupt_ends_a_pass_before_its_next_span(number, use, monkeypatch):
    use(number)
    monkeypatch.setattr(executable, "steps_at_once", lambda *_: 3)
    graph = scan(20, 6, "float32")
    x = np.random.default_rng(1).normal(size=(50, 9, 6)).astype("float32")
    inputs, errors = {"x": x}, {"output": x[..., :1].repeat(20, 2)}
    runner = Runner(graph, backend="native")
    expected = both(runner, inputs, errors)
    gradients = {name: p.gradient.copy() for name, p in runner.parameters.items()}
    weights = {name: p.value for name, p in runner.parameters.items()}
    copies = {name: value.copy() for name, value in weights.items()}
    calls = []
    monkeypatch.setattr(executable.NativeExecutable, "_call", interrupted(calls))
    for stop in (2, 9, 25):
        calls[:] = [stop]
        with pytest.raises(KeyboardInterrupt):
            both(runner, inputs, errors)
        assert calls == [-1]
        assert all(p.value is weights[name] for name, p in runner.parameters.items())
        assert_equal_bits(copies, weights)
        calls[:] = [10**9]
        assert_equal_bits(expected[0], runner.forward(inputs))
        assert_equal_bits(expected[1], runner.backward(errors))
        assert_equal_bits(gradients, {name: p.gradient for name, p in runner.parameters.items()})


def both(runner, inputs, errors):
    return runner.forward(inputs), runner.backward(errors)


def interrupted(calls):
    """``NativeExecutable._call`` with functions of which one, by number, is running when the user presses Ctrl-C."""
    original = executable.NativeExecutable._call

    def call(self, name, *span):
        function = self.functions[name]

        def counted(*arguments):
            function(*arguments)
            calls[0] -= 1
            if calls[0] <= 0:
                calls[0] -= 1
                os.kill(os.getpid(), signal.SIGINT)

        self.functions = {**self.functions, name: counted}
        try:
            original(self, name, *span)
        finally:
            self.functions = {**self.functions, name: function}

    return call


def test_interrupt_of_a_process_in_a_long_sequence():
    code = (
        TWO
        + """
import signal
x = np.random.default_rng(1).normal(size=(100, 9, 6)).astype("float32")
runner = Runner(graph, backend="native")
first = runner.forward({"x": x})["output"]
weights = {name: p.value.copy() for name, p in runner.parameters.items()}
long = np.tile(x, (100, 1, 1))
signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    for _ in range(100000):
        runner.forward({"x": long})
except KeyboardInterrupt:
    assert all((p.value == weights[name]).all() for name, p in runner.parameters.items())
    assert (runner.forward({"x": x})["output"] == first).all()
    print("interrupted", pool.pool().counts[0] > 0)
"""
    )
    done = in_process(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["interrupted", "True"]


# ---------------------------------------------------------------------- fork and end
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")
def test_fork_while_the_pool_computes():
    code = (
        TWO
        + """
expected = run()
end = False

def endless():
    while not end:
        run()

other = threading.Thread(target=endless)
other.start()
for _ in range(10):
    child = os.fork()
    if not child:
        same = (run() == expected).all() and pool.pool().process == os.getpid() and pool.pool().counts[0] > 0
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (run() == expected).all()
end = True
other.join()
print("forked")
"""
    )
    done = in_process(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "forked"


@pytest.mark.parametrize("pending", ["", "threading.Thread(target=lambda: [run() for _ in range(10**6)], daemon=True)"])
def test_process_ends_with_its_workers(pending):
    code = (
        TWO
        + f"""
import atexit
pending = {pending or None}
run()
assert any(t.name.startswith("graphnet-native") for t in threading.enumerate())
if pending:
    pending.start()
    time.sleep(0.05)
print("end")
"""
    )
    done = in_process(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "end" and not done.stderr


def test_workers_end_when_the_pool_is_closed(use):
    use(3)
    used = pool.Pool(pool.pool().code)
    assert used._start(3) == 3
    names = {thread.name for thread in used._threads}
    used.close()
    assert names and not [thread for thread in used._threads if thread.is_alive()]
    assert used._start(3) == 3 and used._closed
    used.close()


def test_without_threads_a_task_runs_alone(use, monkeypatch):
    use(2)
    graph = scan(20, 6, "float32")
    x = np.random.default_rng(1).normal(size=(20, 9, 6)).astype("float32")
    expected = everything(graph, {"x": x}, "float32", "native")

    def refuse(self):
        raise RuntimeError("can't start new thread")

    fresh = pool.Pool(pool.pool().code)
    monkeypatch.setattr(pool, "_pool", fresh)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert_equal_bits(expected, everything(graph, {"x": x}, "float32", "native"))
    assert fresh.counts[0] == 0 and fresh.counts[1] > 0
