"""Limits of BLAS threads: counted, nested, restored; on libraries that record what is set."""

import asyncio
import contextvars
import gc
import random
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

import graphnet
from graphnet import ConfigError
from graphnet.core.concurrency import blas_libraries, blas_threads
from graphnet.core.concurrency.blas_libraries import Library, _library
from graphnet.core.concurrency.blas_threads import BlasThreads, limited

pytestmark = pytest.mark.no_plugins


class Pool:
    """A library with one number for the process; ``settings`` lists every number that was set."""

    def __init__(self, number):
        self.number, self.settings, self.reads = number, [], 0

    def get(self):
        self.reads += 1
        return self.number

    def set(self, number):
        self.settings.append(number)
        self.number = number

    def controlled(self):
        return BlasThreads(lambda: (Library("pool", self.get, self.set),))


@pytest.fixture
def pool():
    return Pool(8)


@pytest.fixture
def blas(pool):
    return pool.controlled()


# ---------------------------------------------------------------------- one thread
def test_limit_sets_then_restores(pool, blas):
    with blas.limit(1):
        assert pool.number == 1
    assert pool.settings == [1, 8]


@pytest.mark.parametrize("number", [8, 9, 100])
def test_limit_not_below_present_sets_nothing(pool, blas, number):
    with blas.limit(number):
        assert pool.number == 8
    assert pool.settings == []


def test_limit_with_one_thread_sets_nothing():
    pool = Pool(1)
    with pool.controlled().limit(1):
        pass
    assert pool.settings == []


def test_nested_limits_smallest_applies(pool, blas):
    with blas.limit(4):
        with blas.limit(2), blas.limit(6):
            assert pool.number == 2
        assert pool.number == 4
    assert pool.settings == [4, 2, 4, 8]


def test_nested_equal_limits_set_once(pool, blas):
    with blas.limit(1), blas.limit(1), blas.limit(1):
        pass
    assert pool.settings == [1, 8] and pool.reads == 2  # at the first entry and before restoring


def test_limits_ended_in_any_order(pool, blas):
    first, second, third = blas.limit(3), blas.limit(1), blas.limit(2)
    for limit in (first, second, third):
        limit.__enter__()
    second.__exit__()
    assert pool.number == 2
    first.__exit__()
    assert pool.number == 2
    third.__exit__()
    assert pool.number == 8


def test_number_read_at_each_outermost_limit(pool, blas):
    with blas.limit(1):
        pass
    pool.number = 5
    with blas.limit(3):
        assert pool.number == 3
    assert pool.number == 5


def test_number_changed_by_others_not_restored(pool, blas):
    with blas.limit(1):
        pool.number = 3
    assert pool.number == 3
    with blas.limit(2):
        assert pool.number == 2
    assert pool.number == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_error_inside_restores(pool, blas, error):
    with pytest.raises(error), blas.limit(4), blas.limit(1):
        raise error
    assert pool.number == 8 and not blas._held


def test_generator_closed_early_restores(pool, blas):
    def numbers():
        with blas.limit(1):
            yield pool.number

    assert next(numbers()) == 1
    gc.collect()
    assert pool.number == 8


class Interrupted(Pool):
    """Raises KeyboardInterrupt in one call of ``get`` or ``set``, counted together, before or after it took effect."""

    def __init__(self, number, at, late):
        super().__init__(number)
        self.calls, self.at, self.late = 0, at, late

    def interrupt(self):
        self.calls += 1
        return self.calls == self.at

    def get(self):
        if self.interrupt():
            raise KeyboardInterrupt
        return super().get()

    def set(self, number):
        now = self.interrupt()
        if not (now and not self.late):
            super().set(number)
        if now:
            raise KeyboardInterrupt


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_interrupt_while_setting_restores(at, late):
    pool = Interrupted(8, at, late)
    blas = pool.controlled()
    with pytest.raises(KeyboardInterrupt), blas.limit(1):
        pass
    assert pool.number == 8 and not blas._held and blas._before is None


def test_unended_limit_restores_when_collected(pool, blas):
    lost = blas.limit(1)
    lost.__enter__()  # as if an interrupt came before __exit__
    assert pool.number == 1
    del lost
    gc.collect()
    assert pool.number == 8 and not blas._held


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_limit_inside_another_being_set(pool, at):
    """A signal handler or a finalizer may run a pass while this thread holds the lock."""
    calls = []

    def counted(function, *arguments):
        calls.append(function)
        if len(calls) == at:
            with blas.limit(2):
                pass
        return function(*arguments)

    library = Library("pool", lambda: counted(pool.get), lambda number: counted(pool.set, number))
    blas = BlasThreads(lambda: (library,))

    def work():
        with blas.limit(4):
            assert pool.number <= 4
        calls.append("done")

    worker = threading.Thread(target=work, daemon=True)  # a deadlock would not end
    worker.start()
    worker.join(30)
    assert calls[-1] == "done" and pool.number == 8 and not blas._held


