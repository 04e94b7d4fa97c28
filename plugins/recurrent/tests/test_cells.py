"""Every cell against its equations, autograd, each row alone, the node-by-node run and, where it is there, torch."""

import cells_oracle as oracle
import numpy as np
import pytest
from recurrent_oracle import close, numeric

from graphnet import Builder, ConfigError, Phase, Runner, Scan, ShapeError
from graphnet.io import read_model, write_model
from graphnet.plugins import PluginManager, using
from graphnet_recurrent import GRU, Peephole, cells, plugin
from graphnet_recurrent.layers import Clocked, SlotSoftMax

T, B, D, H = 6, 3, 3, 4

#: The cell, its oracle, the width of its output, and of its states.
CASES = {
    "elman": (lambda **k: cells.elman_cell(H, **k), oracle.elman, H, {"h": H}),
    "lstm": (lambda **k: cells.lstm_cell(H, **k), oracle.lstm, H, {"h": H, "c": H}),
    "gru": (lambda **k: cells.gru_cell(H, **k), oracle.gru, H, {"h": H}),
    "gru_after": (lambda **k: cells.gru_cell(H, reset_after=True, **k), oracle.gru_after, H, {"h": H}),
    "peephole": (lambda **k: cells.peephole_lstm_cell(H, **k), oracle.peephole, H, {"h": H, "c": H}),
    "coupled": (lambda **k: cells.coupled_lstm_cell(H, **k), oracle.coupled, H, {"h": H, "c": H}),
    "layer_norm": (lambda **k: cells.layer_norm_lstm_cell(H, **k), oracle.layer_norm, H, {"h": H, "c": H}),
    "projected": (lambda **k: cells.projected_lstm_cell(H, 2, **k), oracle.projected, 2, {"h": 2, "c": H}),
    "minimal_gated": (lambda **k: cells.minimal_gated_cell(H, **k), oracle.minimal_gated, H, {"h": H}),
    "clockwork": (lambda **k: cells.clockwork_cell(8, oracle.PERIODS, **k), oracle.clockwork, 8, {"h": 8, "phase": 4}),
    "attention": (lambda **k: cells.attention_cell(H, 3, **k), oracle.attention, H, {"past": 3 * H, "filled": 3}),
    "attention_1": (lambda **k: cells.attention_cell(H, 1, **k), oracle.attention, H, {"past": H, "filled": 1}),
}
EVERY = pytest.mark.parametrize("name", CASES)
START = 7  # the step at which a clockwork that is given its phases goes on


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def graph(name, dtype="float64", **options):
    cell = CASES[name][0](dtype=dtype)
    g = Builder(name)
    states = [g.input(s, f"batch, feature={n}", optional=True) for s, n in CASES[name][3].items()]
    y = Scan(cell, **options)(g.input("x", f"time, batch, feature={D}"), *states, name="scan")
    return g.build(y=y, **{s: y[s] for s in cell.states})


def made(name, rng, backend="numpy", **options):
    runner = Runner(graph(name, **options), backend=backend)
    runner.materialize()
    for path in sorted(runner.parameters):
        p = runner.parameters[path]
        p.value = (rng.normal(size=p.value.shape) * 0.6 + 0.1).astype(p.value.dtype)
    return runner


def inputs(name, rng, batch=B, steps=T):
    """A sequence and states to begin with; flags and phases as a run leaves them."""
    given = {"x": rng.normal(size=(steps, batch, D))}
    for state, width in CASES[name][3].items():
        given[state] = rng.normal(size=(batch, width))
        if state == "filled":
            given[state] = np.array([[float(k < b) for k in range(width)] for b in range(batch)])
        if state == "phase":
            given[state] = np.array([[START % p for p in oracle.PERIODS]] * batch, float)
    return given


def weights(runner):
    """The values by node, or by node and name where a node has several."""
    found = {}
    for path, parameter in runner.parameters.items():
        node, array = path.removeprefix("scan/").rsplit("/", 1)
        found[f"{node}/{array}" if node.endswith("norm") else node] = parameter.value
    return found


