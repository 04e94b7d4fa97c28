"""Passes that repeat an earlier one skip its checks: the results must be those of passes with all checks."""

import copy
import pickle
import threading

import numpy as np
import pytest
from helpers.random_models import Tanh

from graphnet import (
    Builder,
    Cell,
    DataError,
    Dropout,
    DtypeError,
    FullyConnected,
    Phase,
    Runner,
    Scan,
    ShapeError,
    State,
    StateError,
    concatenate,
    dense,
    seed,
)
from graphnet.core.concurrency import claims
from graphnet.core.concurrency.claims import WRITE, Claim
from graphnet.core.run.repeat import Repeat
from graphnet.optimizers import Sgd

BACKENDS = ("numpy", "native")


def scan_graph(dtype="float64", dropout=False):
    """A Scan with an optional initial state, a dense layer after it, and the final state as a second output."""
    c = Cell("cell", sequences="x", states={"h": 5})
    h = Tanh()(FullyConnected(None, 5, dtype=dtype)(concatenate(c.x, c.h), name="gate"))
    g = Builder("graph")
    x, start = g.input("x", "time, batch, feature=3"), g.input("start", "batch, feature=5", optional=True)
    scan = Scan(c.build(h=h))(Dropout(0.5)(x) if dropout else x, start, name="scan")
    hidden = Scan(_second(dtype))(x, name="second")
    return g.build(y=FullyConnected(5, 2, dtype=dtype)(scan["h"], name="top"), h=scan["h"], z=hidden)


def region_graph(dtype="float64", dropout=False):
    """The same with enough nodes after the Scan for a region, so that every step may be a single call."""
    c = Cell("cell", sequences="x", states={"h": 5})
    h = Tanh()(FullyConnected(None, 5, dtype=dtype)(concatenate(c.x, c.h), name="gate"))
    g = Builder("graph")
    x, start = g.input("x", "time, batch, feature=3"), g.input("start", "batch, feature=5", optional=True)
    scan = Scan(c.build(output=h, h=h), bptt_length=4)(x, start, name="scan")
    top = Tanh()(FullyConnected(5, 3, dtype=dtype)(scan["output"], name="top"))
    y = FullyConnected(3, 2, dtype=dtype)(Dropout(0.5)(top) if dropout else top)
    return g.build(y=y, h=scan["h"], z=Scan(_second(dtype))(x, name="second"))


GRAPHS = {"scan": scan_graph, "region": region_graph}


def _second(dtype):
    c = Cell("second", sequences="x", states={"s": 4})
    s = Tanh()(FullyConnected(None, 4, dtype=dtype)(concatenate(c.x, c.s), name="gate"))
    return c.build(output=s, s=s)


def sample(dtype="float64", steps=6, rows=2):
    rng = np.random.default_rng(steps * 10 + rows)
    return {"x": rng.normal(size=(steps, rows, 3)).astype(dtype)}


def errors_for(outputs):
    rng = np.random.default_rng(len(outputs))
    return {name: rng.normal(size=array.shape).astype(array.dtype) for name, array in outputs.items()}


