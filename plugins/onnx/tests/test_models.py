"""Whole models, exported and run by onnxruntime at batch sizes and lengths that the export has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import ENGINES, assert_close, checked_file

import graphnet
from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    Composite,
    Dropout,
    Embedding,
    Flatten,
    FullyConnected,
    Last,
    Layer,
    LayerNormalization,
    MeanOverTime,
    Model,
    NeuralNetwork,
    Phase,
    Runner,
    Scan,
    Sequential,
    Standardize,
    TrainingConfig,
    concatenate,
    dense,
)
from graphnet_activations import GELU, ReLU
from graphnet_conv import AveragePooling, Conv, Pooling
from graphnet_onnx import ExportError, to_onnx
from graphnet_onnx.writing import errors
from graphnet_recurrent import GRU, LSTM, Bidirectional, Stack, gru_cell, lstm_cell, sigmoid, tanh

EXAMPLES = Path(__file__).parents[3] / "examples"
in_checkout = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are those of graphnet's checkout")


def started(model, inputs):
    """The model after a training pass, which sets running statistics, with random weights."""
    runner, rng = Runner(model.graph, backend="reference"), np.random.default_rng(5)
    runner.forward(inputs, keep=False)
    for parameter in runner.parameters.values():
        parameter.value = (0.4 * rng.normal(size=parameter.value.shape)).astype(parameter.value.dtype)
    return runner


def assert_model(model, first, later, dtype="float32", recurrent="scan"):
    """The file of a model, written after a pass of ``first``, agrees with it on ``later``."""
    runner = started(model, first)
    data = checked_file(runner, recurrent=recurrent)
    for inputs, lengths in later:
        expected = runner.forward(inputs, phase=Phase.test, keep=False, lengths=lengths)
        feed = {**inputs, **({} if lengths is None else {"lengths": np.array(lengths)})}
        for engine in ENGINES if recurrent == "scan" else ("onnxruntime",):
            for name, array in zip(expected, ENGINES[engine](data, feed, [*expected]), strict=True):
                assert_close(f"{engine} {name}", array, expected[name], dtype)
    return onnx.load_from_string(data)


def random(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def sequences(features, dtype="float32", name="x"):
    return {name: random((5, 3, features), dtype)}, [
        ({name: random((9, 1, features), dtype, 1)}, None),
        ({name: random((4, 7, features), dtype, 2)}, [4, 1, 2, 0, 3, 4, 1]),
    ]


def test_mlp_with_normalization():
    layers = [Standardize((0.5, -1.0, 2.0), (2.0, 1.0, 0.5)), FullyConnected(3, 8, dtype="float32"),
              BatchNormalization(8, dtype="float32"), GELU(), Dropout(0.5), FullyConnected(8, 2, dtype="float32")]  # fmt: skip
    assert_model(
        Model(Sequential(*layers, shape="batch, feature=3")),
        {"x": random((6, 3))},
        [({"x": random((1, 3))}, None), ({"x": random((50, 3))}, None)],
    )


@in_checkout
def test_digits():
    model = graphnet.load(EXAMPLES / "digits" / "model.yaml")
    proto = assert_model(
        model, {"image": random((4, 1, 8, 8))}, [({"image": random((n, 1, 8, 8), seed=n)}, None) for n in (1, 9)]
    )
    bodies = {node.op_type for function in proto.functions for node in function.node}
    assert {"Conv", "BatchNormalization", "Relu", "MaxPool"} <= bodies


def test_images_in_float64_need_no_operator_that_onnxruntime_lacks():
    layers = (
        Conv(2, (2, 3, 2), 4),
        ReLU(),
        AveragePooling(2, (3, 2), padding=1),
        Pooling(1, (2, 2)),
        Flatten(),
        FullyConnected(None, 3),
    )
    model = Model(Sequential(*layers, shape="batch, channel=2, y=9, x=8"))
    assert_model(
        model, {"x": random((2, 2, 9, 8), "float64")}, [({"x": random((5, 2, 9, 8), "float64")}, None)], "float64"
    )


@in_checkout
@pytest.mark.parametrize("recurrent", ["scan", "operator"])
def test_japanese_vowels(recurrent):
    first, later = sequences(12, name="frames")
    proto = assert_model(graphnet.load(EXAMPLES / "japanese_vowels" / "model.yaml"), first, later, recurrent=recurrent)
    assert ("LSTM" if recurrent == "operator" else "Scan") in [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize("recurrent", ["scan", "operator"])
def test_bidirectional_stack(recurrent):
    layer = Stack([gru_cell(4, dtype="float32"), gru_cell(5, dtype="float32", reset_after=True)], 2, bidirectional=True)
    first, later = sequences(3)
    proto = assert_model(Model(Sequential(layer, shape="time, batch, feature=3")), first, later, recurrent=recurrent)
    assert [n.op_type for n in proto.graph.node].count("GRU") == (4 if recurrent == "operator" else 0)


def test_cell_of_ones_own_with_context_and_two_sequences():
    cell = Cell("own", sequences=["x", "y"], states={"h": 4}, contexts={"weights": "batch, feature=4"})
    gate = sigmoid(dense(concatenate(cell.x, cell.y, cell.h), 4, name="gate"))
    h = gate * cell.h + (1 - gate) * tanh(dense(cell.x, 4, name="new")) * cell.weights
    builder = Builder("own")
    x, y = builder.input("x", "time, batch, feature=3"), builder.input("y", "time, batch, feature=2")
    node = Scan(cell.build(h, h=h))(x, y, None, builder.input("c", "batch, feature=4"), name="own")
    graph = builder.build(all=node, mean=MeanOverTime()(node))
    runner = started(
        Model(graph),
        {"x": random((5, 2, 3), "float64"), "y": random((5, 2, 2), "float64"), "c": random((2, 4), "float64")},
    )
    data = checked_file(runner)
    inputs = {"x": random((6, 4, 3), "float64"), "y": random((6, 4, 2), "float64"), "c": random((4, 4), "float64")}
    for lengths in (None, np.array([6, 2, 0, 4])):
        expected = runner.forward(inputs, phase=Phase.test, keep=False, lengths=lengths)
        feed = inputs if lengths is None else {**inputs, "x_lengths": lengths, "y_lengths": lengths}
        for engine, run in ENGINES.items():
            for name, array in zip(expected, run(data, feed, [*expected]), strict=True):
                assert_close(f"{engine} {name}", array, expected[name], "float64")
    body = next(
        a.g
        for n in onnx.load_from_string(data).graph.node
        if n.op_type == "Scan"
        for a in n.attribute
        if a.name == "body"
    )
    assert {"own/gate", "own/new"} <= {node.name for node in body.node}


class Gaussian(Layer):
    """Third parties' layer: ``exp(-‖x - c‖² / s²)`` for each centre, by broadcasting."""

    units: int

    def parameters(self, x=None):
        if x is None or x.sizes[-1] is None:
            raise graphnet.ShapeError("no width")
        return {
            "centres": graphnet.Weight((self.units, x.sizes[-1])),
            "scales": graphnet.Weight((self.units,), kind="constant", value=1.5),
        }

    def infer(self, x):
        return x.resized(-1, self.units)

    def apply(self, x, *, centres, scales):
        distance = ((x[..., None, :] - centres) ** 2).sum(-1)
        return np.exp(-distance / scales**2), x

    def pull(self, x, error, *, centres, scales):
        raise NotImplementedError


