"""The cells of linear recurrences and matrix states: against plain loops and autograd, ragged, streamed, as files."""

import gc
import tracemalloc

import numpy as np
import pytest
import scan_cells_oracle as oracle
from recurrent_oracle import close

from graphnet import Builder, ConfigError, Runner, Scan
from graphnet.data.batches import Batch
from graphnet.io import model_text, parse_model
from graphnet.training.tbptt import TruncatedRunner, split_batch
from graphnet_recurrent import Bidirectional, Recurrent, Stack, cells

pytestmark = pytest.mark.slow
D, STEPS = 4, 5
LENGTHS = [STEPS, 0, 2, 1]
#: The cell and its oracle. Sizes differ from each other wherever the cell allows it.
CASES = {
    "min_gru": (lambda **k: cells.min_gru_cell(3, **k), oracle.min_gru),
    "min_lstm": (lambda **k: cells.min_lstm_cell(3, **k), oracle.min_lstm),
    "rg_lru": (lambda **k: cells.rg_lru_cell(D, **k), oracle.rg_lru),
    "qrnn": (lambda **k: cells.qrnn_cell(3, **k), oracle.qrnn),
    "qrnn_window": (lambda **k: cells.qrnn_cell(3, window_size=3, **k), oracle.qrnn),
    "lru": (lambda **k: cells.lru_cell(D, 3, **k), oracle.lru),
    "s5": (lambda **k: cells.s5_cell(D, 3, **k), oracle.s5),
    "sru": (lambda **k: cells.sru_cell(D, highway_bias=-0.5, **k), oracle.sru),
    "sru_projected": (lambda **k: cells.sru_cell(3, highway_bias=-0.5, project=True, **k), oracle.sru),
    "cfc": (lambda **k: cells.cfc_cell(3, 2, **k), oracle.cfc),
    "slstm": (lambda **k: cells.slstm_cell(3, **k), oracle.slstm),
    "slstm_heads": (lambda **k: cells.slstm_cell(6, 2, **k), oracle.slstm),
    "mlstm": (lambda **k: cells.mlstm_cell(4, 2, 3, **k), oracle.mlstm),
    "mamba": (lambda **k: cells.mamba_cell(D, 3, 2, **k), oracle.mamba),
    "retention": (lambda **k: cells.retention_cell(6, 2, 2, **k), oracle.retention),
    "gla": (lambda **k: cells.gated_linear_attention_cell(6, 2, 2, rank=5, **k), oracle.gated_linear_attention),
    "hgrn2": (lambda **k: cells.hgrn2_cell(6, 2, 2, lower_bound=0.2, **k), oracle.hgrn2),
    "rwkv6": (lambda **k: cells.rwkv6_cell(D, 2, rank=3, **k), oracle.rwkv6),
    "delta_net": (lambda **k: cells.delta_net_cell(6, 2, 2, **k), oracle.delta_net),
    "gated_delta_net": (lambda **k: cells.gated_delta_net_cell(6, 2, 2, **k), oracle.gated_delta_net),
    "causal_convolution": (lambda **k: cells.causal_convolution_cell(D, 3, **k), oracle.causal_convolution),
    "time_shift": (lambda **k: cells.time_shift_cell(D), oracle.time_shift),
}
EVERY = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def graph(name, dtype="float64", **options):
    cell = CASES[name][0](**{} if dtype == "float64" else {"dtype": dtype})
    g = Builder(name)
    states = [g.input(s, cell.inputs[s].shape, optional=True) for s in cell.states]
    y = Scan(cell, **options)(g.input("x", f"time, batch, feature={D}"), *states, name="scan")
    return g.build(y=y, **{s: y[s] for s in cell.states})


def runner_of(name, backend=None, **options):
    """A runner with random weights, near those that the cell starts with where these are set."""
    rng = np.random.default_rng(3)
    runner = Runner(graph(name, **options), backend=backend)
    runner.materialize()
    for path in sorted(runner.parameters):
        p = runner.parameters[path]
        p.value = (rng.normal(size=p.value.shape) * 0.5 + 0.1).astype(p.value.dtype)
    return runner


def inputs(runner, rng, batch=4, steps=STEPS):
    arrays = {"x": rng.normal(size=(steps, batch, D))}
    cell = runner.graph.nodes["scan"].layer.cell
    for name in cell.states:
        shape = cell.inputs[name].shape
        sizes = [D] if shape.sizes[-1] is None else shape.sizes[1:]
        arrays[name] = rng.uniform(0.2, 1.0, size=(batch, *sizes))
    return arrays


def weights(runner):
    return {path.split("/")[-2]: parameter.value for path, parameter in runner.parameters.items()}


