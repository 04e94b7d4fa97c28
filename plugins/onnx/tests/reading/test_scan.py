"""Scans and recurrent operators with every attribute; graphnet's own files, written and read again."""

import numpy as np
import pytest
from onnx import helper
from onnx_graphs import INT64, check, graph, imported, node, numbers

import graphnet
from graphnet import (
    BatchNormalization,
    Builder,
    Embedding,
    Expm1,
    FileError,
    Flatten,
    FullyConnected,
    Last,
    MeanOverTime,
    Model,
    Phase,
    Sequential,
)
from graphnet_activations import LogSigmoid, ReLU, SiLU, SoftMax
from graphnet_conv import AveragePooling, Conv, Pooling
from graphnet_onnx import export, load
from graphnet_recurrent import GRU, LSTM, Bidirectional, Recurrent, Stack, gru_cell, lstm_cell, peephole_lstm_cell


def body(nodes, inputs, outputs, arrays=None):
    """The body of a Scan."""
    proto = graph(nodes, inputs, outputs, arrays)
    return proto.graph


LEAKY = [
    node("MatMul", "s W", "a"), node("MatMul", "x U", "b"), node("Add", "a b", "c"), node("Add", "c v", "d"),
    node("Tanh", "d", "next"), node("Mul", "next k", "out"),
]  # fmt: skip


def leaky(features=3):
    """A cell with a state, as the body of a Scan."""
    arrays = {"U": numbers(features, 4), "v": numbers(4), "k": np.float32(0.5)}
    return body(LEAKY, {"s": ["N", 4], "x": ["N", features]}, ["next", "out"], arrays)