class Mixture(Composite):
    """Experts that are averaged by a gate, of third parties' layers."""

    units: int

    def build(self):
        builder = Builder("mixture")
        x = builder.input("x")
        kernels = Gaussian(self.units)
        gate = sigmoid(dense(x, self.units, name="gate"))
        return builder.build(gate * kernels(x, name="kernels") + (1 - gate) * kernels(x * 0.5, name="near"))


def test_composite_of_third_party_layers():
    graph = Sequential({"first": Mixture(4), "second": Mixture(3)}, shape="batch, feature=2")
    proto = assert_model(
        Model(graph), {"x": random((5, 2), "float64")}, [({"x": random((11, 2), "float64")}, None)], "float64"
    )
    assert {"first/kernels", "second/near"} <= {node.name for node in proto.graph.node}
    assert sorted(t.name for t in proto.graph.initializer if "first" in t.name) == [
        "first/gate/weights", "first/kernels/centres", "first/kernels/scales",
    ]  # fmt: skip


@pytest.mark.parametrize("recurrent", ["scan", "operator"])
def test_language_model(recurrent):
    layers = Embedding(11, 4, dtype="float32"), LSTM(4, 8, 11, dtype="float32")
    graph = Sequential(*layers)
    rng = np.random.default_rng(0)
    first = {"x": rng.integers(0, 11, (5, 2))}
    later = [({"x": rng.integers(0, 11, (8, 1))}, None), ({"x": rng.integers(0, 11, (3, 5))}, [3, 1, 0, 2, 3])]
    proto = assert_model(Model(graph), first, later, recurrent=recurrent)
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_shared_layers_store_their_weights_once():
    shared, builder = FullyConnected(4, 4, dtype="float32"), Builder("shared")
    a, b = builder.input("a", "batch, feature=4"), builder.input("b", "batch, feature=4")
    graph = builder.build(shared(shared(a)) + tanh(shared(b, name="other")))
    inputs = [{"a": random((n, 4)), "b": random((n, 4), seed=9)} for n in (3, 8)]
    proto = assert_model(Model(graph), inputs[0], [(inputs[1], None)])
    assert len(proto.graph.initializer) == 1
    assert len({node.input[1] for node in proto.graph.node if node.op_type == "FullyConnected"}) == 1


