"""Sweeps whose runs Ray trains, compared with sweeps in this process: results and weights, to the bit."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")
pytest.importorskip("optuna")

from sweeps.lab import files, summary, sweep, trainers

import graphnet
from graphnet import ConfigError, StateError
from graphnet.io import run_files
from graphnet.io.lock import FolderLock
from graphnet.sweeps import resume, runner
from graphnet_ray import ray_executor, trial_worker

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: None)
    monkeypatch.setattr(runner, "picture", lambda result: None)


def both(tmp_path, spec, **options):
    """Run a sweep in this process, then on Ray; returns the lines that are shown about the latter."""
    graphnet.sweep(spec, output=tmp_path / "here", jobs=0, shown=None)
    lines = []
    graphnet.sweep(spec, output=tmp_path / "ray", executor="ray", shown=lines.append, **options)
    return lines


def once(folder, action):
    """For ``interrupted``: never interrupts, but acts on a process that trains, once there is a checkpoint of a run."""
    done = []

    def interrupted():
        if not done and list(folder.glob("trial-*/checkpoints/*")):
            for pid in trainers(os.getpid()):
                action(pid)
            done.append(True)
        return False

    return interrupted


def test_a_sweep_loses_and_repeats_nothing_although_its_processes_are_killed(tmp_path):
    spec = sweep(files(tmp_path, epochs=40), jobs=2, trials=4, threads=1)
    kill = once(tmp_path / "ray", lambda pid: os.kill(pid, signal.SIGKILL))
    lines = both(tmp_path, spec, interrupted=kill)
    expected, received = summary(tmp_path / "here"), summary(tmp_path / "ray")
    assert sorted(received) == [0, 1, 2, 3] and received == expected
    lost = [line for line in lines if "it goes on from its last checkpoint" in line]
    assert lost and all("(killed, or crashed)" in line for line in lost)


def test_a_process_that_does_not_answer_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_executor, "PING", 0.1)
    monkeypatch.setattr(ray_executor, "SILENCE", 1.0)
    spec = sweep(files(tmp_path, epochs=60), jobs=1, trials=2, threads=1)
    lines = both(tmp_path, spec, interrupted=once(tmp_path / "ray", lambda pid: os.kill(pid, signal.SIGSTOP)))
    assert summary(tmp_path / "ray") == summary(tmp_path / "here")
    assert sum("does not answer; it goes on from its last checkpoint" in line for line in lines) == 1


def test_pruned_trials_and_seeds_are_those_of_one_process(tmp_path):
    model = files(tmp_path, epochs=6)
    pruning = {"median": {"startup_trials": 2, "warmup_epochs": 1}}
    both(tmp_path / "p", sweep(model, jobs=1, threads=1, pruning=pruning))
    received = summary(tmp_path / "p" / "ray")
    assert {each[0] for each in received.values()} == {"finished", "pruned"}
    assert received == summary(tmp_path / "p" / "here")
    both(tmp_path / "s", sweep(model, jobs=2, trials=2, threads=1, repeat={"seeds": [3, 8]}))
    assert summary(tmp_path / "s" / "ray") == summary(tmp_path / "s" / "here")


def test_a_sweep_that_was_stopped_on_ray_goes_on_in_this_process(tmp_path):
    spec, folder = sweep(files(tmp_path, epochs=40), jobs=2, trials=3, threads=1), tmp_path / "ray"
    graphnet.sweep(spec, output=tmp_path / "here", jobs=0, shown=None)
    stopped = graphnet.sweep(
        spec, output=folder, executor="ray", shown=None,
        interrupted=lambda: len(list(folder.glob("trial-*/checkpoints/*"))) > 2,
    )  # fmt: skip
    assert stopped.state == "stopped" and any(trial.state == "unfinished" for trial in stopped.trials)
    assert resume(folder, jobs=0, shown=None).state == "finished"
    assert summary(folder) == summary(tmp_path / "here")


def test_a_run_that_takes_too_long_is_stopped(tmp_path):
    spec = sweep(files(tmp_path, epochs=2), trials=2, search="grid", parameters={"epochs": [100_000, 2]}, timeout=1)
    result = graphnet.sweep(spec, output=tmp_path / "s", executor="ray", shown=None)
    assert [trial.state for trial in result.trials] == ["failed", "finished"]
    assert result.trials[0].error == "stopped after 1 s (timeout)"


def test_a_machine_with_other_software_is_named_and_the_sweep_can_go_on(tmp_path, monkeypatch):
    spec = sweep(files(tmp_path, epochs=2), trials=1, parameters={}, threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(ray_executor, "versions", lambda: {**trial_worker.versions(), "graphnet-fancy": "2.0"})
        with pytest.raises(StateError, match=r"graphnet-fancy is not installed, and 2\.0 where the sweep runs"):
            graphnet.sweep(spec, output=tmp_path / "s", executor="ray", shown=None)
    assert resume(tmp_path / "s", jobs=0, shown=None).state == "finished"


def test_a_machine_must_see_the_folder_of_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_worker, "SETTLE", 0.0)
    folder, other, model = tmp_path / "sweep", tmp_path / "other", tmp_path / "model"
    for each in (folder, other, model):
        each.mkdir()
    task = {"folder": str(folder / "trial-000"), "base": {"folder": str(model)}}
    with contextlib.closing(_Released(FolderLock(folder))), contextlib.closing(_Released(FolderLock(other))):
        marks = {"versions": trial_worker.versions(), "token": trial_worker.token(folder)}
        assert trial_worker.objection(task, marks) is None
        problem = trial_worker.objection({**task, "folder": str(other / "trial-000")}, marks)
        assert problem is not None and f"{other}, is another folder; put it on a file system that all" in problem
        problem = trial_worker.objection({**task, "folder": str(tmp_path / "none" / "trial-000")}, marks)
        assert problem is not None and "none, does not exist" in problem
        problem = trial_worker.objection({**task, "base": {"folder": str(tmp_path / "none")}}, marks)
        assert problem is not None and problem.startswith(f"the folder of the model file, {tmp_path / 'none'}, does")


class _Released:
    """A lock that ``close`` releases."""

    def __init__(self, lock):
        self.close = lock.release


def test_more_threads_than_a_machine_has_are_refused(tmp_path):
    spec = sweep(files(tmp_path, epochs=1), trials=1, parameters={}, threads=1000)
    with pytest.raises(ConfigError, match="no machine of the cluster has enough CPUs"):
        graphnet.sweep(spec, output=tmp_path / "s", executor="ray")
    assert not Path(tmp_path / "s").exists()
