"""The forward pass that ``backward`` goes back through: whose it is, and how long it keeps its bound plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import other_threads_pass
from graphnet.core.errors import StateError
from graphnet.core.run.backends import Bound
from graphnet.core.run.binder import Binding
from graphnet.core.run.context import RunContext


@dataclass(slots=True, eq=False)
class Pass:
    """A forward pass, as ``backward`` needs it.

    Attributes
    ----------
    binding, bound
        The bound plan that the pass owns, and the pool that it came from.
    wanted : list of bool
        For which inputs an error was asked for.
    owners : int
        Who needs the pass: the runner, whoever remembers it, a ``backward`` under way. The last one to release it
        returns the bound plan to its pool.
    thread : int
        See ``locks.this_thread``.
    """

    binding: Binding
    bound: Bound
    tape: list[Any]
    run: RunContext
    dtype: str
    outputs: dict[str, int]
    wanted: list[bool]
    owners: int = 1
    thread: int = field(default_factory=locks.this_thread)

    @property
    def shapes(self) -> Shapes:
        """Of every value of the plan."""
        return self.binding.shapes

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
                self.binding.give_back(self.bound)


class LastPass:
    """The last pass of a runner that was kept for ``backward``; only the thread that ran it can use it."""

    def __init__(self) -> None:
        self.last: Pass | None = None

    def replace(self, made: Pass | None) -> None:
        """Keep another pass, or none, instead."""
        with locks.lock:
            before, self.last = self.last, made
            if before is not None:
                before.release()

    def drop_own(self, binding: Binding | None = None) -> None:
        """Release the pass if it is the calling thread's, and of this binding (None: of any); leave any other."""
        with locks.lock:
            last = self.last
            if last is None or last.thread != locks.this_thread():
                return
            if binding is None or last.binding is binding:
                self.replace(None)

    def held(self, place: object) -> Pass:
        """The calling thread's pass, with one more owner.

        Raises
        ------
        StateError
            If there is none, or the last one is another thread's.
        """
        with locks.lock:
            last = self.last
            if last is None:
                raise StateError("backward before forward", where=repr(place), remedy="Call forward first.")
            if last.thread != locks.this_thread():
                raise other_threads_pass(repr(place))
            last.hold()
            return last


class PassSnapshot:
    """A pass that is held beside the present one, to be restored or released."""

    def __init__(self, kept: LastPass, *undo: Callable[[], None]) -> None:
        self._kept, self._undo = kept, undo
        with locks.lock:
            self._pass = kept.last
            if self._pass is not None:
                self._pass.hold()

    def restore(self) -> None:
        """Make the pass the last one again, and undo the other changes."""
        with locks.lock:
            self._kept.replace(self._pass)
            self._pass = None
        for undo in self._undo:
            undo()

    def release(self) -> None:
        """The newer pass stays; this one is not needed any more."""
        with locks.lock:
            if self._pass is not None:
                self._pass.release()
                self._pass = None
