"""The backend under test, also where the distribution is on the path and not installed."""

import pytest

from graphnet.core.run import backends
from graphnet_native import NativeBackend


class Source:
    """A source of backends with the native one."""

    def find(self, name):
        return NativeBackend() if name == "native" else None

    def names(self):
        return ["native"]


@pytest.fixture(autouse=True)
def _native(monkeypatch):
    monkeypatch.setattr(backends, "_sources", [Source])
