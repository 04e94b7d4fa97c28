"""A pass: one forward run of a graph and its backward run, which own a bound plan together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import other_threads_pass
from graphnet.core.errors import StateError
from graphnet.core.run.backends import Bound
from graphnet.core.run.binder import SLOW, Binding
from graphnet.core.run.context import RunContext
from graphnet.core.run.inputs import Batch


class Pass:
    """One pass over a bound plan.

    Parameters
    ----------
    binding : Binding
        Where the bound plan is released to.
    bound : Bound
        The bound plan, started, which the pass owns.
    run : RunContext
    batch : Batch

    Attributes
    ----------
    owners : int
        The number of those who need the pass: the runner, snapshots, a ``backward`` that is running. The last one to
        release the pass releases the bound plan.
    thread : int
        See ``locks.this_thread``.
    repeat : Repeat or None
        Runs further passes of the same inputs, and this one backward, without the checks that were made already.
    direct : DirectPlan or None
        What has run this pass forward in place of the bound plan.
    """

    __slots__ = ("binding", "bound", "direct", "dtype", "owners", "repeat", "run", "tape", "thread")

    def __init__(self, binding: Binding, bound: Bound, run: RunContext, batch: Batch) -> None:
        self.binding, self.bound, self.run, self.dtype = binding, bound, run, batch.dtype
        self.tape: list[Any] = []
        self.owners = 1
        self.repeat: Any = None
        self.direct: Any = None
        self.thread = locks.thread.number

    @property
    def shapes(self) -> Shapes:
        """Of every value of the plan."""
        return self.binding.shapes

    @property
    def wanted(self) -> list[bool]:
        """For which inputs errors are wanted."""
        return self.binding.wanted

    def forward(self, batch: Batch) -> list[Any]:
        """Run forward; returns the values of the plan by slot."""
        binding = self.binding
        values = [*batch.arrays, *binding.unfilled]
        began = time.perf_counter()
        self.tape = self.bound.forward(values, self.run)
        seconds = time.perf_counter() - began
        if seconds > SLOW or binding.slow:
            binding.timed(seconds)
        return values

    def backward(self, errors: list[Any]) -> None:
        """Run backward: fills ``errors``, by slot, and the gradients of the run."""
        self.run.gradients.clear()
        self.run.holds_lock = False
        if self.direct is not None:
            self.direct.backward(self.tape, errors, self.run)
        else:
            self.bound.backward(self.tape, errors, self.run)

    def hold(self) -> None:
        """Add an owner."""
        with locks.lock:
            self.owners += 1

    def release(self) -> None:
        """Remove an owner."""
        with locks.lock:
            self.owners -= 1
            if not self.owners:
                self.tape = []
                self.binding.release(self.bound)


class LastPass:
    """The last pass of a runner that was kept for ``backward``; only the thread that ran it can use it."""

    def __init__(self) -> None:
        self.current: Pass | None = None

    def replace(self, newer: Pass | None) -> None:
        """Keep another pass, or none, and release the present one."""
        with locks.lock:
            before, self.current = self.current, newer
            if before is not None:
                before.release()

    def drop_own(self) -> None:
        """Release the pass if it is the calling thread's; keep any other."""
        with locks.lock:
            last = self.current
            if last is not None and last.thread == locks.thread.number:
                self.replace(None)

    def reclaim(self, binding: Binding) -> Bound | None:
        """The bound plan of the calling thread's pass, for a newer pass that replaces it.

        None if there is no such pass of this binding, or if others need it; it is released then.
        """
        last = self.current
        if last is None or last.binding is not binding or last.thread != locks.thread.number:
            return None
        with locks.lock:
            if self.current is not last:
                return None
            self.current = None
            if last.owners > 1:
                last.owners -= 1
                return None
            last.owners, last.tape = 0, []
            return last.bound

    def take(self, binding: Binding) -> Pass | None:
        """The calling thread's pass of a binding, which is then the caller's alone; None if there is none, or others
        need it.
        """
        last = self.current
        if last is None or last.binding is not binding or last.thread != locks.thread.number:
            return None
        with locks.lock:
            if self.current is not last or last.owners != 1:
                return None
            self.current = None
        return last

    def held(self, last: Pass) -> bool:
        """Add an owner to a pass, if it is still the last one and the calling thread's; whether it is."""
        if last.thread != locks.thread.number:
            return False
        with locks.lock:
            if self.current is not last:
                return False
            last.owners += 1
        return True

    def hold(self, place: object) -> Pass:
        """The calling thread's pass, with one more owner.

        Raises
        ------
        StateError
            If there is none, or the last one is another thread's.
        """
        with locks.lock:
            last = self.current
            if last is None:
                raise StateError("backward before forward", where=repr(place), remedy="Call forward first.")
            if last.thread != locks.thread.number:
                raise other_threads_pass(repr(place))
            last.hold()
            return last


class PassSnapshot:
    """A pass that is held beside the present one, to be restored or released."""

    def __init__(self, last: LastPass, *undo: Callable[[], None]) -> None:
        self._last, self._undo = last, undo
        with locks.lock:
            self._pass = last.current
            if self._pass is not None:
                self._pass.hold()

    def restore(self) -> None:
        """Make the pass the last one again, and undo the other changes."""
        with locks.lock:
            self._last.replace(self._pass)
            self._pass = None
        for undo in self._undo:
            undo()

    def release(self) -> None:
        """Release the pass and keep the newer one."""
        with locks.lock:
            if self._pass is not None:
                self._pass.release()
                self._pass = None
