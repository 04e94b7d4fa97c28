"""Whether a state is one of a graph's, before a pass goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.errors import StateError
from graphnet.core.run.state import Carried, State, as_state


def carried_by(plan: Plan, state: State | Mapping[str, Any], shapes: Shapes, graph: object) -> Carried:
    """A state that fits the Scans of a plan and these shapes, for one pass.

    Raises
    ------
    ConfigError
        If it is neither a State nor a mapping.
    StateError, UnknownNameError
        If it has other names, rows or shapes, or goes on in a Scan that goes backwards.
    """
    place = repr(graph)
    found = as_state(state, place)
    loops = [step for step in plan.steps if isinstance(step, Loop)]
    names = [f"{step.path}/{name}" for step in loops for name in step.states]
    for step in loops:
        _check(step, found, shapes, names, place)
    found.check(names, None, place)
    return Carried(found)


def _check(step: Loop, state: State, shapes: Shapes, names: list[str], place: str) -> None:
    """Raise unless the state fits one Scan."""
    if step.reverse and any(f"{step.path}/{name}" in state.arrays for name in step.states):
        raise StateError(
            "a state cannot be carried over in a Scan that goes backwards",
            where=step.path,
            expected="Scans that go forwards",
            received="reverse=True",
            remedy="Give whole sequences, without a state to go on from.",
        )
    for name, slot in zip(step.states, step.finals, strict=True):
        shape, kept = shapes.slots[slot], state.arrays.get(f"{step.path}/{name}")
        assert shape is not None
        state.check(names, shape.sizes[0], place)
        if kept is not None and kept.shape != shape.sizes:
            raise StateError(f"state {name!r} has another shape", where=step.path, expected=shape, received=kept.shape)
