"""One Ray for all tests: starting it takes seconds."""

import pytest


@pytest.fixture(scope="session")
def cluster():
    """A Ray of this machine; groups that are launched meanwhile use it."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from graphnet_ray import connect, disconnect

    connect(cpus=4, object_store=200 << 20)
    yield
    disconnect()
