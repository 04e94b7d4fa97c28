"""Every cell against its equations, autograd, single rows, the reference backend, and its file."""

import cells_oracle as oracle
import numpy as np
import pytest
from cell_runners import CASES, EVERY, START, B, T, gradients, graph, inputs, runner_of, weights
from recurrent_oracle import close

from graphnet import Builder, Phase, Runner, Scan
from graphnet.io import read_model, write_model
from graphnet.plugins import PluginManager, using
from graphnet_recurrent import cells, plugin

pytestmark = pytest.mark.slow
ON_EVERY_BACKEND = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def row(arrays, b, length=None):
    """The inputs of one row as a batch of one."""
    return {n: a[:length, b : b + 1] if n == "x" else a[b : b + 1] for n, a in arrays.items()}


@ON_EVERY_BACKEND
@EVERY
@pytest.mark.parametrize("zeros", [False, True])
def test_forward_equals_equations(name, zeros, rng):
    runner, arrays = runner_of(name, rng), inputs(name, rng)
    expected = dict(arrays)
    if zeros:
        arrays, expected = {"x": arrays["x"]}, {n: a if n == "x" else np.zeros_like(a) for n, a in arrays.items()}
    actual = runner.forward(arrays)
    w = weights(runner)
    for b in range(B):
        states = {n: a[b] for n, a in expected.items() if n != "x"}
        y, states = oracle.run(CASES[name][1], arrays["x"][:, b], states, w, 0 if zeros else START)
        close(actual["y"][:, b], y, 1e-12)
        for state, value in states.items():
            close(actual[state][b], value, 1e-12)


@ON_EVERY_BACKEND
@EVERY
@pytest.mark.parametrize("zeros", [False, True])
def test_gradients_against_autograd(name, zeros, rng):
    autograd = pytest.importorskip("autograd")
    runner, arrays = runner_of(name, rng), inputs(name, rng)
    if zeros:
        arrays = {n: a if n == "x" else np.zeros_like(a) for n, a in arrays.items()}
    outputs = runner.forward(arrays)
    errors = {n: rng.normal(size=a.shape) for n, a in outputs.items()}
    pulled = runner.backward(errors)

    def loss(arrays, w):
        total = 0.0
        for b in range(B):
            states = {n: a[b] for n, a in arrays.items() if n != "x"}
            y, states = oracle.run(CASES[name][1], arrays["x"][:, b], states, w, 0 if zeros else START)
            total = total + oracle.np.sum(y * errors["y"][:, b])
            total = total + sum(oracle.np.sum(states[s] * errors[s][b]) for s in states)
        return total

    w = weights(runner)
    by_input, by_weight = autograd.grad(loss, 0)(arrays, w), autograd.grad(loss, 1)(arrays, w)
    for n, expected in by_input.items():
        close(pulled[n], expected, 1e-9)
    for p in runner.parameters.values():
        n = next(k for k, value in w.items() if value is p.value)
        close(p.gradient, by_weight[n], 1e-9)


@ON_EVERY_BACKEND
@EVERY
def test_ragged_rows_equal_single_rows(name, rng):
    runner, arrays = runner_of(name, rng), inputs(name, rng, batch=4)
    lengths = [T, 0, 3, 1]
    for b, n in enumerate(lengths):
        arrays["x"][n:, b] = np.nan
    actual = runner.forward(arrays, lengths=lengths)
    errors = {n: rng.normal(size=a.shape) for n, a in actual.items()}
    pulled, actual = runner.backward(errors), {n: a.copy() for n, a in actual.items()}
    pulled, total = {n: a.copy() for n, a in pulled.items()}, gradients(runner)
    alone = {path: np.zeros_like(g) for path, g in total.items()}
    for b, n in enumerate(lengths):
        assert not actual["y"][n:, b].any() and not pulled["x"][n:, b].any()
        if n == 0:
            assert all(np.array_equal(actual[s][b], arrays[s][b]) for s in CASES[name][3])
            continue
        single = runner.forward(row(arrays, b, n))
        close(actual["y"][:n, b], single["y"][:, 0], 1e-13)
        assert all(np.allclose(actual[s][b], single[s][0], rtol=1e-12, atol=1e-14) for s in CASES[name][3])
        back = runner.backward({k: e[:n, b : b + 1] if k == "y" else e[b : b + 1] for k, e in errors.items()})
        close(pulled["x"][:n, b], back["x"][:, 0], 1e-12)
        assert all(np.allclose(pulled[s][b], back[s][0], rtol=1e-11, atol=1e-13) for s in CASES[name][3])
        for path, g in gradients(runner).items():
            alone[path] += g
    for path, g in total.items():
        close(g, alone[path], 1e-12)


@EVERY
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bptt_length": 2}, {"reverse": True, "bptt_length": 3}])
def test_compiled_equals_reference(name, how, rng, every_backend):
    arrays = inputs(name, rng, batch=4, steps=9)
    actual = []
    for backend in (every_backend, "reference"):
        runner = runner_of(name, np.random.default_rng(3), backend, **how)
        outputs = runner.forward(arrays, lengths=[9, 2, 5, 0])
        draws = np.random.default_rng(4)
        pulled = runner.backward({n: draws.normal(size=a.shape) for n, a in outputs.items()})
        actual.append({**outputs, **{f"error {n}": a for n, a in pulled.items()}, **gradients(runner)})
    assert actual[0].keys() == actual[1].keys()
    for key, expected in actual[1].items():
        close(actual[0][key], expected, 1e-10)


def test_lstm_compiles_to_seventeen_calls():
    builder = Builder("lstm")
    scan = Scan(cells.lstm_cell(16, "float32"))(builder.input("x", "time, batch, feature=16"), name="scan")
    explanation = str(builder.build(scan).explain(batch=8, steps=20))
    assert "8 forward and 9 backward per step" in explanation


@EVERY
@pytest.mark.parametrize("phase", list(Phase))
def test_cell_is_compiled_whole(name, phase):
    for dtype in ("float32", "float64"):
        message = graph(name, dtype).explain(batch=5, steps=7, dtype=dtype, phase=phase)
        assert [(part.path, part.kind, part.reason) for part in message.parts] == [("scan", "Scan", None)]


@ON_EVERY_BACKEND
@EVERY
def test_float32_stays_float32(name, rng):
    double = runner_of(name, np.random.default_rng(3))
    single = runner_of(name, np.random.default_rng(3), dtype="float32")
    arrays = inputs(name, rng)
    expected = double.forward(arrays)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        actual = single.forward({n: a.astype("float32") for n, a in arrays.items()})
        pulled = single.backward({n: np.ones_like(a) for n, a in actual.items()})
    assert all(a.dtype == np.float32 for a in (*actual.values(), *pulled.values(), *gradients(single).values()))
    for n, a in expected.items():
        close(actual[n], a, 2e-5)


@pytest.fixture(scope="module")
def manager():
    manager = PluginManager()
    manager.load(allow=())
    manager.register(plugin, name="cells", distribution="cells-under-test", version="0.1.0")
    return manager


@EVERY
def test_file_contains_the_cell(name, rng, tmp_path, manager):
    runner, arrays = runner_of(name, rng), inputs(name, rng)
    with using(manager):
        write_model(tmp_path / "cell.yaml", runner.graph)
        loaded = Runner(read_model(tmp_path / "cell.yaml").graph)
    loaded.materialize()
    for path, parameter in runner.parameters.items():
        loaded.parameters[path].value = parameter.value
    actual = loaded.forward(arrays)
    for n, a in runner.forward(arrays).items():
        np.testing.assert_array_equal(actual[n], a)
