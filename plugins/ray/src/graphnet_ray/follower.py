"""The communicator of the ranks that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import numpy as np

from graphnet import StateError
from graphnet.distributed import Communicator, Follow, Health, Message, Pending
from graphnet_ray.mailbox import Mailbox


class RayFollower(Communicator):
    """The communicator of a rank other than 0, in an actor, on its mailbox.

    Parameters
    ----------
    mailbox : Mailbox
    """

    name: ClassVar[str] = "ray"

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.generation, self.rank, self.size = mailbox.generation, mailbox.rank, mailbox.size
        self._read = self._begun = 0

    def _follow(self, generation: int) -> None:
        """Take part in the newest generation."""
        if generation != self.generation:
            self.generation, self.rank, self.size = generation, self._mailbox.rank, self._mailbox.size
            self._read = self._begun = 0

    def broadcast(self, message: Message | None = None) -> Message:
        """As :meth:`Communicator.broadcast`."""
        if message is not None:
            raise StateError("a message from a rank other than 0", expected="None")
        generation, received = self._mailbox.message(self.generation, self._read)
        self._follow(generation)
        self._read += 1
        header, arrays = received
        for array in arrays:  # those from the object store are read-only already
            array.flags.writeable = False
        return Message(header, arrays)

    def begin_sum(self, buffer: np.ndarray[Any, Any], *, everywhere: bool = True) -> Pending:
        """As :meth:`Communicator.begin_sum`."""
        self._mailbox.require(self.generation)
        # Where a total comes back, the buffer has been read by then; otherwise the program may change it at once.
        given = buffer if everywhere else buffer.copy()
        pending = FollowerSum(self._mailbox, self.generation, self._begun, buffer, everywhere)
        self._mailbox.put("contributions", self.generation, self._begun, given)
        self._begun += 1
        return pending

    def barrier(self) -> None:
        """As :meth:`Communicator.barrier`."""
        self.sum(np.zeros(0))

    def health(self) -> dict[int, Health]:
        """Only rank 0 knows it."""
        self._refuse("health")

    def regroup(self, drop: Mapping[int, str] = {}) -> list[str]:
        """Only rank 0 can."""
        self._refuse("regroup")

    def close(self) -> None:
        """Only rank 0 can."""
        self._refuse("close")

    @classmethod
    def launch(cls, workers: int, follow: Follow, **options: Any) -> RayFollower:
        """Only rank 0 can."""
        raise StateError("launch of a rank other than 0", remedy="Use graphnet_ray.RayCommunicator.launch.")

    def _refuse(self, operation: str) -> NoReturn:
        raise StateError(f"{operation} on rank {self.rank}", expected="rank 0")


class FollowerSum:
    """A sum that a rank other than 0 has contributed to."""

    def __init__(
        self, mailbox: Mailbox, generation: int, number: int, buffer: np.ndarray[Any, Any], everywhere: bool
    ) -> None:
        self._mailbox, self._key, self._everywhere = mailbox, (generation, number), everywhere
        self._buffer: np.ndarray[Any, Any] | None = buffer
        self._total = np.zeros(0, buffer.dtype)

    def result(self) -> np.ndarray[Any, Any]:
        """As :meth:`Pending.result`."""
        if self._buffer is not None:
            if self._everywhere:
                self._total = self._mailbox.total(*self._key)
            else:
                self._mailbox.require(self._key[0])
            self._buffer = None
        return self._total
