"""What a run depended on besides its files: versions, plugins in their order, platform, BLAS and its threads."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from graphnet.plugins import manager

PACKAGES = ("numpy", "pluggy", "networkx", "PyYAML", "safetensors", "threadpoolctl")


def versions(threads: int | None = None) -> dict[str, Any]:
    """All of it as plain data.

    Parameters
    ----------
    threads : int, optional
        BLAS threads that the run is limited to; None: as many as each library says for itself.

    Examples
    --------
    >>> sorted(versions(threads=1))
    ['blas', 'graphnet', 'packages', 'platform', 'plugins', 'python', 'threads']
    """
    return {
        "graphnet": _version("graphnet"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "version": p.version, "status": p.status}
            for p in manager().plugins
        ],
        "blas": _blas(),
        "threads": threads,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> list[dict[str, Any]]:
    """Each library that numpy multiplies with; where it lies is left out."""
    import threadpoolctl  # type: ignore[import-untyped]

    kept = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")
    return [{key: each[key] for key in kept if key in each} for each in threadpoolctl.threadpool_info()]