@pytest.mark.parametrize("backward", [0, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_along_any_axis_and_in_both_directions(axis, backward):
    dims = ["T", "N", 3] if axis == 0 else ["N", "T", 3]
    scan = node("Scan", "h x", "last y", body=leaky(), num_scan_inputs=1, scan_input_axes=[axis],
                scan_output_axes=[axis], scan_input_directions=[backward], scan_output_directions=[backward])  # fmt: skip
    proto = graph([scan], {"x": dims, "h": ["N", 4]}, ["last", "y"], {"W": numbers(4, 4)})
    shapes = [(6, 2, 3), (3, 5, 3)] if axis == 0 else [(2, 6, 3), (5, 3, 3)]
    feeds = [{"x": numbers(*s), "h": numbers(2 if s[axis] == 6 else 5, 4)} for s in shapes]
    model = check(proto, *feeds)
    assert model.config.batch_major == (axis == 1)


def test_the_output_of_a_reversed_scan_in_its_own_order():
    scan = node("Scan", "h x", "last y", body=leaky(), num_scan_inputs=1, scan_input_directions=[1])
    nodes = [scan, node("Mul", "y y", "z")]
    proto = graph(nodes, {"x": ["T", "N", 3], "h": ["N", 4]}, ["last", "y", "z"], {"W": numbers(4, 4)})
    check(proto, {"x": numbers(6, 2, 3), "h": numbers(2, 4)})


def test_a_scan_trains_the_weights_of_its_cell():
    scan = node("Scan", "h x", "last y", body=leaky(), num_scan_inputs=1)
    proto = graph([scan], {"x": ["T", "N", 3], "h": ["N", 4]}, ["y"], {"W": numbers(4, 4)})
    model = imported(proto)
    inputs = {"x": numbers(5, 12, 3), "h": numbers(12, 4)}
    history = model.fit(inputs, numbers(5, 12, 4), loss="MeanSquaredError", optimizer="adam", epochs=4, verbose=0)
    losses = history.to_dict()["loss"]
    assert losses[-1] < losses[0]
    paths = list(model.runner.parameters)
    assert sum(path.startswith("scan/") and "weights" in path for path in paths) >= 2


def test_two_sequences_two_states_and_a_value_of_the_graph_around():
    nodes = [
        node("Add", "x s", "a"), node("Mul", "a context", "b"), node("Sub", "b t", "s2"), node("Add", "t y", "t2"),
        node("Mul", "s2 t2", "out"),
    ]  # fmt: skip
    inner = body(nodes, {"s": ["N", 3], "t": ["N", 3], "x": ["N", 3], "y": ["N", 3]}, ["s2", "t2", "out"])
    outer = [
        node("Relu", "c", "context"),
        node("Scan", "p q x y", "P Q O", body=inner, num_scan_inputs=2),
    ]
    inputs = {"x": ["T", "N", 3], "y": ["T", "N", 3], "p": ["N", 3], "q": ["N", 3], "c": ["N", 3]}
    feed = {
        name: numbers(*[5 if d == "T" else 2 if d == "N" else d for d in dims], seed=ord(name))
        for name, dims in inputs.items()
    }
    check(graph(outer, inputs, ["P", "Q", "O"]), feed, tolerance=1e-4)


def test_states_that_begin_with_constants_for_each_row():
    nodes = [
        node("Shape", "x", "n", start=1, end=2), node("Concat", "n four", "size", axis=0), node("Expand", "row size", "h"),
        node("Scan", "h x", "last y", body=leaky(), num_scan_inputs=1),
    ]  # fmt: skip
    arrays = {"W": numbers(4, 4), "four": np.array([4]), "row": numbers(1, 4)}
    check(graph(nodes, {"x": ["T", "N", 3]}, ["last", "y"], arrays), {"x": numbers(6, 2, 3)}, {"x": numbers(2, 3, 3)})


def test_an_if_whose_condition_is_known_and_functions_are_taken_apart():
    function = helper.make_function(
        "own", "twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 17)]
    )
    branches = {
        f"{name}_branch": body([node(op, "x", "r")], {}, ["r"]) for name, op in (("then", "Tanh"), ("else", "Relu"))
    }
    nodes = [node("If", "no", "y", **branches), node("twice", "y", "z", "own")]
    proto = graph(nodes, {"x": ["N", 3]}, ["z"], {"no": np.array(False)}, functions=[function])
    check(proto, {"x": numbers(4, 3)})


def test_functions_that_call_each_other_are_refused():
    functions = [
        helper.make_function("own", a, ["x"], ["y"], [node(b, "x", "y", "own")],
                             [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)])
        for a, b in (("f", "g"), ("g", "f"))
    ]  # fmt: skip
    with pytest.raises(FileError, match="functions call each other"):
        imported(graph([node("f", "x", "y", "own")], {"x": ["N", 3]}, ["y"], functions=functions))


# ---------------------------------------------------------------------- the recurrent operators
VARIANTS = {
    "lstm with peepholes": ("LSTM", {}, "P"),
    "lstm with coupled gates": ("LSTM", {"input_forget": 1}, ""),
    "lstm with clipping": ("LSTM", {"clip": 0.5}, ""),
    "lstm with other activations": (
        "LSTM", {"activations": ["HardSigmoid", "ScaledTanh", "Softsign"], "activation_alpha": [0.3, 1.5],
                 "activation_beta": [0.4, 0.7]}, "",
    ),
    "bidirectional lstm": ("LSTM", {"direction": "bidirectional"}, "hc"),
    "batch first gru": ("GRU", {"layout": 1, "direction": "bidirectional"}, ""),
    "gru with lengths": ("GRU", {"direction": "reverse", "linear_before_reset": 1}, "n"),
    "lstm with lengths": ("LSTM", {}, "n"),
    "gru with activations": ("GRU", {"activations": ["HardSigmoid", "Elu"], "activation_alpha": [0.1, 0.8], "activation_beta": [0.4]}, ""),
    "rnn backwards": ("RNN", {"direction": "reverse", "activations": ["ThresholdedRelu"], "activation_alpha": [0.2]}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", list(VARIANTS))
def test_recurrent_operators_with_every_attribute(case):
    op, attributes, extra = VARIANTS[case]
    gates, count = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 2 if attributes.get("direction") == "bidirectional" else 1
    arrays = {"W": numbers(count, gates * 4, 3), "R": numbers(count, gates * 4, 4), "B": numbers(count, 2 * gates * 4)}
    names = ["x", "W", "R", "B", "n" if "n" in extra else "_", "h" if "h" in extra else "_"]
    if op == "LSTM":
        names += ["c" if "c" in extra else "_", "P" if "P" in extra else "_"]
    if "P" in extra:
        arrays["P"] = numbers(count, 12)
    first = attributes.get("layout", 0)
    inputs = {"x": ["N", "T", 3] if first else ["T", "N", 3]}
    steps = 1 if "clipping" in case else 6  # onnxruntime does not clip the input of the last activation
    feed = {"x": numbers(2, steps, 3) if first else numbers(steps, 2, 3)}
    for name in ("h", "c"):
        if name in extra:
            inputs[name], feed[name] = [count, "N", 4], numbers(count, 2, 4, seed=ord(name))
    if "n" in extra:
        inputs["n"], feed["n"] = (6, ["N"]), np.array([3, 6], np.int32)
    outputs = "Y Yh Yc" if op == "LSTM" else "Y Yh"
    recurrent = node(op, " ".join(names), outputs, hidden_size=4, **attributes)
    check(graph([recurrent], inputs, outputs.split(), arrays, opset=14), feed)


# ---------------------------------------------------------------------- graphnet's own files
FLOAT = {"dtype": "float32"}
SEQUENCE = "time, batch, feature=3"


def tokens():
    """A graph that reads integers."""
    builder = Builder("tokens")
    ids = builder.input("ids", "time, batch", integer=True)
    return builder.build(y=FullyConnected(5, 2, **FLOAT)(LSTM(4, 5, None, **FLOAT)(Embedding(7, 4, **FLOAT)(ids))))


OWN = {
    "dense": lambda: Sequential(FullyConnected(3, 8, **FLOAT), ReLU(), FullyConnected(8, 4, **FLOAT), SoftMax(),
                                shape="batch, feature=3"),
    "images": lambda: Sequential(Conv((2, 1), (3, 3, 3), 4, **FLOAT), BatchNormalization(4, **FLOAT), ReLU(),
                                 Pooling((2, 2), (2, 2)), shape="batch, channel=3, y=8, x=7"),
    "lstm": lambda: Sequential(LSTM(3, 5, 2, **FLOAT), shape=SEQUENCE),
    "gru": lambda: Sequential(GRU(3, 5, None, **FLOAT), MeanOverTime(), shape=SEQUENCE),
    "directions": lambda: Sequential(Bidirectional(lstm_cell(5, "float32"), gru_cell(4, "float32")), Last(), shape=SEQUENCE),
    "reversed": lambda: Sequential(Recurrent(lstm_cell(5, "float32"), reverse=True, returns="last"), shape=SEQUENCE),
    "stack": lambda: Sequential(Stack([lstm_cell(5, "float32"), gru_cell(5, "float32", reset_after=True)]), shape=SEQUENCE),
    "initial": lambda: Sequential(Recurrent(peephole_lstm_cell(5, "float32"), learn_initial=True), shape=SEQUENCE),
    "tokens": tokens,
    "normalized": lambda: Sequential(BatchNormalization(3, **FLOAT), GRU(3, 5, None, **FLOAT), shape=SEQUENCE),
    "images of steps": lambda: Sequential(
        Conv((1, 1), (2, 3, 3), 4, **FLOAT), Pooling((2, 2), (2, 2)), AveragePooling((2, 1), (1, 1)), Flatten(),
        LSTM(None, 3, None, **FLOAT), shape="time, batch, channel=2, y=6, x=4",
    ),
    "activations": lambda: Sequential(SiLU(), LogSigmoid(), Expm1(), shape=SEQUENCE),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "layers"), [("lstm", ["LSTM", "FullyConnected"]), ("reversed", ["LSTM", "First"]), ("tokens", None)]
)
def test_a_model_that_was_written_with_recurrent_operators_has_layers_of_that_name(tmp_path, case, layers):
    model = Model(OWN[case]())
    export(model, tmp_path / "m.onnx", recurrent="operator")
    again = load(tmp_path / "m.onnx")
    x = numbers(4, 3, 3) if layers else np.array([[0, 3], [6, 1], [2, 2]])
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    kinds = [type(each.layer).__name__ for each in again.graph.nodes.values()]
    assert kinds == layers or (layers is None and {"Embedding", "LSTM"} <= set(kinds))


@pytest.mark.parametrize("case", list(OWN))
def test_a_model_of_graphnet_comes_back_from_its_file(tmp_path, case):
    model = Model(OWN[case]())
    rng = np.random.default_rng(3)
    (name, spec), *_ = model.graph.inputs.items()

    def draw(rows, steps):
        sizes = [
            {"time": steps, "batch": rows}.get(a, n) for a, n in zip(spec.shape.names, spec.shape.sizes, strict=True)
        ]
        return rng.integers(0, 7, sizes) if spec.integer else rng.normal(size=sizes).astype(np.float32)

    if case in ("images", "normalized"):
        model.runner.forward({name: draw(6, 2)}, phase=Phase.train)
    export(model, tmp_path / "m.onnx")
    again = load(tmp_path / "m.onnx")
    assert list(again.graph.inputs) == [name] and list(again.graph.outputs) == list(model.graph.outputs)
    for rows, steps in ((2, 5), (3, 1)):
        x = draw(rows, steps)
        np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    again.save(tmp_path / "saved")
    np.testing.assert_allclose(graphnet.load(tmp_path / "saved").predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    assert sum(p.value.size for p in again.runner.parameters.values()) == sum(
        p.value.size for p in model.runner.parameters.values()
    )


def test_integers_for_a_scan_are_embedded_first():
    inner = body(
        [node("Add", "x s", "next"), node("Identity", "next", "out")], {"s": ["N", 4], "x": ["N", 4]}, ["next", "out"]
    )
    nodes = [
        node("Gather", "table ids", "e"),
        node("Transpose", "e", "t", perm=[1, 0, 2]),
        node("Scan", "h t", "last y", body=inner, num_scan_inputs=1),
    ]
    proto = graph(nodes, {"ids": (INT64, ["N", "T"]), "h": ["N", 4]}, ["last", "y"], {"table": numbers(7, 4)})
    check(proto, {"ids": np.array([[1, 2, 3], [6, 0, 1]]), "h": numbers(2, 4)})