def test_forecast_goes_on_from_its_final_states():
    graph = Sequential({"gru": GRU(2, 6, 2, dtype="float32")}, shape="time, batch, feature=2")
    runner = started(Model(graph), {"x": random((5, 3, 2))})
    data = checked_file(runner)
    (state,) = json.loads(
        next(p.value for p in onnx.load_from_string(data).metadata_props if p.key == "graphnet.states")
    )
    assert state == {"name": "gru/h", "input": "gru/h_initial", "output": "gru/h_final"}
    x = random((7, 3, 2), seed=3)
    whole = ENGINES["onnxruntime"](data, {"x": x}, ["output", "gru/h_final"])
    start = ENGINES["onnxruntime"](data, {"x": x[:4]}, ["output", "gru/h_final"])
    rest = ENGINES["reference"](data, {"x": x[4:], "gru/h_initial": start[1]}, ["output", "gru/h_final"])
    np.testing.assert_allclose(np.concatenate([start[0], rest[0]]), whole[0], atol=1e-6)
    np.testing.assert_allclose(rest[1], whole[1], atol=1e-6)
    assert_close("onnxruntime", whole[0], runner.forward({"x": x}, phase=Phase.test)["output"], "float32")


def test_one_row_of_an_initial_state_serves_all_rows():
    graph = Sequential(GRU(2, 3, None), shape="time, batch, feature=2")
    data = checked_file(started(Model(graph), {"x": random((5, 3, 2), "float64")}))
    x, row = random((4, 5, 2), "float64"), random((1, 3), "float64")
    results = [
        ENGINES["onnxruntime"](data, {"x": x, "gru/h_initial": h}, ["output"])[0] for h in (row, np.repeat(row, 5, 0))
    ]
    np.testing.assert_array_equal(*results)


