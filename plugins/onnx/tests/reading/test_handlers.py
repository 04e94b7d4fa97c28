"""Operators one by one, against ONNX's evaluator: random values, several opsets, and the batch on any axis."""

import numpy as np
import pytest
from onnx_graphs import BOOL, INT64, check, graph, node, numbers

ELEMENTWISE = [
    ("Relu", {}), ("Sigmoid", {}), ("Tanh", {}), ("Elu", {"alpha": 0.7}), ("LeakyRelu", {"alpha": 0.3}),
    ("Softplus", {}), ("Exp", {}), ("Abs", {}), ("Neg", {}), ("Sin", {}), ("Cos", {}), ("Erf", {}),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}), ("Selu", {}), ("Celu", {"alpha": 0.5}), ("HardSwish", {}),
    ("Softsign", {}), ("Identity", {}), ("Floor", {}), ("Sign", {}), ("Round", {}), ("ThresholdedRelu", {"alpha": 0.5}),
    ("Softmax", {"axis": 1}), ("Softmax", {"axis": -1}), ("LogSoftmax", {"axis": 2}), ("Reciprocal", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "attributes"), ELEMENTWISE, ids=[f"{op}{len(a)}{i}" for i, (op, a) in enumerate(ELEMENTWISE)]
)
def test_one_input(op, attributes):
    proto = graph([node(op, "x", "y", **attributes)], {"x": ["N", 4, 5]}, ["y"])
    check(proto, {"x": numbers(3, 4, 5)}, {"x": numbers(2, 4, 5)})


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Greater", "Sum", "Mean"])
@pytest.mark.parametrize("shape", [(), (5,), (4, 1), (1, 4, 5), (1, 2, 1, 5)], ids=str)
def test_a_value_and_a_constant_broadcast(op, shape):
    if op == "Greater" and shape:
        pytest.skip("one shape is enough for an operator without a layer")
    constant = np.abs(numbers(*shape)) + 0.5
    nodes = [node("Abs", "x", "a"), node(op, "a c", "y"), node(op, "c a", "z")]
    batch = {"x": ["N", 4, 5]} if len(shape) < 4 else {"x": ["N", 2, 4, 5]}
    nodes = nodes if op != "Greater" else [*nodes[:2], node("Not", "y", "z")]
    proto = graph(nodes, batch, ["y", "z"], {"c": constant})
    check(proto, {"x": numbers(3, *batch["x"][1:])}, tolerance=2e-5)


@pytest.mark.parametrize("shapes", [((4, 5), (4, 5)), ((4, 1), (1, 5)), ((5,), (4, 5))], ids=str)
def test_two_values_broadcast(shapes):
    a, b = shapes
    inputs = {"a": ["N", *[1] * (len(b) - len(a)), *a], "b": ["N", *b]}
    nodes = [node("Mul", "a b", "y"), node("Sub", "a b", "z")]
    feed = {name: numbers(3, *dims[1:], seed=ord(name)) for name, dims in inputs.items()}
    check(graph(nodes, inputs, ["y", "z"]), feed)


