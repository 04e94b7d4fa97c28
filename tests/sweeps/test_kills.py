"""A sweep that is killed, workers and all; ``make sweep-kills`` kills larger ones more often."""

import random
import sys

import pytest

import graphnet
from graphnet.io import run_files
from graphnet.sweeps import resume

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)
pytest.importorskip("optuna")

from .lab import children, faults, files, kill, start, sweep, wait_for, write, written

pytestmark = pytest.mark.slow


def test_a_killed_sweep_loses_and_repeats_nothing(tmp_path, monkeypatch):
    """One of its two processes is killed, and is replaced; then all of them are, and the sweep goes on in this one."""
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: None)
    spec, rng = sweep(files(tmp_path, epochs=12), jobs=2, trials=8), random.Random(5)
    path, whole, killed = write(tmp_path / "sweep.yaml", spec), tmp_path / "whole", tmp_path / "killed"
    graphnet.sweep(path, output=whole, jobs=0, shown=None)
    process = start(path, "--output", killed, cwd=tmp_path)
    assert wait_for(killed, 1, process, rng)
    assert len(children(process.pid)) == 2
    kill(process, "worker", rng)
    assert wait_for(killed, 4, process, rng)
    before = written(killed)
    kill(process, "tree", rng)
    out, _ = process.communicate(timeout=60)
    assert "its process has ended (signal SIGKILL); it goes on from its last checkpoint" in out.decode()
    result = resume(killed, jobs=0, shown=None)
    assert result.state == "finished"
    assert faults(whole, killed, 8, before, 0, out, 2, 2) == []


def test_a_run_that_takes_too_long_is_stopped_and_others_are_not(tmp_path):
    model = files(tmp_path, epochs=2)
    spec = sweep(model, trials=2, search="grid", parameters={"training.epochs": [100_000, 2]}, timeout=2)
    result = graphnet.sweep(spec, output=tmp_path / "s", shown=None)
    assert [trial.state for trial in result.trials] == ["failed", "finished"]
    assert result.trials[0].error == "stopped after 2 s (timeout)"
