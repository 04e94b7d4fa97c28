"""Passes of one Runner, or one layer, in several threads: each has the numbers that it has alone."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from helpers.concurrency import Gate, Held, gated_graph, in_another_thread, in_threads

from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    Dropout,
    FullyConnected,
    Layer,
    Phase,
    Runner,
    Scan,
    ShapeError,
    State,
    StateError,
    concatenate,
    dense,
)
from graphnet.core.concurrency import time_slices
from graphnet.core.concurrency.locks import this_thread
from graphnet.core.run import binder
from graphnet.optimizers import Sgd


class Tanh(Layer):
    """tanh."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


def recurrent_graph():
    c = Cell("recurrent", sequences="x", states={"h": 5})
    h = Tanh()(dense(concatenate(c.x, c.h), 5))
    g = Builder("recurrent")
    return g.build(y=dense(Scan(c.build(h=h))(g.input("x", "time, batch, feature=3"), name="scan"), 2))


def dense_graph():
    g = Builder("dense")
    x = g.input("x", "batch, feature=3")
    return g.build(y=dense(Dropout(0.5)(Tanh()(dense(Tanh()(dense(x, 6)), 6))), 2))


GRAPHS = {"recurrent": (recurrent_graph, (4, 9)), "dense": (dense_graph, ())}


def inputs(name, rng, count):
    """Arrays of different shapes: many passes meet in a few bindings."""
    time = GRAPHS[name][1]
    return [rng.normal(size=(*([rng.integers(*time)] if time else []), rng.integers(1, 4), 3)) for _ in range(count)]


@pytest.mark.parametrize("small", [0, 2**40], ids=["free", "in turns"])
@pytest.mark.parametrize("name", GRAPHS)
def test_predictions_in_threads_equal_serial(name, small, monkeypatch):
    monkeypatch.setattr(time_slices, "SMALL", small)
    runner = Runner(GRAPHS[name][0]())
    runner.materialize()
    given = inputs(name, np.random.default_rng(1), 800)
    alone = copy.deepcopy(runner)
    expected = [alone.forward({"x": x}, phase=Phase.test, keep=False)["y"] for x in given]

    def predict(i):
        return [runner.forward({"x": x}, phase=Phase.test, keep=False)["y"] for x in given[i::8]]

    for i, found in enumerate(in_threads(*[lambda i=i: predict(i) for i in range(8)])):
        for ours, serial in zip(found, expected[i::8], strict=True):
            np.testing.assert_array_equal(ours, serial)


@pytest.mark.parametrize("name", GRAPHS)
def test_copies_training_in_threads_equal_serial(name):
    runner = Runner(GRAPHS[name][0]())
    runner.materialize()
    given = inputs(name, np.random.default_rng(2), 60)

    def learn(own):
        found = []
        for x in given:
            y = own.forward({"x": x}, phase=Phase.test)["y"]
            found.append(own.backward({"y": y * y})["x"])
            found += [p.gradient for p in own.parameters.values()]
        return found

    expected = learn(copy.deepcopy(runner))
    copies = [copy.deepcopy(runner) for _ in range(6)]
    for found in in_threads(*[lambda own=own: learn(own) for own in copies]):
        for ours, serial in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, serial)


def test_layer_in_threads_equals_serial():
    layer = FullyConnected(3, 4)
    layer.phase = Phase.test
    given = np.random.default_rng(3).normal(size=(400, 2, 3))
    expected = [layer.forward(x) for x in given]
    for i, found in enumerate(in_threads(*[lambda i=i: [layer.forward(x) for x in given[i::8]] for i in range(8)])):
        for ours, serial in zip(found, expected[i::8], strict=True):
            np.testing.assert_array_equal(ours, serial)


def test_concurrent_passes_do_not_wait():
    runner = Runner(gated_graph())
    x, other = np.random.default_rng(4).normal(size=(2, 5, 3))
    expected = runner.forward({"x": x}, keep=False)["output"]
    with Held(lambda: runner.forward({"x": x}, keep=False)["output"]) as held:
        assert not np.array_equal(runner.forward({"x": other}, keep=False)["output"], expected)
        in_another_thread(lambda: runner.forward({"x": other}, keep=False))
    np.testing.assert_array_equal(held.result, expected)


