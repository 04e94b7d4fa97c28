"""Passes of whole rows through a plan whose steps are single calls: from slot to slot, without anything in between.

The general passes decide for every step, in each pass, whether rows end early, whether a state is carried, and what
must be reordered. Here all of it is decided when the plan is bound: a step knows the slots of its arrays, the
parameters that receive its gradients, and where its code reads addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from graphnet.core import collective
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.region import BoundRegion, RegionProgram
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.scan_program import ScanProgram
from graphnet.core.run.numpy_backend.whole_pass import DirectCalls

#: A weight array by the path of its layer and its name.
Key = tuple[str, str]


class DirectPlan:
    """The steps of a plan, in order; one pass at a time, as in the bound plan that they belong to.

    Attributes
    ----------
    keys : list of (str, str)
        The weights whose gradients ``pull`` returns, each once.
    run : RunContext or None
        The pass whose weights are in use.
    again : bool
        Whether they have to be loaded before each pass, although none was replaced: they may have been written to.
    forward : callable
        Fills the slots of all outputs, from a list of all slots and a RunContext; returns the tape.
    pull : callable
        Fills the errors of all slots from those of the outputs, from a tape and a list by slot; returns the gradients
        in the order of ``keys``, None for zeros.
    """

    __slots__ = ("_executables", "_steps", "again", "forward", "keys", "pull", "run")

    def __init__(self, steps: Sequence[DirectCalls], executables: Sequence[Any]) -> None:
        #: They own the memory that the calls use.
        self._executables = executables
        self._steps = steps
        self.keys: list[Key] = [key for step in reversed(steps) for key in step.keys]
        self.run: RunContext | None = None
        self.again = False
        self.forward: Callable[[list[Any], RunContext], Any] = steps[0].forward
        self.pull: Callable[[Any, list[Any]], list[Array | None]] = steps[0].backward
        if len(steps) > 1:
            self.forward = partial(_forward, [step.forward for step in steps])
            self.pull = partial(_pull, [(step.backward, step.keys) for step in reversed(steps)])

    def load(self, run: RunContext) -> None:
        """Use the weights of a pass, from now on."""
        self.run, again = None, False  # None if a weight is refused
        for step in self._steps:
            again = step.load_weights(run.arrays) or again
        self.run, self.again = run, again

    def backward(self, tape: Iterable[Any], errors: list[Any], run: RunContext) -> None:
        """The same, with the gradients left in the pass."""
        for (path, name), gradient in zip(self.keys, self.pull(tape, errors), strict=True):
            if gradient is not None:
                run.gradients.setdefault(path, {})[name] = gradient


def _forward(steps: Iterable[Callable[..., Any]], slots: list[Any], run: RunContext) -> list[Any]:
    """Run all steps; returns what they need backward, the last step's first."""
    tape = []
    for forward in steps:
        tape.append(forward(slots, run))  # a comprehension is a call, in every pass
    tape.reverse()
    return tape


def _pull(
    steps: Iterable[tuple[Callable[..., Any], Sequence[Key]]], tape: list[Any], errors: list[Any]
) -> list[Array | None]:
    """Run all steps backward; returns all gradients."""
    gradients: list[Array | None] = []
    listener = collective.listener()
    for (backward, keys), saved in zip(steps, tape, strict=True):
        found = backward(saved, errors)
        gradients += found
        if listener is not None:
            _report(listener, keys, found)
    return gradients


def _report(listener: collective.Listener, keys: Sequence[Key], gradients: Iterable[Array | None]) -> None:
    """Report the gradients of a step; no other step has the same weights."""
    by_path: dict[str, dict[str, Array]] = {}
    for (path, name), gradient in zip(keys, gradients, strict=True):
        own = by_path.setdefault(path, {})
        if gradient is not None:
            own[name] = gradient
    for path, own in by_path.items():
        listener(path, own)


def direct_plan(steps: Sequence[Any], keep: bool) -> DirectPlan | None:
    """The direct passes of bound steps, kept for ``backward`` or not; None if they need the general ones.

    They do if a step is not a single call, or reorders its sequences, or if two steps share weights.
    """
    found: list[DirectCalls] = []
    executables = []
    for step in steps:
        program = step.program(keep) if isinstance(step, BoundScan | BoundRegion) else None
        if not isinstance(program, ScanProgram | RegionProgram):
            return None
        slots = program.slots()
        if slots is None:
            return None
        executable = program.executable()
        draw = partial(program.draw, executable.workspace) if program.draws else None
        calls = None if executable.whole is None else executable.whole.direct(slots, draw)
        if calls is None:
            return None
        found.append(calls)
        executables.append(executable)
    keys = [key for calls in found for key in calls.keys]
    return DirectPlan(found, executables) if found and len(set(keys)) == len(keys) else None