def gradients(runner):
    return {path: np.array(p.gradient) for path, p in runner.parameters.items()}


def row(given, b, length=None):
    """The inputs of one row as a batch of one."""
    return {n: a[:length, b : b + 1] if n == "x" else a[b : b + 1] for n, a in given.items()}


@EVERY
@pytest.mark.parametrize("zeros", [False, True])
def test_forward_equals_the_equations(name, zeros, rng):
    runner, given = made(name, rng), inputs(name, rng)
    expected = dict(given)
    if zeros:
        given, expected = {"x": given["x"]}, {n: a if n == "x" else np.zeros_like(a) for n, a in given.items()}
    found = runner.forward(given)
    w = weights(runner)
    for b in range(B):
        states = {n: a[b] for n, a in expected.items() if n != "x"}
        y, states = oracle.run(CASES[name][1], given["x"][:, b], states, w, 0 if zeros else START)
        close(found["y"][:, b], y, 1e-12)
        for state, value in states.items():
            close(found[state][b], value, 1e-12)


@EVERY
@pytest.mark.parametrize("zeros", [False, True])
def test_gradients_against_autograd(name, zeros, rng):
    autograd = pytest.importorskip("autograd")
    runner, given = made(name, rng), inputs(name, rng)
    if zeros:
        given = {n: a if n == "x" else np.zeros_like(a) for n, a in given.items()}
    outputs = runner.forward(given)
    errors = {n: rng.normal(size=a.shape) for n, a in outputs.items()}
    pulled = runner.backward(errors)

    def loss(given, w):
        total = 0.0
        for b in range(B):
            states = {n: a[b] for n, a in given.items() if n != "x"}
            y, states = oracle.run(CASES[name][1], given["x"][:, b], states, w, 0 if zeros else START)
            total = total + oracle.np.sum(y * errors["y"][:, b])
            total = total + sum(oracle.np.sum(states[s] * errors[s][b]) for s in states)
        return total

    w = weights(runner)
    by_input, by_weight = autograd.grad(loss, 0)(given, w), autograd.grad(loss, 1)(given, w)
    for n, expected in by_input.items():
        close(pulled[n], expected, 1e-9)
    for p in runner.parameters.values():
        n = next(k for k, value in w.items() if value is p.value)
        close(p.gradient, by_weight[n], 1e-9)


@EVERY
def test_ragged_rows_are_as_if_alone(name, rng):
    runner, given = made(name, rng), inputs(name, rng, batch=4)
    lengths = [T, 0, 3, 1]
    for b, n in enumerate(lengths):
        given["x"][n:, b] = np.nan
    found = runner.forward(given, lengths=lengths)
    errors = {n: rng.normal(size=a.shape) for n, a in found.items()}
    pulled, found = runner.backward(errors), {n: a.copy() for n, a in found.items()}
    pulled, total = {n: a.copy() for n, a in pulled.items()}, gradients(runner)
    alone = {path: np.zeros_like(g) for path, g in total.items()}
    for b, n in enumerate(lengths):
        assert not found["y"][n:, b].any() and not pulled["x"][n:, b].any()
        if n == 0:
            assert all(np.array_equal(found[s][b], given[s][b]) for s in CASES[name][3])
            continue
        single = runner.forward(row(given, b, n))
        close(found["y"][:n, b], single["y"][:, 0], 1e-13)
        assert all(np.allclose(found[s][b], single[s][0], rtol=1e-12, atol=1e-14) for s in CASES[name][3])
        back = runner.backward({k: e[:n, b : b + 1] if k == "y" else e[b : b + 1] for k, e in errors.items()})
        close(pulled["x"][:n, b], back["x"][:, 0], 1e-12)
        assert all(np.allclose(pulled[s][b], back[s][0], rtol=1e-11, atol=1e-13) for s in CASES[name][3])
        for path, g in gradients(runner).items():
            alone[path] += g
    for path, g in total.items():
        close(g, alone[path], 1e-12)


