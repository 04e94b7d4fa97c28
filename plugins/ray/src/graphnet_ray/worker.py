"""The actor in which a rank other than 0 runs."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

import ray

import graphnet
from graphnet.distributed import Follow, GroupClosed
from graphnet_ray.clock import RunningClock
from graphnet_ray.follower import RayFollower
from graphnet_ray.introduction import Introduction, versions
from graphnet_ray.mailbox import Mailbox

#: The threads of an actor by what they do: a contribution that is awaited must not hold up what it waits for.
GROUPS = {"control": 2, "mail": 4, "contributions": 4}


class Worker:
    """A process of the group; its methods are called by rank 0.

    Parameters
    ----------
    follow : callable
        The program.
    threads : int
        The number of threads of its computations.
    alone : float
        Seconds without a beat of rank 0 after which this process ends.
    """

    def __init__(self, follow: Follow, threads: int, alone: float) -> None:
        self._follow, self._threads, self._alone = follow, threads, alone
        self._mailbox = Mailbox()
        self._clock = RunningClock()
        self._heard = 0.0
        for target in (self._run, self._watch):
            threading.Thread(target=target, name=f"graphnet{target.__name__}", daemon=True).start()

    # ------------------------------------------------------------------ the program
    def _run(self) -> None:
        reason = "its program has ended"
        try:
            self._mailbox.wait_for_first()
            with graphnet.threads(self._threads):
                self._follow(RayFollower(self._mailbox))
        except GroupClosed:
            reason = "it has left the group"
        except BaseException as error:  # rank 0 receives it, and goes on without this rank
            reason = f"its program failed: {type(error).__name__}: {error}"[:2000]
        self._mailbox.end(reason)

    def _watch(self) -> None:
        """End the process if rank 0 is silent: it has ended, cannot be reached, or has dropped this rank."""
        while self._clock.tick() - self._heard < self._alone:
            time.sleep(0.25)
        os._exit(1)

    # ------------------------------------------------------------------ called by rank 0
    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator,unused-ignore]
    def introduce(self) -> Introduction:
        """Return what this process is."""
        self._heard = self._clock.now
        node = ray.get_runtime_context().get_node_id()
        return Introduction(os.getpid(), node, socket.gethostname(), versions())

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator,unused-ignore]
    def beat(self) -> str:
        """Return why the program has ended; empty while it runs."""
        self._heard = self._clock.now
        return self._mailbox.ended

    @ray.method(concurrency_group="mail", num_returns=0)  # type: ignore[untyped-decorator,unused-ignore]
    def announce(self, generation: int, rank: int, size: int) -> None:
        """Begin a generation."""
        self._mailbox.announce(generation, rank, size)

    @ray.method(concurrency_group="mail", num_returns=0)  # type: ignore[untyped-decorator,unused-ignore]
    def deliver(self, box: str, generation: int, number: int, thing: Any) -> None:
        """Receive a message or a total; a list stands for a reference to it in the object store."""
        self._mailbox.put(box, generation, number, ray.get(thing[0]) if isinstance(thing, list) else thing)

    @ray.method(concurrency_group="contributions")  # type: ignore[untyped-decorator,unused-ignore]
    def contribution(self, generation: int, number: int) -> Any:
        """Wait for a contribution of the program; see :meth:`Mailbox.contribution`."""
        return self._mailbox.contribution(generation, number)

    @ray.method(concurrency_group="control", num_returns=0)  # type: ignore[untyped-decorator,unused-ignore]
    def end(self) -> None:
        """End the group."""
        self._mailbox.close()
