"""``graphnet train --workers`` on Ray, and a run that goes on after its driver was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")

import ray

import graphnet

MODEL = """\
format: graphnet/1
name: vowels
inputs:
  frames: time, batch, feature=12
nodes:
  hidden:
    layer: FullyConnected
    with: {input_size: 12, output_size: 20}
    inputs: frames
  thinned:
    layer: Dropout
    with: {probability: 0.8}
    inputs: hidden
  mean:
    layer: MeanOverTime
    inputs: thinned
  scores:
    layer: FullyConnected
    with: {input_size: 20, output_size: 9}
    inputs: mean
outputs:
  scores: scores
training:
  data: japanese_vowels
  loss: CrossEntropy
  optimizer: Adam
  dtype: float64
  epochs: 6
  batch_size: 20
  seed: 3
"""


@pytest.fixture
def start(cluster, tmp_path):
    """Starts ``graphnet`` with arguments, as a driver of the Ray of the tests."""
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    environment = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address, "GRAPHNET_BACKEND": "numpy"}

    def started(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "graphnet", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=environment,
        )

    return started


def ended(process):
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    return output


def final_weights(folder):
    return {path: parameter.value for path, parameter in graphnet.load(folder).runner.parameters.items()}


def test_a_killed_command_goes_on_with_another_number_of_workers(start, tmp_path):
    alone = start("train", "model.yaml", "--output", "alone")
    killed = start("train", "model.yaml", "--output", "ranks", "--workers", "2")
    end = time.monotonic() + 100
    while not list(tmp_path.glob("ranks/checkpoints/*")) and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    ended(alone)
    ended(start("train", "--resume", "ranks", "--workers", "3"))
    expected, found = final_weights(tmp_path / "alone"), final_weights(tmp_path / "ranks")
    for path, value in expected.items():
        np.testing.assert_allclose(found[path], value, 1e-10, 1e-10, err_msg=path)


def test_an_address_without_a_cluster_is_one_line(start):
    process = start("train", "model.yaml", "--workers", "2", "--address", "127.0.0.1:9")
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "127.0.0.1:9" in output
    assert "Traceback" not in output
