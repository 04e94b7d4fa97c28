"""Files that cannot be read: each error says what is wrong, where, what was expected, and what to do."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import FLOAT, check, graph, imported, node, numbers

from graphnet import FileError, GraphnetError, UnknownNameError
from graphnet_onnx import load
from graphnet_onnx.reading.loading import load_bytes


def dense(**changes):
    """A model with one dense layer, of which parts may be replaced."""
    proto = graph([node("Gemm", "x W", "y", name="scores")], {"x": ["N", 3]}, ["y"], {"W": numbers(3, 2)})
    for path, value in changes.items():
        target = proto.graph.initializer[0] if path in ("dims", "data_type", "raw_data") else proto.graph
        if path == "dims":
            del target.dims[:]
            target.dims.extend(value)
        else:
            setattr(target, path, value)
    return proto


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dims": [3, 2**40]}, "dims and data of a tensor do not fit.*24 bytes"),
        ({"dims": [-3, 2]}, "not the shape of a tensor"),
        ({"dims": [1] * 70}, "not the shape of a tensor"),
        ({"raw_data": b"123"}, "received 3 bytes"),
        ({"data_type": TensorProto.UNDEFINED}, "type that is not supported.*undefined"),
        ({"data_type": TensorProto.COMPLEX64}, "type that is not supported.*complex64"),
        ({"data_type": TensorProto.STRING}, "6 texts"),
        ({"data_type": 777}, "type 777"),
    ],
    ids=["huge", "negative", "many axes", "short", "undefined", "complex", "texts", "unknown"],
)
def test_tensors_whose_parts_do_not_fit(changes, words):
    with pytest.raises(FileError, match=words):
        imported(dense(**changes))


GRAPHS = {
    "cycle": ([node("Add", "x b", "a"), node("Relu", "a", "b")], {}, "in a circle.*b -> a|in a circle.*a -> b"),
    "names": ([node("Relu", "x", "y"), node("Tanh", "x", "y")], {}, "two values have one name.*'y'"),
    "nothing": ([node("Add", "x q", "y")], {}, "no value is called 'q'"),
    "operator": ([node("Frobnicate", "x", "y")], {}, "unknown operator ai.onnx::Frobnicate in opset 17"),
    "newer": ([node("Swish", "x", "y")], {}, "an opset from"),
    "domain": ([node("Relu", "x", "y", "com.example")], {}, "no version of domain 'com.example'"),
    "attribute": ([node("Relu", "x", "y", slope=2)], {}, "unknown attribute 'slope'"),
    "type": ([node("Softmax", "x", "y", axis=1.5)], {}, "attribute 'axis' has another type.*int.*float"),
    "missing": ([node("Cast", "x", "y")], {}, "attribute 'to' is missing"),
    "inputs": ([node("Relu", "x x", "y")], {}, "another number of inputs"),
    "batch": ([node("ReduceSum", "x a", "y")], {"a": np.array([0])}, "different rows of the batch"),
    "shape": ([node("Reshape", "x s", "y")], {"s": np.array([-1, 7])}, "does not fit|numbers of elements"),
    "growth": ([node("ConstantOfShape", "s", "b"), node("Add", "x b", "y")], {"s": np.array([2**20, 2**20])}, "too large"),
    "random": ([node("RandomNormal", "", "r", shape=[3]), node("Add", "x r", "y")], {}, "RandomNormal cannot be imported"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(GRAPHS))
def test_graphs_that_cannot_be_imported(case):
    nodes, arrays, words = GRAPHS[case]
    with pytest.raises(GraphnetError, match=words) as caught:
        imported(graph(nodes, {"x": ["N", 3]}, ["y"], arrays))
    assert "ONNX model" in str(caught.value)


def test_an_operator_that_is_missing_is_named_with_its_node_and_what_to_do():
    nodes = [node("Multinomial", "x", "y", name="boxes", sample_size=2)]
    with pytest.raises(FileError) as caught:
        imported(graph(nodes, {"x": ["N", 3]}, ["y"]))
    text = str(caught.value)
    for word in ("Multinomial", "boxes", "opset 17", "ai.onnx", "opset_version"):
        assert word in text, word


@pytest.mark.parametrize(
    "data",
    [b"", b"\x08\x01", b"PK\x03\x04", b"\x0a\xff\xff\xff\x7f" * 9, dense().SerializeToString()[:50]],
    ids=range(5),
)
def test_bytes_that_are_no_model(data):
    with pytest.raises(FileError, match="ONNX model"):
        load_bytes(data)


@pytest.mark.parametrize("opset", [0, 99])
def test_versions_that_onnx_does_not_know(opset):
    with pytest.raises(FileError, match=f"unknown version.*received {opset}"):
        imported(graph([node("Relu", "x", "y")], {"x": ["N", 3]}, ["y"], opset=opset))


def test_sparse_tensors_and_other_inputs_are_refused():
    proto = dense()
    proto.graph.sparse_initializer.add().dims.extend([2, 2])
    with pytest.raises(FileError, match="sparse"):
        imported(proto)
    texts = dense()
    texts.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(FileError, match="not a tensor of numbers.*string"):
        imported(texts)
    shapeless = dense()
    shapeless.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(FileError, match="without a shape"):
        imported(shapeless)
    listed = dense()
    listed.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["N"])))
    with pytest.raises(FileError, match="sequence_type"):
        imported(listed)


def test_the_batch_can_be_named_and_an_axis_that_is_not_there_is_an_error():
    proto = graph([node("Softmax", "x", "y", axis=0)], {"x": ["features", "rows"]}, ["y"])
    check(proto, {"x": numbers(4, 3)}, batch="rows")
    check(proto, {"x": numbers(4, 3)}, batch=1)
    check(proto, {"x": numbers(4, 3)})  # the first free axis is no batch: the rows would be combined
    for wrong in ("columns", 5):
        with pytest.raises(FileError, match=str(wrong)):
            imported(proto, batch=wrong)


# ---------------------------------------------------------------------- data in other files
def with_data(folder, location, **entries):
    """A model whose weights are in another file."""
    proto = dense()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_data_in_the_folder_of_the_model_are_read(tmp_path):
    weights = numbers(3, 2)
    (tmp_path / "weights.bin").write_bytes(b"head" * 4 + weights.tobytes() + b"tail")
    model = load(with_data(tmp_path, "weights.bin", offset=16, length=24))
    x = numbers(4, 3)
    np.testing.assert_allclose(model.predict(x), x @ weights, rtol=1e-5)


def test_data_outside_the_folder_of_the_model_are_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(numbers(3, 2).tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "a/../../secret.bin", ""):
        with pytest.raises(FileError, match="outside the folder of the model"):
            load(with_data(folder, location))


@pytest.mark.parametrize(
    "entries", [{"offset": 8}, {"length": 23}, {"offset": -1}, {"offset": "x"}, {"length": 2**62}], ids=str
)
def test_data_that_do_not_fit_are_refused(tmp_path, entries):
    (tmp_path / "weights.bin").write_bytes(numbers(3, 2).tobytes())
    with pytest.raises(FileError, match="external data do not fit|offset and length"):
        load(with_data(tmp_path, "weights.bin", **entries))


def test_data_that_are_missing(tmp_path):
    with pytest.raises(FileError, match="external data are missing"):
        load(with_data(tmp_path, "weights.bin"))


def test_unknown_operators_are_unknown_names():
    with pytest.raises(UnknownNameError):
        imported(graph([node("Frobnicate", "x", "y")], {"x": ["N", 3]}, ["y"]))
    assert onnx.defs.onnx_opset_version() >= 17
