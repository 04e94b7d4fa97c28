"""Which parts of a pass run with one BLAS thread: what is decided, what numpy's BLAS says meanwhile, and explain."""

import threading

import numpy as np
import pytest
import threadpoolctl
from helpers.random_models import Tanh

from graphnet import Builder, Cell, FullyConnected, Layer, Phase, Runner, Scan, Shape, dense, threads
from graphnet.core.concurrency.blas_threads import PROCESS
from graphnet.core.run.numpy_backend import executable
from graphnet.core.run.numpy_backend.loop_functions import LoopFunctions
from graphnet.core.run.thread_policy import ThreadPolicy, combined, of_rules
from graphnet.losses import MeanSquaredError
from graphnet.training import Trainer, TrainingConfig
from graphnet.training.callbacks import Callback


def number():
    """What the BLAS of numpy says now, by threadpoolctl."""
    found = [info["num_threads"] for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    return max(found)


@pytest.fixture(autouse=True)
def _two_threads():
    """Whatever the environment says, two threads to begin with, and none left limited."""
    PROCESS.refresh()
    if not PROCESS.libraries:
        pytest.skip("no BLAS that can be controlled")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield
        assert number() == 2 and not PROCESS._held


class Watching(FullyConnected):
    """A dense layer that notes the number of threads in each of its rules."""

    def apply(self, x, *, weights):
        self.note("apply", x)
        return super().apply(np.asarray(x), weights=weights)

    def pull(self, saved, error, *, weights):
        self.note("pull", error)
        return super().pull(saved, error, weights=weights)

    def grad(self, saved, error):
        self.note("grad", error)
        return super().grad(saved, error)

    def note(self, rule, array):
        if isinstance(array, np.ndarray):
            self.__dict__.setdefault("seen", []).append((rule, number()))

    @property
    def numbers(self):
        """The different numbers seen, by rule."""
        return {rule: {n for r, n in self.seen if r == rule} for rule, _ in self.seen}


def everywhere(n):
    return {"apply": {n}, "pull": {n}, "grad": {n}}


def dense_layer(size, dtype="float32"):
    return Watching(size, size, dtype=dtype), np.zeros((size, size), dtype)


# ---------------------------------------------------------------------- layers by hand, node by node
@pytest.mark.parametrize(
    ("size", "dtype", "expected"), [(30, "float32", 1), (180, "float64", 2), (180, "float32", 1), (210, "float32", 2)]
)
def test_layer_alone_limited_by_size(size, dtype, expected):
    layer, x = dense_layer(size, dtype)
    layer.forward(x)
    assert number() == 2
    layer.backward(x)
    assert layer.numbers == everywhere(expected)


def test_threads_block_limits_large_layer():
    layer, x = dense_layer(210)
    with threads(1):
        assert number() == 2
        layer.forward(x)
    layer.backward(x)
    assert layer.numbers == {"apply": {1}, "pull": {2}, "grad": {2}}


def test_number_lowered_by_user_respected():
    layer, x = dense_layer(210)
    with threadpoolctl.threadpool_limits(1, user_api="blas"), threads(2):
        layer.forward(x)
        assert number() == 1
    assert layer.numbers == {"apply": {1}}


def test_rule_that_raises_restores():
    class Failing(Layer):
        def apply(self, x):
            if isinstance(x, np.ndarray):
                raise KeyboardInterrupt
            return x, None

        def pull(self, saved, error):
            return error

    with pytest.raises(KeyboardInterrupt):
        Failing().forward(np.zeros((3, 2)))
    assert number() == 2


def test_mixed_graph_limits_small_nodes():
    small, large = Watching(4, 210, dtype="float32"), Watching(210, 210, dtype="float32")
    g = Builder()
    runner = Runner(g.build(large(small(g.input("x", "batch, feature=4")))))
    y = runner.forward({"x": np.zeros((210, 4), np.float32)})["output"]
    runner.backward({"output": y})
    assert small.numbers == everywhere(1) and large.numbers == everywhere(2)


@pytest.mark.parametrize(("units", "expected"), [(8, 1), (600, 2)])
def test_uncompiled_cell_limited_by_step(units, expected):
    c = Cell("c", sequences="x", states={"h": units})
    layer = Watching(units, units, dtype="float32")
    h = layer(c.h) + c.x
    g = Builder()
    y = Scan(c.build(y=h, h=h))(g.input("x", f"time, batch, feature={units}"))
    runner = Runner(g.build(y))
    x = np.zeros((3, 25, units), np.float32)
    runner.forward({"x": x})
    runner.backward({"output": x})
    assert layer.numbers == everywhere(expected)


# ---------------------------------------------------------------------- compiled programs
def recurrent(inputs, units):
    c = Cell("c", sequences="x", states={"h": units})
    h = Tanh()(dense(c.x, units, name="in") + dense(c.h, units, name="state"))
    g = Builder()
    return g.build(Scan(c.build(y=h, h=h))(g.input("x", f"time, batch, feature={inputs}"), name="scan"))


@pytest.fixture
def observed(monkeypatch):
    """The numbers of threads in loops, forward and backward, and in the products after them."""
    found = {"loop": set(), "back loop": set(), "after": set()}
    run, accumulated = LoopFunctions.run, executable.accumulated

    def noting_run(self, *arguments):
        found["back loop" if self.backward else "loop"].add(number())
        return run(self, *arguments)

    def noting_accumulated(*arguments):
        found["after"].add(number())
        return accumulated(*arguments)

    monkeypatch.setattr(LoopFunctions, "run", noting_run)
    monkeypatch.setattr(executable, "accumulated", noting_accumulated)
    return found


# A step of 10 rows: 10 · units² multiply-adds in the loop; a block of 250 rows: 250 · inputs · units outside.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "units", "inside", "outside"), [(4, 8, 1, 1), (400, 100, 1, 2), (4, 900, 2, 2), (4, 600, 1, 2)]
)
def test_compiled_loop_limited_by_products(observed, inputs, units, inside, outside):
    runner = Runner(recurrent(inputs, units), backend="numpy")
    y = runner.forward({"x": np.zeros((25, 10, inputs), np.float32)})["output"]
    runner.backward({"output": y})
    assert observed == {"loop": {inside}, "back loop": {inside}, "after": {outside}}