@pytest.mark.usefixtures("every_backend")
@EVERY
def test_ragged_rows_equal_plain_loops_and_autograd(name, rng):
    runner = runner_of(name)
    arrays = inputs(runner, rng)
    found = runner.forward(arrays, lengths=LENGTHS)
    errors = {n: rng.normal(size=a.shape) for n, a in found.items()}
    pulled = runner.backward(errors)

    def row(arrays, w, b):
        states = {n: a[b] for n, a in arrays.items() if n != "x"}
        return CASES[name][1](arrays["x"][: LENGTHS[b], b], states, w)

    def loss(arrays, w):
        total = 0.0
        for b, n in enumerate(LENGTHS):
            if n:
                y, states = row(arrays, w, b)
                total = total + oracle.np.sum(y * errors["y"][:n, b])
                total = total + sum(oracle.np.sum(a * errors[s][b]) for s, a in states.items())
        return total

    w = weights(runner)
    for b, n in enumerate(LENGTHS):
        assert not found["y"][n:, b].any()
        y, states = row(arrays, w, b) if n else (found["y"][:0, b], {s: arrays[s][b] for s in list(arrays)[1:]})
        assert not n or close(found["y"][:n, b], y, 1e-11)
        for state, value in states.items():
            close(found[state][b], value, 1e-11)
    autograd = pytest.importorskip("autograd")
    by_input = autograd.grad(loss, 0)(arrays, w)
    for state in list(arrays)[1:]:  # the error of a row without steps goes to its initial state
        by_input[state][1] = errors[state][1]
    for n, expected in by_input.items():
        close(pulled[n], expected, 1e-9)
    by_weight = autograd.grad(loss, 1)(arrays, w) if w else {}
    for path, parameter in runner.parameters.items():
        close(parameter.gradient, by_weight[path.split("/")[-2]], 1e-9)


@EVERY
@pytest.mark.parametrize("how", [{"bptt_length": 2}, {"reverse": True}])
def test_compiled_equals_reference(name, how, rng, every_backend):
    results = []
    for backend in (every_backend, "reference"):
        runner = runner_of(name, backend, **how)
        arrays = inputs(runner, np.random.default_rng(1), steps=7)
        found = runner.forward(arrays, lengths=[7, 0, 4, 1])
        draws = np.random.default_rng(4)
        pulled = runner.backward({n: draws.normal(size=a.shape) for n, a in found.items()})
        gradients = {path: np.array(p.gradient) for path, p in runner.parameters.items()}
        results.append({**found, **{f"error {n}": a for n, a in pulled.items()}, **gradients})
    for key, expected in results[1].items():
        close(results[0][key], expected, 1e-9)


@pytest.mark.usefixtures("every_backend")
@EVERY
def test_step_by_step_equals_the_sequence_at_constant_memory(name, rng):
    runner = runner_of(name)
    arrays = {"x": inputs(runner, rng, batch=2, steps=9)["x"]}
    expected = {n: a.copy() for n, a in runner.forward(arrays).items()}
    stepper, kept = runner.stepper(), set()
    for t, x in enumerate(arrays["x"]):
        close(stepper.step({"x": x})["y"], expected["y"][t], 1e-11)
        kept.add(sum(a.nbytes for a in stepper.state.arrays.values()))
    assert len(kept) == 1
    for state, array in stepper.state.arrays.items():
        close(array, expected[state.split("/")[-1]], 1e-11)


@pytest.mark.parametrize("name", ["lru", "mlstm", "delta_net", "qrnn_window"])
def test_memory_of_single_steps_does_not_grow(name):
    stepper, x = runner_of(name).stepper(batch=1), np.ones((1, D))
    for _ in range(40):
        stepper.step({"x": x})
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            for _ in range(60):
                stepper.step({"x": x})
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 2_000  # 60 steps that kept their states would be more


@EVERY
def test_float32_stays_float32(name, rng):
    double, single = runner_of(name), runner_of(name, dtype="float32")
    arrays = inputs(double, rng)
    expected = double.forward(arrays)
    found = single.forward({n: a.astype("float32") for n, a in arrays.items()})
    pulled = single.backward({n: np.ones_like(a) for n, a in found.items()})
    gradients = [p.gradient for p in single.parameters.values()]
    assert all(a.dtype == np.float32 for a in (*found.values(), *pulled.values(), *gradients))
    for n, a in expected.items():
        close(found[n], a, 5e-5)


@EVERY
def test_file_contains_the_cell(name, rng):
    runner = runner_of(name)
    text = model_text(runner.graph)
    again = parse_model(text).graph
    assert again == runner.graph and model_text(again) == text


def starting(name, **options):
    """A Recurrent over the cell with its own starting weights."""
    return Recurrent(CASES[name][0](), learn_initial=name not in ("qrnn_window",), **options)


