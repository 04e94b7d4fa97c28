"""The command line: what it prints, what it leaves, and how it fails."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet.cli import main
from graphnet.io.weights import read_arrays
from graphnet.plugins.validation import COMMANDS

pytestmark = pytest.mark.no_plugins

DENSE = """\
format: graphnet/1
name: dense
inputs:
  x: batch, feature=4
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 4, output_size: 6}, inputs: x}
  drop: {layer: Dropout, with: {probability: 0.9}, inputs: hidden}
  last: {layer: FullyConnected, with: {input_size: 6, output_size: 3}, inputs: drop}
outputs: {scores: last}
training:
  data: data.npz
  optimizer: {Adam: {learning_rate: 0.05}}
  metrics: [Accuracy]
  epochs: 30
  batch_size: 16
"""

SUMS = """\
format: graphnet/1
name: sums
inputs:
  x: time, batch, feature=2
nodes:
  sums:
    scan:
      cell:
        name: sum
        sequences: [x]
        states: [s]
        inputs: {x: null, s: "batch, feature=2"}
        nodes:
          add: {layer: Add, inputs: [x, s]}
        outputs: {y: add, s: add}
    inputs: [x]
outputs: {every: sums}
training:
  loss: MeanSquaredError
  optimizer: {Sgd: {learning_rate: 0.0}}
