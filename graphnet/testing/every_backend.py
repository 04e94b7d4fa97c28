"""The fixture ``every_backend``: a test runs once on numpy and once on each compiled backend that can run here.

The ``conftest.py`` of a suite imports it; pytest must be installed. A test, or a file by ``pytestmark``, asks for it
by ``pytest.mark.usefixtures("every_backend")``; Runners and layers that name no backend then use the one of the test.
"""

from __future__ import annotations

import pytest

from graphnet import plugins  # announces the backends of installed plugins
from graphnet.core.run import backend_choice, backends


def compiled_backends() -> list[str]:
    """Return numpy and the backends that would run where none is named."""
    assert plugins
    offers = [
        name
        for name, backend in backends.automatic()
        if backend_choice.priority(backend) > 0 and backend_choice.unavailable(backend) is None
    ]
    return [backend_choice.FALLBACK, *sorted(offers)]


@pytest.fixture(params=compiled_backends())
def every_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the backend."""
    monkeypatch.setenv(backend_choice.VARIABLE, request.param)
    return str(request.param)
