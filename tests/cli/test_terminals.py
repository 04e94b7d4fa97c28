"""Commands in odd terminals, through pipes and under signals: what they show may be lost, what they save is whole."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import graphnet

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="terminals and signals of POSIX")]

MODEL = """\
format: graphnet/1
name: small
inputs: {x: "batch, feature=4"}
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 4, output_size: 6}, inputs: x}
  norm: {layer: BatchNormalization, with: {channels: 6}, inputs: hidden}
  last: {layer: FullyConnected, with: {input_size: 6, output_size: 3}, inputs: norm}
outputs: {scores: last}
training: {data: data.npz, metrics: [Accuracy], epochs: 3, batch_size: 16}
"""
#: Slows a run down, and says when it has got so far: a callback cannot be named in a model file without a plugin.
SLOW = """\
import sys, time
from graphnet.cli import main
from graphnet.training import progress

class Slow(progress.Shown):
    def on_batch_end(self, trainer, epoch, batch, loss):
        if (epoch, batch) == (WHEN):
            print("now", flush=True)
        time.sleep(0.1 if (epoch, batch) >= (WHEN) else 0)

progress.progress = lambda stream: Slow()

main()
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 4))
    y = (x @ rng.normal(size=(4, 3))).argmax(1)
    np.savez(tmp_path / "data.npz", train_x=x[:60], train_target=y[:60], test_x=x[60:], test_target=y[60:])
    (tmp_path / "m.yaml").write_text(MODEL)
    return tmp_path


def environment(**changes):
    kept = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONIOENCODING", "LC_ALL", "LANG", "TERM")
    }
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


STARTED = []


def start(folder, *arguments, code=None, env=(), **options):
    command = [sys.executable, *(["-m", "graphnet"] if code is None else ["-c", code]), *arguments]
    STARTED.append(subprocess.Popen(command, cwd=folder, env=environment(**dict(env)), **options))
    return STARTED[-1]


@pytest.fixture(autouse=True)
def _ended():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished(process):
    out, err = process.communicate(timeout=60)
    assert b"Traceback" not in err and b"Exception ignored" not in err, err.decode()
    return process.returncode, out or b"", err


def check_whole(run, stopped, best=None):
    """The files of a run are all there, and can be read."""
    summary = json.loads((run / "summary.json").read_text())
    assert summary["stopped"] == stopped
    if best is not None:
        assert summary["best_epoch"] == best
    assert (run / "metrics.jsonl").read_text().count("\n") == summary["epochs"]
    assert (run / "versions.json").exists() and graphnet.load(run).graph.name
    assert not [name for name in os.listdir(run) if name.endswith(".part")]
    return summary


# ------------------------------------------------------------------ terminals
@pytest.mark.parametrize(
    "env",
    [
        {"TERM": "xterm", "PYTHONIOENCODING": "latin-1"},
        {"TERM": "xterm-256color", "PYTHONIOENCODING": "cp1252", "NO_COLOR": "1"},
        {"TERM": "dumb", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "xterm", "PYTHONIOENCODING": "ascii", "COLUMNS": "3", "LINES": "1"},
        {"TERM": "nonsense", "MPLBACKEND": "module://no_such_backend", "COLUMNS": "x"},
    ],
    ids=lambda env: " ".join(f"{key}={value}" for key, value in env.items())[:50],
)
def test_training_on_a_terminal(folder, env):
    (folder / "m.yaml").write_text(MODEL.replace("name: small", 'name: "$x_{∞…"'))
    main, worker = pty.openpty()
    process = start(folder, "train", "m.yaml", "--output", "run", env=env, stdout=worker, stderr=subprocess.PIPE)
    os.close(worker)
    shown = b""
    while process.poll() is None or select.select([main], [], [], 0)[0]:
        if select.select([main], [], [], 0.1)[0]:
            try:
                shown += os.read(main, 65536)
            except OSError:  # the other end is closed
                break
    os.close(main)
    code, _, err = finished(process)
    assert code == 0 and b"run: run" in shown and b"test accuracy" in shown, (shown, err)
    check_whole(folder / "run", "finished")
    if "MPLBACKEND" in env:
        assert (folder / "run" / "learning_curve.png").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["closed", "early", "pipe"])