"""


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def data(path, n=90, **more):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    y = (x @ rng.normal(size=(4, 3))).argmax(1)
    np.savez(path, train_x=x[:60], train_target=y[:60], test_x=x[60:], test_target=y[60:], **more)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRAPHNET_PLUGINS", raising=False)
    written(tmp_path / "model.yaml", DENSE)
    data(tmp_path / "data.npz")
    return tmp_path


@pytest.fixture
def trained(folder):
    assert call("train", "model.yaml", "--output", "run").exit_code == 0
    return folder


def call(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def refused(*arguments, status=2):
    """What stderr says; nothing is on stdout, and no traceback anywhere."""
    result = call(*arguments)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    assert result.stderr.startswith("graphnet: error: ") and len(result.stderr.strip().splitlines()) == 1
    return result.stderr


# ------------------------------------------------------------------ train
def test_train_prints_folder_and_accuracy(folder):
    result = call("train", "model.yaml")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and result.stderr == ""
    assert re.fullmatch(r"test accuracy: [01]\.\d{3}", lines[-1])
    assert re.fullmatch(r"test loss: \d\.\d{3}", lines[-2])
    assert lines[-3] == f"run: {os.path.join('runs', 'dense-001')}"
    summary = json.loads((folder / "runs" / "dense-001" / "summary.json").read_text())
    assert lines[-1] == f"test accuracy: {summary['test']['accuracy']:.3f}"
    loaded, split = graphnet.load(folder / "runs" / "dense-001"), graphnet.data.datasets.npz(folder / "data.npz").test
    assert loaded.evaluate(split.inputs, split.targets) == summary["test"]
    assert summary["test"]["accuracy"] > 0.8


@pytest.mark.slow
def test_plain_lines_include_last_epoch(folder):
    lines = call("train", "model.yaml", "--epochs", "105").stdout.splitlines()
    epochs = [
        int(m[1]) for line in lines if (m := re.match(r"epoch +(\d+)/105  loss \d\.\d{4}  accuracy \d\.\d{3}", line))
    ]
    assert epochs == [*range(6, 105, 6), 105]
    assert len(call("train", "model.yaml", "--epochs", "7").stdout.splitlines()) == 7 + 5


@pytest.mark.slow
def test_equal_seeds_give_equal_runs(folder):
    outputs = [call("train", "model.yaml", "--seed", seed, "--output", f"run{i}") for i, seed in enumerate([1, 1, 2])]
    assert all(result.exit_code == 0 for result in outputs)
    one, two, other = (read_arrays(folder / f"run{i}" / "weights.safetensors") for i in range(3))
    assert len(one) == 2 and all(np.array_equal(one[name], two[name]) for name in one)
    assert not any(np.array_equal(one[name], other[name]) for name in one)
    assert graphnet.load(folder / "run2").config.seed == 2


def test_train_options_are_recorded(folder):
    data(folder / "other.npz", n=70)
    (folder / "deep").mkdir()
    arguments = ["--data", "other.npz", "--epochs", 2, "--batch-size", 5, "--threads", 2, "--output", "deep/run"]
    arguments.append("--drop-last")
    assert call("train", "model.yaml", *arguments).exit_code == 0
    config = graphnet.load(folder / "deep" / "run").config
    assert (config.epochs, config.batch_size, config.threads, config.data) == (2, 5, 2, "../../other.npz")
    assert config.drop_last
    assert call("evaluate", "deep/run").exit_code == 0


def test_data_path_is_relative_to_model(folder, tmp_path):
    (folder / "away").mkdir()
    (folder / "model.yaml").rename(folder / "away" / "model.yaml")
    (folder / "data.npz").rename(folder / "away" / "data.npz")
    assert call("train", "away/model.yaml", "--epochs", 1).exit_code == 0
    assert graphnet.load("runs/dense-001").config.data == "../../away/data.npz"
    assert call("evaluate", "runs/dense-001").exit_code == 0


def test_interrupted_train_saves_weights(folder, monkeypatch):
    from graphnet.training.progress import Lines

    def interrupt(self, trainer, record):
        if record.epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Lines, "on_epoch_end", interrupt)
    result = call("train", "model.yaml", "--output", "run")
    assert result.exit_code == 130 and "interrupted" in result.stderr
    assert re.fullmatch(r"test accuracy: \d\.\d{3}", result.stdout.splitlines()[-1])
    assert json.loads((folder / "run" / "summary.json").read_text())["stopped"] == "interrupted"


def test_terminal_shows_progress_bar(folder, monkeypatch):
    import io

    from graphnet.models.train_file import prepare
    from graphnet.training.progress import TerminalBar, progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    bars = progress(screen)
    assert isinstance(bars, TerminalBar)
    prepare("model.yaml", output="run", callbacks=[bars], epochs=3).run()
    shown = screen.getvalue()
    assert "epoch 3/3" in shown and "accuracy" in shown and "examples/s" in shown and "0:00:00" in shown
    assert shown.rstrip().endswith("best epoch 3 of 3, chosen by the training loss: no examples were held out")


# ------------------------------------------------------------------ train, refused
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("hidden: {layer: FullyConnected", "hidden: {layer: FullyConected"), r"model.yaml:6.*FullyConnected"),
        (("input_size: 6", "input_size: 7"), r"model.yaml.*last.*7.*6|model.yaml.*last.*6.*7"),
        (("epochs: 30", "epochs: many"), r"model.yaml:14.*epochs.*many"),
        (("epochs: 30", "epoch: 30"), r"model.yaml:14.*epochs"),
        (("Adam", "Adamm"), r"model.yaml:12.*Adam"),
        (("data: data.npz", "data: nothing.npz"), r"nothing.npz"),
        (("data: data.npz", "data: no_such_set"), r"no_such_set"),
        (("  data: data.npz\n", ""), r"training.data: no data.*--data"),
        (("feature=4", "feature=5"), r"model.yaml.*hidden|feature=5"),
        (("x: batch", "y: batch"), r"x"),
        (("outputs: {scores: last}", "outputs: {scores: list}"), r"last"),
        (("metrics: [Accuracy]", "metrics: [MeanAbsoluteError]"), r"target of 'scores'.*\(60, 3\)"),
    ],
)
def test_invalid_model_file_exits_2(folder, change, message):
    text = DENSE.replace(*change)
    assert text != DENSE
    written(folder / "model.yaml", text)
    output = refused("train", "model.yaml")
    assert re.search(message, output), output
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["."], r"\."),
        (["model.yaml", "--epochs", 0], "epochs must be a positive integer.*0"),
        (["model.yaml", "--seed", -1], "seed"),
        (["model.yaml", "--data", "missing.npz"], "missing.npz"),
        (
            ["model.yaml", "--data", "japanese_vowels"],
            "do not have the inputs of the graph.*expected x, received frames",
        ),
        (["model.yaml", "--output", "data.npz"], "never overwritten"),
    ],
)
def test_invalid_arguments_exit_2(folder, arguments, message):
    output = refused("train", *arguments)
    assert re.search(message, output), output
    assert not (folder / "runs").exists()


def test_invalid_data_exit_2(folder):
    rng = np.random.default_rng(0)
    np.savez(folder / "keys.npz", train_x=rng.normal(size=(5, 4)), train_target=np.zeros(5, int))
    assert "test_" in refused("train", "model.yaml", "--data", "keys.npz")
    parts = {"train_target": np.zeros(5, int), "test_target": np.zeros(5, int)}
    wide = rng.normal(size=(5, 9))
    np.savez(folder / "wide.npz", train_x=wide, test_x=wide, **parts)
    assert re.search(r"feature=4.*\(5, 9\)", refused("train", "model.yaml", "--data", "wide.npz"))
    good = rng.normal(size=(5, 4))
    np.savez(folder / "label.npz", train_x=good, test_x=good, **{**parts, "test_target": np.full(5, 3)})
    assert "0 to 2" in refused("train", "model.yaml", "--data", "label.npz")
    written(folder / "text.npz", "not an archive")
    assert "text.npz" in refused("train", "model.yaml", "--data", "text.npz")


def test_infinite_loss_exits_1(folder):
    written(folder / "model.yaml", DENSE.replace("Adam: {learning_rate: 0.05}", "Sgd: {learning_rate: 1.0e+30}"))
    result = call("train", "model.yaml", "--output", "run")
    assert result.exit_code == 1
    assert re.search(r"graphnet: error: epoch 1, batch \d: .*finite", result.stderr)
    assert (folder / "run" / "weights.safetensors").is_file()
    assert json.loads((folder / "run" / "summary.json").read_text())["stopped"] == "failed"


def test_traceback_option_raises(folder):
    result = call("--traceback", "train", "nowhere.yaml")
    assert isinstance(result.exception, graphnet.FileError)


# ------------------------------------------------------------------ evaluate
def test_evaluate_repeats_accuracy_of_train(trained):
    said = call("train", "model.yaml", "--output", "again").stdout.splitlines()[-2:]
    assert call("evaluate", "run").stdout.splitlines() == said
    data(trained / "other.npz", n=75)
    assert call("evaluate", "run", "--data", "other.npz").exit_code == 0


def test_evaluate_invalid_run_exits_2(trained):
    assert "folder" in refused("evaluate", "model.yaml")
    assert "nowhere" in refused("evaluate", "nowhere")
    (trained / "data.npz").unlink()
    assert "data.npz" in refused("evaluate", "run")
    for path in (trained / "run" / "checkpoints").glob("*/*.safetensors"):
        path.write_bytes(b"short")
    assert "best.safetensors: damaged" in refused("evaluate", "run")


# ------------------------------------------------------------------ predict
def test_predict_writes_an_npz(trained):
    x = np.random.default_rng(3).normal(size=(7, 4))
    np.savez(trained / "in.npz", x=x)
    result = call("predict", "run", "in.npz", "--output", "out.npz")
    assert result.exit_code == 0 and result.stdout == "out.npz: scores: (7, 3)\n"
    with np.load(trained / "out.npz", allow_pickle=False) as found:
        assert found.files == ["scores"]
        assert np.array_equal(found["scores"], graphnet.load("run").predict(x))


def test_predict_prints_json_lines(trained):
    x = np.random.default_rng(3).normal(size=(3, 4))
    np.savez(trained / "in.npz", x=x)
    lines = [json.loads(line) for line in call("predict", "run", "in.npz").stdout.splitlines()]
    np.testing.assert_allclose([line["scores"] for line in lines], graphnet.load("run").predict(x), rtol=1e-6)


def test_predict_reads_and_writes_sequences(folder):
    graph = graphnet.io.read_model(written(folder / "sums.yaml", SUMS)).graph
    graphnet.Model(graph, graphnet.TrainingConfig(dtype="float64")).save("sums")
    steps = np.random.default_rng(0).normal(size=(9, 2))
    lengths = np.array([4, 0, 5])
    np.savez("in.npz", x=steps, x_lengths=lengths)
    assert call("predict", "sums", "in.npz", "--output", "out.npz").exit_code == 0
    padded = np.zeros((6, 3, 2))
    padded[:4, 0], padded[:5, 2] = steps[:4], steps[4:]
    np.savez("padded.npz", x=padded, x_lengths=lengths)
    assert call("predict", "sums", "padded.npz", "--output", "padded_out.npz").exit_code == 0
    wanted = [np.cumsum(steps[:4], 0), np.cumsum(steps[4:], 0)]
    with np.load("out.npz") as found, np.load("padded_out.npz") as whole:
        assert found["every_lengths"].tolist() == [4, 0, 5]
        np.testing.assert_allclose(found["every"], np.concatenate(wanted), rtol=1e-12)
        np.testing.assert_allclose(whole["every"][:5, 2], wanted[1], rtol=1e-12)
    lines = [json.loads(line) for line in call("predict", "sums", "in.npz").stdout.splitlines()]
    assert [len(line["every"]) for line in lines] == [4, 0, 5]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros((3, 4))}, r"in.npz: the input 'x' is missing; expected x, received y.*numpy\.savez"),
        ({}, "the input 'x' is missing"),
        ({"x": np.zeros((3, 4)), "z": np.zeros(3)}, "unknown key 'z'; expected one of"),
        ({"x": np.zeros((3, 5))}, r"input 'x'.*feature=4.*\(3, 5\)"),
        ({"x": np.zeros((0, 4))}, "no examples"),
        ({"x": np.array([{}])}, "Python objects"),
        ({"x": np.zeros((3, 4), complex)}, "complex"),
        ({"x": np.zeros((3, 4)), "x_lengths": [1, 2, 0]}, "lengths"),
    ],
)
def test_predict_invalid_arrays_exit_2(trained, arrays, message):
    np.savez(trained / "in.npz", **arrays)
    output = refused("predict", "run", "in.npz", "--output", "out.npz")
    assert re.search(message, output), output
    assert not (trained / "out.npz").exists()


def test_predict_missing_files_exit_2(trained):
    assert "no such file" in refused("predict", "run", "none.npz")
    np.savez(trained / "in.npz", x=np.zeros((3, 4)))
    assert "folder" in refused("predict", "model.yaml", "in.npz")
    assert "nowhere" in refused("predict", "run", "in.npz", "--output", "nowhere/out.npz")


# ------------------------------------------------------------------ show, layers, plugins
def test_show_counts_parameters_and_indents_cells(folder):
    text = call("show", "model.yaml").stdout
    assert re.search(r"hidden +FullyConnected +x +\(batch, feature=6\) +30\n", text)
    assert re.search(r"last +FullyConnected +drop +\(batch, feature=3\) +21\n", text)
    assert text.rstrip().endswith("total: 51 parameters")
    written(folder / "sums.yaml", SUMS)
    assert re.search(r"\nsums +Scan .*\n  add +Add +x, s +\(batch, feature=2\)\n", call("show", "sums.yaml").stdout)
    assert "nowhere.yaml" in refused("show", "nowhere.yaml")


def test_layers_and_plugins_print_tables(folder):
    text = call("--no-plugins", "layers").stdout
    assert re.search(r"^graphnet-framework/FullyConnected +\S+ +y = x · W \+ b", text, re.MULTILINE)
    assert all(line.startswith(("layer", "graphnet-framework/")) for line in text.splitlines())
    assert "graphnet-recurrent" not in text
    listed = call("plugins").stdout.splitlines()
    assert re.match(r"builtin +graphnet-framework +\S+ +loaded +\d+ ms +\d+", listed[1])


def test_no_plugins_holds_for_one_command(folder):
    from graphnet.plugins import manager

    before = manager()
    call("--no-plugins", "layers")
    assert manager() is before


def test_version_and_help_print(folder):
    assert call("--version").stdout == f"graphnet {graphnet.__version__}\n"
    text = call("--help").stdout
    assert all(name in text for name in ("train", "evaluate", "predict", "show", "layers", "plugins"))
    for name in ("train", "evaluate", "predict", "show", "layers", "plugins"):
        assert call(name, "--help").exit_code == 0
    wrong = call("tarin")
    assert wrong.exit_code == 2 and "tarin" in wrong.stderr


@pytest.mark.slow
def test_module_runs_as_process(folder):
    """The whole way once, with real streams; help loads nothing heavy."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def process(*arguments):
        command = [sys.executable, "-m", "graphnet", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = process("train", "model.yaml", "--output", "run", "--epochs", "3")
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"test accuracy: \d\.\d{3}", done.stdout.splitlines()[-1])
    assert process("evaluate", "run").stdout.splitlines() == done.stdout.splitlines()[-2:]
    failed = process("train", "nowhere.yaml")
    assert failed.returncode == 2 and failed.stdout == "" and "Traceback" not in failed.stderr
    code = "import sys; from graphnet.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"rich", "yaml", "matplotlib", "networkx", "graphnet.training.trainer", "graphnet.io"} & set(loaded)


@pytest.mark.parametrize("command", [["layers"], ["--help"], ["show", "model.yaml"], ["nothing"]])
def test_unknown_plugin_option_exits_2(command):
    done = CliRunner().invoke(main, ["--plugins", "nope", *command])
    assert done.exit_code == 2
    assert "--plugins: unknown plugin 'nope'; expected " in done.stderr


def test_every_command_has_a_module():
    assert set(COMMANDS) == {
        importlib.import_module(f"graphnet.cli.{name.replace('-', '_')}").command.name for name in COMMANDS
    }
