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
    claims : (Claim, Claim)
        Those of further passes of its thread, forward and backward, where ``repeat`` runs them.
    direct : DirectPlan or None
        What has run this pass forward in place of the bound plan.
    """

    __slots__ = ("binding", "bound", "claims", "direct", "dtype", "owners", "repeat", "run", "tape", "thread")

    def __init__(self, binding: Binding, bound: Bound, run: RunContext, batch: Batch) -> None:
        self.binding, self.bound, self.run, self.dtype = binding, bound, run, batch.dtype
        self.tape: list[Any] = []
        self.owners = 1
        self.repeat: Any = None
        self.claims: Any = None
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
    """The last pass of a runner that was kept for ``backward``; only the thread that ran it can use it.

    Whoever takes the pass out has it alone until it is put back. Single operations of a dictionary are atomic, so this
    needs no lock.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Pass] = {}

    @property
    def current(self) -> Pass | None:
        """The pass; None if there is none, or it is taken."""
        return self._kept.get(0)

    def take(self, binding: Binding | None = None) -> Pass | None:
        """Take out the calling thread's pass; None if there is none, or not of the binding that is asked for."""
        last = self._kept.get(0)
        if last is None or last.thread != locks.thread.number or (binding is not None and last.binding is not binding):
            return None
        taken = self._kept.pop(0, None)
        if taken is not last and taken is not None:  # another thread has replaced it just now
            self.put(taken)
            return None
        return taken

    def put(self, last: Pass) -> None:
        """Put back a pass that was taken; if there is a newer one, it is released."""
        if self._kept.setdefault(0, last) is not last:
            last.release()

    def replace(self, newer: Pass | None) -> None:
        """Keep another pass, or none, and release the present one."""
        before = self._kept.pop(0, None)
        while newer is not None and self._kept.setdefault(0, newer) is not newer:  # another thread was faster
            present = self._kept.pop(0, None)
            if present is not None:
                present.release()
        if before is not None:
            before.release()

    def drop_own(self) -> None:
        """Release the pass if it is the calling thread's; keep any other."""
        last = self.take()
        if last is not None:
            last.release()

    def reclaim(self, binding: Binding) -> Bound | None:
        """The bound plan of the calling thread's pass, for a newer pass that replaces it.

        None if there is no such pass of this binding, or if others need it; it is released then.
        """
        last = self.take(binding)
        if last is None:
            return None
        with locks.lock:
            if last.owners > 1:
                last.owners -= 1
                return None
            last.owners, last.tape = 0, []
            return last.bound

    def held(self) -> Pass | None:
        """The present pass, of whichever thread, with one more owner; None if there is none."""
        last = self._kept.pop(0, None)  # its thread must not take it now
        if last is not None:
            last.hold()
            self.put(last)
        return last

    def hold(self, place: object) -> Pass:
        """The calling thread's pass, with one more owner.

        Raises
        ------
        StateError
            If there is none, or the last one is another thread's.
        """
        last = self.current
        if last is None:
            raise StateError("backward before forward", where=repr(place), remedy="Call forward first.")
        if last.thread != locks.thread.number or self.held() is not last:
            raise other_threads_pass(repr(place))
        return last


class PassSnapshot:
    """A pass that is held beside the present one, to be restored or released."""

    def __init__(self, last: LastPass, *undo: Callable[[], None]) -> None:
        self._last, self._undo = last, undo
        self._pass = last.held()

    def restore(self) -> None:
        """Make the pass the last one again, and undo the other changes."""
        with locks.lock:
            restored, self._pass = self._pass, None
        self._last.replace(restored)
        for undo in self._undo:
            undo()

    def release(self) -> None:
        """Release the pass and keep the newer one."""
        with locks.lock:
            if self._pass is not None:
                self._pass.release()
                self._pass = None
