"""Layers on a matrix in each row, in a cell whose state is one: compiled against the reference backend, on ragged rows."""

import numpy as np
import pytest
from helpers.numeric_gradient import close

import graphnet
from graphnet import Builder, Cell, Runner, Scan, concatenate, dense, outer_product, parameter, reshape, split
from graphnet_activations import elu, leaky_relu, log_sigmoid, silu, softmax
from graphnet_recurrent import clip_error, peephole, sigmoid

SHAPE = "batch, row=3, column=4"
#: The next state, before a tanh, from the state S and the input x ``(batch, 4)``.
CELLS = {
    "slice of rows": lambda c: concatenate(c.S[:, 1:], c.S[:, :1] * c.x[:, None], axis=1),
    "rows backwards": lambda c: c.S[:, ::-1] * c.x[:, None] + c.S[:, 1:2],
    "columns backwards": lambda c: c.S[..., ::-1] + c.S[..., ::2].sum(-1, keepdims=True) * c.x[:, None],
    "split rows": lambda c: concatenate(*[v * (i + 1) for i, v in enumerate(split(c.S, 3, axis=1))], axis=1),
    "reshape": lambda c: reshape(reshape(c.S, (12,)) * dense(c.x, 12), (3, 4)),
    "flatten": lambda c: reshape(graphnet.flatten(c.S) * dense(c.x, 12), (3, 4)),
    "dense": lambda c: dense(c.S, 4) + c.x[:, None],
    "layer norm": lambda c: graphnet.layer_normalization(c.S, 4) * c.x[:, None],
    "rms norm": lambda c: graphnet.rms_normalization(c.S, 4) * c.x[:, None],
    "unit norm": lambda c: graphnet.unit_normalization(c.S) * c.x[:, None],
    "gains": lambda c: graphnet.gain(c.S, 4) * c.x[:, None] + peephole(c.S, 4),
    "swapped": lambda c: np.swapaxes(np.swapaxes(c.S, -1, -2) * c.x[..., :3][:, None], -1, -2),
    "matrix products": lambda c: c.S @ np.swapaxes(c.S, -1, -2) @ c.S * 0.1 + c.S @ outer_product(c.x, c.x) * 0.1,
    "vectors": lambda c: c.S + outer_product(np.matvec(c.S, c.x), np.vecmat(c.x[..., :3], c.S)) * 0.1,
    "sums": lambda c: c.S * c.S.sum((-1, -2), keepdims=True) * 0.1 + c.x[:, None],
    "means": lambda c: c.S - np.mean(c.S, axis=1)[:, None] + c.x[:, None] * c.S.mean(-1, keepdims=True),
    "learned matrix": lambda c: c.S * parameter(c.x, (3, 4), None) + parameter(c.S, (3, 1), None) * c.x[:, None],
    "constant": lambda c: c.S * (np.arange(1.0, 4)[:, None] * 0.3) + c.x[:, None],
    "powers": lambda c: abs(c.S) ** 1.5 / (1 + c.S**2) + c.x[:, None],
    "extrema": lambda c: np.maximum(c.S, c.x[:, None]) - np.minimum(c.S, 0.1) + np.logaddexp(c.S, c.x[:, None]),
    "activations": lambda c: sigmoid(c.S) + silu(c.S) * elu(c.x[:, None]) + leaky_relu(log_sigmoid(c.S) + 1),
    "softmax of columns": lambda c: softmax(c.S) * 3 + c.x[:, None],
    "softmax of rows": lambda c: softmax(c.S, axis=1) * 3 + c.x[:, None],
    "clipped errors": lambda c: clip_error(c.S, 0.1) * c.x[:, None],
}


def results(name, backend):
    graphnet.seed(1)
    cell = Cell(name.replace(" ", "_"), sequences={"x": 4}, states={"S": SHAPE})
    after = np.tanh(CELLS[name](cell))
    g = Builder("model")
    scan = Scan(cell.build(output=after.sum(-1), S=after))
    y = scan(g.input("x", "time, batch, feature=4"), g.input("S", SHAPE), name="scan")
    graph = g.build(y=y, S=y["S"])
    runner, rng = Runner(graph, backend=backend), np.random.default_rng(0)
    runner.materialize()
    for path in sorted(runner.parameters):
        runner.parameters[path].value = rng.normal(size=runner.parameters[path].value.shape) * 0.5 + 0.2
    inputs = {"x": rng.normal(size=(5, 3, 4)), "S": rng.normal(size=(3, 3, 4))}
    outputs = {n: a.copy() for n, a in runner.forward(inputs, lengths=[5, 0, 3]).items()}
    errors = runner.backward({n: rng.normal(size=a.shape) for n, a in outputs.items()})
    weights = {path: np.array(p.gradient) for path, p in runner.parameters.items()}
    return {**outputs, **{f"error {n}": a for n, a in errors.items()}, **weights}, graph


#: Cells that run as native code too; the others differ from these in what is traced, not in what runs.
NATIVE = ("slice of rows", "columns backwards", "rms norm", "vectors", "softmax of rows", "matrix products")


@pytest.mark.parametrize(
    ("name", "backend"), [*((name, "numpy") for name in CELLS), *((name, "native") for name in NATIVE)]
)
def test_compiled_equals_reference(name, backend):
    expected, _ = results(name, "reference")
    found, graph = results(name, backend)
    for key, array in expected.items():
        close(found[key], array, 1e-11)
    parts = [part.reason for part in graph.explain(batch=3, steps=5).parts if part.kind == "Scan"]
    assert parts == [None]