@EVERY
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bptt_length": 2}, {"reverse": True, "bptt_length": 3}])
def test_compiled_equals_node_by_node(name, how, rng):
    given = inputs(name, rng, batch=4, steps=9)
    found = []
    for backend in ("numpy", "reference"):
        runner = made(name, np.random.default_rng(3), backend, **how)
        outputs = runner.forward(given, lengths=[9, 2, 5, 0])
        draws = np.random.default_rng(4)
        pulled = runner.backward({n: draws.normal(size=a.shape) for n, a in outputs.items()})
        found.append({**outputs, **{f"error {n}": a for n, a in pulled.items()}, **gradients(runner)})
    assert found[0].keys() == found[1].keys()
    for key, expected in found[1].items():
        close(found[0][key], expected, 1e-10)


def test_lstm_compiles_to_seventeen_calls():
    builder = Builder("lstm")
    scan = Scan(cells.lstm_cell(16, "float32"))(builder.input("x", "time, batch, feature=16"), name="scan")
    explanation = str(builder.build(scan).explain(batch=8, steps=20))
    assert "8 forward and 9 backward per step" in explanation


@EVERY
@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_is_left_behind_by_the_compiler(name, phase):
    for dtype in ("float32", "float64"):
        told = graph(name, dtype).explain(batch=5, steps=7, dtype=dtype, phase=phase)
        assert [(part.path, part.kind, part.reason) for part in told.parts] == [("scan", "Scan", None)]


@EVERY
def test_single_precision_stays_single(name, rng):
    double = made(name, np.random.default_rng(3))
    single = made(name, np.random.default_rng(3), dtype="float32")
    given = inputs(name, rng)
    expected = double.forward(given)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = single.forward({n: a.astype("float32") for n, a in given.items()})
        pulled = single.backward({n: np.ones_like(a) for n, a in found.items()})
    assert all(a.dtype == np.float32 for a in (*found.values(), *pulled.values(), *gradients(single).values()))
    for n, a in expected.items():
        close(found[n], a, 2e-5)


@EVERY
def test_a_file_holds_the_cell(name, rng, tmp_path):
    runner, given = made(name, rng), inputs(name, rng)
    manager = PluginManager()
    manager.load(allow=())
    manager.register(plugin, name="cells", distribution="cells-under-test", version="0.1.0")
    with using(manager):
        write_model(tmp_path / "cell.yaml", runner.graph)
        again = Runner(read_model(tmp_path / "cell.yaml").graph)
    again.materialize()
    for path, parameter in runner.parameters.items():
        again.parameters[path].value = parameter.value
    found = again.forward(given)
    for n, a in runner.forward(given).items():
        np.testing.assert_array_equal(found[n], a)


# ---------------------------------------------------------------------- what is particular to one of them
def test_forget_bias_stays_where_it_starts():
    for cell in (cells.peephole_lstm_cell(H, forget_bias=1.5), cells.projected_lstm_cell(H, 2, forget_bias=1.5)):
        g = Builder("m")
        runner = Runner(g.build(Scan(cell)(g.input("x", f"time, batch, feature={D}"), name="scan")))
        runner.materialize()
        np.testing.assert_array_equal(runner.parameters["scan/forget_gate/weights"].value[-1], [1.5] * H)


def test_slow_modules_wait_and_do_not_see_fast_ones(rng):
    runner, given = made("clockwork", rng), inputs("clockwork", rng, steps=9)
    y = runner.forward({"x": given["x"]})["y"]
    still = (np.diff(y, axis=0) == 0).all(axis=1)
    np.testing.assert_array_equal(still[:, 4:6].all(axis=1), [t % 4 != 0 for t in range(1, 9)])
    assert not still[:, 2:4].any()
    runner.parameters["scan/module_1/weights"].value = rng.normal(size=(D + 8 + 1, 2))
    changed = runner.forward({"x": given["x"]})["y"] != y
    assert changed[:, :, 2:4].all()
    assert not changed[:, :, [0, 1, 4, 5, 6, 7]].any()


