"""Declared axis names: a layer that would read an axis as a different one is refused."""

import numpy as np
import pytest

from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    Embedding,
    Flatten,
    FullyConnected,
    GraphError,
    Last,
    LayerNormalization,
    MeanOverTime,
    Model,
    NeuralNetwork,
    Reshape,
    Runner,
    Scan,
    Shape,
    ShapeError,
    Split,
    TrainingConfig,
    concatenate,
    dense,
    load,
)
from graphnet.authoring import Subgraph, broadcast
from graphnet.io import model_text, parse_model
from graphnet.losses import MeanSquaredError
from graphnet_conv import AveragePooling, Conv, GlobalAveragePooling, Pooling
from graphnet_recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    First,
    InitialState,
    Recurrent,
    SequenceDropout,
    SequenceMask,
    Stack,
    gru_cell,
    lstm_cell,
)

RNG = np.random.default_rng(0)


def sum_cell(width=3):
    """h = x + h."""
    cell = Cell("sum", sequences="x", states={"h": width})
    h = cell.x + cell.h
    return cell.build(output=h, h=h)


def graph(layer, *axes):
    g = Builder("m")
    return g.build(layer(*(g.input(name, each) for name, each in zip("xyz", axes, strict=False))))


RECURRENT = {
    "Scan": lambda: Scan(sum_cell()),
    "reversed Scan": lambda: Scan(sum_cell(), reverse=True),
    "RNN": lambda: RNN(3, 2, 1),
    "LSTM": lambda: LSTM(3, 2, 1),
    "GRU": lambda: GRU(None, 2, None),
    "Recurrent": lambda: Recurrent(gru_cell(2), returns="last", learn_initial=True, keep_input=0.5),
    "Bidirectional": lambda: Bidirectional(lstm_cell(2)),
    "Stack": lambda: Stack([gru_cell(2), gru_cell(2)]),
}


@pytest.mark.parametrize("layer", RECURRENT.values(), ids=RECURRENT.keys())
@pytest.mark.parametrize(
    "axes", ["batch, time, feature=3", "feature, time, batch", "batch, feature=3, time", "batch, time=3"]
)
def test_recurrent_layer_refuses_batch_first_input(layer, axes):
    made = graph(layer(), axes)
    with pytest.raises(ShapeError, match=r"declared as \w+ but read as|no sequence|not a sequence") as caught:
        Runner(made)
    assert axes.split(",")[0] in str(caught.value)


@pytest.mark.parametrize("layer", RECURRENT.values(), ids=RECURRENT.keys())
@pytest.mark.parametrize(
    "axes", ["time, batch, feature=3", "time, feature=3", "step, row, feature=3", "y, batch, feature=3", None]
)
def test_recurrent_layer_accepts_sequence(layer, axes):
    made = graph(layer(), axes)
    x = RNG.normal(size=(5, 3) if axes == "time, feature=3" else (5, 4, 3))
    assert np.isfinite(next(iter(Runner(made).forward({"x": x}).values()))).all()


def test_refusal_names_axes_and_batch_major():
    with pytest.raises(ShapeError, match=r"lstm/scan: axis 0 is declared as batch but read as time") as caught:
        Runner(graph(lambda x: LSTM(3, 2, 1)(dense(x, 3), name="lstm"), "batch, time, feature=3"))
    told = str(caught.value)
    assert "(batch, time, feature=3)" in told
    assert "TrainingConfig(batch_major=True)" in told and "layer.batch_major = True" in told


def test_batch_axis_is_not_read_as_time():
    with pytest.raises(ShapeError, match="axis 0 is declared as batch but read as time"):
        Runner(graph(RNN(3, 2, 1), "batch, feature=3"))


def test_undeclared_two_axes_are_one_sequence():
    x = RNG.normal(size=(6, 3))
    layer = RNN(3, 2, 1)
    found = Runner(graph(layer, None)).forward({"x": x})["output"]
    np.testing.assert_allclose(found, layer.forward(x), rtol=1e-13)
    np.testing.assert_allclose(found, layer.forward(x[:, None])[:, 0], rtol=1e-13)


