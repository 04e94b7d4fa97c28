"""The operator table by hand-written cases, and its checks of inputs; ONNX's own cases are in test_backend_cases."""

import numpy as np
import onnx
import pytest

from graphnet import DtypeError, GraphError, GraphnetError, ShapeError, UnknownNameError
from graphnet_onnx.operators import OPERATORS, Context, run, supported


def evaluate(op, arrays, opset=22, outputs=("y",), **attributes):
    """The outputs of one operator."""
    node = onnx.helper.make_node(op, [f"x{i}" for i in range(len(arrays))], list(outputs), **attributes)
    return run(Context.of_node(node, opset), arrays)


def test_an_operator_is_called_with_a_context():
    (y,) = evaluate("ReduceSum", [np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([1])], keepdims=0)
    assert y.tolist() == [3.0, 8.0]


def test_axes_are_an_attribute_in_older_opsets():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert evaluate("ReduceSum", [x], 11, axes=[0])[0].tolist() == [[4.0, 7.0]]
    with pytest.raises(GraphError, match="wrong number of inputs"):
        evaluate("ReduceSum", [x, np.array([0])], 11)


def test_softmax_flattens_before_opset_13():
    x = np.log(np.array([[[1.0, 3.0], [2.0, 2.0]]]))
    np.testing.assert_allclose(evaluate("Softmax", [x], 11, axis=1)[0], [[[1 / 8, 3 / 8], [2 / 8, 2 / 8]]])
    np.testing.assert_allclose(evaluate("Softmax", [x], 13, axis=1)[0], [[[1 / 3, 3 / 5], [2 / 3, 2 / 5]]])


def test_results_have_the_type_of_the_signature():
    assert evaluate("Erf", [np.array([0.5], np.float32)])[0].dtype == np.float32
    assert evaluate("ArgMax", [np.array([[1.0, 3.0]])])[0].dtype == np.int64
    assert evaluate("Greater", [np.array([1.0]), np.array([0.0])])[0].dtype == bool


@pytest.mark.parametrize(
    ("op", "arrays", "attributes", "error", "message"),
    [
        ("Add", [np.zeros(2), np.zeros(2, np.float32)], {}, DtypeError, "another type"),
        ("Tanh", [np.zeros(2, np.int64)], {}, DtypeError, "wrong type"),
        ("Add", [np.zeros(2)], {}, GraphError, "wrong number of inputs"),
        ("Add", [np.zeros(2), np.zeros(3)], {}, ShapeError, "Add cannot be computed"),
        ("Concat", [np.zeros((2, 1))], {}, GraphError, "'axis' is missing"),
        ("Gather", [np.zeros(3), np.array([3])], {}, GraphnetError, "out of range"),
        ("Reshape", [np.zeros(6), np.array([4, -1])], {}, ShapeError, "Reshape cannot be computed"),
        ("Conv", [np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 3))], {}, ShapeError, "larger than the padded input"),
        ("Nothing", [np.zeros(3)], {}, UnknownNameError, "unknown operator ai.onnx Nothing"),
        ("ConstantOfShape", [np.array([2**20, 2**20])], {}, GraphnetError, "invalid shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_uses_are_errors_of_graphnet(op, arrays, attributes, error, message):
    with pytest.raises(error, match=message):
        evaluate(op, arrays, **attributes)


def test_the_table_says_which_layers_compute():
    assert OPERATORS["", "Conv"].layer.startswith("Conv")
    assert OPERATORS["", "Where"].layer == ""
    assert supported("LSTM") and supported("LSTM", "ai.onnx") and not supported("LSTM", "com.example")


def test_tensors_of_other_files_are_refused():
    tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
    del tensor.float_data[:]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    node = onnx.helper.make_node("Constant", [], ["y"], value=tensor)
    with pytest.raises(GraphnetError, match="another file"):
        Context.of_node(node, 22)
