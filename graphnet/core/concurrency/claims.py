"""Claims on weights: a call that would mix numbers of two threads is refused.

A call *claims* the weights that it uses, from its beginning to its end. Claims of one thread never conflict; those of
two threads, on a common weight, conflict by this table:

=============  ====  =========  =====
\\              READ  GRADIENTS  WRITE
=============  ====  =========  =====
``READ``       no    no         yes
``GRADIENTS``  no    yes        yes
``WRITE``      yes   yes        yes
=============  ====  =========  =====

``READ`` is a forward pass, a prediction, a file that is written; ``GRADIENTS`` a backward pass, which sets the
parameters' gradients; ``WRITE`` is training, and a forward pass that updates running statistics. ``KEPT_STATE`` claims
a state that is kept between calls, and conflicts with every other claim on it. The later call raises a StateError
immediately. Nothing waits, so nothing can deadlock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from types import TracebackType

from graphnet.core.concurrency import locks
from graphnet.core.errors import StateError

READ, GRADIENTS, WRITE, KEPT_STATE = 0, 1, 2, 3
#: Two levels whose sum is at least this conflict.
CONFLICT = 2

REMEDY = "Give each thread an object of its own, made before: copy.deepcopy(model)."
#: What the other thread is doing, by the level of its claim.
PROBLEMS = {
    READ: "in use in another thread",
    GRADIENTS: "another thread is running backward",
    WRITE: "the weights are being changed in another thread",
    KEPT_STATE: "the kept state is in use in another thread",
}
#: Calls that train.
TRAINING = ("fit", "train")

Keys = frozenset[Hashable]

#: All claims, in the order of entering.
_active: dict[Claim, None] = {}
#: Those above READ: while there is none, a READ claim need not check the others.
_exclusive: dict[Claim, None] = {}


class Claim:
    """A context in which a thread uses some weights.

    Parameters
    ----------
    level : {READ, GRADIENTS, WRITE, KEPT_STATE}
    keys : frozenset
        Of what is used; see ``weights.keys``.
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
        if self.entered():
            return
        with locks.lock:
            self._add()
            if self.level or _exclusive:
                try:
                    self._check()
                except BaseException:
                    self.leave()
                    raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def _add(self) -> None:
        if self.level:
            _exclusive[self] = None
        _active[self] = None

    def entered(self) -> bool:
        """Enter without a lock if no other thread has a claim that might conflict; otherwise do nothing.

        The claim is added before others are looked at, and so are those of other threads: of two that enter at the same
        time, at least one finds the other. Single operations of dictionaries are atomic. End it by :meth:`leave`.
        """
        if self.level:
            _exclusive[self] = _active[self] = None
            others = _active
        else:
            _active[self] = None
            others = _exclusive
        if len(others) > (self.level > READ):
            thread = self.thread
            for other in list(others):
                if other.thread != thread:
                    self.leave()
                    return False
        return True

    def leave(self) -> None:
        """End the claim; nothing happens if it has ended already, as in a forked child."""
        if self.level:
            _exclusive.pop(self, None)
        _active.pop(self, None)

    def _check(self) -> None:
        others = [
            other
            for other in list(_active)
            if other.thread != self.thread
            and other.level + self.level >= CONFLICT
            and not other.keys.isdisjoint(self.keys)
        ]
        if others:
            raise self._refusal(max(others, key=lambda other: other.level))

    def _refusal(self, other: Claim) -> StateError:
        training = other.level == WRITE and other.action in TRAINING
        problem = "the model is being trained in another thread" if training else PROBLEMS[other.level]
        expected = "one thread at a time that changes weights or gradients, and no other call meanwhile"
        if KEPT_STATE in (self.level, other.level):
            expected = "one thread at a time that continues from a kept state"
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return StateError(
            problem,
            where=self.place if isinstance(self.place, str) else repr(self.place),
            expected=expected,
            received=f"{self.action} during {other.action} in thread {names.get(other.thread, other.thread)!r}",
            remedy=f"Wait until it has ended, or g{REMEDY[1:]}",
        )


def check_unchanged(keys: Callable[[], Keys], action: str, place: object) -> None:
    """Raise if another thread is changing or training these weights; for short calls that hold no claim.

    ``keys`` is called only if any thread is changing weights, so the check costs nearly nothing.

    Raises
    ------
    StateError
    """
    if _exclusive:
        with Claim(READ, keys(), action, place):
            pass


def other_threads_pass(place: str) -> StateError:
    """The error for a ``backward`` after a forward pass of another thread."""
    return StateError(
        "the last forward pass is another thread's",
        where=place,
        expected="forward and backward in one thread, with no forward of another thread in between",
        remedy=REMEDY,
    )


def _only_own() -> None:
    """In a forked child: remove the claims of other threads, which do not exist there."""
    for claim in [claim for claim in _active if claim.thread != threading.get_ident()]:
        claim.leave()


locks.in_child(_only_own)