def test_dense_and_recurrent_layers_accept_sequence():
    network = NeuralNetwork(None, None, None)
    network.layers = [FullyConnected(3, 4), RNN(4, 2, 5), FullyConnected(5, 1)]
    assert network.test(RNG.normal(size=(6, 3))).shape == (6, 1)
    assert network.test(RNG.normal(size=(6, 2, 3))).shape == (6, 2, 1)


REFUSED = {
    "Last": (lambda x: Last()(x), "batch, feature=3"),
    "MeanOverTime": (lambda x: MeanOverTime()(x), "batch, time, feature=3"),
    "First": (lambda x: First()(x), "batch, feature=3"),
    "InitialState": (lambda x: InitialState(2)(x), "batch, step, feature=3"),
    "SequenceMask": (lambda x: SequenceMask(2, 0.5)(x), "batch, step, feature=3"),
    "SequenceDropout": (lambda x: SequenceDropout(0.5)(x), "batch, step, feature=3"),
    "dense, features before": (lambda x: dense(x, 3), "batch, feature=3, time"),
    "dense, rows last": (lambda x: dense(x, 3), "feature=3, batch"),
    "LayerNormalization": (lambda x: LayerNormalization()(x), "feature=3, batch=2"),
    "BatchNormalization": (lambda x: BatchNormalization()(x), "batch, y=2, x=3"),
    "Flatten": (lambda x: Flatten()(x), "feature=3, batch"),
    "Reshape": (lambda x: Reshape((3, 1))(x), "feature=3, batch, x=3"),
    "Split": (lambda x: Split(2)(x), "feature=2, batch=4"),
    "Conv, channels last": (lambda x: Conv(1, (9, 3, 3), 2)(x), "batch, y=9, x=9, channel=3"),
    "Conv over time, batch first": (lambda x: Conv(1, (4, 3), 2)(x), "batch, time=4, feature=3"),
    "Pooling": (lambda x: Pooling(1, (2,))(x), "batch, x=4, channel=3"),
    "AveragePooling": (lambda x: AveragePooling(1, (2,))(x), "batch, x=4, channel=3"),
    "GlobalAveragePooling": (lambda x: GlobalAveragePooling()(x), "batch, y=9, x=9, channel=3"),
    "Reshape, then Scan": (lambda x: Scan(sum_cell(2))(Reshape((3, 2))(x)), "batch, feature=6"),
    "Embedding, then Scan": (lambda x: Scan(sum_cell())(Embedding(5, 3)(x)), "batch, time"),
    "nested graph": (lambda x: Subgraph(graph(LSTM(3, 2, 1), "time, batch, feature=3"))(x), "batch, time, feature=3"),
    "concatenate": (lambda x, y: concatenate(x, y), "batch, time, feature=3", "time, batch, feature=3"),
    "add": (lambda x, y: x + y, "batch, time, feature=3", "time, batch, feature=3"),
    "add, other rank": (lambda x, y: x + y, "batch, time, feature=3", "batch, feature=3"),
    "subtract": (lambda x, y: y - x, "batch, feature=3", "time, feature=3"),
    "multiply": (lambda x, y: x * y, "time, batch, feature=3", "time, batch"),
    "swapped images": (lambda x, y: x + y, "batch, channel, y, x", "batch, channel, x, y"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_layer_refuses_other_declared_axes(case):
    with pytest.raises(ShapeError):
        Runner(graph(*case))


TAKEN = {
    "dense over steps": (lambda x: dense(x, 2), "batch, time, feature=3"),
    "dense over a window": (lambda x: dense(x, 3) + x, "batch, time=3"),
    "dense over channels": (lambda x: dense(x, 2), "batch, y, x, channel=3"),
    "dense, own names": (lambda x: dense(x, 2), "patient, visit, lab=3"),
    "normalized features": (lambda x: BatchNormalization()(x), "batch, time, feature=3"),
    "normalized images": (lambda x: BatchNormalization()(x), "batch, channel=3, y, x"),
    "convolution over time": (lambda x: Conv(1, (3, 2), 2)(x), "batch, feature=3, time=4"),
    "convolution over frames": (lambda x: Conv(1, (3, 2, 2), 2)(x), "time, channel=3, y=4, x=4"),
    "convolution in sequences": (lambda x: Conv(1, (3, 2, 2), 2)(x), "time, batch, channel=3, y=4, x=4"),
    "flattened windows": (lambda x: dense(Flatten()(x), 2), "batch, time=4, feature=3"),
    "gate for each row": (lambda x, y: x * y, "time, batch, feature=3", "batch, feature=3"),
    "bias": (lambda x, y: x + y, "time, batch, feature=3", "feature=3"),
    "undeclared beside declared": (lambda x, y: Scan(sum_cell())(y + x), "time, batch, feature=3", None),
    "outer product": (lambda x, y: x * y, "batch, feature=1", "batch, unit=3"),
}


@pytest.mark.parametrize("case", TAKEN.values(), ids=TAKEN.keys())
def test_layer_accepts_matching_axes(case):
    layer, *axes = case
    made = graph(layer, *axes)
    sizes = {"batch": 2, "y": 4, "x": 4, "patient": 2, "visit": 3}
    sizes |= {} if "time=" in axes[0] else {"time": 5}
    given = {}
    for name, each in zip("xy", axes, strict=False):
        shape = Shape.parse(each or axes[0])
        given[name] = RNG.normal(size=[sizes.get(n, s) for n, s in zip(shape.names, shape.sizes, strict=True)])
    Runner(made).forward(given)


def test_names_propagate_through_undeclared_values():
    g = Builder("m")
    declared, free = g.input("x", "batch, time, feature=3"), g.input("y")
    runner = Runner(g.build(Scan(sum_cell())(free + declared)))
    x = np.ones((4, 4, 3))
    with pytest.raises(ShapeError, match="declared as batch but read as time"):
        runner.forward({"x": x, "y": x})


@pytest.mark.parametrize("text", ["batch, batch", "time, batch, feature=3, feature=3", "(x, y, x)"])
def test_repeated_axis_names_are_refused(text):
    with pytest.raises(ShapeError, match="two axes are named"):
        Shape.parse(text)
    with pytest.raises(ShapeError, match="graph 'm', input 'x': two axes are named"):
        Builder("m").input("x", text)


def test_repeated_axis_names_in_layers_are_refused():
    twice = Shape(("batch", "batch"), (None, 3))
    g = Builder("m")
    x = g.input("x", twice)
    with pytest.raises(ShapeError, match="graph 'm', input 'x': two axes are named 'batch'"):
        g.build(x)
    with pytest.raises(ShapeError, match="two axes"):
        Cell("c", states={"h": "batch, batch"})
    text = model_text(graph(lambda x: dense(x, 2), "batch, feature=3"))
    with pytest.raises((ShapeError, GraphError, ValueError), match="two axes are named 'batch'"):
        parse_model(text.replace("batch, feature=3", "batch, batch"))


def test_batch_first_model_file_is_refused(tmp_path):
    text = model_text(graph(LSTM(3, 2, 1), "time, batch, feature=3"))
    (tmp_path / "model.yaml").write_text(text.replace("time, batch, feature=3", "batch, time, feature=3"))
    with pytest.raises(ShapeError, match=r"batch_major=True"):
        load(tmp_path / "model.yaml")


@pytest.mark.parametrize(
    ("roles", "match"),
    [
        ({"sequences": {"x": "feature=3, batch"}}, "input 'x': axis 0 is declared as feature"),
        ({"states": {"h": "feature=3, batch"}}, "input 'h': axis 0 is declared as feature"),
        ({"states": {"h": "time, batch, feature=3"}}, "A cell reads one step"),
    ],
)
def test_cell_with_batch_not_first_is_refused(roles, match):
    cell = Cell("c", **roles)
    with pytest.raises(ShapeError, match=match):
        cell.build(output=cell.x, h=cell.h)


def test_scan_refuses_sequence_of_other_width():
    cell = Cell("c", sequences={"x": "time, batch, feature=3"}, states={"h": 3})
    h = cell.x + cell.h
    made = cell.build(output=h, h=h)
    with pytest.raises(
        ShapeError, match=r"'x' does not fit its declaration in the cell; expected \(time, batch, feature=3\)"
    ):
        Runner(graph(Scan(made), "time, batch, feature=3"))


def test_broadcast_prefers_declared_names():
    usual, declared = Shape.of((5, 2, 3)), Shape.parse("time, batch, feature")
    assert broadcast([usual, declared]).names == ("time", "batch", "feature")
    assert broadcast([usual, declared]).declared and not broadcast([usual, usual]).declared


def test_saved_model_without_axes_loads(tmp_path):
    x = RNG.normal(size=(5, 4, 3)).astype("float32")
    model = Model(graph(Recurrent(gru_cell(2)), None))
    before = model.runner.forward({"x": x})["output"]
    model.save(tmp_path / "run")
    found = load(tmp_path / "run")
    assert str(found.graph.inputs["x"].shape) == "(time, batch, feature=3)"
    np.testing.assert_array_equal(found.runner.forward({"x": x})["output"], before)


def test_undeclared_time_axis_is_not_batched():
    model = Model(graph(Scan(sum_cell()), None))
    x = RNG.normal(size=(9, 2, 3)).astype("float32")
    np.testing.assert_allclose(model.predict(x), np.cumsum(x, axis=0), rtol=1e-5)
    with pytest.raises(ShapeError, match=r"input 'x'.*a layer reads it as time.*Declare the input"):
        model.predict(x, batch_size=4)
    with pytest.raises(ShapeError, match="a layer reads it as time"):
        model.fit(x, x, loss={"output": MeanSquaredError()}, epochs=1)


def test_batch_major_data_fit_time_first_graph():
    model = Model(graph(LSTM(3, 2, 1), "time, batch, feature=3"), TrainingConfig(batch_major=True))
    x = RNG.normal(size=(4, 6, 3)).astype("float32")
    turned = model.predict(x)
    model.config = TrainingConfig()
    np.testing.assert_allclose(turned, model.predict(x.swapaxes(0, 1)).swapaxes(0, 1), rtol=1e-5)


def test_nested_graph_refuses_transposed_axes():
    inner = graph(lambda x: dense(x, 3), "batch, time, feature=3")
    Runner(graph(Subgraph(inner), "batch, time, feature=3"))
    Runner(graph(Subgraph(inner), "patient, visit, feature=3"))
    with pytest.raises(
        ShapeError, match=r"subgraph/x: the axes differ from those.*expected \(batch, time, feature=3\)"
    ):
        Runner(graph(Subgraph(inner), "time, batch, feature=3"))


def test_batch_major_needs_declared_axes():
    model = Model(graph(Scan(sum_cell()), None), TrainingConfig(batch_major=True))
    with pytest.raises(ShapeError, match="a layer reads it as time"):
        model.predict(np.ones((4, 6, 3)))


def test_initial_state_must_be_batch_first():
    scan = Scan(sum_cell())
    made = graph(lambda x, h: scan(x, h), "time, batch=3, feature=3", "feature=3, batch=3")
    with pytest.raises(ShapeError, match="initial state 'h': axis 0 is declared as feature but read as batch"):
        Runner(made)


def test_scan_refuses_transposed_axes():
    cell = Cell("c", sequences={"x": "batch, y=4, x=4"}, states={"h": "batch, y=4, x=4"})
    h = cell.x + cell.h
    made = cell.build(output=h, h=h)
    Runner(graph(Scan(made), "time, batch, y=4, x=4"))
    with pytest.raises(ShapeError, match="'x' does not fit its declaration in the cell"):
        Runner(graph(Scan(made), "time, batch, x=4, y=4"))


@pytest.mark.parametrize(("axes", "lengths"), [("time, batch, feature=3", {"X": [3, 5]}), (None, {"x": [3, 5]})])
def test_lengths_of_non_sequence_are_refused(axes, lengths):
    runner = Runner(graph(Scan(sum_cell()), axes))
    with pytest.raises(ShapeError, match=r"lengths for .*, which is not an input with axes \(time, batch"):
        runner.forward({"x": np.ones((5, 2, 3))}, lengths=lengths)
