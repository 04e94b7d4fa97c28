"""The backend interface: programs of graphs, inputs, errors. The oracle is ONNX's reference evaluator."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import graphnet
from graphnet import ConfigError, DtypeError, FileError, GraphError, GraphnetError, ShapeError
from graphnet_onnx import backend
from graphnet_onnx.operators.rows.segment import Segment

RNG = np.random.default_rng(17)
INT, FLOAT, DOUBLE, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL


def value(name, kind, shape):
    """A declaration; a shape that is a number is a rank."""
    shape = [f"{name}_{i}" for i in range(shape)] if isinstance(shape, int) else shape
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(nodes, inputs, outputs, constants=(), opset=22, functions=(), **imports):
    """A model that passes ONNX's checker; inputs and outputs are (name, type, shape)."""
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in dict(constants).items()]
    graph = helper.make_graph(nodes, "g", [value(*i) for i in inputs], [value(*o) for o in outputs], tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, v) for d, v in imports.items())]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=10)
    onnx.checker.check_model(model)
    return model


def agrees(model, inputs, prepared=None, tolerance=1e-12):
    """Whether the backend returns what the reference evaluator does; returns what was prepared."""
    prepared = prepared or backend.prepare(model)
    actual, expected = prepared.run(inputs), ReferenceEvaluator(model).run(None, inputs)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype and a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)
    return prepared


MIXED = [
    helper.make_node("MatMul", ["x", "w"], ["a"]),
    helper.make_node("Add", ["a", "b"], ["s"]),
    helper.make_node("Tanh", ["s"], ["h"]),
    helper.make_node("ArgMax", ["h"], ["k"], axis=1, keepdims=0),
    helper.make_node("Cast", ["k"], ["f"], to=DOUBLE),
    helper.make_node("Unsqueeze", ["f", "one"], ["g"]),
    helper.make_node("Mul", ["h", "g"], ["y"]),
]
WEIGHTS = {"w": RNG.normal(size=(3, 4)), "b": RNG.normal(size=(1, 4)), "one": np.array([1])}


def mixed():
    return model_of(MIXED, [("x", DOUBLE, ["n", 3])], [("y", DOUBLE, 2), ("k", INT, 1)], WEIGHTS)


# ---------------------------------------------------------------------- programs
def test_real_numbers_are_graphs_and_integers_are_between_them():
    model = mixed()
    prepared = agrees(model, {"x": RNG.normal(size=(5, 3))})
    (program,) = prepared.programs
    kinds = [type(part).__name__ if isinstance(part, Segment) else part.node.op_type for part in program.parts]
    assert kinds == ["Segment", "ArgMax", "Cast", "Segment"]
    layers = {type(node.layer).__name__ for node in program.graphs[0].graph.nodes.values()}
    assert {"FullyConnected", "TanH"} <= layers


def test_a_program_serves_other_numbers_and_each_shape_has_its_own():
    model = mixed()
    prepared = backend.prepare(model)
    for rows in (5, 2, 5, 1):
        agrees(model, {"x": RNG.normal(size=(rows, 3))}, prepared)
    assert len(prepared.programs) == 3


def test_values_that_only_depend_on_shapes_are_constants_of_a_program():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "last"], ["n"]),
        helper.make_node("Cast", ["n"], ["f"], to=DOUBLE),
        helper.make_node("Div", ["x", "f"], ["y"]),
    ]
    model = model_of(nodes, [("x", DOUBLE, ["a", "b"])], [("y", DOUBLE, 2)], {"last": np.array(1)})
    prepared = backend.prepare(model)
    for shape in ((2, 3), (2, 5)):
        agrees(model, {"x": RNG.normal(size=shape)}, prepared)
    assert all(len(program.parts) == 1 for program in prepared.programs)


@pytest.mark.parametrize("numbers", [(0.0, 1.0, 0.0, 2.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)])
def test_shapes_that_depend_on_numbers(numbers):
    """A first run with one number of nonzeros, then another one with the same program."""
    nodes = [
        helper.make_node("NonZero", ["x"], ["p"]),
        helper.make_node("Transpose", ["p"], ["t"]),
        helper.make_node("GatherND", ["x", "t"], ["v"]),
        helper.make_node("Exp", ["v"], ["y"]),
    ]
    model = model_of(nodes, [("x", DOUBLE, [4])], [("y", DOUBLE, 1)])
    prepared = agrees(model, {"x": np.array([1.0, 0.0, 3.0, 4.0])})
    agrees(model, {"x": np.array(numbers)}, prepared)