SHAPES = {
    "transpose": ([node("Transpose", "x", "y", perm=[0, 3, 1, 2])], {}),
    "batch last": ([node("Transpose", "x", "t", perm=[1, 2, 3, 0]), node("Tanh", "t", "y")], {}),
    "crossing reshape": ([node("Reshape", "x s", "y")], {"s": [0, 12, 10]}),
    "reshape after transpose": (
        [node("Transpose", "x", "t", perm=[0, 2, 1, 3]), node("Reshape", "t s", "y")],
        {"s": [0, -1]},
    ),
    "rows joined and split": (
        [node("Reshape", "x s", "a"), node("MatMul", "a w", "b"), node("Reshape", "b r", "y")],
        {"s": [-1, 5], "r": [-1, 6, 4, 3], "w": numbers(5, 3)},
    ),
    "flatten": ([node("Flatten", "x", "y", axis=1)], {}),
    "flatten 2": ([node("Flatten", "x", "y", axis=-3)], {}),
    "squeeze": (
        [node("Unsqueeze", "x a", "u"), node("Exp", "u", "e"), node("Squeeze", "e b", "y")],
        {"a": [1, -1], "b": [1]},
    ),
    "slice": ([node("Slice", "x s e a t", "y")], {"s": [1, 10], "e": [100, -100], "a": [1, 3], "t": [2, -2]}),
    "split": ([node("Split", "x p", "a b c", axis=1), node("Concat", "c a b", "y", axis=-3)], {"p": [1, 2, 3]}),
    "gather one": ([node("Gather", "x i", "y", axis=2)], {"i": np.array(-2)}),
    "gather some": ([node("Gather", "x i", "y", axis=1)], {"i": [[3, 0], [5, 1]]}),
    "gather steps": ([node("Gather", "x i", "y", axis=1)], {"i": [5, 3, 1]}),
    "pad": ([node("Pad", "x p v", "y")], {"p": [0, 1, 0, 2, 0, 0, 1, 0], "v": np.float32(2)}),
    "expand": ([node("Unsqueeze", "x a", "u"), node("Expand", "u s", "y")], {"a": [2], "s": [1, 1, 3, 1, 1]}),
    "tile": ([node("Tile", "x r", "y")], {"r": [1, 2, 1, 1]}),
    "reduce": ([node("ReduceSum", "x a", "y", keepdims=0)], {"a": [1, 3]}),
    "reduce kept": ([node("ReduceMax", "x", "y", axes=[2])], {}),
    "mean of neighbours": ([node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)], {}),
    "norms": ([node("ReduceL2", "x", "y", axes=[1]), node("ReduceLogSumExp", "x", "z", axes=[-1], keepdims=0)], {}),
    "argmax": ([node("ArgMax", "x", "y", axis=1, keepdims=0)], {}),
    "where": ([node("Greater", "x c", "g"), node("Where", "g x c", "y")], {"c": np.float32(0.2)}),
    "clip": ([node("Clip", "x lo hi", "y")], {"lo": np.float32(-0.4), "hi": np.float32(0.6)}),
    "prelu": ([node("PRelu", "x s", "y")], {"s": numbers(6, 1, 1)}),
    "depth to space": (
        [node("Slice", "x s e a", "d"), node("DepthToSpace", "d", "y", blocksize=2)],
        {"s": [0], "e": [4], "a": [1]},
    ),
    "layer normalization": ([node("LayerNormalization", "x g b", "y", axis=2)], {"g": numbers(4, 5), "b": numbers(5)}),
    "instance normalization": (
        [node("InstanceNormalization", "x g b", "y")],
        {"g": numbers(6), "b": numbers(6, seed=1)},
    ),
    "transposed convolution": ([node("ConvTranspose", "x w", "y", strides=[2, 1])], {"w": numbers(6, 2, 3, 2)}),
    "matrix from the left": ([node("MatMul", "m x", "y")], {"m": numbers(3, 4)}),
    "softmax of old opsets": ([node("Softmax", "x", "y", axis=2)], {}),
}


@pytest.mark.parametrize("case", list(SHAPES), ids=str)
def test_operators_on_axes(case):
    nodes, arrays = SHAPES[case]
    outputs = ["y", *(["z"] if any("z" in n.output for n in nodes) else [])]
    constants = {name: np.asarray(array) for name, array in arrays.items()}
    opset = 11 if "old" in case else 17
    proto = graph(nodes, {"x": ["N", 6, 4, 5]}, outputs, constants, opset=opset)
    check(proto, {"x": numbers(3, 6, 4, 5)}, {"x": numbers(2, 6, 4, 5)}, tolerance=1e-4)


def test_dropout_is_kept_for_training():
    proto = graph([node("Dropout", "x r", "y")], {"x": ["N", 4]}, ["y"], {"r": np.float32(0.25)})
    model = check(proto, {"x": numbers(3, 4)})
    assert repr(next(iter(model.graph.nodes.values())).layer) == "Dropout(drop=0.25)"


def test_the_product_of_two_values():
    inputs = {"a": ["N", 2, 3, 4], "b": ["N", 1, 4, 5]}
    check(graph([node("MatMul", "a b", "y")], inputs, ["y"]), {"a": numbers(2, 2, 3, 4), "b": numbers(2, 1, 4, 5)})


def test_a_value_is_combined_with_itself_along_other_axes():
    nodes = [
        node("Unsqueeze", "x a", "u"), node("Unsqueeze", "x b", "v"), node("Mul", "u v", "outer"),
        node("Transpose", "outer", "t", perm=[0, 2, 1]), node("MatMul", "outer t", "y"),
        node("ReduceSum", "y a", "z", keepdims=0),
    ]  # fmt: skip
    arrays = {"a": np.array([1]), "b": np.array([2]), "m": numbers(4)}
    check(graph(nodes, {"x": ["N", 4]}, ["y", "z"], arrays), {"x": numbers(3, 4)})


def test_integers_and_truth_values_as_inputs():
    nodes = [node("Cast", "n", "f", to=1), node("Where", "t f x", "y")]
    inputs = {"n": (INT64, ["N", 3]), "t": (BOOL, ["N", 3]), "x": ["N", 3]}
    feed = {"n": np.arange(6).reshape(2, 3), "t": np.array([[1, 0, 1], [0, 0, 1]], bool), "x": numbers(2, 3)}
    check(graph(nodes, inputs, ["y"]), feed)


def test_float64_is_exact():
    from onnx_graphs import DOUBLE

    nodes = [node("Gemm", "x w b", "h", transB=1), node("Tanh", "h", "y")]
    arrays = {"w": numbers(4, 3, dtype=np.float64), "b": numbers(4, dtype=np.float64)}
    check(
        graph(nodes, {"x": (DOUBLE, ["N", 3])}, ["y"], arrays), {"x": numbers(5, 3, dtype=np.float64)}, tolerance=1e-12
    )