def test_a_clockwork_goes_on_where_it_ended(rng):
    runner, x = made("clockwork", rng), rng.normal(size=(11, B, D))
    whole = {n: a.copy() for n, a in runner.forward({"x": x}).items()}
    first = {n: a.copy() for n, a in runner.forward({"x": x[:5]}).items()}
    rest = runner.forward({"x": x[5:], "h": first["h"], "phase": first["phase"]})
    np.testing.assert_array_equal(np.concatenate([first["y"], rest["y"]]), whole["y"])
    np.testing.assert_array_equal(rest["phase"], whole["phase"])


@pytest.mark.parametrize(
    ("units", "periods", "told"),
    [(4, (), "at least 1"), (4, (1, 0), "at least 1"), (4, (1, 1.5), "at least 1"), (5, (1, 2), "a multiple of 2")],
)
def test_bad_periods(units, periods, told):
    with pytest.raises(ConfigError, match=told):
        cells.clockwork_cell(units, periods)


@pytest.mark.parametrize("memory", [0, 1.5, True])
def test_bad_memory(memory):
    with pytest.raises(ConfigError, match="attention_cell: memory"):
        cells.attention_cell(H, memory)


def test_attention_is_the_only_way_from_step_to_step(rng):
    """Without the weights of the attended mean, each step is by itself."""
    runner, given = made("attention", rng), inputs("attention", rng)
    runner.forward({"x": given["x"]})
    kept = runner.parameters["scan/hidden/weights"].value.copy()
    kept[D:-1] = 0.0
    runner.parameters["scan/hidden/weights"].value = kept
    alone = runner.forward({"x": given["x"]})["y"]
    close(alone, np.tanh(given["x"] @ kept[:D] + kept[-1]), 1e-12)


def test_what_lies_in_slots_that_are_not_filled_does_not_matter(rng):
    runner, given = made("attention", rng), inputs("attention", rng)
    y = runner.forward(given)["y"].copy()
    other = given["past"].copy()
    other[0] = 1e6
    other[1, H:] = -1e6
    np.testing.assert_allclose(runner.forward({**given, "past": other})["y"], y, rtol=1e-13)


@pytest.mark.parametrize("shape", [(5, H), (2, 3, H)])
def test_peephole_layer(shape, rng):
    layer = Peephole(H)
    w, x, error = rng.normal(size=H), rng.normal(size=shape), rng.normal(size=shape)
    layer.set_weights(w)
    close(layer.forward(x), np.einsum("...i,ij->...j", x, np.diag(w)), 1e-14)
    close(layer.backward(error), numeric(lambda v: ((v @ np.diag(w)) * error).sum(), x), 1e-8)
    close(layer.get_gradient_weights(), numeric(lambda w: ((x @ np.diag(w)) * error).sum(), w), 1e-8)


def test_peephole_layer_refuses():
    with pytest.raises(ShapeError, match=r"feature=4.*received"):
        Peephole(H).forward(np.ones((2, H + 1)))
    with pytest.raises(ConfigError, match="units"):
        Peephole(0)
    assert Peephole(H, dtype="float32").get_weights().dtype == np.float32