def test_a_function_whose_output_changes_its_shape():
    """The node looks like one of real numbers, and only its run shows that its shape depends on them."""
    inner = [helper.make_node("Greater", ["x", "zero"], ["c"]), helper.make_node("Compress", ["x", "c"], ["y"])]
    zero = helper.make_node("Constant", [], ["zero"], value_float=0.0)
    function = helper.make_function("here", "Positive", ["x"], ["y"], [zero, *inner], [helper.make_opsetid("", 22)])
    nodes = [helper.make_node("Positive", ["x"], ["p"], domain="here"), helper.make_node("Sqrt", ["p"], ["y"])]
    model = model_of(nodes, [("x", FLOAT, [4])], [("y", FLOAT, 1)], functions=[function], here=1)
    prepared = agrees(model, {"x": np.array([1, -1, 3, 4], np.float32)}, tolerance=1e-6)
    agrees(model, {"x": np.array([1, -1, -3, -4], np.float32)}, prepared, 1e-6)
    agrees(model, {"x": np.array([1, -1, 5, 9], np.float32)}, prepared, 1e-6)


def test_random_numbers_are_drawn_in_each_run_and_follow_the_seed():
    nodes = [
        helper.make_node("RandomUniform", [], ["r"], shape=[3], dtype=DOUBLE),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    model = model_of(nodes, [("x", DOUBLE, [3])], [("y", DOUBLE, [3])])
    prepared, x = backend.prepare(model), np.zeros(3)
    with graphnet.using(np.random.default_rng(3)):
        first, second = prepared.run([x])[0], prepared.run([x])[0]
    with graphnet.using(np.random.default_rng(3)):
        again = backend.prepare(model).run([x])[0]
    assert not np.array_equal(first, second)
    assert ((first >= 0) & (first < 1)).all() and again.shape == (3,)


# ---------------------------------------------------------------------- Scan
def scan_model(captured):
    """Running sums times a captured array, and the last state."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "factor"], ["m"]),
            helper.make_node("Tanh", ["m"], ["t"]),
            helper.make_node("Add", ["s", "t"], ["s_next"]),
            helper.make_node("Sub", ["s_next", "x"], ["out"]),
        ],
        "body",
        [value("s", DOUBLE, [2, 3]), value("x", DOUBLE, [2, 3])],
        [value("s_next", DOUBLE, [2, 3]), value("out", DOUBLE, [2, 3])],
    )
    nodes = [
        helper.make_node("Exp", ["k"], ["factor"]),
        helper.make_node("Scan", ["s0", "xs"], ["last", "ys"], body=body, num_scan_inputs=1,
                         scan_input_axes=[1], scan_output_directions=[1]),
    ]  # fmt: skip
    inputs = [("s0", DOUBLE, [2, 3]), ("xs", DOUBLE, [2, "t", 3]), ("k", DOUBLE, captured)]
    return model_of(nodes, inputs, [("last", DOUBLE, 2), ("ys", DOUBLE, 3)])


def by_hand(s0, xs, k):
    """The same model as a loop."""
    state, outputs = s0, []
    for t in range(xs.shape[1]):
        state = state + np.tanh(xs[:, t] * np.exp(k))
        outputs.insert(0, state - xs[:, t])
    return state, np.array(outputs)


@pytest.mark.parametrize("captured", [[2, 3], [3], []], ids=str)
def test_scan_is_a_scan_of_graphnet_with_contexts(captured, monkeypatch):
    made = []
    from graphnet_onnx.operators.rows import scan_program

    original = scan_program.ScanProgram.run
    monkeypatch.setattr(scan_program.ScanProgram, "run", lambda self, *a: made.append(self) or original(self, *a))
    prepared = backend.prepare(scan_model(captured))
    for steps in (4, 1, 4):  # the captured array differs in each run
        inputs = {"s0": RNG.normal(size=(2, 3)), "xs": RNG.normal(size=(2, steps, 3)), "k": RNG.normal(size=captured)}
        for a, e in zip(prepared.run(inputs), by_hand(**inputs), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-12)
    assert made


def test_scan_without_steps_and_with_integers():
    prepared = backend.prepare(scan_model([3]))
    state = RNG.normal(size=(2, 3))
    last, ys = prepared.run({"s0": state, "xs": np.zeros((2, 0, 3)), "k": np.zeros(3)})
    assert np.array_equal(last, state) and ys.shape == (0, 2, 3)
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])],
        "body", [value("s", INT, []), value("x", INT, [])], [value("t", INT, []), value("y", INT, [])],
    )  # fmt: skip
    node = helper.make_node("Scan", ["s0", "xs"], ["last", "ys"], body=body, num_scan_inputs=1)
    model = model_of([node], [("s0", INT, []), ("xs", INT, ["t"])], [("last", INT, []), ("ys", INT, ["t"])])
    last, ys = backend.prepare(model).run([np.array(2**60), np.array([1, 2, 3])])
    assert int(last) == 2**60 + 6 and ys.tolist() == [2**60 + 1, 2**60 + 3, 2**60 + 6]


# ---------------------------------------------------------------------- recurrent operators beyond ONNX's tests
@pytest.mark.parametrize(
    ("op", "gates", "attributes"),
    [
        ("RNN", 1, {"activations": ["Softsign", "ScaledTanh"], "activation_alpha": [1.5], "activation_beta": [0.7]}),
        ("RNN", 1, {"activations": ["Affine", "Relu"], "activation_alpha": [0.4], "activation_beta": [0.1]}),
        ("GRU", 3, {"activations": ["HardSigmoid", "Softsign"] * 2, "linear_before_reset": 1, "clip": 0.6}),
        ("LSTM", 4, {"activations": ["HardSigmoid", "Elu", "Softplus"] * 2, "activation_alpha": [0.3, 0.8, 0.2, 0.5],
                     "activation_beta": [0.4, 0.6]}),
        ("LSTM", 4, {"activations": ["Sigmoid", "LeakyRelu", "ThresholdedRelu"] * 2, "clip": 1.1,
                     "activation_alpha": [0.3, 0.2, 0.1, 0.05]}),
    ],
    ids=lambda v: str(v)[:24],
)  # fmt: skip
def test_activations_and_clipping_against_onnxruntime(op, gates, attributes):
    runtime = pytest.importorskip("onnxruntime")
    steps, rows, features, units = 5, 3, 2, 4
    sizes = {"x": (steps, rows, features), "w": (2, gates * units, features), "r": (2, gates * units, units)}
    rng = np.random.default_rng(6)
    arrays = {name: 1.5 * rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    outputs = ["y", "h", "c"] if op == "LSTM" else ["y", "h"]
    node = helper.make_node(op, list(arrays), outputs, hidden_size=units, direction="bidirectional", **attributes)
    inputs = [(name, FLOAT, list(a.shape)) for name, a in arrays.items()]
    model = model_of([node], inputs, [(name, FLOAT, 4 if name == "y" else 3) for name in outputs], opset=14)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for a, e in zip(backend.run_model(model, arrays), session.run(None, arrays), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------------- the interface
def test_outputs_have_positions_and_names_and_inputs_are_not_changed():
    x = RNG.normal(size=(2, 3))
    before = x.copy()
    outputs = backend.run_model(mixed(), [x])
    assert np.array_equal(outputs["y"], outputs[0]) and np.array_equal(outputs["k"], outputs[1])
    outputs[0][:] = 0
    assert np.array_equal(x, before)


def test_an_initializer_is_a_default_that_an_input_replaces():
    node = helper.make_node("Add", ["x", "b"], ["y"])
    inputs = [("x", DOUBLE, [2]), ("b", DOUBLE, [2])]
    model = model_of([node], inputs, [("y", DOUBLE, [2])], {"b": np.array([1.0, 2.0])})
    prepared = backend.prepare(model)
    assert prepared.run([np.zeros(2)])[0].tolist() == [1.0, 2.0]
    assert prepared.run([np.zeros(2), np.ones(2)])[0].tolist() == [1.0, 1.0]
    assert prepared.run({"x": np.zeros(2)})[0].tolist() == [1.0, 2.0]


def test_run_node():
    node = helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    a, b = backend.run_node(node, [np.arange(6.0).reshape(2, 3)])
    assert a.tolist() == [[0, 1], [3, 4]] and b.tolist() == [[2], [5]]
    old = helper.make_node("Squeeze", ["x"], ["y"], axes=[0])
    assert backend.run_node(old, [np.zeros((1, 2))], opset_version=11)[0].shape == (2,)
    pick = helper.make_node("Normalizer", ["x"], ["y"], norm="L1", domain="ai.onnx.ml")
    np.testing.assert_allclose(backend.run_node(pick, [np.array([[1.0, 3.0]], np.float32)])[0], [[0.25, 0.75]])


def test_devices():
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA:1")
    with pytest.raises(ConfigError, match="unknown device"):
        backend.prepare(mixed(), "CUDA")


def test_is_compatible():
    assert backend.is_compatible(mixed())
    graph = helper.make_graph([helper.make_node("Oops", ["x"], ["y"], domain="there", name="n7")], "g",
                              [value("x", FLOAT, [1])], [value("y", FLOAT, [1])])  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22), helper.make_opsetid("there", 1)])
    assert not backend.is_compatible(model)
    with pytest.raises(backend.UnsupportedModelError, match=r"node 'n7' \(Oops\): unknown operator there Oops"):
        backend.prepare(model)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], ConfigError, "input 'x' is missing"),
        ([np.zeros((1, 3)), np.zeros(1)], ConfigError, "too many inputs"),
        ({"z": np.zeros((1, 3))}, ConfigError, "unknown input"),
        ([np.zeros((1, 4))], ShapeError, "wrong shape"),
        ([np.zeros((1, 3), np.float32)], DtypeError, r"expected tensor\(double\)"),
    ],
)
def test_wrong_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        backend.prepare(mixed()).run(inputs)


def test_invalid_models_are_errors_of_graphnet():
    with pytest.raises(FileError, match="the model is not valid"):
        backend.prepare(onnx.ModelProto())
    with pytest.raises(ConfigError, match="not a model"):
        backend.prepare("model.onnx")
    cyclic = helper.make_graph([helper.make_node("Neg", ["y"], ["y"])], "g", [], [value("y", FLOAT, [1])])
    with pytest.raises(GraphnetError):
        backend.prepare(helper.make_model(cyclic, opset_imports=[helper.make_opsetid("", 22)]))


def test_a_function_that_calls_itself_is_refused():
    call = helper.make_node("Again", ["x"], ["y"], domain="here")
    function = helper.make_function("here", "Again", ["x"], ["y"], [call], [helper.make_opsetid("here", 1)])
    graph = helper.make_graph([call], "g", [value("x", FLOAT, [1])], [value("y", FLOAT, [1])])
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("here", 1)]
    with pytest.raises((GraphError, FileError)):
        backend.GraphnetRep(helper.make_model(graph, functions=[function], opset_imports=opsets))


def test_errors_at_run_time_name_the_node():
    node = helper.make_node("Gather", ["x", "i"], ["y"], name="pick")
    model = model_of([node], [("x", DOUBLE, [3]), ("i", INT, [1])], [("y", DOUBLE, 1)])
    prepared = backend.prepare(model)
    prepared.run([np.zeros(3), np.array([2])])
    for _ in range(2):
        with pytest.raises(graphnet.DataError, match=r"node 'pick' \(Gather\): an index is out of range"):
            prepared.run([np.zeros(3), np.array([3])])


def damaged(model, rng):
    """The model with one to three bytes replaced; None if protobuf cannot read it."""
    data = bytearray(model.SerializeToString())
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
        data[place] = rng.integers(256)
    try:
        return onnx.ModelProto.FromString(bytes(data))
    except Exception:
        return None


@pytest.mark.parametrize("checked", [True, False])
def test_damaged_models_are_errors_of_graphnet_or_run(checked):
    """Also those that ONNX's checker would refuse."""
    rng = np.random.default_rng(40)
    originals = [(mixed(), [np.ones((2, 3))]), (scan_model([3]), [np.ones((2, 3)), np.ones((2, 4, 3)), np.ones(3)])]
    refused = 0
    for number in range(300):
        original, inputs = originals[number % 2]
        model = damaged(original, rng)
        if model is None:
            continue
        try:
            (backend.prepare if checked else backend.GraphnetRep)(model).run(inputs)
        except GraphnetError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("recurrent", ["scan", "operator"])
def test_exported_models_with_lengths(recurrent):
    """A file that graphnet wrote: local functions, a Scan or LSTM, inputs with defaults."""
    from graphnet_onnx import to_onnx
    from graphnet_recurrent import LSTM

    layers = LSTM(3, 8, 4, dtype="float32"), graphnet.FullyConnected(4, 2, dtype="float32")
    model = graphnet.Model(graphnet.Sequential(*layers, shape="time, batch, feature=3"))
    prepared = backend.prepare(to_onnx(model, recurrent=recurrent))
    x = np.random.default_rng(8).normal(size=(5, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(prepared.run({"x": x})["output"], model.predict(x), rtol=1e-5, atol=1e-6)
    ragged = prepared.run({"x": x, "lengths": np.array([5, 2, 3])})["output"]
    np.testing.assert_allclose(ragged, model.predict(x, lengths=[5, 2, 3]), rtol=1e-5, atol=1e-6)
    assert all(isinstance(part, Segment) for program in prepared.programs[:1] for part in program.parts)
