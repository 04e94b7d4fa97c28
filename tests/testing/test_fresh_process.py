"""The process that forks a new process for each model of the conformance kit."""

import os
import sys

import pytest

from graphnet import Affine
from graphnet.testing import Case, fresh_process
from graphnet.testing.case_run import CaseRun

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

CASE = Case(Affine, {"scale": 2.0}, "batch=4, feature=3")


@pytest.fixture
def alone(monkeypatch):
    """A new server; the list grows with each model that runs without it."""
    found, run_alone = [], fresh_process._run_alone
    monkeypatch.setattr(fresh_process, "SERVER", server := fresh_process.ForkServer())
    monkeypatch.setattr(fresh_process, "_run_alone", lambda folder: found.append(folder) or run_alone(folder))
    yield found
    server.stop()


def status():
    return CaseRun(CASE).run("fresh_process").status


def test_server_has_the_plugins_of_the_current_path(alone, tmp_path, monkeypatch):
    """A plugin that starts a thread when it loads makes forking unsafe: a process of its own runs the model."""
    assert (status(), alone) == ("passed", [])
    plugin = tmp_path / "with_a_thread.py"
    plugin.write_text("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    folder = tmp_path / "with_a_thread-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: with-a-thread\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[graphnet]\nthread = with_a_thread\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert status() == "passed"
    assert len(alone) == 1
    monkeypatch.setenv("GRAPHNET_PLUGINS", "none")
    assert (status(), len(alone)) == ("passed", 1)


def test_server_that_was_killed_is_started_again(alone):
    assert status() == "passed"
    os.kill(killed := fresh_process.SERVER.pid, 9)
    assert (status(), status()) == ("passed", "passed")
    assert fresh_process.SERVER.pid != killed
    assert len(alone) <= 1  # a model that was sent to the server before its end was noticed