class Pair:
    """A runner that repeats passes, and one over a copy of the graph that checks everything in each pass."""

    def __init__(self, graph, backend="numpy"):
        if backend == "native":
            pytest.importorskip("graphnet_native")
        seed(3)
        self.runners = Runner(graph, backend=backend), Runner(copy.deepcopy(graph), backend=backend)
        for runner in self.runners:
            runner.forward(sample())
        for path, parameter in self.runners[0].parameters.items():
            self.runners[1].parameters[path].value = parameter.value.copy()

    @property
    def direct(self):
        """Whether the last pass went directly from slot to slot."""
        return self.runners[0].last_pass.direct is not None

    def change(self, function):
        for runner in self.runners:
            function(runner)

    def step(self, inputs, errors=None, **options):
        """One step of both; the results of each are equal to the bit."""
        results = []
        for number, runner in enumerate(self.runners):
            if number:
                runner._passes.recent = None
                for binding in runner._binder.bindings.values():
                    binding.repeat = None
                if runner.last_pass is not None:
                    runner.last_pass.repeat = None
            seed(9)
            outputs = runner.forward(inputs, **options)
            found = {f"output {name}": array for name, array in outputs.items()}
            if options.get("state") is not None:
                found |= {f"state {name}": array for name, array in runner.state.arrays.items()}
            if options.get("keep", True):
                if number and runner.last_pass is not None:
                    runner.last_pass.repeat = None
                pulled = runner.backward(errors_for(outputs) if errors is None else errors(outputs))
                found |= {f"error {name}": array for name, array in pulled.items()}
                found |= {f"gradient {name}": p.gradient for name, p in runner.parameters.items()}
            results.append(found)
        repeated, checked = results
        assert repeated.keys() == checked.keys()
        for name, array in checked.items():
            if array is None:
                assert repeated[name] is None
            else:
                assert repeated[name].dtype == array.dtype and np.array_equal(repeated[name], array, equal_nan=True), (
                    name
                )
        return repeated


@pytest.fixture
def repeats(monkeypatch):
    """Counts the passes that were repeated, by direction."""
    counts = {"forward": 0, "backward": 0}

    def spied(direction):
        original = getattr(Repeat, direction)

        def call(self, *arguments):
            result = original(self, *arguments)
            counts[direction] += result is not None
            return result

        return call

    for direction in counts:
        monkeypatch.setattr(Repeat, direction, spied(direction))
    return counts


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("state", [False, True])
def test_repeated_passes_equal_checked_ones(graph, backend, keep, phase, state, repeats):
    pair = Pair(GRAPHS[graph](dropout=True), backend)
    inputs = sample()
    start = State() if state else None
    for i in range(4):
        inputs["x"] = inputs["x"] + i
        pair.step(inputs, phase=phase, keep=keep, state=start)
        start = pair.runners[0].state if state else None
    assert repeats["forward"] >= 3
    assert repeats["backward"] >= 3 * keep
    if keep:
        assert pair.direct is (graph == "region" and backend == "native")


CHANGES = {
    "weights replaced": lambda r: setattr(r.parameters["top/weights"], "value", r.parameters["top/weights"].value * 2),
    "weights of the cell replaced": lambda r: setattr(
        r.parameters["scan/gate/weights"], "value", r.parameters["scan/gate/weights"].value - 0.5
    ),
    "weights written to": lambda r: np.multiply(
        r.parameters["scan/gate/weights"].value, 3, out=r.parameters["scan/gate/weights"].value
    ),
    "weights set": lambda r: r.layers["scan/gate"].set_weights(np.ones((9, 5))),
    "weights in Fortran order": lambda r: setattr(
        r.parameters["scan/gate/weights"], "value", np.asfortranarray(r.parameters["scan/gate/weights"].value)
    ),
    "weights in single precision": lambda r: setattr(
        r.parameters["scan/gate/weights"], "value", r.parameters["scan/gate/weights"].value.astype("float32")
    ),
    "weights with NaN": lambda r: setattr(
        r.parameters["scan/gate/weights"], "value", r.parameters["scan/gate/weights"].value * np.nan
    ),
    "initialized": lambda r: (seed(4), r.layers["scan/gate"].initialize(*[_Fill()] * 2)),
    "optimizer set": lambda r: r.layers["top"].set_optimizer(Sgd(0.1)),
    "delta": lambda r: setattr(r.layers["top"], "delta", 0.0),
    "restored": lambda r: r.layers["scan/gate"].restore(r.layers["scan/gate"].snapshot()),
    "another shape between": lambda r: r.forward(sample(steps=3)),
    "another phase between": lambda r: r.forward(sample(), phase=Phase.test),
    "without keep between": lambda r: r.forward(sample(), keep=False),
    "without errors for inputs between": lambda r: r.forward(sample(), input_errors=False),
    "lengths between": lambda r: r.forward(sample(), lengths={"x": [6, 2]}),
    "a state between": lambda r: r.forward(sample(), state=State()),
    "another dtype between": lambda r: r.forward(sample("float32")),
    "a refused input between": lambda r: _refused(r, {"x": np.ones((6, 2, 4))}),
    "a snapshot between": lambda r: r.snapshot(),
    "a restored snapshot between": lambda r: _restored_pass(r),
    "workspace dropped": lambda r: [b.drop() for n in r._binder.bindings.values() for b in n.idle],
}


