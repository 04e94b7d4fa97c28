"""The operations of single nodes, and the plan of some neighbouring nodes cut out of a larger one."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.tracer import trace
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.run.context import BindOptions


def subplan(calls: Sequence[Call], shapes: Shapes, read: set[int]) -> tuple[Plan, Shapes, list[int], list[int]]:
    """Some calls as a plan.

    Parameters
    ----------
    calls : sequence of Call
    shapes : Shapes
        Of the larger plan.
    read : set of int
        The slots of the larger plan that other steps read.

    Returns
    -------
    Plan, Shapes
    inputs, outputs : list of int
        The slots of the larger plan that the calls read and write.
    """
    written = {slot for call in calls for slot in call.outputs}
    inputs = list(dict.fromkeys(i for call in calls for i in call.inputs if i is not None and i not in written))
    outputs = [slot for call in calls for slot in call.outputs if slot in read]
    numbers: dict[int, int] = {}
    for slot in (*inputs, *(slot for call in calls for slot in call.outputs)):
        numbers[slot] = len(numbers)
    renumbered = tuple(
        Call(
            call.path,
            call.layer,
            tuple(None if i is None else numbers[i] for i in call.inputs),
            tuple(numbers[slot] for slot in call.outputs),
        )
        for call in calls
    )
    names = tuple(f"input {i}" for i in range(len(inputs)))
    paths = tuple(str(slot) for slot in numbers)
    plan = Plan(names, (None,) * len(inputs), tuple((str(o), numbers[o]) for o in outputs), renumbered, paths)
    lengths = tuple(shapes.lengths[slot] for slot in numbers)
    inner_shapes = Shapes(tuple(shapes.slots[slot] for slot in numbers), lengths, {}, frozenset())
    return plan, inner_shapes, inputs, outputs


def trace_call(call: Call, shapes: Shapes, options: BindOptions, needs_error: Sequence[bool]) -> Trace:
    """The operations of the rules of one call; ``needs_error`` says for each slot whether an error is wanted.

    Raises
    ------
    Untraceable
    """
    plan, inner, inputs, outputs = subplan([call], shapes, set(call.outputs))
    roles = tuple(("sequence", i) for i in range(len(inputs)))
    wanted = tuple(needs_error[i] for i in inputs)
    spec = TraceSpec(plan, inner, options.layers, options.phase, options.dtype, roles, wanted, len(outputs), True)
    return trace(spec)


def untraceable(call: Call, shapes: Shapes, options: BindOptions, needs_error: Sequence[bool]) -> str | None:
    """Why the rules of a call cannot be traced; None where they can."""
    try:
        trace_call(call, shapes, options, needs_error)
    except Untraceable as reason:
        return str(reason)
    return None
