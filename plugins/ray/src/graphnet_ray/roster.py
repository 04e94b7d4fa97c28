"""Who belongs to a group: signs of life, losses, and processes that replace lost ones."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from graphnet_ray.clock import RunningClock
from graphnet_ray.introduction import differences, versions
from graphnet_ray.member import Member
from graphnet_ray.session import load_ray

#: The sentence of Ray's message that says how a process ended.
EXIT = re.compile(r"exit detail: ([^\n]*?)(?:\. |\n|$)")
#: Seconds between two beats, at most.
BEAT = 0.5
#: Seconds after a failure until the next process is started: doubled by each failure, up to the second number. OFTEN
#: is the most where a process was lost from outside, which the next one need not be.
PAUSE, OFTEN = (1.0, 60.0), 4.0
#: Seconds after which a process that has joined counts as a success.
STAYED = 30.0


class Roster:
    """The processes of a group other than rank 0, watched by a thread.

    Parameters
    ----------
    start : callable
        Starts an actor.
    wanted : int
        The number of processes.
    silence, start_timeout : float
        As in Settings.
    replace : bool

    Attributes
    ----------
    lock : RLock
        Held by every access to the lists.
    members : list of Member
        Of the present generation, in the order of ranks from 1; lost ones included until the next.
    waiting, starting : list of Member
        Those that can join, and those that have not introduced themselves.
    notes : list of str
        Why processes could not be started, since the last call of :meth:`take_notes`.
    """

    def __init__(
        self, start: Callable[[], Any], wanted: int, *, silence: float, start_timeout: float, replace: bool
    ) -> None:
        self._start, self._wanted = start, wanted
        self._silence, self._start_timeout, self._replace = silence, start_timeout, replace
        self.clock = RunningClock()
        self.lock = threading.RLock()
        self.members: list[Member] = []
        self.waiting: list[Member] = []
        self.starting: list[Member] = []
        self.notes: list[str] = []
        self._versions = versions()
        self._failures = 0
        self._next_start = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="graphnet watch", daemon=True)

    def begin(self) -> None:
        """Start the processes, and the thread that watches them."""
        with self.lock:
            self.starting = [Member(self._start(), self.clock.now) for _ in range(self._wanted)]
        self._thread.start()

    @property
    def complete(self) -> bool:
        """Whether no process is starting."""
        with self.lock:
            return not self.starting

    @property
    def changed(self) -> bool:
        """Whether a member is lost, or a process waits to join."""
        with self.lock:
            return bool(self.waiting) or any(member.lost for member in self.members)

    def lose(self, member: Member, reason: str) -> None:
        """Note that a member is lost; the first reason counts."""
        with self.lock:
            member.lost = member.lost or reason
            if member in self.waiting:
                self.waiting.remove(member)
                self._failed(member)

    def renew(self) -> tuple[list[Member], list[Member]]:
        """Remove lost members, take in those that wait, and return both."""
        with self.lock:
            left = [member for member in self.members if member.lost]
            joined, self.waiting = self.waiting, []
            self.members = [member for member in self.members if not member.lost] + joined
            for member in joined:
                member.joined = self.clock.now
            for member in left:
                member.kill()
                if self.clock.now - member.joined < STAYED:
                    self._postpone(PAUSE[1] if member.failed else OFTEN)
            return left, joined

    def take_notes(self) -> list[str]:
        """Return the notes, and forget them."""
        with self.lock:
            notes, self.notes = self.notes, []
            return notes

    def close(self) -> None:
        """Stop watching, and end every process."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(10 * BEAT)
        with self.lock:
            everybody = [*self.members, *self.waiting, *self.starting]
            self.members, self.waiting, self.starting = [], [], []
        for member in everybody:
            member.kill()

    # ------------------------------------------------------------------ the thread
    def _watch(self) -> None:
        interval = min(BEAT, self._silence / 5)
        while not self._stop.wait(interval / 2):
            self.clock.tick()
            with contextlib.suppress(Exception):  # Ray itself has ended: the operations of rank 0 say so
                self._listen(interval / 2)
                self._fill()

    def _listen(self, seconds: float) -> None:
        """Send beats, and note who has answered, who has failed and who is silent."""
        with self.lock:
            everybody = [m for m in (*self.members, *self.waiting, *self.starting) if not m.lost]
        for member in everybody:
            if member.call is None:
                member.call = member.actor.beat.remote()
        calls = [member.call for member in everybody]
        if not calls:
            return
        ready, _ = load_ray().wait(calls, num_returns=len(calls), timeout=seconds)
        now = self.clock.tick()
        for member in everybody:
            if member.call in ready:
                self._hear(member, now)
            elif member.introduction is None:
                if now - member.started > self._start_timeout:
                    self._discard(member, f"it did not start within {self._start_timeout:g} s; {free_cores()}")
            elif now - member.heard > self._silence:
                self.lose(member, f"it has been silent for {now - member.heard:.1f} s")

    def _hear(self, member: Member, now: float) -> None:
        """Take what a process has answered."""
        call, member.call = member.call, None
        try:
            answer = load_ray().get(call)
        except Exception as error:
            if member.introduction is None:
                self._discard(member, f"it could not be started: {ended(error)}")
            else:
                self.lose(member, ended(error))
            return
        member.heard = now
        if member.introduction is not None:
            if answer:
                member.failed = True
                self.lose(member, answer)
            return
        member.introduction = answer
        if wrong := differences(self._versions, answer.versions):
            self._discard(member, f"its versions differ from those of rank 0: {', '.join(wrong)}")
            return
        with self.lock:
            self.starting.remove(member)
            self.waiting.append(member)

    def _fill(self) -> None:
        """Start processes for those that are missing."""
        with self.lock:
            there = [m for m in (*self.members, *self.waiting, *self.starting) if not m.lost]
            missing = self._wanted - len(there)
            if missing > 0 and self._replace and self.clock.now >= self._next_start and not self._stop.is_set():
                self.starting += [Member(self._start(), self.clock.now) for _ in range(missing)]

    def _discard(self, member: Member, reason: str) -> None:
        """Give up a process that starts."""
        with self.lock:
            self.starting.remove(member)
            self.notes.append(f"{member} cannot join: {reason}")
        self._failed(member)

    def _failed(self, member: Member) -> None:
        member.kill()
        self._postpone(PAUSE[1])

    def _postpone(self, most: float) -> None:
        """Let time pass before the next start, because a process was lost soon after its own."""
        with self.lock:
            self._next_start = self.clock.now + min(PAUSE[0] * 2**self._failures, most)
            self._failures = min(self._failures + 1, 10)
            stayed = (member for member in self.members if not member.lost)
            if any(self.clock.now - member.joined > STAYED for member in stayed):
                self._failures = min(self._failures, 1)


def ended(error: BaseException) -> str:
    """Why a process has ended, by the error of Ray; its own error if it raised one.

    Ray's messages are paragraphs with ids, paths and possible causes; the sentence that says what happened is kept.
    """
    cause = getattr(error, "cause", None) or error.__cause__
    if cause is not None:
        return f"{type(cause).__name__}: {cause}"
    detail = EXIT.search(str(error))
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = detail[1] if detail else (lines or [type(error).__name__])[0][:200]
    return f"its process has ended ({reason})"


def free_cores() -> str:
    """How many cores Ray has to give, in words."""
    ray = load_ray()
    free, there = (resources().get("CPU", 0.0) for resources in (ray.available_resources, ray.cluster_resources))
    return f"{free:g} of {there:g} cores of the cluster are free"


def named(members: Iterable[Member]) -> str:
    """Several processes in one text."""
    return "; ".join(f"{member}: {member.lost}" for member in members)
