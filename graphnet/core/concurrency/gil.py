"""Refusal of Python without the global interpreter lock (GIL)."""

from __future__ import annotations

import sys


def require_gil() -> None:
    """Raise ImportError on free-threaded Python: graphnet assumes that one thread at a time runs Python code."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # since Python 3.13
    if is_gil_enabled is not None and not is_gil_enabled():
        version = ".".join(map(str, sys.version_info[:3]))
        raise ImportError(
            "graphnet does not support Python without the global interpreter lock (GIL); "
            f"received Python {version} with the GIL disabled. Run python -X gil=1, or set PYTHON_GIL=1."
        )
