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
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: None)
    spec, rng = sweep(files(tmp_path, epochs=12), jobs=2, trials=8), random.Random(5)
    path, whole, killed = write(tmp_path / "sweep.yaml", spec), tmp_path / "whole", tmp_path / "killed"
    graphnet.sweep(path, output=whole, jobs=0, shown=None)
    process = start(path, "--output", killed, cwd=tmp_path)
    assert wait_for(killed, 3, process, rng)
    assert len(children(process.pid)) == 2
    before = written(killed)
    kill(process, "tree", rng)
    out, _ = process.communicate(timeout=60)
    result = resume(killed, jobs=0, shown=None)
    assert result.state == "finished"
    assert faults(whole, killed, 8, before, 0, out, 1, 1) == []


def test_a_run_whose_process_is_killed_goes_on_in_another_one(tmp_path):
    path = write(tmp_path / "sweep.yaml", sweep(files(tmp_path, epochs=30), trials=2))
    process = start(path, "--output", tmp_path / "killed", cwd=tmp_path)
    rng = random.Random(2)
    assert wait_for(tmp_path / "killed", 0, process, rng)
    kill(process, "worker", rng)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out.decode()
    assert "it goes on from its last checkpoint" in out.decode()
    graphnet.sweep(path, output=tmp_path / "whole", jobs=0, shown=None)
    assert faults(tmp_path / "whole", tmp_path / "killed", 2, {}, 0, b"", 0, 0) == []