class _Fill:
    def initialize(self, shape, fan_in, fan_out):
        return np.full(shape, 0.25)


def _refused(runner, inputs):
    with pytest.raises(ShapeError):
        runner.forward(inputs)


def _restored_pass(runner):
    before = runner.snapshot()
    runner.forward(sample(steps=3))
    before.restore()


@pytest.mark.parametrize(("graph", "backend"), [("scan", "numpy"), ("scan", "native"), ("region", "native")])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_between_passes_are_noticed(change, graph, backend, repeats):
    pair = Pair(GRAPHS[graph](), backend)
    for _ in range(2):
        pair.step(sample())
    pair.change(CHANGES[change])
    for _ in range(3):
        pair.step(sample())
    assert repeats["forward"] >= 1
    assert pair.direct is (graph == "region" and change != "weights in single precision")


INPUTS = {
    "float32": lambda x: x.astype("float32"),
    "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "integers": lambda x: (x * 10).astype(int),
    "list": lambda x: x.tolist(),
    "Fortran order": np.asfortranarray,
    "reversed view": lambda x: x[::-1],
    "strided view": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "subclass": lambda x: x.view(_Subclass),
    "read-only": lambda x: (x.setflags(write=False), x)[1],
    "NaN and infinity": lambda x: np.where(x > 0.5, np.nan, np.where(x < -0.5, np.inf, x)),
    "more rows": lambda x: np.concatenate([x, x], axis=1),
    "more steps": lambda x: np.concatenate([x, x, x]),
}


class _Subclass(np.ndarray):
    """Plain numbers in another class."""


@pytest.mark.parametrize(("graph", "backend"), [("scan", "numpy"), ("region", "native")])
@pytest.mark.parametrize("kind", INPUTS)
def test_unusual_inputs_after_usual_ones(kind, graph, backend):
    pair = Pair(GRAPHS[graph](), backend)
    for _ in range(2):
        pair.step(sample())
    with np.errstate(all="ignore"):
        for _ in range(2):
            pair.step({"x": INPUTS[kind](sample()["x"])})
        for _ in range(2):
            pair.step({"x": sample()["x"]}, lambda outputs: {n: INPUTS[kind](e) for n, e in _same(outputs, kind)})


def _same(outputs, kind):
    """Errors that keep their shapes in this kind."""
    return errors_for(outputs).items() if not kind.startswith(("more", "integers")) else ()


#: The graph and the backend of tests that need no more than one of passes that are direct, and one of others.
EITHER = pytest.mark.parametrize(("graph", "backend"), [("scan", "numpy"), ("region", "native")])


@EITHER
@pytest.mark.parametrize("state", [None, {}, {"scan/h": np.full((2, 5), 0.3)}, {"second/s": np.full((2, 4), -0.2)}])
def test_optional_input_given_and_left_out(state, graph, backend):
    pair = Pair(GRAPHS[graph](), backend)
    for _ in range(2):
        for inputs in (sample(), sample() | {"start": np.ones((2, 5))}, sample() | {"start": None}):
            pair.step(inputs, state=None if state is None else State(state))
            pair.step(inputs, state=None if state is None else State(state))
            pair.step(inputs)


