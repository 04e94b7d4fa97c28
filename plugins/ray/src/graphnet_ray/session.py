"""Ray itself: starting one on this machine, or connecting to a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from graphnet import ConfigError

if TYPE_CHECKING:
    from graphnet.distributed import Follow
    from graphnet_ray.settings import Settings

#: Bytes of the object store of a Ray that is started here; memory is taken when it is used.
OBJECT_STORE = 2 << 30
#: Seconds within which the head of a cluster must accept a connection.
CONNECT = 10.0
#: The environment variable with the address of a cluster, which Ray reads too.
ADDRESS = "RAY_ADDRESS"


class Connection:
    """The connection of this process, and how many users it has.

    Attributes
    ----------
    users : int
    started : bool
        Whether Ray was started here.
    """

    def __init__(self) -> None:
        self.users, self.started = 0, False
        self.lock = threading.RLock()


_connection = Connection()


def connect(address: str | None = None, *, cpus: int = 1, object_store: int = OBJECT_STORE) -> bool:
    """Connect this process to Ray; each call needs one of :func:`disconnect`.

    A process has one connection. If there is one already, it is used, also if somebody else has made it.

    Parameters
    ----------
    address : str, optional
        Of the head of a cluster: ``host:port``, or ``auto`` for the cluster that this machine belongs to. Without it,
        and without the variable RAY_ADDRESS, Ray is started on this machine: without dashboard and usage statistics,
        and its processes end with this one.
    cpus : int
        The number of cores for which a Ray that is started here has room; it starts as many processes in advance. It is
        no limit to the threads of its processes, and may exceed the number of cores of the machine.
    object_store : int
        Bytes of memory for the arrays of a Ray that is started here.

    Returns
    -------
    bool
        Whether Ray was started on this machine by graphnet.

    Raises
    ------
    ConfigError
        If there is no cluster at the address, Ray cannot be started, or this process is connected to another cluster.
    """
    ray = load_ray()
    with _connection.lock:
        if not ray.is_initialized():
            _connection.users = 0
            _connection.started = _initialize(ray, address or os.environ.get(ADDRESS) or None, cpus, object_store)
            _connection.users = 1
        else:
            _require_same(ray, address)
            _connection.users += bool(_connection.users)
        return _connection.started and bool(_connection.users)


def disconnect() -> None:
    """End a use of the connection; the last one ends it, and a Ray that was started for it."""
    with _connection.lock:
        if _connection.users:
            _connection.users -= 1
            if not _connection.users:
                _connection.started = False
                load_ray().shutdown()


def _initialize(ray: Any, address: str | None, cpus: int, object_store: int) -> bool:
    """Start Ray or connect to it; returns whether it was started."""
    if address:
        _require_listener(address)
    # Read when ray.init runs; a user's own setting stays.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray gives its workers a lower priority than this process, which then waits for the slower ranks.
    os.environ.setdefault("RAY_worker_niceness", "0")
    local = {} if address else _local(cpus, object_store)
    # Ray logs the end of each process, which the communicator reports in a sentence.
    logger, level = logging.getLogger("ray"), logging.CRITICAL
    before = logger.level
    logger.setLevel(level)
    try:
        with _same_handlers():
            ray.init(address=address or "local", log_to_driver=False, logging_level=level, **local)
    except Exception as error:  # ConnectionError, ValueError and others, by the kind of address
        if address:
            raise ConfigError(f"Ray cannot be reached: {error}", where=f"address {address!r}") from error
        raise ConfigError(f"Ray cannot be started: {error}") from error
    finally:
        if not ray.is_initialized():
            logger.setLevel(before)
    return not address


@contextlib.contextmanager
def _same_handlers() -> Iterator[None]:
    """Put back the handlers of signals after the block: Ray takes SIGTERM, which ends a training after a checkpoint."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:  # None: not installed by Python
                    signal.signal(number, handler)


def starter(follow: Follow, settings: Settings, workers: int, local: bool) -> Callable[[], Any]:
    """Return what starts an actor of a group.

    In a cluster, an actor occupies as many cores as its computations have threads. On this machine it occupies none, so
    that a group may have more ranks than there are cores.

    Raises
    ------
    ConfigError
        If ``follow`` cannot be pickled.
    """
    from graphnet_ray.worker import GROUPS, Worker

    ray = load_ray()
    try:
        program = ray.put(follow)
    except Exception as error:
        raise ConfigError(
            f"the program of the ranks cannot be pickled: {error}", expected="a function of a module"
        ) from error
    actor = ray.remote(concurrency_groups=GROUPS, max_concurrency=2)(Worker)
    cores = settings.cores(workers, local)
    options = {
        "num_cpus": 0 if local else cores,
        "max_restarts": 0,
        "max_task_retries": 0,
        "scheduling_strategy": "SPREAD",
    }
    return lambda: actor.options(**options).remote(program, cores, settings.timeout)


def pause(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def _require_same(ray: Any, address: str | None) -> None:
    """Refuse the address of another cluster than that to which this process is connected."""
    here = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", here):
        raise ConfigError(
            "this process is connected to another Ray",
            where=f"address {address!r}",
            expected=repr(here),
            remedy="Close what uses it first.",
        )


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
        "num_cpus": max(1, cpus),
        "num_gpus": 0,
        "object_store_memory": object_store,
        "include_dashboard": False,
    }


def load_ray() -> Any:
    """Ray, imported late: that takes 0.2 s."""
    # Ray prints a paragraph on stdout for each process that ends; the communicator says it in a sentence.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^A worker died or was killed while executing a task")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed", remedy=f"Install it: {os.path.basename(sys.executable)} -m pip install 'ray>=2.40'"
        ) from error
    return ray