@EVERY
def test_layer_with_its_own_weights(name, rng):
    """Learned initial states of any rank, memory between calls, and gradients that are finite and reach every weight."""
    layer = starting(name)
    x = rng.normal(size=(6, 3, D))
    layer.forward(x)
    initial = {n: p for n, p in layer.graph.layers().items() if n.startswith("initial_")}
    for each in initial.values():
        each.set_weights(rng.uniform(0.1, 0.5, size=each.get_weights().shape))
    whole = layer.forward(x)
    error = rng.normal(size=whole.shape)
    assert np.isfinite(layer.backward(error)).all()
    for each in initial.values():
        assert each.get_gradient_weights().shape == each.get_weights().shape
    layer.reset_state()
    layer.toggle_memory()
    parts = [layer.forward(x[:4]), layer.forward(x[4:])]
    close(np.concatenate(parts), whole, 1e-11)
    layer.reset_state([1])
    again = layer.forward(x[:2])
    close(again[:, 1], whole[:2, 1], 1e-11)


@EVERY
def test_options_of_layers(name, rng):
    """In both directions, the last output or the first state: names of states are none of the nodes that options add."""
    x = rng.normal(size=(4, 2, D))
    for options in ({"reverse": True, "returns": "last"}, {"returns": "state", "keep_input": 0.5, "clip_error": 0.1}):
        layer = Recurrent(CASES[name][0](), None if options["returns"] == "state" else 2, **options)
        y = layer.forward(x, lengths=[4, 0])
        assert np.isfinite(layer.backward(np.ones_like(y))).all()
        assert y.shape[:2] == (2, 2) or options["returns"] == "state"


@pytest.mark.parametrize("name", ["mlstm", "retention", "mamba", "lru", "delta_net", "slstm"])
def test_bidirectional_and_stacked(name, rng):
    x = rng.normal(size=(5, 3, D))
    both = Bidirectional(CASES[name][0](), merge="add")
    first = both.forward(x, lengths=[5, 0, 2])
    assert not first[2:, 2].any() and np.isfinite(first).all()
    alone = Recurrent(both.graph.nodes["forward"].layer.cell).forward(x[:2, 2:])
    back = Recurrent(both.graph.nodes["backward"].layer.cell).forward(x[1::-1, 2:])[::-1]
    close(first[:2, 2:], alone + back, 1e-11)
    deep = Stack([CASES["rg_lru"][0](), CASES[name][0]()], keep_between=0.8)
    assert deep.forward(x).shape == (5, 3, first.shape[2])


def test_mask_of_a_matrix_state_is_read_by_the_output_only(rng):
    cell = cells.retention_cell(4, 2, 3)
    layer = Recurrent(cell, keep_state=0.5)
    x = rng.normal(size=(6, 3, D))
    dropped = layer.forward(x)
    masked_states = {n: a.copy() for n, a in layer.state.items()}
    plain = Recurrent(cell)
    expected = plain.forward(x)
    close(masked_states["S"], plain.state["S"], 1e-12)  # what the state keeps is not masked
    assert np.abs(dropped - expected).max() > 0.01
    with pytest.raises(ConfigError, match="no layer with weights reads state 'h'"):
        Recurrent(cells.min_gru_cell(4), keep_state=0.5)


@pytest.mark.parametrize("name", ["mlstm", "mamba", "gla", "rwkv6", "s5", "slstm_heads", "delta_net"])
def test_gradients_of_pieces_add_up(name, rng):
    """With k2 as long as the sequence, the sum of the gradients of all pieces is that of the whole."""
    lengths = np.array([7, 0, 4])
    x, mask = rng.normal(size=(7, 3, D)), np.arange(7)[:, None] < lengths
    whole = runner_of(name)
    y = whole.forward({"x": x}, lengths=lengths)["y"]
    error = rng.normal(size=y.shape)
    whole.backward({"y": error * mask[..., None]})
    pieces = Runner(graph(name).pruned("scan"), reach=7)
    pieces.materialize()
    for path, parameter in pieces.parameters.items():
        parameter.value = whole.parameters[path].value
    truncated = TruncatedRunner(pieces, 3, 7)
    truncated.start()
    total = dict.fromkeys(pieces.parameters, 0.0)
    output = next(iter(pieces.graph.outputs))
    batch = Batch({"x": x}, {"x": lengths}, {output: error}, {output: mask}, 3)
    for piece in split_batch(batch, 3, truncated.timed):
        truncated.forward(piece)
        truncated.backward({output: piece.targets[output] * piece.masks[output][..., None]})
        total = {path: total[path] + p.gradient for path, p in pieces.parameters.items()}
    for path, gradient in total.items():
        close(gradient, whole.parameters[path].gradient, 1e-10)


