"""Models as exporters write them, imported: equal numbers at sizes that the file does not know, training, saving."""

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx_graphs import INT64, check, expected, graph, imported, node, numbers, predicted

import graphnet
from graphnet import FileError, Model
from graphnet.cli.group import main
from graphnet_onnx import load, load_with_report


def mlp():
    """What torch.onnx writes for Linear, ReLU, Linear, Softmax."""
    nodes = [
        node("Gemm", "x 0.weight 0.bias", "a", name="/0/Gemm", transB=1),
        node("Relu", "a", "b", name="/1/Relu"),
        node("MatMul", "b w", "c", name="/2/MatMul"),
        node("Add", "bias c", "d", name="/2/Add"),
        node("Softmax", "d", "16", axis=1),
    ]
    arrays = {"0.weight": numbers(8, 5), "0.bias": numbers(8), "w": numbers(8, 3), "bias": numbers(3)}
    return graph(nodes, {"x": ["batch", 5]}, ["16"], arrays)


def test_a_perceptron_becomes_dense_layers_and_gives_equal_numbers_for_any_batch():
    model = check(mlp(), *({"x": numbers(rows, 5)} for rows in (1, 2, 7)))
    kinds = [type(layer).__name__ for _, layer in model.graph.walk()]
    assert kinds == ["FullyConnected", "ReLU", "FullyConnected", "SoftMax"]
    assert list(model.graph.outputs) == ["output_16"]


def test_an_imported_model_is_trained_saved_and_loaded(tmp_path):
    model = imported(mlp())
    x = numbers(40, 5)
    labels = (x[:, 0] > 0).astype(int)
    before = model.predict(x)
    history = model.fit(x, labels, epochs=15, optimizer="adam", verbose=0)
    assert history.to_dict()["loss"][-1] < history.to_dict()["loss"][0]
    assert not np.allclose(before, model.predict(x))
    model.save(tmp_path / "model")
    np.testing.assert_allclose(graphnet.load(tmp_path / "model").predict(x), model.predict(x), atol=1e-7)


def test_a_file_is_read_and_the_report_names_each_node(tmp_path):
    (tmp_path / "m.onnx").write_bytes(mlp().SerializeToString())
    model, report = load_with_report(tmp_path / "m.onnx")
    assert isinstance(load(str(tmp_path / "m.onnx")), Model) and model.path == tmp_path / "m.onnx"
    assert [entry[0] for entry in report.entries] == [
        "Gemm '/0/Gemm'", "Relu '/1/Relu'", "MatMul '/2/MatMul'", "Softmax '16'",
    ]  # fmt: skip
    assert "batch: axis 0 of x" in str(report)


def test_the_command_prints_what_became_of_each_node_and_writes_a_folder(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(mlp().SerializeToString())
    run = CliRunner().invoke(main, ["import", str(path), "-o", str(tmp_path / "model")])
    assert run.exit_code == 0, run.output
    assert "Gemm '/0/Gemm'" in run.output and f"wrote {tmp_path / 'model'}" in run.output
    x = numbers(4, 5)
    np.testing.assert_allclose(
        graphnet.load(tmp_path / "model").predict(x), expected(mlp(), {"x": x})["16"], rtol=1e-5, atol=1e-6
    )
    again = CliRunner().invoke(main, ["import", str(path), "-o", str(tmp_path / "model")])
    assert again.exit_code != 0 and "--force" in again.output
    assert CliRunner().invoke(main, ["import", str(path), "-o", str(tmp_path / "model"), "--force"]).exit_code == 0


def test_a_missing_file_is_an_error_of_graphnet(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "nothing.onnx")


def test_files_longer_than_the_limit_are_not_read(tmp_path):
    (tmp_path / "m.onnx").write_bytes(mlp().SerializeToString())
    with pytest.raises(FileError, match="100"):
        load(tmp_path / "m.onnx", max_bytes=100)


# ---------------------------------------------------------------------- sequences
def recurrent(op, layout_first=True, direction="forward", **attributes):
    """What torch.onnx writes for a recurrent layer over (batch, time, feature), with zeros as its initial state."""
    gates, count = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 2 if direction == "bidirectional" else 1
    states = "zeros zeros" if op == "LSTM" else "zeros"
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "n", axis=0),
        node("Unsqueeze", "n first", "n1"),
        node("Concat", "count n1 units", "sizes", axis=0),
        node("ConstantOfShape", "sizes", "zeros"),
        node("Transpose", "x", "xt", perm=[1, 0, 2]),
        node(op, f"xt W R B _ {states}", "Y", hidden_size=7, direction=direction, **attributes),
        node("Transpose", "Y", "Yt", perm=[0, 2, 1, 3]),
        node("Reshape", "Yt flat", "joined"),
        node("Transpose", "joined", "back", perm=[1, 0, 2]),
        node("MatMul", "back V", "scores"),
        node("Add", "scores v", "y"),
    ]
    arrays = {
        "zero": np.array(0), "first": np.array([0]), "count": np.array([count]), "units": np.array([7]),
        "flat": np.array([0, 0, -1]), "W": numbers(count, gates * 7, 5), "R": numbers(count, gates * 7, 7),
        "B": numbers(count, 2 * gates * 7), "V": numbers(7 * count, 3), "v": numbers(3),
    }  # fmt: skip
    return graph(nodes, {"x": ["batch", "time", 5]}, ["y"], arrays)