@pytest.mark.parametrize("name", GRAPHS)
def test_pass_survives_other_threads_predictions(name):
    runner = Runner(GRAPHS[name][0]())
    x, other = inputs(name, np.random.default_rng(5), 2)
    y = runner.forward({"x": x}, phase=Phase.test)["y"]
    expected = runner.backward({"y": y})["x"]
    runner.forward({"x": x}, phase=Phase.test)
    for _ in range(3):
        for given in (x, other):
            in_another_thread(lambda given=given: runner.forward({"x": given}, phase=Phase.test, keep=False))
    np.testing.assert_array_equal(runner.backward({"y": y})["x"], expected)


def test_backward_of_other_threads_pass_raises():
    runner = Runner(dense_graph())
    y = runner.forward({"x": np.ones((2, 3))})["y"]
    found = in_another_thread(lambda: runner.backward({"y": y}))
    assert isinstance(found, StateError)
    assert "another thread's" in str(found) and "copy.deepcopy" in str(found)
    assert runner.backward({"y": y})["x"].shape == (2, 3)


def test_pass_of_ended_thread_raises():
    runner = Runner(dense_graph())
    y = in_another_thread(lambda: runner.forward({"x": np.ones((2, 3))})["y"])
    for _ in range(5):  # one of these is likely to have the identifier of the first
        assert isinstance(in_another_thread(lambda: runner.backward({"y": y})), StateError)


def test_forward_of_another_thread_replaces_pass():
    runner = Runner(dense_graph())
    y = runner.forward({"x": np.ones((2, 3))})["y"]
    in_another_thread(lambda: runner.forward({"x": np.ones((2, 3))}))
    with pytest.raises(StateError, match="another thread's"):
        runner.backward({"y": y})


def test_binding_once_per_thread():
    runner = Runner(dense_graph())
    (x,) = inputs("dense", np.random.default_rng(6), 1)
    for _ in range(5):
        runner.forward({"x": x}, phase=Phase.test, keep=False)
    (binding,) = runner._binder.bindings.values()
    assert len(binding.idle) == 1
    in_threads(*[lambda: [runner.forward({"x": x}, phase=Phase.test, keep=False) for _ in range(50)]] * 8)
    assert 1 <= len(binding.idle) <= 8


def test_further_plans_are_not_compiled(monkeypatch):
    from graphnet.core.run.numpy_backend import region, scan_program

    compiled = []
    for module in (scan_program, region):
        own = module.compile_program
        monkeypatch.setattr(module, "compile_program", lambda *a, own=own: compiled.append(1) or own(*a))
    g = Builder("both")
    c = Cell("recurrent", sequences="x", states={"h": 5})
    cell = c.build(h=Tanh()(dense(concatenate(c.x, c.h), 5)))
    y = Scan(cell)(g.input("x", "time, batch, feature=3"), name="scan")
    runner = Runner(g.build(y=dense(Tanh()(dense(Tanh()(dense(y, 4)), 4)), 2)))
    x = np.ones((4, 2, 3))
    runner.forward({"x": x})
    count = len(compiled)
    assert count >= 2
    held = [runner.snapshot()]
    for _ in range(3):
        runner.forward({"x": x})
        held.append(runner.snapshot())
    assert len({id(each._pass.bound) for each in held}) == 4
    assert len(compiled) == count


class Moody(Layer):
    """The identity, which raises if a test sets ``fails``."""

    fails = [False]  # noqa: RUF012

    def apply(self, x):
        if self.fails[0]:
            raise KeyboardInterrupt
        return np.asarray(x), None

    def pull(self, saved, error):
        return error