@EITHER
def test_changes_between_forward_and_backward_are_noticed(graph, backend):
    for change in ("restored", "weights in single precision", "weights replaced", "weights set", "optimizer set"):
        pair = Pair(GRAPHS[graph](), backend)
        for _ in range(2):
            pair.step(sample())
        for runner in pair.runners:
            outputs = runner.forward(sample())
            CHANGES[change](runner)
            pulled = runner.backward(errors_for(outputs))
            assert {p.gradient.dtype == p.value.dtype for p in runner.parameters.values()} == {True}
        expected = pair.runners[1]
        expected.last_pass.repeat = None
        for name, array in expected.backward(errors_for(outputs)).items():
            assert array is None if pulled[name] is None else np.array_equal(pulled[name], array)
        for name, parameter in expected.parameters.items():
            assert np.array_equal(pair.runners[0].parameters[name].gradient, parameter.gradient)


@EITHER
def test_gradients_of_the_pass_before_stay(graph, backend):
    runner = Pair(GRAPHS[graph](), backend).runners[0]
    for _ in range(3):
        outputs = runner.forward(sample())
        pulled = runner.backward(errors_for(outputs))
    before = [p.gradient for p in runner.parameters.values()] + [pulled["x"]]
    copies = [array.copy() for array in before]
    runner.forward({"x": sample()["x"] * 2})
    runner.backward({"y": np.ones_like(outputs["y"])})
    assert all(map(np.array_equal, before, copies))


@EITHER
def test_errors_for_some_outputs(graph, backend):
    pair = Pair(GRAPHS[graph](), backend)
    for chosen in (["y"], ["h"], ["z", "y"], [], ["y", "h", "z"]):
        for _ in range(2):
            pair.step(sample(), lambda outputs, chosen=chosen: {n: errors_for(outputs)[n] for n in chosen})


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"x": np.ones((6, 2, 4))}, ShapeError),
        ({"x": np.ones((6, 2))}, ShapeError),
        ({"x": np.ones((0, 2, 3))}, DataError),
        ({"x": np.ones((6, 2, 3), complex)}, DtypeError),
        ({"x": np.ones((6, 2, 3), "float16")}, DtypeError),
        ({"x": np.ma.masked_array(np.ones((6, 2, 3)), mask=True)}, DtypeError),
        ({}, ShapeError),
        ({"x": None}, ShapeError),
        ({"other": np.ones((6, 2, 3))}, ShapeError),
        ({"x": np.ones((6, 2, 3)), "other": np.ones((6, 2, 3))}, ShapeError),
    ],
)
def test_wrong_inputs_are_refused_and_the_last_pass_stays(inputs, error):
    runner = Runner(scan_graph())
    for _ in range(2):
        outputs = runner.forward(sample())
    expected = runner.backward(errors_for(outputs))["x"]
    with pytest.raises(error):
        runner.forward(inputs)
    assert np.array_equal(runner.backward(errors_for(outputs))["x"], expected)


def test_wrong_errors_are_refused_and_change_nothing():
    runner = Runner(scan_graph())
    for _ in range(2):
        outputs = runner.forward(sample())
        runner.backward(errors_for(outputs))
    gradient = runner.parameters["top/weights"].gradient
    for errors in ({"y": np.ones((2, 3))}, {"w": np.ones((2, 2))}, {"y": np.ones((2, 2), complex)}):
        with pytest.raises((ShapeError, DtypeError)):
            runner.backward(errors)
        assert runner.parameters["top/weights"].gradient is gradient
    with pytest.raises(StateError, match="state"):
        runner.forward(sample(), state={"scan/h": np.ones((2, 4))})


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_never_written_to_again(backend):
    pair = Pair(scan_graph(), backend)
    runner = pair.runners[0]
    kept, copies = [], []
    for i in range(5):
        outputs = runner.forward({"x": sample()["x"] * (i + 1)}, state=State())
        pulled = runner.backward(errors_for(outputs))
        arrays = [*outputs.values(), pulled["x"], *runner.state.arrays.values()]
        arrays += [p.gradient for p in runner.parameters.values()]
        kept += arrays
        copies += [array.copy() for array in arrays]
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))
    memory = [array.base if array.base is not None else array for array in kept]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :] if a is not b), memory


