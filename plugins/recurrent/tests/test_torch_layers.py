"""Recurrent layers against torch's modules, in double precision with the same weights.

Outputs, final states, and every derivative: of the inputs, of the initial states, of every weight. Ragged batches are
packed sequences in torch, so each row has at least one step; the padding is NaN on both sides.
"""

import itertools

import numpy as np
import pytest
from recurrent_oracle import close

from graphnet import Builder, Cell, Layer, Runner, Scan, concatenate, dense
from graphnet.authoring import functional
from graphnet_recurrent import LSTM, RNN, Bidirectional, Recurrent, Stack, cells

pytestmark = pytest.mark.usefixtures("every_backend")

torch = pytest.importorskip("torch")

T, B, D, H, P = 7, 5, 4, 6, 3
TOLERANCE = 1e-10
LENGTHS = [4, 1, 7, 3, 5]


class Positive(Layer):
    """``y = max(x, 0)``, a layer defined in the test."""

    def apply(self, x):
        return np.maximum(x, 0.0), x > 0

    def pull(self, positive, error):
        return error * positive


def relu_cell(units):
    """A cell defined in the test: torch.nn.RNN(nonlinearity="relu")."""
    cell = Cell("relu", sequences="x", states={"h": units})
    h = functional(Positive, "positive")(dense(concatenate(cell.x, cell.h), units, name="hidden"))
    return cell.build(output=h, h=h)


#: Our cell, torch's module, its options, the names of its gates in its order, and its states with their widths.
KINDS = {
    "RNN": (cells.elman_cell, "RNN", {}, ("hidden",), {"h": H}),
    "RNN_relu": (relu_cell, "RNN", {"nonlinearity": "relu"}, ("hidden",), {"h": H}),
    "GRU": (
        lambda units: cells.gru_cell(units, reset_after=True),
        "GRU", {}, ("reset_gate", "update_gate", "candidate"), {"h": H},
    ),
    "LSTM": (
        cells.lstm_cell, "LSTM", {}, ("input_gate", "forget_gate", "candidate", "output_gate"), {"h": H, "c": H},
    ),
    "LSTM_proj": (
        lambda units: cells.projected_lstm_cell(units, P),
        "LSTM", {"proj_size": P}, ("input_gate", "forget_gate", "candidate", "output_gate"), {"h": P, "c": H},
    ),
}  # fmt: skip
ARRANGED = pytest.mark.parametrize(
    ("kind", "layers", "both", "ragged"),
    list(itertools.product(KINDS, (1, 2, 3), (False, True), (False, True))),
)


