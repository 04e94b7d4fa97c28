"""The bound plans of a runner: a pool for each shape, from which every pass takes one for itself.

A bound plan has the arrays that a pass works in, so two passes must never share one. It is in one of two places: in the
pool, or with the pass that owns it. One that is lost with its pass (a thread ended, a copy was dropped) is made again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.time_slices import NO_LOCK, NoLock
from graphnet.core.run.backends import Bound

#: Shapes for which a runner keeps bound plans; the least recently used goes first.
KEPT_BINDINGS = 64
#: Bytes of arrays that the idle bound plans of a runner may keep for a next pass.
IDLE_BYTES = 256 * 2**20
#: Seconds from which on a pass is slow, and the number of slow ones in a row that counts.
SLOW, OFTEN = 0.002, 3


@dataclass(slots=True, eq=False)
class Binding:
    """What is known for inputs of some shapes, in one dtype and phase.

    Attributes
    ----------
    shapes : Shapes
        Of every value of the plan.
    shared : dict
        What its bound plans share; see ``BindOptions``.
    idle : list of Bound
        Bound plans that no pass owns.
    turns : context manager
        What a pass enters before it takes a bound plan: threads that take turns share one plan.
    slow : int
        Passes in a row that took longer than ``SLOW``.
    """

    shapes: Shapes
    shared: dict[Any, Any] = field(default_factory=dict)
    idle: list[Bound] = field(default_factory=list)
    turns: NoLock = NO_LOCK
    slow: int = 0

    def timed(self, seconds: float) -> None:
        """Take note of how long a pass took: those of which several in a row are slow take no turns any more.

        A rule that sleeps, or waits for another thread, must not make the other threads wait as well.
        """
        self.slow = self.slow + 1 if seconds > SLOW else 0
        if self.slow >= OFTEN:
            self.turns = NO_LOCK

    def take(self) -> Bound | None:
        """A bound plan that belongs to the caller from now on; None where all are in use."""
        with locks.lock:
            return self.idle.pop() if self.idle else None

    def give_back(self, bound: Bound) -> None:
        """Return a bound plan to the pool; the arrays of one too many for ``IDLE_BYTES`` are dropped."""
        with locks.lock:
            if self.idle and bound.idle() * (len(self.idle) + 1) > IDLE_BYTES:
                bound.drop()
            self.idle.append(bound)


class Bindings(OrderedDict[Any, Binding]):
    """Bindings by key, the least recently used first."""

    def find(self, key: Any) -> Binding | None:
        """The binding of a key, which then is the most recently used."""
        with locks.lock:
            found = self.get(key)
            if found is not None:
                self.move_to_end(key)
            return found

    def keep(self, key: Any, binding: Binding) -> None:
        """Keep a new binding, and no more of them than ``KEPT_BINDINGS``."""
        with locks.lock:
            self[key] = binding
            if len(self) > KEPT_BINDINGS:
                self.popitem(last=False)

    def trim(self) -> None:
        """Drop the arrays of plans that were not used for long, where all idle ones together are large."""
        with locks.lock:
            total = 0
            for binding in reversed(self.values()):
                for bound in reversed(binding.idle):
                    idle = bound.idle()
                    total += idle
                    if idle and total > IDLE_BYTES:
                        bound.drop()
