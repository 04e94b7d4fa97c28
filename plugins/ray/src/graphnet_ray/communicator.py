"""The communicator of rank 0: actors of Ray are the other ranks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from graphnet import ConfigError, StateError, WorkerError
from graphnet.distributed import Communicator, Follow, Health, Message, Pending
from graphnet_ray import session
from graphnet_ray.introduction import Introduction
from graphnet_ray.member import Member
from graphnet_ray.root_sum import RootSum
from graphnet_ray.roster import Roster, ended, named
from graphnet_ray.settings import WHERE, Settings

#: Seconds between two looks at the other ranks during a wait.
LOOK = 0.1
#: Bytes up to which arrays travel in the call itself; larger ones are put into the object store once.
SMALL = 32 << 10
#: Seconds that the programs of the other ranks may take to end.
ENDING = 1.0


class RayCommunicator(Communicator):
    """A group of processes on Ray: this one is rank 0, actors are the others.

    Arrays travel through Ray's object store, which processes on one node read without a copy; everything else is calls
    of the actors, whose order numbers settle. Rank 0 asks the others for their contributions and adds them in the order
    of ranks. A thread sends a beat to each actor every half second.

    A rank is lost if its process ends, if it is silent for ``silence`` seconds, if it does not contribute to a sum
    within ``timeout`` seconds, or if its program fails. Another process starts in its place, and joins at the first
    ``regroup`` after it is ready.
    """

    name: ClassVar[str] = "ray"

    def __init__(self, roster: Roster, settings: Settings) -> None:
        self._roster, self._settings = roster, settings
        self._messages = self._sums = 0
        self._under_way: list[RootSum] = []
        self._failed = self._closed = False
        self.rank, self.size, self.generation = 0, 1, 0

    @classmethod
    def launch(cls, workers: int, follow: Follow, **options: Any) -> Self:
        """Start a group of ``workers`` ranks; the options are those of :class:`graphnet_ray.Settings`.

        Raises
        ------
        ConfigError
            If an option is unknown or invalid, ``follow`` cannot be pickled, or Ray cannot be reached or started.
        WorkerError
            If a process cannot be started within ``start_timeout``, or has other versions of graphnet or its plugins.
        """
        settings = Settings.checked(options)
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ConfigError(
                "invalid number of workers", where=WHERE, expected="an integer of at least 1", received=repr(workers)
            )
        local = session.connect(settings.address, cpus=workers, object_store=settings.object_store)
        try:
            return cls._start(workers, settings, session.starter(follow, settings, workers, local))
        except BaseException:
            session.disconnect()
            raise

    @classmethod
    def _start(cls, workers: int, settings: Settings, start: Callable[[], Any]) -> Self:
        roster = Roster(
            start,
            workers - 1,
            silence=settings.silence,
            start_timeout=settings.start_timeout,
            replace=settings.replace,
        )
        try:
            roster.begin()
            while not roster.complete:
                if roster.notes:
                    break
                session.pause(LOOK / 2)
            if notes := roster.take_notes():
                raise WorkerError("the group cannot be started", where=WHERE, received="; ".join(notes))
            group = cls(roster, settings)
            group.regroup()
        except BaseException:
            roster.close()
            raise
        return group

    # ------------------------------------------------------------------ operations
    def broadcast(self, message: Message | None = None) -> Message:
        """As :meth:`Communicator.broadcast`."""
        self._require_open()
        if message is None:
            raise StateError("no message on rank 0", expected="a Message")
        members = list(self._roster.members)
        if members:
            content = (dict(message.header), [np.asarray(each) for each in message.arrays])
            self._deliver(members, "messages", self._messages, content, sum(each.nbytes for each in content[1]))
        self._messages += 1
        self._require_all(members, "a message")
        return message

    def begin_sum(self, buffer: np.ndarray[Any, Any], *, everywhere: bool = True) -> Pending:
        """As :meth:`Communicator.begin_sum`."""
        self._require_open()
        calls = {m: m.actor.contribution.remote(self.generation, self._sums) for m in self._roster.members}
        pending = RootSum(self._finish, self._sums, buffer, everywhere, calls)
        self._sums += 1
        self._under_way.append(pending)
        return pending

    def barrier(self) -> None:
        """As :meth:`Communicator.barrier`."""
        self.sum(np.zeros(0))

    def dumps(self, thing: Any, buffers: list[Any]) -> bytes:
        """As :meth:`Communicator.dumps`; classes and functions of ``__main__`` are part of the pickle."""
        pickled: bytes = session.load_ray().cloudpickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
        return pickled

    def _deliver(self, members: list[Member], box: str, number: int, content: Any, size: int) -> None:
        """Send something to members; what is large is put into the object store once."""
        thing = content if size <= SMALL else [session.load_ray().put(content)]
        for member in members:
            if not member.lost:
                member.actor.deliver.remote(box, self.generation, number, thing)

    def _finish(self, last: RootSum) -> None:
        """Finish the sums under way up to ``last``."""
        while last.total is None:
            pending = self._under_way[0]
            parts = self._collect(pending)
            total = pending.add(parts)
            if pending.everywhere:
                self._deliver(list(pending.calls), "totals", pending.number, total, total.nbytes)
            self._under_way.pop(0)
            pending.calls = {}

    def _collect(self, pending: RootSum) -> list[np.ndarray[Any, Any]]:
        """Wait for the contributions to a sum."""
        ray, clock = session.load_ray(), self._roster.clock
        calls, start = pending.calls, clock.now
        while True:
            parts = []
            with contextlib.suppress(ray.exceptions.GetTimeoutError):
                try:
                    parts = ray.get(list(calls.values()), timeout=LOOK)
                except ray.exceptions.GetTimeoutError:
                    raise
                except Exception:
                    self._blame(calls)
            for member, part in zip(calls, parts, strict=False):
                if wrong := part if isinstance(part, str) else pending.mismatch(part):
                    member.failed = True
                    self._roster.lose(member, wrong)
            if clock.now - start > self._settings.timeout:
                self._drop_slow(calls)
            self._require_all(calls, "a sum")
            if len(parts) == len(calls):
                return parts

    def _blame(self, calls: Mapping[Member, Any]) -> None:
        """Note the members whose calls have failed."""
        ray = session.load_ray()
        ready, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=0)
        for member, call in calls.items():
            if call in ready:
                try:
                    ray.get(call)
                except Exception as error:
                    self._roster.lose(member, ended(error))

    def _drop_slow(self, calls: Mapping[Member, Any]) -> None:
        """Note the members that have not contributed in time."""
        ready, _ = session.load_ray().wait(list(calls.values()), num_returns=len(calls), timeout=0)
        for member, call in calls.items():
            if call not in ready:
                reason = f"it lives, but has not contributed to a sum within {self._settings.timeout:g} s"
                self._roster.lose(member, reason)

    def _require_all(self, members: Any, what: str) -> None:
        """Raise a WorkerError that names the lost ones among some members."""
        lost = [member for member in members if member.lost]
        if lost:
            self._failed = True
            ranks = ", ".join(str(1 + self._roster.members.index(m)) for m in lost if m in self._roster.members)
            raise WorkerError(
                f"rank {ranks} was lost during {what}",
                where=WHERE,
                received=named(lost),
                remedy="regroup() goes on with the others.",
            )

    # ------------------------------------------------------------------ the group
    @property
    def changed(self) -> bool:
        """As :attr:`Communicator.changed`."""
        return self._roster.changed

    def health(self) -> dict[int, Health]:
        """As :meth:`Communicator.health`."""
        roster = self._roster
        with roster.lock:
            now = roster.clock.now
            return {0: Health(True)} | {
                rank: Health(not member.lost, now - member.heard, member.lost)
                for rank, member in enumerate(roster.members, 1)
            }

    def processes(self) -> dict[int, Introduction]:
        """The process of each rank from 1, with its id and its node."""
        with self._roster.lock:
            found = {rank: member.introduction for rank, member in enumerate(self._roster.members, 1)}
        return {rank: each for rank, each in found.items() if each is not None}

    def regroup(self, drop: Mapping[int, str] = {}) -> list[str]:
        """As :meth:`Communicator.regroup`."""
        self._require_open()
        roster = self._roster
        with roster.lock:
            if wrong := [rank for rank in drop if not 1 <= rank <= len(roster.members)]:
                raise ConfigError(
                    "ranks that cannot be dropped",
                    where=WHERE,
                    expected=f"ranks from 1 to {len(roster.members)}",
                    received=repr(wrong),
                )
            for rank, reason in drop.items():
                roster.lose(roster.members[rank - 1], reason)
            notes = roster.take_notes()
            if not roster.changed and not self._failed:
                return notes
            ranks = {member: rank for rank, member in enumerate(roster.members, 1)}
            left, joined = roster.renew()
            self._begin_generation()
            first = self.generation == 1
        notes += [f"rank {ranks[member]} ({member}) has left: {member.lost}" for member in left]
        ranks = {member: rank for rank, member in enumerate(roster.members, 1)}
        return notes + [f"rank {ranks[member]} ({member}) has joined" for member in joined if not first]

    def _begin_generation(self) -> None:
        """Tell the members their ranks; what was under way is void."""
        members = self._roster.members
        self.generation += 1
        self.size = 1 + len(members)
        for rank, member in enumerate(members, 1):
            member.actor.announce.remote(self.generation, rank, self.size)
        for pending in self._under_way:
            pending.void, pending.calls = True, {}
        self._under_way = []
        self._messages = self._sums = 0
        self._failed = False

    def close(self) -> None:
        """As :meth:`Communicator.close`; a Ray that was started for the group ends too."""
        if self._closed:
            return
        self._closed = True
        for member in list(self._roster.members):
            with contextlib.suppress(Exception):
                member.actor.end.remote()
        self._roster.close()
        session.disconnect()

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("a communicator that is closed", remedy="Launch another one.")