@pytest.mark.parametrize("period", [1, 2, 5])
def test_clocked_layer(period, rng):
    layer, phase = Clocked(period), rng.integers(0, period, size=(6, 1)).astype(float)
    new, old = rng.normal(size=(2, 6, H))
    errors = rng.normal(size=(6, H)), rng.normal(size=(6, 1))
    y, following = layer.forward(new, old, phase)
    for b in range(6):
        np.testing.assert_array_equal(y[b], new[b] if phase[b, 0] == 0 else old[b])
        assert following[b, 0] == (phase[b, 0] + 1) % period
    given = [new, old, phase]
    for k, pulled in enumerate(layer.backward(*errors)):

        def loss(v, k=k):
            outputs = Clocked(period).forward(*given[:k], v, *given[k + 1 :])
            return sum((a * e).sum() for a, e in zip(outputs, errors, strict=True))

        close(pulled, numeric(loss, given[k]), 1e-8)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (Clocked(2), [(3, 4), (3, 5), (3, 1)]),
        (Clocked(2), [(3, 4), (3, 4), (3, 4)]),
        (Clocked(2), [(3, 4), (3, 4), (2, 1)]),
        (SlotSoftMax(), [(3, 4), (3, 5)]),
        (SlotSoftMax(), [(3, 4), (3, 1)]),
    ],
)
def test_shapes_that_do_not_fit(layer, shapes):
    with pytest.raises(ShapeError):
        layer.forward(*(np.zeros(shape) for shape in shapes))


# ---------------------------------------------------------------------- GRU as a layer
def gru_layer(rng, output_size=2, bptt_length=None):
    net = GRU(D, H, output_size, bptt_length)
    net.set_weights(rng.normal(size=net.get_weights().shape) * 0.7)
    return net


def gru_output(net, x, early, late=None):
    """Outputs by the oracle; the last ``bptt_length`` steps use ``late`` as their weights."""
    late = early if late is None else late
    parts = [dict(zip(net.gates, np.split(w, 3, axis=1), strict=True)) for w in (early, late)]
    change = 0 if net.bptt_length is None else max(len(x) - net.bptt_length, 0)
    rows = []
    for b in range(x.shape[1]):
        states, hidden = {"h": np.zeros(H)}, []
        for t, x_t in enumerate(x[:, b]):
            y, states = oracle.gru(x_t, states, parts[t >= change], t)
            hidden.append(y)
        rows.append(np.array(hidden) @ net.get_output_weights()[:-1] + net.get_output_weights()[-1])
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("k", [1, 3, T, None])
@pytest.mark.parametrize("rank", [2, 3])
def test_gru_layer_by_definition(k, rank, rng):
    net = gru_layer(rng, bptt_length=k)
    x = rng.normal(size=(T, 1 if rank == 2 else B, D))
    error = rng.normal(size=(*x.shape[:2], 2))
    given, back = (x[:, 0], error[:, 0]) if rank == 2 else (x, error)
    w = net.get_weights()
    close(net.forward(given), gru_output(net, x, w).reshape(back.shape), 1e-12)
    pulled = net.backward(back)
    close(pulled, numeric(lambda x: (gru_output(net, x, w) * error).sum(), x).reshape(given.shape))
    close(net.get_gradient_weights(), numeric(lambda late: (gru_output(net, x, w, late) * error).sum(), w))


def test_gru_layer_keeps_the_contract(rng):
    net = GRU(13, 7, 5, 9)
    assert net.get_weights().shape == (13 + 7 + 1, 3 * 7)
    assert net.forward(np.ones((9, 13))).shape == (9, 5)
    assert net.backward(np.ones((9, 5))).shape == (9, 13)
    assert net.get_gradient_weights().shape == net.get_weights().shape
    w = rng.normal(size=net.get_weights().shape)
    net.set_weights(w)
    np.testing.assert_array_equal(net.get_weights(), w)
    nodes = net.graph.nodes["scan"].layer.cell.nodes
    np.testing.assert_array_equal(nodes["update_gate"].layer.get_weights(), w[:, 7:14])
    with pytest.raises(ShapeError, match=r"expected \(21, 21\), received \(21, 28\)"):
        net.set_weights(np.ones((21, 28)))


def test_gru_layer_with_memory(rng):
    net, x = gru_layer(rng), rng.normal(size=(T, B, D))
    whole = net.forward(x)
    net.reset_state()
    net.toggle_memory()
    np.testing.assert_array_equal(np.concatenate([net.forward(x[:2]), net.forward(x[2:])]), whole)