def test_backward_twice_gives_the_same():
    runner = Runner(scan_graph())
    for _ in range(3):
        outputs = runner.forward(sample())
        first = runner.backward(errors_for(outputs))["x"]
        second = runner.backward(errors_for(outputs))["x"]
        assert np.array_equal(first, second) and first is not second


def in_thread(function):
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_other_thread_cannot_use_the_pass(backend, repeats):
    runner = Pair(scan_graph(), backend).runners[0]
    for _ in range(2):
        outputs = runner.forward(sample())
        runner.backward(errors_for(outputs))
    assert repeats["backward"] >= 1
    assert isinstance(in_thread(lambda: runner.backward(errors_for(outputs))), StateError)
    there = in_thread(lambda: runner.forward(sample()))
    assert all(np.array_equal(there[name], array) for name, array in outputs.items())
    with pytest.raises(StateError):
        runner.backward(errors_for(outputs))
    again = runner.forward(sample())
    assert runner.backward(errors_for(again))["x"].shape == (6, 2, 3)


def test_claims_of_other_threads_are_respected():
    runner = Runner(scan_graph())
    for _ in range(2):
        outputs = runner.forward(sample())
        runner.backward(errors_for(outputs))
    with Claim(WRITE, runner.keys, "fit", "model"):
        runner.forward(sample())  # the same thread
        assert isinstance(in_thread(lambda: runner.forward(sample())), StateError)
        assert isinstance(in_thread(lambda: runner.forward(sample(), keep=False)), StateError)
    outputs = runner.forward(sample())
    gate, refused = threading.Event(), []
    with Claim(WRITE, frozenset([1]), "fit", "other model"):
        assert not isinstance(in_thread(lambda: runner.forward(sample(), keep=False)), Exception)

    def training():
        with Claim(claims.GRADIENTS, runner.keys, "backward", "model"):
            gate.wait(10)

    thread = threading.Thread(target=training)
    thread.start()
    try:
        while not claims._exclusive:
            pass
        try:
            runner.backward(errors_for(outputs))
        except StateError as error:
            refused.append(error)
    finally:
        gate.set()
        thread.join()
    assert refused and not claims._active and not claims._exclusive
    runner.backward(errors_for(outputs))


@EITHER
def test_many_threads_at_once_get_their_own_results(graph, backend):
    runner = Pair(GRAPHS[graph](), backend).runners[0]
    inputs = [{"x": np.random.default_rng(i).normal(size=(6, 2, 3))} for i in range(4)]
    expected = [runner.forward(x, phase=Phase.test, keep=False) for x in inputs]
    wrong = []

    def work(number):
        for _ in range(50):
            found = runner.forward(inputs[number], phase=Phase.test, keep=False)
            if not all(np.array_equal(found[name], array) for name, array in expected[number].items()):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@EITHER
