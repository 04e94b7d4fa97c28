"""Native code for graphnet's programs, compiled by LLVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnet_native.availability import Status, status
    from graphnet_native.native_backend import NativeBackend

__all__ = ["NativeBackend", "Status", "status"]

_PLACES = {
    "NativeBackend": "graphnet_native.native_backend",
    "Status": "graphnet_native.availability",
    "status": "graphnet_native.availability",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: the self-test's process needs neither graphnet nor numpy."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