def judge(kind, layers, both):
    """A module of torch, and its parts as (layer, direction)."""
    _, name, options, _, _ = KINDS[kind]
    torch.manual_seed(3)
    module = getattr(torch.nn, name)(D, H, num_layers=layers, bidirectional=both, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return module, [(k, d) for k in range(layers) for d in range(1 + both)]


def arrays_of(module, kind, part, read):
    """Arrays by node, from torch's parameters; two biases that are added give two candidates."""
    suffix = f"l{part[0]}{'_reverse' if part[1] else ''}"
    gates = KINDS[kind][3]
    w, u, b, c = (
        np.split(read(getattr(module, f"{n}_{suffix}")), len(gates))
        for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    actual = {}
    for k, gate in enumerate(gates):
        if kind == "GRU" and gate == "candidate":
            actual["candidate_input"] = [np.vstack([w[k].T, b[k]])]
            actual["candidate_state"] = [np.vstack([u[k].T, c[k]])]
        else:
            actual[gate] = [np.vstack([w[k].T, u[k].T, bias]) for bias in (b[k], c[k])]
    if kind == "LSTM_proj":
        actual["projection"] = [read(getattr(module, f"weight_hr_{suffix}")).T]
    return actual


def values_of(module, kind, part):
    """The weights by node; the two biases of a gate of torch are added."""
    actual = {}
    for node, candidates in arrays_of(module, kind, part, lambda p: p.detach().numpy()).items():
        array = candidates[0].copy()
        if len(candidates) == 2:
            array[-1] += candidates[1][-1]
        actual[node] = array
    return actual


class Drawn:
    """A graph in which every part is a Scan: layer k is node ``l{k}_0`` forward, ``l{k}_1`` backward."""

    errors_of_states = True

    def __init__(self, kind, parts):
        make, states = KINDS[kind][0], KINDS[kind][4]
        builder, finals = Builder(kind), {}
        below = builder.input("x", f"time, batch, feature={D}")
        for k in sorted({k for k, _ in parts}):
            actual = []
            for d in sorted({d for _, d in parts}):
                initial = [builder.input(f"{s}_{k}_{d}", f"batch, feature={n}") for s, n in states.items()]
                y = Scan(make(H), reverse=bool(d))(below, *initial, name=f"l{k}_{d}")
                finals |= {f"{s}_{k}_{d}": y[s] for s in states}
                actual.append(y)
            below = actual[0] if len(actual) == 1 else concatenate(*actual)
        self.runner = Runner(builder.build(y=below, **finals))
        self.runner.materialize()
        self.parameters = self.runner.parameters

    def path(self, part, node):
        return f"l{part[0]}_{part[1]}/{node}/weights"

    def forward(self, x, states, lengths):
        actual = self.runner.forward({"x": x, **states}, lengths=lengths)
        return actual.pop("y"), actual

    def backward(self, error, errors):
        actual = self.runner.backward({"y": error, **errors})
        return actual.pop("x"), actual


def compared(kind, layers, both, ragged, ours):
    """Compare a graph with torch's module, forward and backward."""
    rng = np.random.default_rng(11)
    module, parts = judge(kind, layers, both)
    wrapped = ours(kind, parts)
    for part in parts:
        for node, array in values_of(module, kind, part).items():
            parameter = wrapped.parameters[wrapped.path(part, node)]
            assert parameter.value.shape == array.shape
            parameter.value = array
    count = sum(len(values_of(module, kind, part)) for part in parts)
    assert count == len(wrapped.parameters)

    x, lengths = rng.normal(size=(T, B, D)), LENGTHS if ragged else [T] * B
    for b, n in enumerate(lengths):
        x[n:, b] = np.nan
    names = KINDS[kind][4]
    stacked = {s: rng.normal(size=(len(parts), B, n)) for s, n in names.items()}
    states = {f"{s}_{k}_{d}": stacked[s][i] for s in names for i, (k, d) in enumerate(parts)}

    x_torch = torch.tensor(x, requires_grad=True)
    begun = [torch.tensor(a, requires_grad=True) for a in stacked.values()]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x_torch, torch.tensor(lengths), enforce_sorted=False)
    output, ended = module(packed if ragged else x_torch, tuple(begun) if len(begun) == 2 else begun[0])
    if ragged:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=T)
    ended = [ended] if len(begun) == 1 else list(ended)

    y, finals = wrapped.forward(x, states, lengths if ragged else None)
    close(y, output.detach().numpy(), TOLERANCE)
    for s, tensor in zip(names, ended, strict=True):
        for i, (k, d) in enumerate(parts):
            close(finals[f"{s}_{k}_{d}"], tensor[i].detach().numpy(), TOLERANCE)

    error = rng.normal(size=y.shape)
    errors = [rng.normal(size=tuple(e.shape)) for e in ended]
    if not wrapped.errors_of_states:
        errors = [np.zeros_like(e) for e in errors]
    loss = (output * torch.tensor(error)).sum()
    for e, tensor in zip(errors, ended, strict=True):
        loss = loss + (tensor * torch.tensor(e)).sum()
    loss.backward()
    by_name = {f"{s}_{k}_{d}": errors[j][i] for j, s in enumerate(names) for i, (k, d) in enumerate(parts)}
    pulled, pulled_states = wrapped.backward(error, by_name)
    close(pulled, x_torch.grad.numpy(), TOLERANCE)
    for s, tensor in zip(names, begun, strict=True):
        for i, (k, d) in enumerate(parts):
            close(pulled_states[f"{s}_{k}_{d}"], tensor.grad[i].numpy(), TOLERANCE)
    for part in parts:
        for node, candidates in arrays_of(module, kind, part, lambda p: p.grad.numpy()).items():
            for expected in candidates:
                close(wrapped.parameters[wrapped.path(part, node)].gradient, expected, TOLERANCE)