def test_limit_without_library_does_nothing():
    with BlasThreads(tuple).limit(1), BlasThreads(tuple).limit(2):
        pass


def test_limits_search_once(pool):
    searches = []
    blas = BlasThreads(lambda: searches.append(1) or (Library("pool", pool.get, pool.set),))
    assert searches == []
    for _ in range(3):
        with blas.limit(1):
            pass
    assert searches == [1]


def test_refresh_searches_after_imports(monkeypatch, pool):
    other, libraries = Pool(6), [Library("pool", pool.get, pool.set)]
    blas = BlasThreads(lambda: tuple(libraries))
    blas.refresh()
    libraries.append(Library("other", other.get, other.set))
    blas.refresh()
    with blas.limit(1):
        assert (pool.number, other.number) == (1, 6)
        monkeypatch.setitem(sys.modules, "a_module_with_a_blas", None)
        blas.refresh()  # not while the limit is in force: it would be restored to what it was not
        assert len(blas.libraries) == 1
    blas.refresh()
    with blas.limit(1):
        assert (pool.number, other.number) == (1, 1)
    assert (pool.number, other.number) == (8, 6)


def test_several_libraries_limited_apart():
    large, small = Pool(8), Pool(2)
    blas = BlasThreads(lambda: tuple(Library("pool", p.get, p.set) for p in (large, small)))
    with blas.limit(4):
        assert (large.number, small.number) == (4, 2)
    assert (large.number, small.number) == (8, 2) and small.settings == []


# ---------------------------------------------------------------------- several threads
def test_concurrent_limits_smallest_applies_last_restores(pool, blas):
    entered, leave, seen = threading.Event(), threading.Event(), []

    def other():
        with blas.limit(1):
            entered.set()
            leave.wait(30)
        seen.append(pool.number)

    worker = threading.Thread(target=other)
    with blas.limit(3):
        worker.start()
        assert entered.wait(30)
        assert pool.number == 1
        leave.set()
        worker.join()
        assert seen == [3] and pool.number == 3
    assert pool.number == 8


def test_many_threads_never_above_own_limit(pool, blas):
    above = []

    def work(seed):
        draw = random.Random(seed)
        for _ in range(300):
            mine = draw.randint(1, 9)
            with blas.limit(mine):
                if pool.number > min(mine, 8):
                    above.append((mine, pool.number))
                with blas.limit(draw.randint(1, 9)):
                    pass

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert above == [] and pool.number == 8 and not blas._held


class OwnNumbers(threading.local):
    """A library with a number for each thread; ``returns`` as MKL does, the earlier setting or 0."""

    number, setting = 4, 0

    def get(self):
        return self.setting or self.number

    def set(self, number):
        earlier, self.setting = self.setting, number
        return earlier


@pytest.mark.parametrize("returns", [True, False])
def test_thread_number_limited_and_restored(returns):
    own = OwnNumbers()

    def put(number):
        earlier = own.set(number)
        return earlier if returns else None

    blas = BlasThreads(lambda: (Library("own", own.get, put, True),))
    with blas.limit(2):
        inside = []
        worker = threading.Thread(target=lambda: inside.append(own.get()))
        worker.start()
        worker.join()
        assert own.get() == 2 and inside == [4]
        with blas.limit(1), blas.limit(3):
            assert own.get() == 1
        assert own.get() == 2
    assert own.get() == 4
    if returns:
        assert own.setting == 0  # no setting, as before, and not the number that it amounts to


# ---------------------------------------------------------------------- fork
FORK = """
import os
from graphnet.core.concurrency import blas_threads
from graphnet.core.concurrency.blas_libraries import Library
numbers = [8]
blas_threads.PROCESS._find = lambda: (Library("pool", lambda: numbers[0], lambda n: numbers.__setitem__(0, n)),)
with blas_threads.limited(1):
    assert numbers == [1]
    child = os.fork()
    if child == 0:
        inherited = numbers[0]
        with blas_threads.limited(3):
            inside = numbers[0]
        os._exit(0 if (inherited, inside, numbers[0]) == (8, 3, 8) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert numbers == [1]
    child = os.fork()
if child == 0:  # this child leaves the block that its parent entered
    os._exit(0 if numbers == [8] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(numbers[0])
"""


