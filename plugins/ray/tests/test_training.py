"""Training on Ray: equal to one process, also when processes are killed, stopped or started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")

import training_runs
from training_runs import AtStep, Recorded, assert_equal, train, weights

from graphnet import WorkerError
from graphnet_ray.introduction import versions


@pytest.fixture(scope="module")
def alone():
    """The weights of one process."""
    return weights(train())


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_equal_to_one_process(alone, workers):
    assert_equal(train(workers), alone)


def send(number, rank=1):
    """Return what sends a signal to the process of a rank."""
    return lambda: os.kill(Recorded.last.processes()[rank].process, number)


@pytest.mark.usefixtures("cluster")
def test_equal_where_a_process_is_killed_and_another_one_is_stopped(alone):
    begun = time.monotonic()
    actions = {23: send(signal.SIGKILL, 2), 61: send(signal.SIGSTOP, 1)}
    trainer = train(3, callbacks=[AtStep(actions)], group=Recorded, silence=2.0)
    assert_equal(trainer, alone)
    assert Recorded.last.generation >= 3
    assert time.monotonic() - begun < 60


@pytest.mark.usefixtures("cluster")
def test_equal_where_a_new_process_joins(alone):
    def wait_for_the_new_one():
        end = time.monotonic() + 60
        while Recorded.last.size < 2 and not Recorded.last.changed and time.monotonic() < end:
            time.sleep(0.05)

    sizes = {}
    actions = {20: send(signal.SIGKILL), 30: wait_for_the_new_one, 90: lambda: sizes.update(last=Recorded.last.size)}
    assert_equal(train(2, callbacks=[AtStep(actions)], group=Recorded), alone)
    assert sizes == {"last": 2}


@pytest.mark.usefixtures("cluster")
def test_a_process_with_other_versions_cannot_join(monkeypatch):
    monkeypatch.setattr("graphnet_ray.roster.versions", lambda: {**versions(), "graphnet-other": "9.9"})
    with pytest.raises(WorkerError, match="graphnet-other missing instead of 9.9"):
        train(2)


def processes_of(session):
    """The processes whose environment has a text, by id; not two helpers of Ray, which may take a minute to end."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"Agent" in (folder / "cmdline").read_bytes():
                continue
            if session.encode() in (folder / "environ").read_bytes() and "Z" not in (folder / "stat").read_text():
                found.append(int(folder.name))
        except OSError:  # ended meanwhile
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_is_left_when_the_driver_ends(number, tmp_path):
    mark = f"GRAPHNET_TEST={tmp_path}"
    environment = {**os.environ, "GRAPHNET_TEST": str(tmp_path), "PYTHONWARNINGS": "default"}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, training_runs.__file__]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as driver:
        line = next(line for line in driver.stdout if line.startswith("training"))
        assert line and len(processes_of(mark)) >= 3
        driver.send_signal(number)
        driver.wait(60)
    end = time.monotonic() + 60
    while processes_of(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_of(mark) == []
