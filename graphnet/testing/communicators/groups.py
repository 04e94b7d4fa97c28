"""The groups on which the checks run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.testing.communicators import program
from graphnet.testing.failures import Fault
from graphnet.training.distributed import Communicator, Message

#: Starts a group: called with the number of ranks and the program of the others, and with ``timeout`` in some checks.
Launch = Callable[..., Communicator]
#: Seconds in which a fault must be noticed, and a group must be complete again.
PATIENCE = 60.0


class Groups:
    """Launches groups, and keeps one of each size for the checks that leave it as it is.

    Parameters
    ----------
    launch : callable
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._kept: dict[int, Communicator] = {}
        self.registered = False

    def of(self, size: int) -> Communicator:
        """The group of a size."""
        if size not in self._kept:
            self._kept[size] = self.launch(size, program.obey)
        return self._kept[size]

    def close(self) -> None:
        """Close the kept groups."""
        while self._kept:
            self._kept.popitem()[1].close()


def command(group: Communicator, do: str, arrays: Sequence[Array] = (), **arguments: Any) -> list[Array]:
    """Run a command on all ranks, and return the results of rank 0."""
    return program.run(group, group.broadcast(Message({"do": do, **arguments}, arrays)))


def members(group: Communicator) -> Array:
    """Rank, size and generation of each rank, one row each."""
    (table,) = command(group, "who")
    return np.ascontiguousarray(table[:, : 3 * 8]).view(np.int64)


def expect(truth: object, problem: str) -> None:
    """Raise a Fault unless something is true."""
    if not truth:
        raise Fault(problem)


def settled(group: Communicator, size: int) -> list[str]:
    """Regroup until the group has a size, and return the sentences; others may join late."""
    sentences = list(group.regroup())
    end = time.monotonic() + PATIENCE
    while group.size != size and time.monotonic() < end:
        if group.changed:
            sentences += group.regroup()
        time.sleep(0.01)
    return sentences