def test_program_products_counted():
    steps, batch, inputs, units = 60, 10, 30, 200
    bound, _ = Runner(recurrent(inputs, units)).bound([Shape.of((steps, batch, inputs))], "float32", Phase.train)
    rows = 300  # two blocks of 30 steps
    assert bound.steps[0].policy(True) == ThreadPolicy("float32", batch * units * units, rows * units * units)
    assert bound.steps[0].policy(False) == ThreadPolicy("float32", batch * units * units, rows * inputs * units)


# ---------------------------------------------------------------------- decisions
@pytest.mark.parametrize(("m", "k", "n"), [(5, 7, 11), (32, 784, 10), (1, 300, 200)])
def test_bound_exact_for_a_product(m, k, n):
    assert of_rules("float64", [(m, k)], [(m, n)], [(k, n)]).outside == m * k * n


def test_bound_covers_product_of_inputs():
    a, b = (4, 50, 6), (4, 6, 70)
    assert of_rules("float32", [a, b], [(4, 50, 70)], []).outside >= 4 * 50 * 6 * 70


@pytest.mark.parametrize(
    ("loops", "outside", "whole", "in_loops"),
    [
        (0, 0, 1, None),
        (7_999_999, 7_999_999, 1, None),
        (7_999_999, 8_000_000, None, 1),
        (8_000_000, 1, None, None),
        (0, 8_000_000, None, None),
    ],
)
def test_policy_thresholds(loops, outside, whole, in_loops):
    found = ThreadPolicy("float32", loops, outside)
    assert (found.whole, found.in_loops) == (whole, in_loops)
    halved = ThreadPolicy("float64", (loops + 1) // 2, (outside + 1) // 2)
    if loops != 7_999_999:
        assert (halved.whole, halved.in_loops) == (whole, in_loops)


def test_combined_keeps_largest():
    parts = [ThreadPolicy("float32", 3, 50), ThreadPolicy("float32", 9, 2)]
    assert combined("float32", parts) == ThreadPolicy("float32", 9, 50)
    assert combined("float32", []).whole == 1
    assert parts[0].looped() == ThreadPolicy("float32", 50, 0)


# ---------------------------------------------------------------------- several passes at once
def test_small_pass_beside_large_one():
    small, large = Watching(4, 4, dtype="float32"), Watching(210, 210, dtype="float32")
    inside, done, during = threading.Event(), threading.Event(), []
    note = small.note

    def holding(rule, array):
        note(rule, array)
        if isinstance(array, np.ndarray):
            inside.set()
            done.wait(30)

    object.__setattr__(small, "note", holding)
    worker = threading.Thread(target=small.forward, args=(np.zeros((2, 4), np.float32),))
    worker.start()
    assert inside.wait(30)
    large.forward(np.zeros((210, 210), np.float32))
    during.append(number())
    done.set()
    worker.join()
    large.forward(np.zeros((210, 210), np.float32))
    assert during == [1] and [n for _, n in large.seen] == [1, 2]


# ---------------------------------------------------------------------- training
class Descent:
    """An optimizer of its own for each array, which notes the number of threads."""

    learning_rate = 0.1

    def __init__(self):
        self.seen = []

    def calculate_update(self, delta, weights, gradient):
        self.seen.append(number())
        return weights - delta * self.learning_rate * gradient

    def __deepcopy__(self, memo):
        return self

    def add_regularizer(self, regularizer):
        raise NotImplementedError


class Batches(Callback):
    """Notes the number of threads between steps."""

    def __init__(self):
        self.seen = set()

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.seen.add(number())


def fitted(limit, size=5):
    layer, optimizer, callback = Watching(size, size, dtype="float32"), Descent(), Batches()
    g = Builder()
    graph = g.build(layer(g.input("x", f"batch, feature={size}")))
    config = TrainingConfig(
        loss=MeanSquaredError(), optimizer=optimizer, epochs=2, batch_size=size, threads=limit, validation=0.0
    )
    x = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    Trainer(graph, config, callbacks=[callback]).fit(x, x)
    rules = {n for found in layer.numbers.values() for n in found}
    return rules, set(optimizer.seen), callback.seen


@pytest.mark.parametrize(
    ("limit", "size", "expected"),
    [
        (None, 5, ({1}, {1}, {2})),
        (1, 5, ({1}, {1}, {1})),
        (2, 5, ({1}, {1}, {2})),
        (None, 210, ({2}, {2}, {2})),
        (1, 210, ({1}, {1}, {1})),
    ],
)
def test_training_limited(limit, size, expected):
    assert fitted(limit, size) == expected


def test_threads_block_bounds_training():
    with threads(1):
        assert fitted(2, 210) == ({1}, {1}, {1})


# ---------------------------------------------------------------------- explain
@pytest.mark.parametrize(
    ("inputs", "units", "text"),
    [
        (4, 8, "one BLAS thread: products of at most 16,000 multiply-adds"),
        (400, 100, "one BLAS thread in the loops: products of at most 100,000 multiply-adds there, and of 10,000,000"),
        (4, 900, "all threads that the BLAS has: products of up to 202,500,000 multiply-adds"),
    ],
)
def test_explain_says_threads(inputs, units, text):
    explained = recurrent(inputs, units).explain(batch=10, steps=25)
    assert explained.parts[0].threads.startswith(text) and text in str(explained)


def test_explain_says_threads_of_node():
    g = Builder()
    explained = g.build(FullyConnected(20, 10)(g.input("x", "batch, feature=20"))).explain(batch=32)
    assert explained.parts[0].threads == "one BLAS thread: products of at most 6,558 multiply-adds"  # √(640·210·320)
    assert "threads       one BLAS thread" in str(explained)


def test_explain_says_uncontrolled(monkeypatch):
    monkeypatch.setattr(PROCESS, "_found", ())
    explained = recurrent(4, 8).explain(batch=10, steps=25)
    assert explained.parts[0].threads.endswith("(no effect: no loaded BLAS supports setting its number of threads)")