def test_failed_pass_releases_plan(monkeypatch):
    g = Builder("moody")
    runner = Runner(g.build(y=Moody()(dense(g.input("x", "batch, feature=3"), 2))))
    y = runner.forward({"x": np.ones((2, 3))})["y"]
    monkeypatch.setattr(Moody, "fails", [True])
    with pytest.raises(KeyboardInterrupt):
        runner.forward({"x": np.ones((2, 3))})
    (binding,) = runner._binder.bindings.values()
    assert len(binding.idle) == 1
    with pytest.raises(StateError, match="backward before forward"):
        runner.backward({"y": y})
    monkeypatch.setattr(Moody, "fails", [False])
    np.testing.assert_array_equal(runner.forward({"x": np.ones((2, 3))})["y"], y)


def test_bad_input_keeps_pass():
    runner = Runner(dense_graph())
    y = runner.forward({"x": np.ones((2, 3))})["y"]
    with pytest.raises(ShapeError):
        runner.forward({"x": np.ones((2, 4))})
    assert runner.backward({"y": y})["x"].shape == (2, 3)


def test_pass_snapshot_is_released():
    runner = Runner(dense_graph())
    y = runner.forward({"x": np.ones((2, 3))})["y"]
    expected = runner.backward({"y": y})["x"]
    before = runner.snapshot()
    runner.forward({"x": np.zeros((2, 3))})
    before.restore()
    np.testing.assert_array_equal(runner.backward({"y": y})["x"], expected)
    before = runner.snapshot()
    runner.forward({"x": np.zeros((2, 3))})
    (binding,) = runner._binder.bindings.values()
    idle = len(binding.idle)
    before.release()
    before.release()
    assert len(binding.idle) == idle + 1


def test_first_passes_create_weights_once():
    class Counting:
        calls = 0

        def initialize(self, shape, fan_in, fan_out):
            Counting.calls += 1
            return np.random.default_rng(7).normal(size=shape)

    g = Builder("open")
    graph = g.build(y=dense(Tanh()(dense(g.input("x"), 4)), 2))
    runner = Runner(graph)
    runner.initialize(Counting(), Counting())
    x = np.random.default_rng(8).normal(size=(5, 3))
    found = in_threads(*[lambda: runner.forward({"x": x}, keep=False)["y"]] * 8)
    assert Counting.calls == 4  # two layers, weights and biases
    for y in found:
        np.testing.assert_array_equal(y, runner.forward({"x": x}, keep=False)["y"])


def test_resume_in_threads_returns_own_state():
    runner = Runner(recurrent_graph())
    runner.materialize()
    streams = np.random.default_rng(9).normal(size=(8, 40, 2, 1, 3))

    def read(own, stream):
        state = State()
        for piece in stream:
            _, state = own.resume({"x": piece}, state, phase=Phase.test, keep=False)
        return state.arrays["scan/h"]

    expected = [read(copy.deepcopy(runner), stream) for stream in streams]
    for ours, serial in zip(in_threads(*[lambda s=s: read(runner, s) for s in streams]), expected, strict=True):
        np.testing.assert_array_equal(ours, serial)
    assert runner.state is None


def test_running_statistics_in_threads_raise():
    g = Builder("normal")
    runner = Runner(g.build(y=Gate()(BatchNormalization(3)(g.input("x", "batch, feature=3")))))
    x = np.random.default_rng(10).normal(size=(6, 3))
    runner.forward({"x": x})
    with Held(lambda: runner.forward({"x": x})):
        for phase in Phase:
            with pytest.raises(StateError, match="in another thread"):
                runner.forward({"x": x}, phase=phase)
    with Held(lambda: runner.forward({"x": x}, phase=Phase.test)["y"]) as held:
        assert runner.forward({"x": x}, phase=Phase.test)["y"].shape == (6, 3)
        with pytest.raises(StateError, match="in use in another thread"):
            runner.forward({"x": x})
    assert held.result.shape == (6, 3)