@pytest.mark.skipif(not hasattr(blas_threads.os, "fork"), reason="no fork here")
def test_forked_child_starts_without_limits():
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    assert (run.stdout.strip(), run.returncode) == ("8", 0), run.stderr


# ---------------------------------------------------------------------- libraries
class Symbols(dict):
    """Functions by name; a missing one raises as ctypes does."""

    def __missing__(self, name):
        raise AttributeError(name)


def symbols(*names):
    return Symbols({name: SimpleNamespace(name=name, restype=int) for name in names})


@pytest.mark.parametrize(
    ("kind", "layer", "names", "own"),
    [
        ("openblas", "pthreads", ["openblas_get_num_threads", "openblas_set_num_threads"], False),
        ("openblas", "pthreads", ["scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"], False),
        ("openblas", "openmp", ["omp_get_max_threads", "omp_set_num_threads"], True),
        ("openblas", "openmp", ["openblas_get_num_threads", "openblas_set_num_threads"], False),
        ("mkl", "intel", ["MKL_Get_Max_Threads", "MKL_Set_Num_Threads_Local"], True),
        ("blis", "pthreads", ["bli_thread_get_num_threads", "bli_thread_set_num_threads"], False),
        ("flexiblas", None, ["flexiblas_get_num_threads", "flexiblas_set_num_threads"], False),
    ],
)
def test_library_functions_found(kind, layer, names, own):
    controller = SimpleNamespace(internal_api=kind, threading_layer=layer, dynlib=symbols(*names))
    (found,) = _library(controller)
    assert [found.get.name, found.set.name] == names and (found.name, found.own) == (kind, own)
    assert (found.set.restype is None) == (kind != "mkl")


@pytest.mark.parametrize(
    "controller",
    [
        SimpleNamespace(internal_api="newblas", dynlib=symbols("newblas_set")),
        SimpleNamespace(internal_api="openblas", threading_layer="pthreads", dynlib=symbols("other")),
    ],
)
def test_library_unknown_left_alone(controller):
    assert list(_library(controller)) == []


def test_failing_search_finds_nothing(monkeypatch):
    import threadpoolctl

    def fail():
        raise OSError("no /proc here")

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", fail)
    assert blas_libraries.find() == ()


def test_import_does_not_load_threadpoolctl():
    program = "import sys, graphnet; print('threadpoolctl' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# ---------------------------------------------------------------------- threads()
@pytest.fixture
def process(monkeypatch, pool):
    """The fake library in place of the process's own."""
    monkeypatch.setattr(blas_threads, "PROCESS", pool.controlled())
    return pool


def numbers_inside(process, *wishes):
    found = []
    for wish in wishes:
        with limited(wish):
            found.append(process.number)
    return found


def test_threads_bounds_passes_inside(process):
    with graphnet.threads(4):
        assert process.number == 8  # only passes are limited
        assert numbers_inside(process, None, 2, 6) == [4, 2, 4]
    assert numbers_inside(process, None, 6) == [8, 6]


def test_threads_nested_smallest_applies(process):
    with graphnet.threads(2), graphnet.threads(5):
        assert numbers_inside(process, None) == [2]
    with graphnet.threads(5):
        with graphnet.threads(2):
            pass
        assert numbers_inside(process, None) == [5]


def test_threads_above_machine_raises_nothing(process):
    with graphnet.threads(1000):
        assert numbers_inside(process, None) == [8]
    assert process.settings == []


def test_threads_leaves_other_threads_alone(process):
    found = []
    with graphnet.threads(2):
        worker = threading.Thread(
            target=contextvars.Context().run, args=(lambda: found.extend(numbers_inside(process, None, 6)),)
        )
        worker.start()
        worker.join()
    assert found == [8, 6]


def test_threads_scoped_by_asyncio_task(process):
    async def task(n, mine, others):
        with graphnet.threads(n):
            mine.set()
            await others.wait()
            return numbers_inside(process, None)

    async def both():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(task(2, first, second), task(5, second, first))

    assert asyncio.run(both()) == [[2], [5]]


@pytest.mark.parametrize("n", [0, -1, 1.0, True, "2", None])
def test_threads_refuses(n):
    with pytest.raises(ConfigError, match="n must be a positive integer"), graphnet.threads(n):
        pass
