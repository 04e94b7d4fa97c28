"""What data-parallel training needs of a group of processes: the interface that plugins implement."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from graphnet.core.describe.parameter import Array


@dataclass(frozen=True)
class Message:
    """What rank 0 sends to all ranks.

    Attributes
    ----------
    header : dict
        Small plain values, which are pickled.
    arrays : sequence of numpy.ndarray
        Sent without a copy where the communicator can; a receiver must not write to them.
    """

    header: Mapping[str, Any]
    arrays: Sequence[Array] = field(default=())


@dataclass(frozen=True)
class Health:
    """What is known of one rank.

    Attributes
    ----------
    alive : bool
        Whether it counts as a member of the group.
    silent : float
        Seconds since its last sign of life.
    reason : str
        Why it was dropped; empty for a member.
    """

    alive: bool
    silent: float = 0.0
    reason: str = ""


class Pending(Protocol):
    """A sum that has begun."""

    def result(self) -> Array:
        """Wait for the sum and return it.

        Raises
        ------
        WorkerError
            If a rank does not contribute within the time-out.
        """


#: What a rank other than 0 does; it returns when rank 0 has closed the group.
Follow = Callable[["Communicator"], None]


class Communicator(ABC):
    """A group of processes that compute together: rank 0, which leads, and those that follow it.

    All ranks call the same operations in the same order. The group has a generation: it changes when members leave or
    join, which happens only in :meth:`regroup`. What ranks of an earlier generation send is ignored.

    Attributes
    ----------
    name : str
        By which a model file and the command line refer to it.
    rank : int
        That of this process, from 0.
    size : int
        The number of members.
    generation : int
    """

    name: ClassVar[str]
    rank: int
    size: int
    generation: int = 0

    @classmethod
    @abstractmethod
    def launch(cls, workers: int, follow: Follow, **options: Any) -> Self:
        """Start a group of ``workers`` ranks, this process included, and return that of rank 0.

        Parameters
        ----------
        workers : int, at least 1
        follow : callable
            A function of a module, which the other ranks call with their communicator.
        **options
            Those of the communicator, such as an address or a time-out in seconds.

        Raises
        ------
        ConfigError
            If an option is unknown or invalid.
        WorkerError
            If the group cannot be started within the time-out.
        """

    @abstractmethod
    def broadcast(self, message: Message | None = None) -> Message:
        """Send a message from rank 0 to all; the others pass None. Returns the message.

        The others wait for it as long as rank 0 lives: between two messages it may validate, or write a checkpoint.

        Raises
        ------
        GroupClosed
            On the other ranks, when rank 0 has closed the group or this rank is no longer a member.
        WorkerError
            On rank 0, if a rank cannot be reached within the time-out.
        """

    @abstractmethod
    def begin_sum(self, buffer: Array, *, everywhere: bool = True) -> Pending:
        """Begin to add up one-dimensional arrays of the same size and dtype, one of each rank, in the order of ranks.

        The order is fixed, so the result is equal to the bit on all ranks and in each run of the same size. ``buffer``
        must not change before the result is there. Several sums may be under way; they are matched by their order.

        Parameters
        ----------
        buffer : array, one axis
        everywhere : bool
            Whether all ranks receive the sum; otherwise rank 0 alone, and the result is an empty array on the others.

        Raises
        ------
        GroupChanged
            On ranks other than 0, from here or from ``result``, if rank 0 regroups meanwhile: what was under way is
            void, and the next operation is a ``broadcast``.
        """

    def dumps(self, thing: Any, buffers: list[Any]) -> bytes:
        """What rank 0 sends as bytes that ``pickle.loads(…, buffers=…)`` reads, with its arrays in ``buffers``.

        A communicator whose other ranks cannot import the script of rank 0 overrides it, by a pickle that contains
        classes and functions of ``__main__``.

        Parameters
        ----------
        thing : object
        buffers : list
            Receives a ``pickle.PickleBuffer`` for each array.
        """
        return pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)

    def sum(self, buffer: Array, *, everywhere: bool = True) -> Array:
        """The sum of :meth:`begin_sum`, waited for."""
        return self.begin_sum(buffer, everywhere=everywhere).result()

    @abstractmethod
    def barrier(self) -> None:
        """Return when all ranks have called it.

        Raises
        ------
        WorkerError, GroupChanged
            As for a sum.
        """

    @abstractmethod
    def health(self) -> dict[int, Health]:
        """What rank 0 knows of each rank, those that were dropped since the last :meth:`regroup` included."""

    @abstractmethod
    def regroup(self, drop: Mapping[int, str] = {}) -> list[str]:
        """On rank 0: begin a new generation, without lost members and with those that wait to join.

        Ranks are numbered again, without gaps. A rank other than 0 finds out by GroupChanged, or in its next broadcast.
        If there is nothing to change, and no operation has failed, the generation stays the same. After a WorkerError
        there is always a new generation, so that what was under way on any rank is void, with the same members too.

        Parameters
        ----------
        drop : mapping of rank to reason
            Members to drop, besides those that were lost.

        Returns
        -------
        list of str
            A sentence for each member that left or joined.

        Raises
        ------
        WorkerError
            If the communicator cannot go on with other members.
        """

    @property
    def changed(self) -> bool:
        """On rank 0: whether a member was lost, or one waits to join, so that a regroup would change the group."""
        return False

    @abstractmethod
    def close(self) -> None:
        """On rank 0: end the group, and everything that ``launch`` started."""