def test_training_without_anybody_who_reads(folder, kind):
    arguments = ["train", "m.yaml", "--output", "run"]
    if kind == "closed":
        process = start(folder, *arguments, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    else:
        process = start(folder, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if kind == "early":
            process.stdout.close()
            process.stdout = None
    code, out, err = finished(process)
    assert code == 0 and err == b"" and (kind == "pipe") == (b"test accuracy" in out)
    check_whole(folder / "run", "finished")


def test_long_output_into_a_pipe_that_is_closed(folder):
    process = start(folder, "layers", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    code, _, err = finished(process)
    assert code == 1 and err == b""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_text_that_an_encoding_does_not_have(folder, encoding):
    (folder / "m.yaml").write_text(MODEL.replace("name: small", 'name: "∞ → …"'))
    process = start(
        folder, "show", "m.yaml", env={"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    code, out, _ = finished(process)
    assert code == 0
    # click takes ASCII for a missing configuration, and prints UTF-8.
    expected = {"ascii": "∞ → …".encode(), "cp1252": "inf -> …".encode("cp1252")}
    assert out.startswith(expected[encoding])


# ------------------------------------------------------------------ signals
def interrupted(folder, number, when, times=1, **options):
    """A run that gets a signal after an epoch and batch."""
    code = SLOW.replace("WHEN", f"{when[0]}, {when[1]}")
    arguments = ["train", "m.yaml", "--output", "run", "--epochs", "300"]
    process = start(folder, *arguments, code=code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    assert process.stdout.readline() == b"now\n"
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(
    ("name", "status", "when"),
    [("SIGINT", 130, (1, 1)), ("SIGINT", 130, (3, 2)), ("SIGTERM", 143, (3, 4)), ("SIGHUP", 129, (1, 2))],
)
def test_signal_ends_a_run_in_order(folder, name, status, when):
    began = time.monotonic()
    code, out, err = finished(interrupted(folder, getattr(signal, name), when))
    assert code == status and time.monotonic() - began < 30
    summary = check_whole(folder / "run", "interrupted")
    assert b"stopping after this batch" in err
    if when[0] == 1:
        assert summary["best_epoch"] == 0 and summary["test"] == {} and b"no epoch was completed" in err
        assert b"best" not in err
    else:
        assert summary["best_epoch"] in (1, 2) and b"weights of the best epoch" in err and b"test accuracy" in out


def test_second_signal_ends_a_run_at_once(folder):
    code, _, _ = finished(interrupted(folder, signal.SIGINT, (2, 1), times=2))
    assert code == 130
    names = os.listdir(folder / "run")
    assert "model.yaml" in names and "summary.json" not in names
    assert not [name for name in names if name.endswith(".part")]
    graphnet.io.read_model(folder / "run" / "model.yaml")


def test_ignored_hangup_stays_ignored(folder):
    process = interrupted(
        folder, signal.SIGHUP, (2, 1), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 143
    check_whole(folder / "run", "interrupted")


def test_signal_before_the_run_leaves_nothing(folder):
    os.mkfifo(folder / "pipe")
    process = start(folder, "train", "pipe", "--output", "run", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer = os.open(folder / "pipe", os.O_WRONLY)  # the command now waits for a model that does not come
    process.send_signal(signal.SIGINT)
    assert finished(process)[0] == 130
    os.close(writer)
    assert not (folder / "run").exists()


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_on_a_full_disk_is_one_message(monkeypatch, capsys, option):
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as ended:
        graphnet.cli.main([option])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "graphnet: error: [Errno 28] No space left on device\n"


def test_an_error_keeps_its_exit_code_where_it_cannot_be_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full())
    with pytest.raises(SystemExit) as ended:
        graphnet.cli.main(["trian"])
    assert ended.value.code == 2
