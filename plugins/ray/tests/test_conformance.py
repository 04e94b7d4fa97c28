"""The conformance kit for communicators."""

from __future__ import annotations

import pytest

from graphnet.testing.communicators import communicator_conformance

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")

from graphnet_ray import RayCommunicator


@pytest.mark.usefixtures("cluster")
@communicator_conformance(RayCommunicator.launch)
def test_ray(check):
    check()