@pytest.mark.parametrize(
    ("op", "direction", "attributes", "layer"),
    [
        ("LSTM", "forward", {}, "LSTM"),
        ("GRU", "bidirectional", {"linear_before_reset": 1}, "Bidirectional"),
        ("GRU", "reverse", {}, "GRU"),
        ("RNN", "forward", {"activations": ["Relu"]}, "Recurrent"),
    ],
    ids=["lstm", "bidirectional gru", "reverse gru", "relu rnn"],
)
def test_recurrent_layers_of_torch_take_batches_and_lengths_that_export_never_saw(op, direction, attributes, layer):
    proto = recurrent(op, direction=direction, **attributes)
    model = check(proto, *({"x": numbers(rows, steps, 5)} for rows, steps in ((2, 6), (5, 3), (1, 11))))
    assert model.config.batch_major
    kinds = [type(node.layer).__name__ for node in model.graph.nodes.values()]
    assert kinds == [layer, "FullyConnected"]


def test_a_file_for_one_example_takes_any_number_of_examples():
    nodes = [
        node("Conv", "x W", "c"), node("Reshape", "c s", "f"), node("MatMul", "f V", "y"),
        node("LSTM", "z A R B", "Y Yh", hidden_size=4), node("Reshape", "Y q", "sequence"),
    ]  # fmt: skip
    arrays = {
        "W": numbers(2, 3, 3, 3), "s": np.array([1, 32]), "V": numbers(32, 2), "A": numbers(1, 16, 3),
        "R": numbers(1, 16, 4), "B": numbers(1, 32), "q": np.array([5, 1, 4]),
    }  # fmt: skip
    images = graph(nodes[:3], {"x": [1, 3, 6, 6]}, ["y"], {name: arrays[name] for name in "WsV"})
    model = check(images, {"x": numbers(1, 3, 6, 6)})
    x = numbers(4, 3, 6, 6)
    each = np.concatenate([expected(images, {"x": x[i : i + 1]})["y"] for i in range(4)])
    np.testing.assert_allclose(model.predict(x), each, rtol=1e-4, atol=1e-5)
    steps = graph(nodes[3:], {"z": [5, 1, 3]}, ["sequence"], {name: arrays[name] for name in "ARBq"})
    model = check(steps, {"z": numbers(5, 1, 3)})
    z = numbers(5, 3, 3)
    each = np.concatenate([expected(steps, {"z": z[:, i : i + 1]})["sequence"] for i in range(3)], axis=1)
    np.testing.assert_allclose(model.predict(z), each, rtol=1e-4, atol=1e-5)


def test_a_convolution_along_time_before_a_recurrence():
    nodes = [
        node("Transpose", "x", "c", perm=[0, 2, 1]), node("Conv", "c K b", "d", pads=[1, 1]), node("Relu", "d", "r"),
        node("Transpose", "r", "t", perm=[2, 0, 1]), node("LSTM", "t W R B", "Y Yh Yc", hidden_size=4),
        node("Squeeze", "Yh z", "y"),
    ]  # fmt: skip
    arrays = {
        "K": numbers(5, 3, 3), "b": numbers(5), "W": numbers(1, 16, 5), "R": numbers(1, 16, 4), "B": numbers(1, 32),
        "z": np.array([0]),
    }  # fmt: skip
    proto = graph(nodes, {"x": ["N", "T", 3]}, ["y"], arrays)
    check(proto, {"x": numbers(2, 5, 3)}, {"x": numbers(3, 7, 3)})