def test_layer_shared_by_threads_never_mixes():
    layer = FullyConnected(3, 2)
    layer.set_optimizer(Sgd(0.01))
    x, z = np.random.default_rng(11).normal(size=(2, 4, 3))
    start = layer.get_weights()
    steps, refused = [], []

    def learn(given, error):
        for _ in range(200):
            try:
                layer.forward(given)
                layer.backward(error)
                steps.append((given, error))
            except StateError:
                refused.append(1)

    in_threads(lambda: learn(x, np.ones((4, 2))), lambda: learn(z, -2 * np.ones((4, 2))))
    assert steps
    assert len(steps) + len(refused) == 400
    expected = start - 0.01 * sum(np.vstack([g.T, np.ones(4)]) @ e for g, e in steps)
    np.testing.assert_allclose(layer.get_weights(), expected, rtol=1e-10, atol=1e-10)


def test_set_weights_during_pass_raises():
    graph = gated_graph()
    runner = Runner(graph)
    x = np.ones((2, 3))
    runner.forward({"x": x}, keep=False)
    layer = next(la for la in runner.layers.values() if la.trainable)
    before = layer.get_weights()
    with Held(lambda: runner.forward({"x": x}, keep=False)):
        with pytest.raises(StateError, match="in use in another thread"):
            layer.set_weights(before * 2)
        with pytest.raises(StateError, match="in use in another thread"):
            runner.initialize(None, None)
    np.testing.assert_array_equal(layer.get_weights(), before)
    layer.set_weights(before * 2)


class Calling(Layer):
    """Calls another runner, and once the runner that it is in."""

    runners = []  # noqa: RUF012

    def apply(self, x):
        x = np.asarray(x)
        for runner in self.runners[:1]:
            return runner.forward({"x": x}, keep=False)["y"], None
        return x, None

    def pull(self, saved, error):
        return error


def test_rule_may_call_another_runner(monkeypatch):
    g, h = Builder("inner"), Builder("outer")
    inner = Runner(g.build(y=dense(g.input("x", "batch, feature=3"), 3)))
    outer = Runner(h.build(y=Calling()(dense(h.input("x", "batch, feature=3"), 3))))
    x = np.random.default_rng(12).normal(size=(2, 3))
    middle = outer.forward({"x": x})["y"]
    expected = inner.forward({"x": middle})["y"]
    monkeypatch.setattr(Calling, "runners", [inner])
    for found in in_threads(*[lambda: outer.forward({"x": x}, keep=False)["y"]] * 4):
        np.testing.assert_array_equal(found, expected)


def test_copies_have_own_passes():
    runner = Runner(dense_graph())
    x = np.random.default_rng(13).normal(size=(2, 3))
    y = runner.forward({"x": x}, phase=Phase.test)["y"]
    for other in (copy.deepcopy(runner), pickle.loads(pickle.dumps(runner))):
        with pytest.raises(StateError, match="backward before forward"):
            other.backward({"y": y})
        np.testing.assert_array_equal(other.forward({"x": x}, phase=Phase.test)["y"], y)
        assert other.keys.isdisjoint(runner.keys)
    layer = FullyConnected(3, 2)
    y = layer.forward(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer)).forward(x), y)


def test_idle_plans_are_trimmed(monkeypatch):
    monkeypatch.setattr(binder, "IDLE_BYTES", 50_000)
    runner = Runner(recurrent_graph())
    x = np.random.default_rng(14).normal(size=(60, 3, 3))
    held = []
    for _ in range(12):
        runner.forward({"x": x})
        held.append(runner.snapshot())
    for each in held:
        each.release()
    runner.forward({"x": x[:2]})
    assert sum(bound.idle() for binding in runner._binder.bindings.values() for bound in binding.idle) <= 50_000


def test_dropped_runner_frees_arrays():
    runner = Runner(recurrent_graph())
    for _ in range(2):
        runner.forward({"x": np.ones((5, 2, 3))})
        runner.backward({"y": np.ones((2, 2))})
    bound = runner.last_pass.bound
    workspace = bound.steps[0].programs[True].executable().workspace
    freed = []
    weakref.finalize(workspace, freed.append, 1)
    gc.disable()
    try:
        del runner, bound, workspace
        assert freed
    finally:
        gc.enable()


def test_threads_have_distinct_numbers():
    found = [in_another_thread(this_thread) for _ in range(5)]
    assert len({*found, this_thread(), this_thread()}) == 6
