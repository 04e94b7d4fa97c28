"""What the ranks of a group of threads share: messages, sums, and who is a member."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.describe.parameter import Array
from graphnet.training.distributed.communicator import Message


@dataclass
class SharedSum:
    """One sum: the array of each rank that has contributed, and the result once it is computed."""

    parts: dict[int, Array] = field(default_factory=dict)
    total: Array | None = None
    read: int = 0


class ThreadHub:
    """The state of a group; every access holds ``condition``.

    Attributes
    ----------
    members : list
        The communicators by rank.
    waiting : list
        Those that join at the next regroup.
    lost : dict of communicator to reason
        Members whose thread has ended, or that did not answer, and those that were dropped.
    generation : int
    messages : list of Message
        Of this generation.
    sums : dict of int to SharedSum
        Of this generation, by number.
    failed : bool
        Whether an operation has failed since the last regroup.
    closed : bool
    """

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.members: list[Any] = []
        self.waiting: list[Any] = []
        self.lost: dict[Any, str] = {}
        self.generation = 0
        self.messages: list[Message] = []
        self.sums: dict[int, SharedSum] = {}
        self.failed = self.closed = False

    def lose(self, member: Any, reason: str) -> None:
        """Note that a member is lost, unless the group has ended."""
        with self.condition:
            if not self.closed:
                self.lost.setdefault(member, reason)
            if member in self.waiting:
                self.waiting.remove(member)
            self.condition.notify_all()

    def ranks_lost(self) -> list[int]:
        """The ranks of this generation that are lost."""
        return [rank for rank, member in enumerate(self.members) if member in self.lost]

    def regroup(self) -> None:
        """Begin a new generation, of the members that are not lost and those that wait."""
        self.members = [m for m in self.members if m not in self.lost] + self.waiting
        self.waiting = []
        self.generation += 1
        self.messages, self.sums = [], {}
        self.failed = False
        self.condition.notify_all()
