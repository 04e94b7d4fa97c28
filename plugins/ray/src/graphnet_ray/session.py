"""Ray itself: starting one on this machine, or connecting to a cluster."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from graphnet import ConfigError

#: Bytes of the object store of a Ray that is started here.
OBJECT_STORE = 512 << 20
#: Seconds within which the head of a cluster must accept a connection.
CONNECT = 10.0
#: The environment variable with the address of a cluster, which Ray reads too.
ADDRESS = "RAY_ADDRESS"


def connect(address: str | None = None, *, cpus: int = 1, object_store: int = OBJECT_STORE) -> bool:
    """Connect this process to Ray, and return whether that started one, which :func:`disconnect` must end.

    A process has one connection. If there is one already, it is used.

    Parameters
    ----------
    address : str, optional
        Of the head of a cluster: ``host:port``, ``auto`` for the cluster that this machine belongs to, or
        ``ray://host:port`` for Ray's client. Without it, and without the variable RAY_ADDRESS, Ray is started on this
        machine: without dashboard and usage statistics, and its processes end with this one.
    cpus : int
        The number of processes for which a Ray that is started here has room. It is no limit to their threads, and may
        exceed the number of cores.
    object_store : int
        Bytes of memory for the arrays of a Ray that is started here.

    Raises
    ------
    ConfigError
        If there is no cluster at the address, or Ray cannot be started.
    """
    ray = _ray()
    if ray.is_initialized():
        return False
    address = address or os.environ.get(ADDRESS) or None
    if address:
        _require_listener(address)
    # Read when ray.init runs; a user's own setting stays.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started: dict[str, Any] = {} if address else _local(cpus, object_store)
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **started)
    except Exception as error:  # ConnectionError, ValueError and others, by the kind of address
        if address:
            raise ConfigError(f"Ray cannot be reached: {error}", where=f"address {address!r}") from error
        raise ConfigError(f"Ray cannot be started: {error}") from error
    return not address


def disconnect() -> None:
    """End the connection of this process, and a Ray that was started for it."""
    _ray().shutdown()


def _require_listener(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:  # auto, or another name that Ray knows
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"Ray cannot be reached: {error}",
            where=f"address {address!r}",
            remedy="Start a cluster with: ray start --head",
        ) from error


def _local(cpus: int, object_store: int) -> dict[str, Any]:
    return {
        "num_cpus": max(1, cpus, os.cpu_count() or 1),
        "num_gpus": 0,
        "object_store_memory": object_store,
        "include_dashboard": False,
    }


def _ray() -> Any:
    """Ray, imported late: that takes 0.2 s."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed", remedy=f"Install it: {os.path.basename(sys.executable)} -m pip install 'ray>=2.40'"
        ) from error
    return ray
