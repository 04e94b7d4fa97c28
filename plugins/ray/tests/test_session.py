"""Connections to Ray."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graphnet import ConfigError

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")

from graphnet_ray import connect  # noqa: E402


def test_an_address_without_a_cluster_is_an_error_that_names_it():
    with pytest.raises(ConfigError, match=r"address '127\.0\.0\.1:9'"):
        connect("127.0.0.1:9")


def test_a_process_keeps_its_handlers_of_signals():
    code = """
import os, signal
from graphnet_ray import connect, disconnect
received = []
signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
connect()
os.kill(os.getpid(), signal.SIGTERM)
disconnect()
assert received == [signal.SIGTERM], received
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
