"""The software and hardware of a run: versions, plugins in order, platform, backend, BLAS and its threads."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from graphnet.core.distribution import VERSION
from graphnet.plugins import manager

PACKAGES = ("numpy", "pluggy", "networkx", "PyYAML", "threadpoolctl")


def versions(threads: int | None = None, backend: str | None = None) -> dict[str, Any]:
    """Versions, plugins, platform, backend and BLAS as plain data.

    Parameters
    ----------
    threads : int, optional
        The limit of BLAS threads of the run; None: no limit beyond that of each library.
    backend : str, optional
        The backend that runs the graph.

    Examples
    --------
    >>> sorted(versions(threads=1))
    ['backend', 'blas', 'graphnet', 'packages', 'platform', 'plugins', 'python', 'threads']
    """
    return {
        "graphnet": VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "version": p.version, "status": p.status}
            for p in manager().plugins
        ],
        "backend": backend,
        "blas": _blas(),
        "threads": threads,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> list[dict[str, Any]]:
    """The BLAS and OpenMP libraries in use, without their paths."""
    import threadpoolctl  # type: ignore[import-untyped]

    fields = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")
    return [{key: library[key] for key in fields if key in library} for library in threadpoolctl.threadpool_info()]
