"""Files that are pipes or standard input, and files that a command must not replace."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet.cli import main

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")

MODEL = """\
format: graphnet/1
inputs: {x: "batch, feature=4"}
nodes: {scores: {layer: FullyConnected, with: {input_size: 4, output_size: 3}, inputs: x}}
outputs: {scores: scores}
"""


def call(*arguments, **options):
    return CliRunner().invoke(main, [*map(str, arguments)], **options)


@pytest.fixture
def run(tmp_path):
    graphnet.Model(graphnet.io.parse_model(MODEL).graph).save(tmp_path / "run")
    np.savez(tmp_path / "in.npz", x=np.ones((2, 4)))
    return tmp_path


def through_pipe(path, data):
    """A named pipe from which one reader gets ``data``."""
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    return path


@pytest.mark.parametrize("command", ["show", "explain", "export"])
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_model_from_standard_input(command, name):
    result = call(command, name, input=MODEL)
    assert result.exit_code == 0, result.output
    assert "scores" in result.output and result.output.startswith(("model", "graph 'model'", "flowchart", "---"))


def test_model_and_inputs_from_pipes(run):
    assert "FullyConnected" in call("show", through_pipe(run / "m", MODEL.encode())).output
    direct = call("predict", run / "run", run / "in.npz").output
    assert len(direct.splitlines()) == 2
    data = (run / "in.npz").read_bytes()
    assert call("predict", run / "run", through_pipe(run / "i", data)).output == direct
    assert call("predict", run / "run", "-", input=data).output == direct


def test_what_is_not_there_is_named(run, monkeypatch):
    assert "no such file" in call("show", run / "nothing.yaml").output
    assert "no such file" in call("predict", run / "run", run / "nothing.npz").output
    assert "received a folder" in call("predict", run / "run", run).output
    assert "an empty file" in call("predict", run / "run", "-", input=b"").output
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(graphnet.FileError, match="standard input is closed"):
        graphnet.load("/dev/stdin")


@pytest.mark.parametrize("command", ["predict", "export"])
def test_existing_file_needs_force(run, command):
    source = [run / "run", run / "in.npz"] if command == "predict" else [run / "run"]
    target = run / "out"
    target.write_bytes(b"precious")
    target.chmod(0o600)
    result = call(command, *source, "--output", target)
    assert result.exit_code == 2 and "--force" in result.output
    assert target.read_bytes() == b"precious"
    assert call(command, *source, "--output", target, "--force").exit_code == 0
    assert target.read_bytes() != b"precious" and stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["predict", "export"])
def test_output_to_a_pipe(run, command):
    source = [run / "run", run / "in.npz"] if command == "predict" else [run / "run"]
    pipe, received = run / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert call(command, *source, "--output", pipe).exit_code == 0
    reader.join(timeout=10)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert received[0].startswith(b"PK" if command == "predict" else (b"flowchart", b"---"))


@pytest.mark.slow
def test_output_to_standard_output_is_the_file_alone(run):
    command = [sys.executable, "-m", "graphnet", "predict", "run", "in.npz", "--output", "/dev/stdout"]
    done = subprocess.run(command, cwd=run, capture_output=True, check=True)
    (run / "piped.npz").write_bytes(done.stdout)
    with np.load(run / "piped.npz") as found:
        assert found["scores"].shape == (2, 3)
    with open(run / "redirected.npz", "wb") as file:
        subprocess.run(command, cwd=run, stdout=file, check=True)
    assert (run / "redirected.npz").read_bytes() == done.stdout


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("data.csv", b"a,b\n1,2\n", "the columns a, b. Name the column to predict"),
        ("data.csv", b"\x80\x04\x95", "a table"),
        ("data.npz", b"", "an empty file"),
        ("data.npz", b"\x93NUMPY\x01\x00", "an .npy file"),
        ("data.npz", b"\x80\x04\x95", "a pickle"),
        ("./data", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("data.npz", None, "no such file"),
        ("data.csv", None, "no such file"),
    ],
)
def test_data_of_another_kind_are_named(tmp_path, monkeypatch, name, data, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(MODEL)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    result = call("train", "m.yaml", "--data", name)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1


@pytest.mark.parametrize("arguments", [["show", ""], ["train", ""], ["evaluate", ""], ["train", "m", "--output", ""]])
def test_an_empty_path_is_not_the_working_directory(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        graphnet.cli.main(arguments)
    assert ended.value.code == 2
    assert "the path is empty" in capsys.readouterr().err