def test_attention_over_the_steps_of_a_bidirectional_gru():
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("GRU", "t W R B", "Y", hidden_size=4, direction="bidirectional", linear_before_reset=1),
        node("Transpose", "Y", "Z", perm=[2, 0, 1, 3]), node("Reshape", "Z s", "h"), node("MatMul", "h a", "e"),
        node("Softmax", "e", "w", axis=1), node("Mul", "w h", "p"), node("ReduceSum", "p one", "y", keepdims=0),
    ]  # fmt: skip
    arrays = {
        "W": numbers(2, 12, 3), "R": numbers(2, 12, 4), "B": numbers(2, 24), "s": np.array([0, 0, -1]),
        "a": numbers(8, 1), "one": np.array([1]),
    }  # fmt: skip
    proto = graph(nodes, {"x": ["N", "T", 3]}, ["y"], arrays)
    check(proto, {"x": numbers(2, 5, 3)}, {"x": numbers(3, 7, 3)})


def test_sequences_of_different_lengths_are_predicted_as_a_list():
    proto = recurrent("LSTM")
    model = imported(proto)
    rows = [numbers(steps, 5, seed=steps) for steps in (4, 9, 1)]
    for row, result in zip(rows, model.predict(rows), strict=True):
        np.testing.assert_allclose(result, expected(proto, {"x": row[None]})["y"][0], rtol=1e-4, atol=1e-5)


def test_sequences_that_begin_with_time_stay_so():
    nodes = [node("LSTM", "x W R B", "Y Yh Yc", hidden_size=4), node("Squeeze", "Y one", "y")]
    arrays = {"W": numbers(1, 16, 3), "R": numbers(1, 16, 4), "B": numbers(1, 32), "one": np.array([1])}
    proto = graph(nodes, {"x": ["time", "batch", 3]}, ["y", "Yh", "Yc"], arrays)
    model = check(proto, {"x": numbers(6, 2, 3)}, {"x": numbers(3, 5, 3)})
    assert not model.config.batch_major and str(model.graph.inputs["x"].shape) == "(time, batch, feature=3)"


def test_initial_states_are_inputs_in_the_axes_of_the_file():
    nodes = [node("GRU", "x W R B _ h", "Y Yh", hidden_size=4, direction="bidirectional")]
    arrays = {"W": numbers(2, 12, 3), "R": numbers(2, 12, 4), "B": numbers(2, 24)}
    proto = graph(nodes, {"x": ["T", "N", 3], "h": [2, "N", 4]}, ["Y", "Yh"], arrays)
    check(proto, {"x": numbers(6, 2, 3), "h": numbers(2, 2, 4)}, {"x": numbers(3, 5, 3), "h": numbers(2, 5, 4)})


