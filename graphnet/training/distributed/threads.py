"""A group of threads of this process: for tests, and as the reference for other communicators."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from graphnet.core.checks import integer, number
from graphnet.core.concurrency.time_slices import SMALL_PROGRAMS
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, StateError, WorkerError, unknown
from graphnet.training.distributed.communicator import Communicator, Follow, Health, Message, Pending
from graphnet.training.distributed.group_signals import GroupChanged, GroupClosed
from graphnet.training.distributed.thread_hub import SharedSum, ThreadHub

#: Seconds that the end of a group waits for its threads.
ENDING = 5.0


class ThreadCommunicator(Communicator):
    """A communicator whose ranks are threads of this process; arrays are handed over without a copy.

    Python runs one thread at a time outside of numpy and BLAS, so more ranks are rarely faster.

    Parameters
    ----------
    hub : ThreadHub
    follow : callable
    timeout : float
        Seconds that rank 0 waits for the others.
    """

    name: ClassVar[str] = "threads"

    def __init__(self, hub: ThreadHub, follow: Follow, timeout: float) -> None:
        self._hub, self._follow, self.timeout = hub, follow, timeout
        self.rank, self.size, self.generation = -1, 0, -1
        self._read = self._begun = 0
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ the group
    @classmethod
    def launch(cls, workers: int, follow: Follow, *, timeout: float = 60.0, **options: Any) -> Self:
        """Start ``workers - 1`` threads; ``timeout`` is in seconds."""
        integer(cls.__name__, "workers", workers, 1)
        _refuse_unknown(cls, options)
        leader = cls(ThreadHub(), follow, number(cls.__name__, "timeout", timeout, 0.0, above=True), **options)
        leader._hub.members = [leader]
        leader.options = options
        for _ in range(workers - 1):
            leader.add_worker()
        leader.regroup()
        leader._join()  # also where nobody else has
        return leader

    #: What ``launch`` was given beside the time-out; passed on to the other ranks.
    options: Mapping[str, Any] = {}

    def add_worker(self) -> None:
        """Start another rank, which joins at the next regroup."""
        member = type(self)(self._hub, self._follow, self.timeout, **self.options)
        with self._hub.condition:
            self._hub.waiting.append(member)
        member._thread = threading.Thread(target=member._run, name="graphnet rank", daemon=True)
        member._thread.start()

    def _run(self) -> None:
        """What the thread of another rank does."""
        reason = "its loop has ended"
        try:
            self._follow(self)
        except GroupClosed:
            reason = "it has left the group"
        except BaseException as error:  # a rank that fails is lost; rank 0 computes its rows again
            reason = f"{type(error).__name__}: {error}"
        self._hub.lose(self, reason)

    def regroup(self, drop: Mapping[int, str] = {}) -> list[str]:
        """As :meth:`Communicator.regroup`."""
        hub = self._hub
        with hub.condition:
            for rank, reason in drop.items():
                hub.lost.setdefault(hub.members[rank], reason)
            leaving = [f"rank {r} has left: {hub.lost[hub.members[r]]}" for r in hub.ranks_lost()]
            joining = len(hub.waiting)
            if leaving or joining or hub.failed:
                joined = [f"{joining} rank{'s' * (joining > 1)} joined"] if joining and hub.generation else []
                hub.regroup()
                self._join()
                return leaving + joined
            return []

    def _join(self) -> None:
        """Become a member of the present generation."""
        hub = self._hub
        self.generation, self.size = hub.generation, len(hub.members)
        self.rank = hub.members.index(self)
        self._read = self._begun = 0

    @property
    def changed(self) -> bool:
        """Whether a regroup would change the group."""
        with self._hub.condition:
            return bool(self._hub.waiting or self._hub.ranks_lost())

    def health(self) -> dict[int, Health]:
        """What is known of each rank."""
        hub = self._hub
        with hub.condition:
            return {r: Health(m not in hub.lost, reason=hub.lost.get(m, "")) for r, m in enumerate(hub.members)}

    def close(self) -> None:
        """End the group and its threads."""
        hub = self._hub
        with hub.condition:
            hub.closed = True
            members = [*hub.members, *hub.waiting, *hub.lost]
            hub.condition.notify_all()
        for member in members:
            if member._thread is not None:
                member._thread.join(ENDING)

    # ------------------------------------------------------------------ operations
    def broadcast(self, message: Message | None = None) -> Message:
        """As :meth:`Communicator.broadcast`."""
        hub = self._hub
        with SMALL_PROGRAMS.released(), hub.condition:
            if message is not None:
                self._require_members()
                hub.messages.append(message)
                hub.condition.notify_all()
                return message
            while True:
                if hub.closed or self in hub.lost:
                    raise GroupClosed
                if self in hub.members and self.generation != hub.generation:
                    self._join()
                if self.generation == hub.generation and self._read < len(hub.messages):
                    self._read += 1
                    return _protected(hub.messages[self._read - 1])
                hub.condition.wait()

    def begin_sum(self, buffer: Array, *, everywhere: bool = True) -> Pending:
        """As :meth:`Communicator.begin_sum`."""
        hub = self._hub
        with hub.condition:
            self._check()
            number, self._begun = self._begun, self._begun + 1
            # Where this rank receives no total, its caller may change the buffer before rank 0 has read it.
            given = buffer if everywhere or not self.rank else buffer.copy()
            hub.sums.setdefault(number, SharedSum()).parts[self.rank] = given
            hub.condition.notify_all()
        return PendingSum(self, number, everywhere)

    def barrier(self) -> None:
        """As :meth:`Communicator.barrier`."""
        self.sum(np.zeros(1))

    # ------------------------------------------------------------------ waiting
    def finished(self, number: int, everywhere: bool) -> Array:
        """Wait for a sum; the buffers of all ranks, in their order, are added up by the first one that needs it."""
        hub = self._hub
        with SMALL_PROGRAMS.released(), hub.condition:
            if self.rank and not everywhere:
                return np.zeros(0)
            self._wait_for(hub.sums[number] if number in hub.sums else SharedSum())
            found = hub.sums[number]
            if found.total is None:
                self._require_equal(found)
                found.total = added([found.parts[rank] for rank in range(self.size)])
            found.read += 1
            total = found.total
            if not everywhere or found.read == self.size:
                del hub.sums[number]
            return total if not everywhere else total.copy()

    def _wait_for(self, found: SharedSum) -> None:
        """Wait until all ranks have contributed."""
        left, pause = self.timeout, min(1.0, self.timeout / 4)
        while len(found.parts) < self.size:
            self._check()
            if self.rank == 0:
                self._require_members()
                if left <= 0:
                    self._give_up(found)
            began = time.monotonic()
            self._hub.condition.wait(pause if self.rank == 0 else None)
            # While the whole process is stopped, as on a machine that sleeps, no time is counted.
            left -= min(time.monotonic() - began, 2 * pause)
        self._check()

    def _give_up(self, found: SharedSum) -> None:
        """Mark the ranks that have not contributed as lost."""
        for rank, member in enumerate(self._hub.members):
            if rank not in found.parts:
                self._hub.lost[member] = f"no answer within {self.timeout:g} s"
        self._require_members()

    def _require_equal(self, found: SharedSum) -> None:
        """Mark the ranks whose array is not like that of rank 0 as lost."""
        first = found.parts[0]
        for rank, part in found.parts.items():
            if part.shape != first.shape or part.dtype != first.dtype:
                reason = f"{part.dtype} of shape {part.shape} in place of {first.dtype} of shape {first.shape}"
                self._hub.lost[self._hub.members[rank]] = reason
        if self._hub.ranks_lost() and self.rank:
            raise GroupChanged
        self._require_members()

    def _check(self) -> None:
        """Raise what tells a rank that its group is not as it was."""
        hub = self._hub
        if hub.closed and self.rank == 0:
            raise StateError("the group is closed", where="ThreadCommunicator", remedy="Launch another one.")
        if hub.closed or (self in hub.lost and self.rank):
            raise GroupClosed
        if self.generation != hub.generation:
            raise GroupChanged

    def _require_members(self) -> None:
        """On rank 0, raise an error if a member is lost."""
        hub = self._hub
        lost = hub.ranks_lost()
        if lost:
            hub.failed = True
            names = ", ".join(f"rank {rank} ({hub.lost[hub.members[rank]]})" for rank in lost)
            raise WorkerError(
                "a rank was lost",
                where=f"generation {self.generation} of {self.size} ranks",
                expected=f"an answer of every rank within {self.timeout:g} s",
                received=names,
                remedy="Call regroup, and repeat what was under way.",
            )


def _refuse_unknown(cls: type[ThreadCommunicator], options: Mapping[str, Any]) -> None:
    """Raise a ConfigError for options that the class does not have."""
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "hub", "follow")]
    for name in options:
        if name not in known:
            raise unknown("option", name, known, where=cls.__name__, key_path=(name,), error=ConfigError)


def _protected(message: Message) -> Message:
    """A message whose arrays cannot be written to; they are those of rank 0."""
    arrays = [np.asarray(array).view() for array in message.arrays]
    for array in arrays:
        array.flags.writeable = False
    return Message(message.header, arrays)


class PendingSum:
    """A sum of threads that has begun."""

    def __init__(self, communicator: ThreadCommunicator, number: int, everywhere: bool) -> None:
        self._communicator, self._number, self._everywhere = communicator, number, everywhere

    def result(self) -> Array:
        """Wait for the sum and return it."""
        return self._communicator.finished(self._number, self._everywhere)


def added(parts: list[Array]) -> Array:
    """The sum of some arrays, in their order."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
