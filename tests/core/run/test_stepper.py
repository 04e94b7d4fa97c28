"""One step a call, with the states kept: equal to passes over sequences of one step."""

import copy
import pickle
import threading

import numpy as np
import pytest

from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    ConfigError,
    DataError,
    DtypeError,
    Embedding,
    FullyConnected,
    GraphError,
    Phase,
    Runner,
    Scan,
    ShapeError,
    State,
    StateError,
    UnknownNameError,
    concatenate,
)
from graphnet.core.concurrency.claims import WRITE, Claim
from graphnet_recurrent import GRU, LSTM, Bidirectional, Recurrent, lstm_cell

BACKENDS = ("numpy", "reference", "native")


def graph(dtype="float64", **options):
    g = Builder("net")
    x = g.input("x", "time, batch, feature=3")
    h = GRU(3, 5, None, dtype=dtype)(LSTM(3, 3, None, dtype=dtype, **options)(x))
    return g.build(y=FullyConnected(5, 2, dtype=dtype)(h), h=h)


def runner_on(backend, built=None):
    if backend == "native":
        pytest.importorskip("graphnet_native")
    return Runner(built or graph(), backend=backend)


def data(steps=7, rows=2, dtype="float64"):
    return np.random.default_rng(steps + rows).normal(size=(steps, rows, 3)).astype(dtype)


def resumed(runner, x, state=None, phase=Phase.test):
    """The outputs of each step by ``resume``, and the states after it."""
    found, state = [], state or State()
    for step in x:
        outputs, state = runner.resume({"x": step[None]}, state, phase=phase, keep=False)
        found.append(({name: array[0] for name, array in outputs.items()}, state))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_equal_resumed_passes_to_the_bit(backend, rows, dtype):
    runner = runner_on(backend, graph(dtype))
    x = data(rows=rows, dtype=dtype)
    expected = resumed(runner, x)
    stepper = runner.stepper()
    for step, (outputs, state) in zip(x, expected, strict=True):
        found = stepper.step({"x": step})
        assert found.keys() == outputs.keys() and stepper.state == state
        for name, array in outputs.items():
            assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    assert stepper.batch == rows


