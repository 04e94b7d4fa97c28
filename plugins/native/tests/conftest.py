"""The backend under test, also where the distribution is not installed but on the path."""

import pytest

from graphnet.core.run import backends
from graphnet_native import NativeBackend


@pytest.fixture(autouse=True)
def _native(monkeypatch):
    monkeypatch.setattr(backends, "finders", [lambda name: NativeBackend() if name == "native" else None])
