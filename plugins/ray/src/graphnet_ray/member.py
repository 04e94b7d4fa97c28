"""A process of the group, as rank 0 knows it."""

from __future__ import annotations

import contextlib
from typing import Any

from graphnet_ray.introduction import Introduction
from graphnet_ray.session import load_ray


class Member:
    """An actor, from its start to its loss.

    Parameters
    ----------
    actor : actor handle
    started : float
        By the clock of rank 0.

    Attributes
    ----------
    introduction : Introduction or None
        None while it starts.
    lost : str
        Why it is lost; empty while it is not.
    failed : bool
        Whether its own program has ended, rather than its process.
    heard : float
        When it last gave a sign of life.
    call : object reference or None
        Its introduction or beat that is under way.
    """

    def __init__(self, actor: Any, started: float) -> None:
        self.actor = actor
        self.started = self.heard = started
        self.joined = started
        self.introduction: Introduction | None = None
        self.lost = ""
        self.failed = False
        self.call: Any = actor.introduce.remote()

    def __str__(self) -> str:
        return str(self.introduction or "a process that starts")

    def kill(self) -> None:
        """End its process, if that can be reached; one that cannot ends by itself."""
        with contextlib.suppress(Exception):
            load_ray().kill(self.actor)