# ---------------------------------------------------------------------- images and tokens
def test_a_convolutional_network_of_torch():
    nodes = [
        node("Conv", "x 0.weight 0.bias", "a", kernel_shape=[3, 3], pads=[1, 0, 2, 1], strides=[2, 1]),
        node("BatchNormalization", "a g b m v", "n", epsilon=1e-5),
        node("Relu", "n", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p 4.weight", "c", kernel_shape=[2, 2], group=2, dilations=[1, 2]),
        node("AveragePool", "c", "q0", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
        node("AveragePool", "q0", "q", kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
        node("GlobalAveragePool", "q", "u"),
        node("Flatten", "u", "f"),
        node("Gemm", "f 8.weight 8.bias", "s", transB=1),
        node("LogSoftmax", "s", "y", axis=1),
    ]
    arrays = {
        "0.weight": numbers(6, 3, 3, 3), "0.bias": numbers(6), "g": numbers(6), "b": numbers(6, seed=1),
        "m": numbers(6, seed=2), "v": np.abs(numbers(6, seed=3)), "4.weight": numbers(4, 3, 2, 2),
        "8.weight": numbers(3, 4), "8.bias": numbers(3),
    }  # fmt: skip
    proto = graph(nodes, {"x": ["N", 3, 12, 11]}, ["y"], arrays)
    model = check(proto, {"x": numbers(2, 3, 12, 11)}, {"x": numbers(5, 3, 12, 11)})
    labels = np.array([0, 2, 1, 0, 1, 2])
    assert model.fit(numbers(6, 3, 12, 11), labels, epochs=2, optimizer="adam", verbose=0).to_dict()["loss"][1] > 0


def test_an_encoder_with_attention_joins_the_batch_and_the_heads():
    """The reshapes of torch's MultiheadAttention: (time, batch, heads · size) to (batch · heads, time, size)."""
    nodes = [
        node("Gather", "table ids", "e"),
        node("Transpose", "e", "t", perm=[1, 0, 2]),
        node("Shape", "t", "s"),
        node("Gather", "s i0", "T"),
        node("Gather", "s i1", "N"),
        node("Mul", "N two", "N2"),
        node("Concat", "T N2 four", "split", axis=0),
        node("MatMul", "t wq", "q"),
        node("Reshape", "q split", "q1"),
        node("Transpose", "q1", "q2", perm=[1, 0, 2]),
        node("Reshape", "t split", "k1"),
        node("Transpose", "k1", "k2", perm=[1, 2, 0]),
        node("MatMul", "q2 k2", "a"),
        node("Softmax", "a", "w", axis=-1),
        node("Reshape", "t split", "v1"),
        node("Transpose", "v1", "v2", perm=[1, 0, 2]),
        node("MatMul", "w v2", "o"),
        node("Transpose", "o", "o1", perm=[1, 0, 2]),
        node("Reshape", "o1 back", "o2"),
        node("Transpose", "o2", "y", perm=[1, 0, 2]),
    ]
    arrays = {
        "table": numbers(11, 8), "i0": np.array([0]), "i1": np.array([1]), "two": np.array([2]), "four": np.array([4]),
        "wq": numbers(8, 8), "back": np.array([0, -1, 8]),
    }  # fmt: skip
    proto = graph(nodes, {"ids": (INT64, ["batch", "time"])}, ["y"], arrays)
    rng = np.random.default_rng(0)
    model = check(proto, *({"ids": rng.integers(0, 11, shape)} for shape in ((2, 5), (4, 3))))
    assert model.graph.inputs["ids"].integer


# ---------------------------------------------------------------------- classical models
def test_a_classifier_of_skl2onnx_gives_probabilities_and_the_names_of_its_classes():
    nodes = [
        node("Scaler", "x", "s", "ai.onnx.ml", offset=[1.0, 2.0, 3.0], scale=[2.0, 0.5, 1.0]),
        node("LinearClassifier", "s", "label scores", "ai.onnx.ml", classlabels_strings=["a", "b", "c"],
             coefficients=numbers(9).tolist(), intercepts=numbers(3).tolist(), post_transform="SOFTMAX"),
        node("Normalizer", "scores", "probabilities", "ai.onnx.ml", norm="L1"),
    ]  # fmt: skip
    proto = graph(nodes, {"x": [None, 3]}, ["label", "probabilities"], ml=1)
    model = imported(proto)
    x = numbers(6, 3)
    np.testing.assert_allclose(
        predicted(model, {"x": x})["probabilities"], expected(proto, {"x": x})["probabilities"], atol=1e-6
    )
    assert model.config.classes == ("a", "b", "c") and list(model.graph.outputs) == ["probabilities"]


def test_a_perceptron_of_skl2onnx_leaves_the_label_out():
    nodes = [
        node("Cast", "x", "f", to=onnx.TensorProto.FLOAT),
        node("MatMul", "f w", "a"),
        node("Add", "a b", "h"),
        node("Sigmoid", "h", "p"),
        node("Sub", "one p", "q"),
        node("Concat", "q p", "probabilities", axis=1),
        node("ArgMax", "probabilities", "best", axis=1),
        node("ArrayFeatureExtractor", "classes best", "found", "ai.onnx.ml"),
        node("Cast", "found", "label", to=onnx.TensorProto.INT64),
        node("ZipMap", "probabilities", "named", "ai.onnx.ml", classlabels_int64s=[3, 8]),
    ]
    arrays = {"w": numbers(3, 1), "b": numbers(1, 1), "one": np.float32(1), "classes": np.array([3, 8], np.int32)}
    proto = graph(nodes, {"x": [None, 3]}, ["label", "named"], arrays, ml=1)
    model, report = load_from(proto)
    x = numbers(5, 3)
    best = expected(graph(nodes[:6], {"x": [None, 3]}, ["probabilities"], arrays, ml=1), {"x": x})["probabilities"]
    np.testing.assert_allclose(predicted(model, {"x": x})["named"], best, atol=1e-6)
    assert model.config.classes == (3, 8)
    assert any("label" in text for text in report.skipped)


def load_from(proto):
    """The model and the report."""
    from graphnet_onnx.reading.loading import from_proto

    return from_proto(proto, "model", None, None)