def test_starting_values_are_those_of_the_papers():
    decay = np.exp(-8 * np.logaddexp(starting_array(cells.rg_lru_cell(50), "decay"), 0))
    assert 0.9 <= decay.min() < 0.902 and 0.998 < decay.max() <= 0.999
    radius = np.exp(-np.exp(starting_array(cells.lru_cell(40, radius=(0.4, 0.8)), "rate")))
    assert 0.4 <= radius.min() < 0.41 and 0.79 < radius.max() <= 0.8
    gamma = np.exp(starting_array(cells.lru_cell(40, radius=(0.4, 0.8)), "scale"))
    np.testing.assert_allclose(gamma, np.sqrt(1 - radius**2), rtol=1e-12)
    np.testing.assert_allclose(np.exp(starting_array(cells.mamba_cell(3, 4), "decay")), [[1, 2, 3, 4]] * 3)
    step = np.logaddexp(starting_array(cells.mamba_cell(64), "step_bias"), 0)
    assert 1e-3 <= step.min() < 1.2e-3 and 0.085 < step.max() <= 0.1
    n = 6  # HiPPO-LegS as in its definition, with the matrix of low rank that makes it normal
    legs = np.array([[-np.sqrt((2 * i + 1) * (2 * j + 1)) if i > j else -(i + 1.0) * (i == j) for j in range(n)]
                     for i in range(n)])  # fmt: skip
    p = np.sqrt(np.arange(n) + 0.5)
    values = np.linalg.eigvals(legs + np.outer(p, p))
    np.testing.assert_allclose(values.real, -0.5, atol=1e-10)
    found = starting_array(cells.s5_cell(4, n // 2), "frequency")
    np.testing.assert_allclose(found, np.sort(values.imag[values.imag > 0]), rtol=1e-10)


def starting_array(cell, name):
    layer = cell.nodes[name].layer
    layer.forward(np.zeros((1, layer.get_weights().shape[0] if layer.params else 1)))
    return layer.get_weights()


def test_decay_of_retention_is_that_of_each_head():
    decay = np.array(cells.retention_cell(6, 3).nodes["decay"].layer.value)
    np.testing.assert_array_equal(decay[:, 0], [1 - 1 / 32, 1 - 1 / 64, 1 - 1 / 128])


@EVERY
@pytest.mark.parametrize("size", [0.0, 3000.0])
def test_closed_and_open_gates_are_finite(name, size):
    layer = Recurrent(CASES[name][0]())
    x = np.random.default_rng(0).normal(size=(7, 2, D)) * size
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = layer.forward(x)
        pulled = layer.backward(np.ones_like(y))
    assert np.isfinite(y).all() and np.isfinite(pulled).all()


def test_slstm_whose_input_gate_was_never_open_is_silent():
    cell = cells.slstm_cell(3)
    layer, x = Recurrent(cell), np.ones((5, 2, D))
    layer.forward(x)
    for name, bias in (("input_gate", -5000.0), ("forget_gate", 5000.0)):
        weights = cell.nodes[name].layer.get_weights()
        weights[-1] = bias
        cell.nodes[name].layer.set_weights(weights)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert not layer.forward(x).any()
        assert np.isfinite(layer.backward(np.ones((5, 2, 3)))).all()


def test_elapsed_time_scales_the_rate():
    cell = cells.cfc_cell(3, elapsed=True)
    layer = Recurrent(cell)
    x, ones = np.random.default_rng(0).normal(size=(4, 2, D)), np.ones((4, 2, 1))
    once = layer.forward(x, elapsed=ones)
    doubled = layer.forward(x, elapsed=2 * ones)
    rate = cell.nodes["rate"].layer
    rate.set_weights(2 * rate.get_weights())
    assert np.abs(once - doubled).max() > 1e-3
    close(layer.forward(x, elapsed=ones), doubled, 1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cells.mlstm_cell(5, 2), "not a multiple of heads"),
        (lambda: cells.retention_cell(4, 0), "heads is out of range"),
        (lambda: cells.delta_net_cell(4, 2, 0), "key is out of range"),
        (lambda: cells.slstm_cell(5, 2), "not a multiple of heads"),
        (lambda: cells.qrnn_cell(4, window_size=0), "size of the window"),
        (lambda: cells.lru_cell(4, radius=(0.5, 1.5)), "radius is out of range"),
        (lambda: cells.lru_cell(4, radius=0.5), "radius is out of range"),
        (lambda: cells.lru_cell(4, phase=-1.0), "phase is out of range"),
        (lambda: cells.lru_cell(4, 0), "states is out of range"),
        (lambda: cells.s5_cell("4"), "units is out of range"),
        (lambda: cells.s5_cell(4, step=(0.0, 0.1)), "step is out of range"),
        (lambda: cells.hgrn2_cell(4, lower_bound=1.0), "lower_bound is out of range"),
        (lambda: cells.sru_cell(4, highway_bias=1e4), "highway_bias is out of range"),
        (lambda: cells.mamba_cell(4, 2.5), "states is out of range"),
    ],
)
def test_invalid_options_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