def test_one_length_serves_all_rows():
    data = checked_file(
        started(Model(Sequential(GRU(2, 3, None), shape="time, batch, feature=2")), {"x": random((5, 3, 2), "float64")})
    )
    x = random((4, 5, 2), "float64")
    results = [ENGINES["onnxruntime"](data, {"x": x, "lengths": np.array(n)}, ["output"])[0] for n in ([2], [2] * 5)]
    np.testing.assert_array_equal(*results)
    assert not results[0][2:].any() and results[0][1].all()


def test_file_without_lengths_and_states():
    proto = onnx.load_from_string(
        checked_file(Sequential(GRU(2, 3, None), shape="time, batch, feature=2"), lengths=False, states=False)
    )
    assert [each.name for each in proto.graph.input] == ["x"]
    assert [each.name for each in proto.graph.output] == ["output"]
    assert "Where" not in str(proto)


def test_network_of_layers_is_exported_as_a_graph():
    network = NeuralNetwork(graphnet.optimizers.Sgd(0.1))
    network.append_layer(FullyConnected(3, 2))
    with pytest.raises(graphnet.ConfigError, match="Sequential"):
        to_onnx(network)
    data = checked_file(Sequential(*network.layers, shape="batch, feature=3"))
    x = random((4, 3), "float64")
    assert_close("output", ENGINES["onnxruntime"](data, {"x": x}, ["output"])[0], network.test(x), "float64")