@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_equal_the_whole_sequence(backend):
    runner = runner_on(backend)
    x = data(steps=20)
    whole = runner.forward({"x": x}, phase=Phase.test)["y"]
    stepper = runner.stepper(batch=2)
    steps = np.stack([stepper.step(step)["y"] for step in x])
    np.testing.assert_allclose(steps, whole, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_reset_of_all_rows_and_of_some(backend):
    runner = runner_on(backend)
    x = data()
    stepper = runner.stepper()
    first = [stepper.step(step)["y"] for step in x]
    stepper.reset()
    assert stepper.state == State()
    again = [stepper.step(step)["y"] for step in x]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    stepper.reset([1])
    state = stepper.state
    outputs = stepper.step(x[0])["y"]
    assert np.array_equal(outputs[1], first[0][1]) and not np.array_equal(outputs[0], first[0][0])
    assert np.array_equal(outputs, resumed(runner, x[:1], state)[0][0]["y"])
    assert np.array_equal(stepper.step(x[1])["y"][1], first[1][1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_state_is_read_and_assigned(backend):
    runner = runner_on(backend)
    x = data()
    stepper = runner.stepper()
    for step in x[:3]:
        stepper.step(step)
    kept = stepper.state
    expected = stepper.step(x[3])["y"]
    for array in kept.arrays.values():
        assert array.flags.owndata
    stepper.state = kept
    for array in kept.arrays.values():
        array[...] = 99  # neither the copy that was read nor the one that was assigned
    assert np.array_equal(stepper.step(x[3])["y"], expected)
    stepper.state = {}
    assert np.array_equal(stepper.step(x[0])["y"], runner.forward({"x": x[:1]}, phase=Phase.test)["y"][0])
    with pytest.raises(UnknownNameError):
        stepper.state = {"other": np.ones((2, 3))}
    with pytest.raises(StateError, match="rows"):
        stepper.state = {"lstm/scan/h": np.ones((3, 3))}
    with pytest.raises(ConfigError):
        stepper.state = 3
    stepper.state = {"lstm/scan/h": np.ones((2, 4)), "lstm/scan/c": np.ones((2, 3))}
    with pytest.raises(StateError, match="shape"):
        stepper.step(x[0])


def test_outputs_are_never_written_to_again():
    stepper = runner_on("numpy").stepper()
    kept = []
    for step in data():
        outputs = stepper.step(step)
        kept += [(array, array.copy()) for array in (*outputs.values(), *stepper.state.arrays.values())]
    assert all(np.array_equal(array, before) for array, before in kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_present_weights_are_used(backend):
    runner = runner_on(backend)
    x = data()
    stepper = runner.stepper()
    stepper.step(x[0])
    stepper.step(x[1])
    for name in ("fully_connected/weights", "gru/scan/candidate/weights"):
        parameter = next(p for path, p in runner.parameters.items() if path.endswith(name.split("/")[-1]) and p)
        parameter.value = parameter.value * 1.5
        parameter.value *= 0.5
        state = stepper.state
        assert np.array_equal(stepper.step(x[2])["y"], resumed(runner, x[2:3], state)[0][0]["y"])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [1, 7])
def test_passes_of_the_runner_are_not_disturbed(backend, length):
    runner = runner_on(backend)
    x = data()
    error = np.cos(np.arange(length * 4.0)).reshape(length, 2, 2)
    runner.forward({"x": x[:length]})
    expected = runner.backward({"y": error})
    gradients = {name: parameter.gradient.copy() for name, parameter in runner.parameters.items()}
    for steps, phase in ((1, Phase.test), (5, Phase.test), (2, Phase.train)):
        runner.forward({"x": x[:length]})
        stepper = runner.stepper(phase=phase)  # its first step has all checks, the others have not
        for step in x[:steps]:
            stepper.step(step)
        with pytest.raises(ShapeError):
            stepper.step(x[0, :, :2])
        assert np.array_equal(runner.backward({"y": error})["x"], expected["x"])
        assert all(np.array_equal(parameter.gradient, gradients[n]) for n, parameter in runner.parameters.items())
    assert runner.state is None


@pytest.mark.parametrize("value", [1.5, np.ones((2, 3)).tolist(), np.ones((2, 3), int), np.ones((2, 3), bool)])
def test_other_kinds_of_numbers(value):
    runner = runner_on("numpy", graph("float32"))
    stepper = runner.stepper()
    first = stepper.step(np.ones((2, 3), "float32"))["y"]
    assert first.dtype == np.float32
    if isinstance(value, float):
        with pytest.raises(ShapeError, match="step"):
            stepper.step(value)
        return
    stepper.reset()
    assert np.array_equal(stepper.step(value)["y"], first)


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        (np.ones((2, 4)), ShapeError, "feature=3"),
        (np.ones((1, 2, 3)), ShapeError, "no time axis"),
        (np.ones(3), ShapeError, "a step does not fit"),
        (np.ones((3, 3)), ShapeError, "2 rows"),
        (np.ones((2, 3), "float32"), DtypeError, "float64"),
        (np.ones((2, 3), complex), DtypeError, "complex"),
        ({}, ShapeError, "missing"),
        ({"z": np.ones((2, 3))}, ShapeError, "z"),
        ({"x": np.ones((2, 3)), "z": np.ones((2, 3))}, ShapeError, "z"),
        (None, Exception, "x"),
        ({"x": np.ones((0, 3))}, ShapeError, "2 rows"),
    ],
)
def test_wrong_steps_are_refused_and_the_state_stays(inputs, error, words):
    stepper = runner_on("numpy").stepper()
    for step in data()[:2]:
        stepper.step(step)
    state = stepper.state
    with pytest.raises(error, match=words):
        stepper.step(inputs)
    assert stepper.state == state
    stepper.step(data()[2])


def test_given_batch_size_holds_from_the_first_step():
    stepper = runner_on("numpy").stepper(batch=3)
    with pytest.raises(ShapeError, match="3 rows"):
        stepper.step(np.ones((2, 3)))
    assert stepper.step(np.ones((3, 3)))["y"].shape == (3, 2)
    for batch in (0, -1, 1.5, "2"):
        with pytest.raises(ConfigError):
            runner_on("numpy").stepper(batch=batch)
    with pytest.raises(ConfigError):
        runner_on("numpy").stepper(phase="test")
    with pytest.raises((DataError, ShapeError)):
        runner_on("numpy").stepper().step(np.ones((0, 3)))


def test_graphs_that_cannot_run_step_by_step():
    g = Builder("backwards")
    with pytest.raises(StateError, match="reversed"):
        Runner(g.build(y=LSTM(3, 4, None, reverse=True)(g.input("x", "time, batch, feature=3")))).stepper()
    g = Builder("both")
    with pytest.raises(StateError, match="reversed"):
        Runner(g.build(y=Bidirectional(lstm_cell(4))(g.input("x", "time, batch, feature=3")))).stepper()
    g = Builder("dense")
    with pytest.raises(GraphError, match="no input over time"):
        Runner(g.build(y=FullyConnected(3, 4)(g.input("x", "batch, feature=3")))).stepper()


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
def test_a_stepper_belongs_to_one_thread(backend):
    runner = runner_on(backend)
    x = data()
    stepper = runner.stepper()
    for step in x[:2]:
        stepper.step(step)
    state = stepper.state
    for action in (lambda: stepper.step(x[0]), stepper.reset, lambda: setattr(stepper, "state", {})):
        error = in_thread(action)
        assert isinstance(error, StateError) and "another thread" in str(error)
    assert stepper.state == state
    other = in_thread(lambda: runner.stepper().step(x[0])["y"])
    assert np.array_equal(other, runner.forward({"x": x[:1]}, phase=Phase.test)["y"][0])
    with Claim(WRITE, runner.keys, "fit", "model"):
        stepper.step(x[2])
        assert isinstance(in_thread(lambda: runner.stepper().step(x[0])), StateError)


def test_copies_and_pickles_continue_on_their_own():
    stepper = runner_on("numpy").stepper()
    x = data()
    for step in x[:3]:
        stepper.step(step)
    others = copy.deepcopy(stepper), pickle.loads(pickle.dumps(stepper))
    expected = stepper.step(x[3])["y"]
    for other in others:
        assert np.array_equal(in_thread(lambda other=other: other.step(x[3])["y"]), expected)


def test_single_sequences_and_whole_numbers():
    g = Builder("single")
    single = Runner(g.build(y=LSTM(3, 4, None)(g.input("x", "time, batch, feature=3"))))
    g = Builder("alone")
    runner = Runner(g.build(y=Scan(lstm_cell(4))(g.input("x", "time, feature=3"), name="scan")))
    stepper, x = runner.stepper(), data(rows=1)[:, 0]
    found = np.stack([stepper.step(step)["y"] for step in x])
    assert found.shape == (7, 4) and stepper.batch is None
    np.testing.assert_allclose(found, runner.forward({"x": x}, phase=Phase.test)["y"], rtol=1e-12)
    assert single.stepper().step(x[:1])["y"].shape == (1, 4)
    g = Builder("words")
    runner = Runner(g.build(y=LSTM(3, 4, None)(Embedding(9, 3)(g.input("x", "time, batch", integer=True)))))
    tokens = np.random.default_rng(0).integers(0, 9, (6, 2))
    stepper = runner.stepper()
    found = np.stack([stepper.step(step)["y"] for step in tokens])
    np.testing.assert_allclose(found, runner.forward({"x": tokens}, phase=Phase.test)["y"], rtol=1e-12)
    with pytest.raises(DtypeError):
        stepper.step(np.ones(2))


def test_contexts_several_inputs_and_layers_with_buffers():
    c = Cell("cell", sequences=("x", "u"), states={"h": 4}, contexts="k")
    h = FullyConnected(None, 4)(concatenate(c.x, c.u, c.h, c.k), name="mix")
    g = Builder("several")
    x, u, k = (
        g.input("x", "time, batch, feature=3"),
        g.input("u", "time, batch, feature=1", optional=False),
        g.input("k", "batch, feature=2"),
    )
    scan = Scan(c.build(h=h))(x, u, None, k, name="scan")
    runner = Runner(g.build(y=BatchNormalization()(scan["h"])))
    rng = np.random.default_rng(1)
    xs, us, ks = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 1)), rng.normal(size=(2, 2))
    runner.forward({"x": xs, "u": us, "k": ks})  # running statistics
    stepper, state = runner.stepper(), State()
    for a, b in zip(xs, us, strict=True):
        outputs, state = runner.resume({"x": a[None], "u": b[None], "k": ks}, state, phase=Phase.test, keep=False)
        assert np.array_equal(stepper.step({"x": a, "u": b, "k": ks})["y"], outputs["y"])
    with pytest.raises(ConfigError, match="mapping"):
        stepper.step(xs[0])


def test_output_without_a_time_axis():
    g = Builder("last")
    runner = Runner(g.build(y=Recurrent(lstm_cell(4), returns="last")(g.input("x", "time, batch, feature=3"))))
    stepper, state = runner.stepper(), State()
    for step in data():
        outputs, state = runner.resume({"x": step[None]}, state, phase=Phase.test, keep=False)
        found = stepper.step(step)["y"]
        assert found.shape == (2, 4) and np.array_equal(found, outputs["y"])
