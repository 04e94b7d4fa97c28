"""The file: its inputs, its names, its metadata, and the command that writes it."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from exported import assert_equal_to_graphnet, checked_file

from graphnet import ConfigError, FileError, FullyConnected, Model, Sequential, TrainingConfig
from graphnet.cli import main
from graphnet_onnx import export, to_onnx
from graphnet_recurrent import TanH


def mlp(dtype="float32"):
    layers = FullyConnected(4, 8, dtype=dtype), TanH(), FullyConnected(8, 3, dtype=dtype)
    return Model(Sequential(*layers, shape="batch, feature=4"), TrainingConfig(classes=("a", "b", "c")))


@pytest.fixture
def folder(tmp_path):
    mlp().save(tmp_path / "model")
    return tmp_path


def test_mlp_runs_at_other_batch_sizes(tmp_path):
    model = mlp()
    export(model, tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    for rows in (1, 5, 300):
        x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
        assert_equal_to_graphnet(data, model.graph, {"x": x}, "float32")


def test_names_and_metadata():
    proto = to_onnx(mlp())
    assert [node.name for node in proto.graph.node][:3] == ["fully_connected", "tanh", "fully_connected_2"]
    assert [each.name for each in proto.graph.initializer] == ["fully_connected/weights", "fully_connected_2/weights"]
    assert {(function.domain, function.name) for function in proto.functions} == {
        ("graphnet", "FullyConnected"), ("graphnet-recurrent", "TanH"),
    }  # fmt: skip
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(metadata["graphnet.classes"]) == ["a", "b", "c"]
    assert json.loads(metadata["graphnet.axes"]) == {"x": ["batch", "feature"]}
    config = {entry.key: entry.value for entry in proto.graph.node[0].metadata_props}["graphnet.config"]
    assert json.loads(config) == {"input_size": 4, "output_size": 8, "dtype": "float32"}
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_dtype_of_the_file_can_be_another():
    types = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}

    def type_of(model, **options):
        return onnx.load_from_string(checked_file(model, **options)).graph.initializer[0].data_type

    model = mlp("float64")
    assert type_of(model) == types["float32"]  # in which the model predicts
    assert type_of(Model(model.graph, TrainingConfig(dtype="float64"))) == types["float64"]
    assert type_of(model.graph) == types["float64"]
    assert type_of(model.graph, dtype="float32") == types["float32"]


def test_existing_file_is_replaced_only_by_force(tmp_path):
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(FileError, match="the file exists"):
        export(mlp(), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"
    export(mlp(), tmp_path / "m.onnx", force=True)
    onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"recurrent": "loop"}, "'scan' or 'operator'"), ({"dtype": "int8"}, "dtype"), ({"lengths": "no"}, "lengths")],
)
def test_wrong_option(options, message):
    with pytest.raises((ConfigError, TypeError), match=message):
        to_onnx(mlp(), **options)


def test_command_chooses_the_format_by_the_ending(folder):
    path = folder / "m.onnx"
    made = CliRunner().invoke(main, ["export", str(folder / "model"), "-o", str(path), "--recurrent", "operator"])
    assert (made.exit_code, made.output) == (0, f"wrote {path}\n")
    assert [each.name for each in onnxruntime.InferenceSession(str(path)).get_inputs()] == ["x"]
    text = CliRunner().invoke(main, ["export", str(folder / "model"), "-o", str(folder / "m.mmd")])
    assert (text.exit_code, (folder / "m.mmd").read_text()[:12]) == (0, "flowchart TD")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.onx"], "no exporter writes files with this ending"),
        (["--recurrent", "scan"], "this exporter has no option 'recurrent'"),
        (["--format", "onnx", "--option", "lenths=3"], "Did you mean 'lengths'?"),
        (["--format", "onnx", "--option", "lengths"], "not NAME=VALUE"),
    ],
)
def test_wrong_command(folder, arguments, message):
    result = CliRunner().invoke(main, ["export", str(folder / "model"), *arguments])
    assert (result.exit_code, message in result.output) == (2, True), result.output


def test_options_of_the_command_have_types(folder):
    arguments = ["export", str(folder / "model"), "-o", str(folder / "m.onnx"), "--option", "lengths=false"]
    assert CliRunner().invoke(main, [*arguments, "--option", "dtype=float64"]).exit_code == 0
    assert onnxruntime.InferenceSession(str(folder / "m.onnx")).get_inputs()[0].type == "tensor(double)"