@pytest.mark.parametrize("recurrent", ["scan", "operator"])
def test_batch_major_model(recurrent):
    model = Model(
        Sequential(LSTM(3, 4, 2, dtype="float32"), shape="time, batch, feature=3"), TrainingConfig(batch_major=True)
    )
    x = random((5, 7, 3))
    data = checked_file(model, recurrent=recurrent)
    actual = ENGINES["onnxruntime"](data, {"x": x, "lengths": np.array([7, 3, 1, 2, 0])}, ["output"])[0]
    assert_close("output", actual, model.predict(x, lengths=[7, 3, 1, 2, 0]), "float32")
    proto = onnx.load_from_string(data)
    assert [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == ["batch", "time", 3]
    assert json.loads(next(p.value for p in proto.metadata_props if p.key == "graphnet.axes")) == {
        "x": ["batch", "time", "feature"]
    }


def test_one_sequence_without_a_batch_axis():
    graph = Sequential(Bidirectional(lstm_cell(3)), Last(), shape="time, feature=2")
    assert_model(Model(graph), {"x": random((5, 2), "float64")}, [({"x": random((9, 2), "float64")}, None)], "float64")


def test_cell_in_a_cell():
    word = Cell("word", sequences={"letters": "letter, batch, feature=3"}, states={"s": 4})
    spelled = Scan(gru_cell(4))(word.letters, name="spell")["h"]
    s = tanh(dense(concatenate(spelled, word.s), 4, name="mixed"))
    builder = Builder("nested")
    node = Scan(word.build(s, s=s))(builder.input("text", "word, letter, batch, feature=3"), name="read")
    first, later = ({"text": random((w, n, b, 3), "float64")} for w, n, b in ((2, 3, 4), (4, 5, 2)))
    proto = assert_model(Model(builder.build(node)), first, [(later, None)], "float64")
    assert "Scan" in [node.op_type for node in proto.graph.node]


def test_sequences_of_different_numbers_of_steps():
    cell = Cell("decoder", sequences="y", states={"h": 4}, contexts={"source": "batch, feature=4"})
    h = tanh(dense(concatenate(cell.y, cell.h, cell.source), 4))
    builder = Builder("translation")
    x, y = builder.input("x", "time, batch, feature=3"), builder.input("y", "time, batch, feature=2")
    source = Last()(LSTM(3, 4, None)(x))
    graph = builder.build(Scan(cell.build(h, h=h))(y, None, source, name="decode"))
    runner = started(Model(graph), {"x": random((5, 2, 3), "float64"), "y": random((4, 2, 2), "float64")})
    data = checked_file(runner)
    dims = [
        [d.dim_param for d in each.type.tensor_type.shape.dim] for each in onnx.load_from_string(data).graph.input[:2]
    ]
    assert [each[:2] for each in dims] == [["time", "batch"], ["y_time", "batch"]]
    inputs = {"x": random((3, 4, 3), "float64"), "y": random((8, 4, 2), "float64")}
    lengths = {"x": np.array([1, 3, 2, 3]), "y": np.array([8, 5, 0, 2])}
    expected = runner.forward(inputs, phase=Phase.test, keep=False, lengths=lengths)
    feed = {**inputs, **{f"{name}_lengths": counts for name, counts in lengths.items()}}
    for engine, run in ENGINES.items():
        assert_close(engine, run(data, feed, ["output"])[0], expected["output"], "float64")


def test_names_that_the_file_uses_itself():
    builder = Builder("names")
    x = builder.input("lengths", "time, batch, feature=2")
    node = GRU(2, 3, None)(x, name="output")
    last = FullyConnected(3, 2)(Last()(node, name="within"), name="constant")
    graph = builder.build(output=last, lengths_=node, constant=builder.input("h_initial", "batch, feature=2"))
    runner = started(Model(graph), {"lengths": random((4, 2, 2), "float64"), "h_initial": random((2, 2), "float64")})
    data = checked_file(runner)
    inputs = {"lengths": random((3, 5, 2), "float64"), "h_initial": random((5, 2), "float64")}
    expected = runner.forward(inputs, phase=Phase.test, keep=False, lengths=[3, 1, 2, 0, 1])
    feed = {**inputs, "lengths__": np.array([3, 1, 2, 0, 1])}
    for name, array in zip(expected, ENGINES["onnxruntime"](data, feed, [*expected]), strict=True):
        assert_close(name, array, expected[name], "float64")


def test_batch_normalization_without_statistics_is_refused():
    with pytest.raises(graphnet.StateError, match="batch_normalization: .*no running statistics yet"):
        to_onnx(Sequential(BatchNormalization(3), shape="batch, feature=3"))


def shape_of(model, **options):
    shape = to_onnx(model, **options).graph.input[0].type.tensor_type.shape
    return [each.dim_param or each.dim_value for each in shape.dim]


def test_axes_that_are_not_declared():
    assert shape_of(Sequential(FullyConnected(4, 3))) == ["batch", 4]
    assert shape_of(FullyConnected(4, 3)) == ["batch", 4]
    assert shape_of(Model(Sequential(LSTM(3, 4, 2), Last()))) == ["time", "batch", 3]
    assert shape_of(Sequential(LayerNormalization()), shapes="batch, feature=5") == ["batch", 5]
    assert shape_of(Sequential(ReLU()), shapes={"x": "batch, feature"}) == ["batch", "feature"]
    model = Model(Sequential(FullyConnected(None, 3)))
    model.predict(random((2, 6)))
    assert shape_of(model) == ["batch", 6]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [(5, "not the axes"), ({"z": "batch"}, "unknown input 'z'"), ("batch feature", "not an axis")],
)
def test_wrong_axes(shapes, message):
    with pytest.raises(graphnet.GraphnetError, match=message):
        to_onnx(Sequential(ReLU()), shapes=shapes)


def test_input_without_axes_is_refused():
    with pytest.raises(graphnet.ShapeError, match="the shape of an input is not known"):
        to_onnx(Sequential(LayerNormalization()))


def test_a_file_over_2_gb_is_refused(monkeypatch):
    monkeypatch.setattr(errors, "LARGEST", 1000)
    graph = Sequential(FullyConnected(32, 8, dtype="float32"), shape="batch, feature=32")
    with pytest.raises(ExportError, match="cannot have more than 2 GB; received 1,056 bytes"):
        to_onnx(graph)
