"""Where random numbers come from, in threads, tasks, cells of a notebook and forked processes."""

import asyncio
import contextvars
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers.concurrency import in_another_thread, in_threads

from graphnet import Builder, ConfigError, Dropout, FullyConnected, Runner, generator, seed, using

pytestmark = pytest.mark.slow


def stream(n, count=3):
    return np.random.default_rng(n).random(count).tolist()


def draw(count=3):
    return generator().random(count).tolist()


def test_seed_restarts_the_default_for_all_threads():
    seed(4)
    assert draw() == stream(4)
    seed(4)
    assert in_another_thread(draw) == stream(4)


def test_using_holds_for_one_thread():
    seed(1)
    with using(np.random.default_rng(2)):
        assert in_another_thread(draw) == stream(1)
        assert draw() == stream(2)
        with using(np.random.default_rng(3)):
            assert draw() == stream(3)
        assert draw() == stream(2, 6)[3:]
    assert draw() == stream(1, 6)[3:]


def test_seed_inside_using_restarts_the_default_alone():
    with using(np.random.default_rng(2)):
        seed(5)
        assert draw() == stream(2)
    assert draw() == stream(5)


def test_using_in_threads_at_once_gives_each_its_own():
    def work(n):
        with using(np.random.default_rng(n)):
            return [draw(1)[0] for _ in range(300)]

    for n, found in enumerate(in_threads(*[lambda n=n: work(n) for n in range(8)])):
        assert found == stream(n, 300)


def test_draws_of_threads_from_the_default_are_those_of_the_stream():
    seed(6)
    found = in_threads(*[lambda: [draw(1)[0] for _ in range(500)] for _ in range(8)])
    assert sorted(number for each in found for number in each) == sorted(stream(6, 4000))


def test_tasks_have_generators_of_their_own():
    async def task(n):
        with using(np.random.default_rng(n)):
            found = []
            for _ in range(5):
                found += draw(1)
                await asyncio.sleep(0)
            return found, await asyncio.to_thread(draw, 2)  # a copy of the task's context

    async def main():
        return await asyncio.gather(*(task(n) for n in range(10)))

    for n, (found, further) in enumerate(asyncio.run(main())):
        assert found == stream(n, 5)
        assert further == stream(n, 7)[5:]


def test_cells_of_a_notebook_share_the_seed():
    cells = ["import graphnet, numpy as np", "graphnet.seed(7)", "found = graphnet.generator().random(3).tolist()"]
    names = {}
    for cell in cells:
        contextvars.Context().run(exec, cell, names)
    assert names["found"] == stream(7)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_a_pass_draws_from_the_generator_of_its_thread(backend):
    g = Builder("dropout")
    runner = Runner(g.build(y=Dropout(0.5)(g.input("x", "batch, feature=50"))), backend=backend)
    x = np.ones((4, 50))

    def masks(n):
        with using(np.random.default_rng(n)):
            return [runner.forward({"x": x}, keep=False)["y"] for _ in range(40)]

    expected = [masks(n) for n in range(6)]
    for ours, serial in zip(in_threads(*[lambda n=n: masks(n) for n in range(6)]), expected, strict=True):
        np.testing.assert_array_equal(ours, serial)


