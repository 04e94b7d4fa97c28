"""Every shipped cell as a Scan: its gates in the body, rows of different lengths, both directions, states."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import pytest
from exported import ENGINES, assert_close, checked_file

from graphnet import Builder, Cell, GraphnetWarning, Phase, Runner, Scan, concatenate, dense, split
from graphnet_recurrent import cells, sigmoid, tanh

FEATURES, UNITS = 5, 4
NAMES = [name for name in cells.__all__ if name.endswith("_cell")]
#: The arguments of cells that need more than a width.
ARGUMENTS = {
    "attention_cell": (UNITS, 2),
    "clockwork_cell": (UNITS, (1, 2)),
    "projected_lstm_cell": (UNITS, 3),
    "time_shift_cell": (FEATURES,),
}


def cell_named(name, dtype):
    function = getattr(cells, name)
    options = {"dtype": dtype} if name != "time_shift_cell" else {}
    return function(*ARGUMENTS.get(name, (UNITS,)), **options)


def scan_graph(cell, **options):
    """A Scan of a cell, whose initial states are optional inputs where the cell declares their shapes."""
    builder = Builder("scanned")
    declared = cell.inputs[cell.sequences[0]].shape
    width = FEATURES if declared is None or declared.sizes[-1] is None else declared.sizes[-1]
    x = builder.input("x", f"time, batch, feature={width}")
    states = [builder.input(name, cell.inputs[name].shape, optional=True) for name in cell.states]
    node = Scan(cell, **options)(x, *states, name="cell")
    return builder.build(**{f"{port}_out": node[port] for port in Scan(cell).output_ports()})


def started(graph, seed=0):
    """A runner whose weights are random, biases included."""
    runner, rng = Runner(graph, backend="reference"), np.random.default_rng(seed)
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = (0.5 * rng.normal(size=parameter.value.shape)).astype(parameter.value.dtype)
    return runner


def body_of(proto):
    (scan,) = (node for node in proto.graph.node if node.op_type == "Scan")
    return next(attribute.g for attribute in scan.attribute if attribute.name == "body")


def assert_named(body, cell):
    """The body of a Scan has a node for each node of the cell."""
    named = {node.name for node in body.node}
    for node in cell.needed - set(cell.inputs):
        assert f"cell/{node}" in named or any(each.startswith(f"cell/{node}/") for each in named), node


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", NAMES)
def test_cell(name, reverse):
    dtype = "float64" if reverse else "float32"
    cell = cell_named(name, dtype)
    graph = scan_graph(cell, reverse=reverse)
    runner, rng = started(graph), np.random.default_rng(1)
    data = checked_file(runner, dtype=dtype)
    assert_named(body_of(onnx.load_from_string(data)), cell)
    rows, steps = 3, 6
    declared = {name: spec.shape.sizes for name, spec in graph.inputs.items()}
    x = rng.normal(size=(steps, rows, declared["x"][-1])).astype(dtype)
    states = {n: rng.uniform(0.1, 0.9, (rows, *sizes[1:])).astype(dtype) for n, sizes in declared.items() if n != "x"}
    for lengths, given in ((None, states), ([2, 6, 0], states), ([4, 1, 5], {})):
        expected = runner.forward({"x": x, **given}, phase=Phase.test, keep=False, lengths=lengths)
        feed = {"x": x, **given, **({} if lengths is None else {"lengths": np.array(lengths)})}
        for engine in ENGINES if given and lengths else ("onnxruntime",):
            actual = ENGINES[engine](data, feed, [*graph.outputs])
            for port, array in zip(graph.outputs, actual, strict=True):
                assert_close(f"{engine} {port}", array, expected[port], dtype)


def test_gates_of_the_lstm_have_names_and_values():
    body = body_of(onnx.load_from_string(checked_file(started(scan_graph(cells.lstm_cell(UNITS))))))
    gates = ["input_gate", "forget_gate", "candidate", "output_gate"]
    nodes = {node.name: node for node in body.node}
    assert [list(nodes[f"cell/{gate}"].output) for gate in gates] == [[f"cell/{gate}"] for gate in gates]
    assert [nodes[f"cell/{gate}"].input[1] for gate in gates] == [f"cell/{gate}/weights" for gate in gates]


def one_product(cell):
    """A cell whose gates are computed by one layer of the input and one of the state, as torch's LSTM."""
    sums = dense(cell.x, 4 * UNITS, name="by_input") + dense(cell.h, 4 * UNITS, name="by_state")
    i, f, g, o = split(sums, 4)
    return sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)


def one_activation(cell):
    """A cell whose sigmoid gates are one activation."""
    xh = concatenate(cell.h, cell.x)
    o, i, f = split(sigmoid(dense(xh, 3 * UNITS, name="gates")), 3)
    return i, f, tanh(dense(xh, UNITS, name="new", bias=False)), o


def almost(cell):
    """An LSTM but for one thing: the candidate has twice the slope."""
    i, f, g, o = one_product(cell)
    return i, f, 2.0 * g, o


@pytest.mark.parametrize(("gates", "operator"), [(one_product, "LSTM"), (one_activation, "LSTM"), (almost, "Scan")])
def test_lstm_written_another_way(gates, operator):
    cell = Cell("other", sequences="x", states={"c": UNITS, "h": UNITS})
    i, f, g, o = gates(cell)
    c = f * cell.c + i * g
    h = o * tanh(c)
    graph = scan_graph(cell.build(h, h=h, c=c))
    runner, x = started(graph), np.random.default_rng(0).normal(size=(5, 3, FEATURES))
    with pytest.warns(GraphnetWarning, match="in float32 only") if operator == "LSTM" else contextlib.nullcontext():
        data = checked_file(runner, recurrent="operator")
    assert operator in [node.op_type for node in onnx.load_from_string(data).graph.node]
    expected = runner.forward({"x": x}, phase=Phase.test, keep=False)
    for port, array in zip(graph.outputs, ENGINES["reference"](data, {"x": x}, [*graph.outputs]), strict=True):
        assert_close(port, array, expected[port], "float64")


#: The operators that cells are, in float32.
OPERATORS = {"lstm_cell": "LSTM", "peephole_lstm_cell": "LSTM", "gru_cell": "GRU", "elman_cell": "RNN"}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", NAMES)
def test_operator(name, reverse):
    graph = scan_graph(cell_named(name, "float32"), reverse=reverse)
    runner, rng = started(graph), np.random.default_rng(2)
    data = checked_file(runner, dtype="float32", recurrent="operator")
    operators = {node.op_type for node in onnx.load_from_string(data).graph.node}
    assert operators & {"LSTM", "GRU", "RNN", "Scan"} == {OPERATORS.get(name, "Scan")}
    if name not in OPERATORS:
        return
    x = rng.normal(size=(6, 3, FEATURES)).astype(np.float32)
    states = {n: rng.normal(size=(3, UNITS)).astype(np.float32) for n in graph.inputs if n != "x"}
    for lengths, engine in (([2, 6, 1], "onnxruntime"), (None, "onnxruntime"), (None, "reference")):
        expected = runner.forward({"x": x, **states}, phase=Phase.test, keep=False, lengths=lengths)
        feed = {"x": x, **states, **({} if lengths is None else {"lengths": np.array(lengths)})}
        for port, array in zip(graph.outputs, ENGINES[engine](data, feed, [*graph.outputs]), strict=True):
            assert_close(f"{engine} {port}", array, expected[port], "float32")