# ---------------------------------------------------------------------- torch
def against_torch(name, other, columns, rng):
    """Our cell with torch's weights, in its two directions; ``columns`` pairs our arrays with parts of torch's gradients."""
    torch = pytest.importorskip("torch")
    runner = made(name, rng)
    for path, ours in columns(lambda n: getattr(other, n).detach().numpy()).items():
        runner.parameters[f"scan/{path}/weights"].value = np.array(ours)
    x = rng.normal(size=(T, B, D))
    given = torch.tensor(x, requires_grad=True)
    y, _ = other(given)
    error = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(error))
    close(runner.forward({"x": x})["y"], y.detach().numpy(), 1e-10)
    close(runner.backward({"y": error})["x"], given.grad.numpy(), 1e-10)
    for path, expected in columns(lambda n: getattr(other, n).grad.numpy(), both=False).items():
        close(runner.parameters[f"scan/{path}/weights"].gradient, expected, 1e-10)


def test_gru_after_against_torch(rng):
    torch = pytest.importorskip("torch")

    def columns(read, both=True):
        w, u = (m.T for m in (read("weight_ih_l0"), read("weight_hh_l0")))
        b, c = read("bias_ih_l0"), read("bias_hh_l0")
        parts = [slice(k * H, (k + 1) * H) for k in range(3)]
        bias = b + c if both else b  # our gates have one bias where torch has a sum of two
        found = {
            n: np.vstack([w[:, p], u[:, p], bias[p]])
            for n, p in zip(("reset_gate", "update_gate"), parts, strict=False)
        }
        new = parts[2]
        return {
            **found,
            "candidate_input": np.vstack([w[:, new], b[new]]),
            "candidate_state": np.vstack([u[:, new], c[new]]),
        }

    torch.manual_seed(1)
    against_torch("gru_after", torch.nn.GRU(D, H).double(), columns, rng)


def test_projected_lstm_against_torch(rng):
    torch = pytest.importorskip("torch")

    def columns(read, both=True):
        w, u = (m.T for m in (read("weight_ih_l0"), read("weight_hh_l0")))
        bias = read("bias_ih_l0") + read("bias_hh_l0") if both else read("bias_ih_l0")
        names = ("input_gate", "forget_gate", "candidate", "output_gate")
        parts = [slice(k * H, (k + 1) * H) for k in range(4)]
        found = {n: np.vstack([w[:, p], u[:, p], bias[p]]) for n, p in zip(names, parts, strict=True)}
        return {**found, "projection": read("weight_hr_l0").T}

    torch.manual_seed(2)
    against_torch("projected", torch.nn.LSTM(D, H, proj_size=2).double(), columns, rng)


def test_gru_before_against_torch(rng):
    """torch has no such module; its own operations and derivatives, step by step."""
    torch = pytest.importorskip("torch")
    runner, given = made("gru", rng), inputs("gru", rng)
    w = {n: torch.tensor(a, requires_grad=True) for n, a in weights(runner).items()}
    x, h0 = (torch.tensor(given[n], requires_grad=True) for n in ("x", "h"))

    def linear(name, x, h):
        return torch.nn.functional.linear(torch.cat([x, h], 1), w[name][:-1].T, w[name][-1])

    h, outputs = h0, []
    for x_t in x:
        r, z = torch.sigmoid(linear("reset_gate", x_t, h)), torch.sigmoid(linear("update_gate", x_t, h))
        h = torch.lerp(torch.tanh(linear("candidate", x_t, r * h)), h, z)
        outputs.append(h)
    y, error = torch.stack(outputs), rng.normal(size=(T, B, H))
    y.backward(torch.tensor(error))
    close(runner.forward(given)["y"], y.detach().numpy(), 1e-10)
    pulled = runner.backward({"y": error})
    close(pulled["x"], x.grad.numpy(), 1e-10)
    close(pulled["h"], h0.grad.numpy(), 1e-10)
    for n, value in w.items():
        close(runner.parameters[f"scan/{n}/weights"].gradient, value.grad.numpy(), 1e-10)