# ---------------------------------------------------------------------- processes
CHILD = """
import os, sys, warnings
import numpy as np
import graphnet
from graphnet.core import random


def child(work):
    '''What work returns in a forked process, and the messages of its warnings.'''
    read, write = os.pipe()
    number = os.fork()
    if number == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            try:
                found = work()
            except BaseException as error:
                found = repr(error)
        told = [(type(w.message).__name__, str(w.message)) for w in caught]
        os.write(write, repr((found, told)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(number, 0)
    return eval(text)


def draw():
    return graphnet.generator().random(3).tolist()


"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


def run(code):
    """Run code after the definitions above, in a process of its own that may fork."""
    text = CHILD + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@forks
def test_an_unseeded_child_draws_numbers_of_its_own():
    run("""
        draw()
        first, second = child(draw), child(draw)
        assert first[1] == second[1] == []
        assert len({tuple(first[0]), tuple(second[0]), tuple(draw())}) == 3
        graphnet.seed(1); graphnet.seed(None)
        first, second = child(draw), child(draw)
        assert first[1] == [] and first[0] != second[0]
    """)


@forks
def test_a_seeded_child_warns_at_its_first_draw_and_goes_on():
    run("""
        graphnet.seed(3)
        draw()
        expected = np.random.default_rng(3).random(9).tolist()
        found, told = child(lambda: draw() + draw())
        assert found == expected[3:]
        assert [kind for kind, _ in told] == ['ForkWarning'], told
        assert 'graphnet.seed(' in told[0][1] and 'parent' in told[0][1]
        assert issubclass(graphnet.ForkWarning, graphnet.GraphnetWarning)
        assert draw() == expected[3:6]
    """)


@forks
def test_a_child_that_seeds_or_draws_nothing_does_not_warn():
    run("""
        graphnet.seed(3)
        def seeded():
            graphnet.seed(4)
            return draw()
        assert child(seeded) == (np.random.default_rng(4).random(3).tolist(), [])
        g = graphnet.Builder('net')
        runner = graphnet.Runner(g.build(y=graphnet.FullyConnected(3, 2)(g.input('x', 'batch, feature=3'))))
        x = np.ones((2, 3))
        expected = runner.forward({'x': x})['y'].tolist()
        assert child(lambda: runner.forward({'x': x})['y'].tolist()) == (expected, [])
        def trained():
            with graphnet.using(np.random.default_rng(5)):
                return draw()
        assert child(trained) == (np.random.default_rng(5).random(3).tolist(), [])
    """)


@forks
def test_a_scoped_generator_counts_as_seeded():
    run("""
        with graphnet.using(np.random.default_rng(8)):
            found, told = child(draw)
            assert found == np.random.default_rng(8).random(3).tolist()
            assert [kind for kind, _ in told] == ['ForkWarning']
            grandchild = child(lambda: (draw(), child(draw)))
            assert [kind for kind, _ in grandchild[0][1][1]] == ['ForkWarning']
    """)


@forks
def test_locks_and_claims_of_other_threads_do_not_exist_in_a_child():
    run("""
        import gc, threading
        from graphnet.core.concurrency import claims
        from graphnet.core.concurrency import locks
        from graphnet.core.concurrency.time_slices import SMALL_PROGRAMS
        g = graphnet.Builder('net')
        runner = graphnet.Runner(g.build(y=graphnet.FullyConnected(3, 2)(g.input('x', 'batch, feature=3'))))
        held, go = threading.Event(), threading.Event()
        def hold():
            with claims.Claim(claims.WRITE, runner.keys, 'fit', 'model'), locks.building, locks.foreign_layers, SMALL_PROGRAMS:
                gc.disable()
                with locks.lock:
                    held.set()
                    go.wait(60)
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(60)
        def work():
            shape = runner.forward({'x': np.ones((2, 3))})['y'].shape
            runner.backward({'y': np.ones((2, 3 - 1))})
            return shape, gc.isenabled(), len(claims._active), len(claims._exclusive)
        import signal
        signal.alarm(60)
        assert child(work) == (((2, 2), True, 0, 0), [])
        go.set()
        thread.join()
        gc.enable()
    """)


@forks
def test_a_fork_inside_a_claim_keeps_that_of_its_own_thread():
    run("""
        from graphnet.core.concurrency import claims
        from graphnet.core.concurrency import locks
        with claims.Claim(claims.WRITE, frozenset([1]), 'fit', 'model'), locks.building, locks.lock:
            assert child(lambda: (len(claims._active), len(claims._exclusive))) == ((1, 1), [])
        assert not claims._active
    """)


def test_a_spawned_process_is_not_seeded():
    code = "import graphnet; print(graphnet.generator().random(3).tolist())"
    seed(0)
    found = {subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60) for _ in range(2)}
    assert len(found) == 2


def test_weights_made_in_threads_come_from_their_generators():
    def make(n):
        with using(np.random.default_rng(n)):
            return [FullyConnected(4, 3).get_weights() for _ in range(30)]

    expected = [make(n) for n in range(6)]
    for ours, serial in zip(in_threads(*[lambda n=n: make(n) for n in range(6)]), expected, strict=True):
        np.testing.assert_array_equal(ours, serial)


@pytest.mark.parametrize("value", ["a", 1.5, -1, True, [1]])
def test_seed_refuses_what_is_not_a_seed(value):
    before = generator()
    with pytest.raises(ConfigError, match="graphnet: seed must be a non-negative integer or None"):
        seed(value)
    assert generator() is before


@pytest.mark.parametrize("value", [5, None, np.random.default_rng])
def test_using_refuses_what_is_not_a_generator(value):
    with pytest.raises(ConfigError, match="must be a random generator"), using(value):
        pass