def test_threads_that_keep_passes_get_right_results_or_errors_of_threads(graph, backend):
    runner = Pair(GRAPHS[graph](), backend).runners[0]
    inputs = [{"x": np.random.default_rng(i).normal(size=(6, 2, 3))} for i in range(3)]
    expected, wrong, pulled_back = [], [], [0] * len(inputs)
    for x in inputs:
        outputs = runner.forward(x)
        expected.append((outputs, runner.backward(errors_for(outputs))["x"]))

    def work(number):
        for _ in range(60):
            outputs = runner.forward(inputs[number])
            if not all(np.array_equal(outputs[name], array) for name, array in expected[number][0].items()):
                wrong.append(f"output of {number}")
            try:
                pulled = runner.backward(errors_for(outputs))["x"]
            except StateError:
                continue
            pulled_back[number] += 1
            if not np.array_equal(pulled, expected[number][1]):
                wrong.append(f"error of {number}")

    def look():
        for number in range(100):
            before = runner.snapshot()
            (before.release if number % 3 else before.restore)()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)] + [threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and any(pulled_back)
    assert not claims._active and not claims._exclusive
    work(0)
    assert not wrong
    assert sum(len(binding.idle) for binding in runner._binder.bindings.values()) <= 4


def test_interrupted_direct_passes():
    runner = Pair(region_graph(), "native").runners[0]
    for _ in range(2):
        outputs = runner.forward(sample())
        pulled = runner.backward(errors_for(outputs))
    gradients = {name: p.gradient for name, p in runner.parameters.items()}
    calls = runner.last_pass.direct._steps[-1]
    forward, backward = calls._forward, calls._backward

    def interrupt(table):
        raise KeyboardInterrupt

    calls._backward = interrupt
    with pytest.raises(KeyboardInterrupt):
        runner.backward(errors_for(outputs))
    assert all(p.gradient is gradients[name] for name, p in runner.parameters.items())
    calls._backward = backward
    assert np.array_equal(runner.backward(errors_for(outputs))["x"], pulled["x"])
    calls._forward = interrupt
    with pytest.raises(KeyboardInterrupt):
        runner.forward(sample())
    calls._forward = forward
    with pytest.raises(StateError):
        runner.backward(errors_for(outputs))
    assert not claims._active and not claims._exclusive
    for _ in range(3):
        again = runner.forward(sample())
        assert all(np.array_equal(again[name], array) for name, array in outputs.items())
        assert np.array_equal(runner.backward(errors_for(again))["x"], pulled["x"])


def test_layer_of_two_graphs():
    shared = FullyConnected(3, 3)
    graphs = []
    for name in ("a", "b"):
        g = Builder(name)
        graphs.append(g.build(y=shared(g.input("x", "batch, feature=3"), name="shared")))
    runners = [Runner(graph) for graph in graphs]
    x = np.ones((2, 3))
    for i in range(3):
        shared.set_weights(np.full((4, 3), float(i)))
        for runner in runners:
            assert np.array_equal(runner.forward({"x": x})["y"], np.full((2, 3), 4.0 * i))


def test_failing_rule_leaves_no_pass():
    graph = scan_graph()
    runner = Runner(graph)
    for _ in range(2):
        outputs = runner.forward(sample())
    layer = runner.layers["top"]
    step = next(s for s in runner.last_pass.bound.steps if getattr(s, "layer", None) is layer)
    original = step.apply
    step.apply = lambda *a, **k: 1 / 0
    with pytest.raises(Exception, match="division"):
        runner.forward(sample())
    step.apply = original
    with pytest.raises(StateError):
        runner.backward(errors_for(outputs))
    again = runner.forward(sample())
    assert all(np.array_equal(again[name], array) for name, array in outputs.items())


def test_copies_and_pickles_begin_without_passes():
    runner = Runner(scan_graph())
    for _ in range(2):
        outputs = runner.forward(sample())
    for other in (copy.deepcopy(runner), pickle.loads(pickle.dumps(runner))):
        again = other.forward(sample())
        assert all(np.array_equal(again[name], array) for name, array in outputs.items())


def test_output_that_is_an_input_is_a_copy():
    g = Builder("same")
    x = g.input("x", "batch, feature=3")
    runner = Runner(g.build(x=x, y=dense(x, 2)))
    for _ in range(3):
        given = np.ones((2, 3))
        outputs = runner.forward({"x": given})
        assert not np.shares_memory(outputs["x"], given)


def test_native_code_reads_no_weight_of_another_size():
    runner = Pair(scan_graph(), "native").runners[0]
    runner.forward(sample())
    runner.parameters["scan/gate/weights"].value = np.ones((3, 5))
    with pytest.raises(ShapeError, match="another size"):
        runner.forward(sample())
