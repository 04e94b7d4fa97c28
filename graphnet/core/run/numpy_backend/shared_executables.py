"""Executables that passes of any number of steps take turns in.

Batches of sequences differ in their number of steps, and each number has a bound plan of its own. If each plan also had
a workspace, the workspaces together would not fit into the processor's caches. A pass that needs no more of its
executable than whole passes takes one from here, which is made for at least as many steps, until its tape is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from graphnet.core.compile.program import Program
from graphnet.core.run.numpy_backend.executable import Executable

#: Idle executables that are kept: one for a pass while the pass before it can still go backward, and that one's.
KEPT = 2


class SharedExecutables:
    """The executables of one program, batch size and dtype.

    Parameters
    ----------
    program : Program
        Kept alive, since its identity is the key.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._idle: list[tuple[int, Executable]] = []

    def lease(self, steps: int, make: Callable[[int], Executable]) -> Lease:
        """An executable for passes of that number of steps, which nobody else uses until the lease is dropped.

        ``make`` returns one with a whole pass for a number of steps.
        """
        while True:
            try:
                most, executable = self._idle.pop()
            except IndexError:
                break
            if executable.whole is not None and executable.whole.resize(steps):
                return Lease(self, most, executable)
        return Lease(self, steps, make(steps))

    def give_back(self, most: int, executable: Executable) -> None:
        """Keep an executable for the next pass, or drop the smallest one if there are enough."""
        idle = self._idle
        idle.append((most, executable))
        if len(idle) > KEPT:
            self._idle = sorted(idle, key=_steps)[-KEPT:]


def _steps(item: tuple[int, Executable]) -> int:
    return item[0]


class Lease:
    """An executable that a pass owns as long as it keeps this object."""

    __slots__ = ("_most", "_owner", "executable")

    def __init__(self, owner: SharedExecutables, most: int, executable: Executable) -> None:
        self._owner, self._most, self.executable = owner, most, executable

    def __del__(self) -> None:
        self._owner.give_back(self._most, self.executable)
