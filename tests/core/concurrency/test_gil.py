"""Free-threaded Python is refused when graphnet is imported."""

import subprocess
import sys

import pytest

from graphnet.core.concurrency.gil import require_gil


def test_import_without_gil_is_refused():
    program = "import sys; sys._is_gil_enabled = lambda: False; import graphnet"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: graphnet does not support Python without" in done.stderr and "-X gil=1" in done.stderr


@pytest.mark.parametrize("enabled", [True, None], ids=["enabled", "before 3.13"])
def test_gil_is_accepted(monkeypatch, enabled):
    if enabled is None:
        monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    else:
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    require_gil()
