"""Passes of whole rows through a plan whose steps are single calls: from slot to slot, without anything in between.

The general passes decide for every step, in each pass, whether rows end early, whether a state is carried, and what
must be reordered. Here all of it is decided when the plan is bound: a step knows the slots of its arrays, the
parameters that receive its gradients, and where its code reads addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.region import BoundRegion, RegionProgram
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.scan_program import ScanProgram
from graphnet.core.run.numpy_backend.whole_pass import DirectCalls
from graphnet.core.run.reference.loop import BoundLoop

#: A weight array by the path of its layer and its name.
Key = tuple[str, str]
#: Draws the random arrays of a step.
Draw = Callable[[RunContext], None]


class DirectPlan:
    """The steps of a plan, in order; one pass at a time, as in the bound plan that they belong to.

    Attributes
    ----------
    keys : list of (str, str)
        The weights whose gradients :meth:`pull` returns, each once.
    run : RunContext or None
        The pass whose weights are in use.
    again : bool
        Whether they have to be loaded before each pass, although none was replaced: they may have been written to.
    """

    __slots__ = ("_backward", "_executables", "_loads", "_steps", "again", "keys", "run")

    def __init__(self, steps: Sequence[tuple[DirectCalls, Draw | None]], executables: Sequence[Any]) -> None:
        #: They own the memory that the calls use.
        self._executables = executables
        self._loads = [calls.load_weights for calls, _ in steps]
        self._steps = [(draw, calls.forward) for calls, draw in steps]
        self._backward = [calls.backward for calls, _ in reversed(steps)]
        self.keys: list[Key] = [key for calls, _ in reversed(steps) for key in calls.keys]
        self.run: RunContext | None = None
        self.again = False

    def load(self, run: RunContext) -> None:
        """Use the weights of a pass, from now on."""
        self.run = None  # if a weight is refused
        again = False
        for load in self._loads:
            again = load(run.arrays) or again
        self.again = again
        self.run = run

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Fill the slots of all outputs; returns what the steps need for :meth:`pull`, the last step's first."""
        tape = []
        for draw, forward in self._steps:
            if draw is not None:
                draw(run)
            tape.append(forward(slots))
        tape.reverse()
        return tape

    def pull(self, tape: Iterable[Any], errors: list[Any]) -> list[Array | None]:
        """Fill the errors of all slots from those of the outputs; returns the gradients in the order of ``keys``.

        None stands for zeros.
        """
        gradients: list[Array | None] = []
        for backward, saved in zip(self._backward, tape, strict=True):
            gradients += backward(saved, errors)
        return gradients

    def backward(self, tape: Iterable[Any], errors: list[Any], run: RunContext) -> None:
        """The same, with the gradients left in the pass."""
        for (path, name), gradient in zip(self.keys, self.pull(tape, errors), strict=True):
            if gradient is not None:
                run.gradients.setdefault(path, {})[name] = gradient


def direct_plan(steps: Sequence[Any], keep: bool) -> DirectPlan | None:
    """The direct passes of bound steps, kept for ``backward`` or not; None if they need the general ones.

    They do if a step is no single call, reorders its sequences, or if two steps share weights.
    """
    found: list[tuple[DirectCalls, Draw | None]] = []
    executables = []
    for step in steps:
        program = step.program(keep) if isinstance(step, BoundScan | BoundRegion) else None
        slots = program.slots() if isinstance(program, ScanProgram | RegionProgram) else None
        if program is None or isinstance(program, BoundLoop) or slots is None:
            return None
        executable = program.executable()
        calls = None if executable.whole is None else executable.whole.direct(slots)
        if calls is None:
            return None
        found.append((calls, partial(program.draw, executable.workspace) if program.draws else None))
        executables.append(executable)
    keys = [key for calls, _ in found for key in calls.keys]
    return DirectPlan(found, executables) if found and len(set(keys)) == len(keys) else None
