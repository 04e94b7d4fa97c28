"""Who is using which weights: calls that would give mixed numbers in two threads at once are refused.

A call *claims* the weights that it works on, from its beginning to its end. Claims of one thread never conflict; those
of two threads, on a common weight, do so by this table:

=============  ======  =========  =====
\\              read    gradients  write
=============  ======  =========  =====
``READ``       yes     yes        no
``GRADIENTS``  yes     no         no
``WRITE``      no      no         no
=============  ======  =========  =====

``READ`` is a forward pass, a prediction, a file being written; ``GRADIENTS`` a backward pass, which writes the
parameters' gradients; ``WRITE`` is training, and a forward pass that updates running statistics. The later call raises
a StateError at once. Nothing waits, so nothing can deadlock.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from types import TracebackType

from graphnet.core.concurrency import locks
from graphnet.core.errors import StateError

READ, GRADIENTS, WRITE = 0, 1, 2
#: Two levels that sum to this, or more, conflict.
CONFLICT = 2

REMEDY = "Give each thread an object of its own, made before: copy.deepcopy(model)."

Keys = frozenset[Hashable]

#: In the order of entering.
_active: dict[Claim, None] = {}
#: How many active claims are not READ: while there is none, a READ claim need not look at the others.
_exclusive = 0


class Claim:
    """A context in which a thread works on some weights.

    Parameters
    ----------
    level : {READ, GRADIENTS, WRITE}
    keys : frozenset
        Of what is worked on; see ``weights.keys``.
    action : str
        For messages: 'predict', 'fit'.
    place : object
        For messages; its ``repr``, or itself if it is a string.

    Raises
    ------
    StateError
        On entering, if another thread's claim conflicts.
    """

    __slots__ = ("action", "keys", "level", "place", "thread")

    def __init__(self, level: int, keys: Keys, action: str, place: object) -> None:
        self.level, self.keys, self.action, self.place = level, keys, action, place
        self.thread = threading.get_ident()

    def __enter__(self) -> None:
        global _exclusive
        with locks.lock:
            if self.level or _exclusive:
                self._check()
            _active[self] = None
            _exclusive += self.level > READ

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _exclusive
        with locks.lock:
            if self in _active:
                del _active[self]
                _exclusive -= self.level > READ

    def _check(self) -> None:
        others = [
            other
            for other in _active
            if other.thread != self.thread
            and other.level + self.level >= CONFLICT
            and not other.keys.isdisjoint(self.keys)
        ]
        if others:
            raise self._refusal(max(others, key=lambda other: other.level))

    def _refusal(self, other: Claim) -> StateError:
        problems = {
            READ: "in use in another thread",
            GRADIENTS: "backward is running in another thread",
            WRITE: "the model is being trained in another thread",
        }
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return StateError(
            problems[other.level],
            where=self.place if isinstance(self.place, str) else repr(self.place),
            expected="one thread at a time for calls that change weights or gradients, and no other call meanwhile",
            received=f"{self.action} during {other.action} in thread {names.get(other.thread, other.thread)!r}",
            remedy=f"Wait until it has ended, or g{REMEDY[1:]}",
        )


def other_threads_pass(place: str) -> StateError:
    """The error for a ``backward`` after a forward pass of another thread."""
    return StateError(
        "the last forward pass is another thread's",
        where=place,
        expected="forward and backward in one thread, with no forward of another thread in between",
        remedy=REMEDY,
    )


def _only_own() -> None:
    """In a forked child: the other threads, and with them their claims, do not exist."""
    global _exclusive
    for claim in [claim for claim in _active if claim.thread != threading.get_ident()]:
        del _active[claim]
    _exclusive = sum(claim.level > READ for claim in _active)


locks.in_child(_only_own)
