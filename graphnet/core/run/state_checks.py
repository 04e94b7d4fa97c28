"""Checks that a state fits a graph, before a pass continues from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.errors import StateError
from graphnet.core.run.state import Carried, State, as_state


def carried_by(plan: Plan, state: State | Mapping[str, Any], shapes: Shapes, graph: object) -> Carried:
    """The states of one pass, from a state that fits the Scans of a plan and these shapes.

    Raises
    ------
    ConfigError
        If it is neither a State nor a mapping.
    StateError, UnknownNameError
        If it has other names, rows or shapes, or continues a reversed Scan.
    """
    place = repr(graph)
    checked = as_state(state, place)
    loops = [step for step in plan.steps if isinstance(step, Loop)]
    names = [f"{step.path}/{name}" for step in loops for name in step.states]
    for step in loops:
        _check(step, checked, shapes, names, place)
    checked.check(names, None, place)
    return Carried(checked)


def _check(step: Loop, state: State, shapes: Shapes, names: list[str], place: str) -> None:
    """Raise unless the state fits one Scan."""
    if step.reverse and any(f"{step.path}/{name}" in state.arrays for name in step.states):
        raise StateError(
            "a state cannot be carried over in a reversed Scan",
            where=step.path,
            expected="Scans that are not reversed",
            received="reverse=True",
            remedy="Give whole sequences, without a state to go on from.",
        )
    for name, slot in zip(step.states, step.finals, strict=True):
        shape, array = shapes.slots[slot], state.arrays.get(f"{step.path}/{name}")
        assert shape is not None
        state.check(names, shape.sizes[0], place)
        if array is not None and array.shape != shape.sizes:
            raise StateError(f"state {name!r} has another shape", where=step.path, expected=shape, received=array.shape)