@ARRANGED
def test_scans_in_a_graph(kind, layers, both, ragged):
    compared(kind, layers, both, ragged, Drawn)


class Made:
    """The same as a Recurrent, a Bidirectional or a Stack, outside a graph."""

    def __init__(self, kind, parts):
        make, self.states = KINDS[kind][0], KINDS[kind][4]
        self.layers, self.both = 1 + max(k for k, _ in parts), any(d for _, d in parts)
        if self.layers > 1:
            self.layer = Stack([make(H) for _ in range(self.layers)], bidirectional=self.both)
        else:
            self.layer = Bidirectional(make(H)) if self.both else Recurrent(make(H))
        self.errors_of_states = not self.both  # states of both directions are not outputs
        self.layer.forward(np.zeros((2, B, D)))  # the sizes of the weights
        self.parameters = Runner(self.layer.graph).parameters

    def prefix(self, part, divider):
        names = [f"layer_{part[0]}"] * (self.layers > 1) + [("forward", "backward")[part[1]]] * self.both
        return "".join(f"{name}{divider}" for name in names)

    def path(self, part, node):
        return f"{self.prefix(part, '/')}scan/{node}/weights"

    def parts(self):
        return itertools.product(range(self.layers), range(1 + self.both))

    def forward(self, x, states, lengths):
        self.order = {f"{self.prefix((k, d), '_')}{s}": f"{s}_{k}_{d}" for k, d in self.parts() for s in self.states}
        y = self.layer.forward(x, lengths=lengths, **{ours: states[name] for ours, name in self.order.items()})
        layer_states = self.layer.state
        return y, {
            f"{s}_{k}_{d}": layer_states[f"{self.prefix((k, d), '/')}{s}"] for k, d in self.parts() for s in self.states
        }

    def backward(self, error, errors):
        of_states = [errors[self.order[n]] for n in list(self.layer.graph.outputs)[1:]]
        first, *rest = self.layer.backward(error, *of_states)
        return first, dict(zip(self.order.values(), rest, strict=True))


@ARRANGED
def test_layers(kind, layers, both, ragged):
    compared(kind, layers, both, ragged, Made)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
@pytest.mark.parametrize("ragged", [False, True])
def test_reversed_rnn_and_lstm(kind, ragged):
    """The second direction of torch against reversed layers with one array of weights."""
    rng = np.random.default_rng(12)
    module, _ = judge(kind, 1, True)
    layer = {"RNN": RNN, "LSTM": LSTM}[kind](D, H, None, reverse=True)
    values = values_of(module, kind, (0, 1))
    layer.set_weights(np.hstack([values[gate] for gate in KINDS[kind][3]]))
    x, lengths = rng.normal(size=(T, B, D)), LENGTHS if ragged else [T] * B
    x_torch = torch.tensor(x, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x_torch, torch.tensor(lengths), enforce_sorted=False)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], total_length=T)
    error = rng.normal(size=(T, B, H))
    (output[:, :, H:] * torch.tensor(error)).sum().backward()
    close(layer.forward(x, lengths=lengths), output[:, :, H:].detach().numpy(), TOLERANCE)
    close(layer.backward(error), x_torch.grad.numpy(), TOLERANCE)
    expected = arrays_of(module, kind, (0, 1), lambda p: p.grad.numpy())
    close(layer.get_gradient_weights(), np.hstack([expected[gate][0] for gate in KINDS[kind][3]]), TOLERANCE)
