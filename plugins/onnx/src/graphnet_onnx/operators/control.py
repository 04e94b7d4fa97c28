"""If, Loop and Scan."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from graphnet import DataError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.creation import MOST
from graphnet_onnx.operators.rows.node_layer import ChangedShapeError
from graphnet_onnx.operators.rows.scan_program import ScanProgram, program_key, scan_program
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


@operator("If")
def if_operator(context: Context, condition: Any) -> tuple[Any, ...]:
    """The outputs of one of two graphs."""
    context.require(condition.size == 1, "the condition must be one value", received=condition.shape)
    return tuple(context["then_branch" if condition.reshape(()) else "else_branch"]([]))


@operator("Loop")
def loop(context: Context, count: Any = None, condition: Any = None, *states: Any) -> tuple[Any, ...]:
    """A graph as often as the count and the condition allow: the last states, then the outputs of all passes."""
    body, values, passes = context["body"], list(states), []
    limit = MOST if count is None else int(np.reshape(count, ()))
    going = condition is None or bool(np.reshape(condition, ()))
    step = 0
    while going and step < limit:
        outputs = body([np.array(step, np.int64), np.array(going), *values])
        going = bool(np.reshape(outputs[0], ()))
        values = outputs[1 : 1 + len(states)]
        passes.append(outputs[1 + len(states) :])
        step += 1
        if step == MOST:
            raise context.failure("the loop does not end", DataError, expected=f"fewer than {MOST} passes")
    if passes:
        return (*values, *(np.stack(each) for each in zip(*passes, strict=True)))
    return (*values, *_empty(body, len(states)))


def _empty(body: Any, states: int) -> list[Any]:
    """The scan outputs of a loop without a pass: arrays of no steps."""
    return body.empty(1 + states)  # type: ignore[no-any-return]


@operator("Scan", layer="Scan")
def scan(context: Context, *arrays: Any) -> tuple[Any, ...]:
    """A graph for each step of sequences: the last states, then the outputs of all steps."""
    if context.opset < 9:
        return _batched(context, *arrays)
    count = int(context["num_scan_inputs"])
    states, sequences = list(arrays[: len(arrays) - count]), list(arrays[len(arrays) - count :])
    axes = context.get("scan_input_axes") or [0] * count
    turned = context.get("scan_input_directions") or [0] * count
    sequences = [np.moveaxis(a, axis_of(context, a.ndim, axis), 0) for a, axis in zip(sequences, axes, strict=True)]
    sequences = [a[::-1] if t else a for a, t in zip(sequences, turned, strict=True)]
    finals, outputs = scanned(context, states, sequences)
    backwards = context.get("scan_output_directions") or [0] * len(outputs)
    places = context.get("scan_output_axes") or [0] * len(outputs)
    outputs = [a[::-1] if t else a for a, t in zip(outputs, backwards, strict=True)]
    return (*finals, *(np.moveaxis(a, 0, axis_of(context, a.ndim, p)) for a, p in zip(outputs, places, strict=True)))


def scanned(context: Context, states: list[Any], sequences: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the final states and the sequences of outputs, with time first."""
    steps = {len(a) for a in sequences}
    context.require(len(steps) == 1, "the sequences differ in length", received=sorted(steps))
    body, results, count = context["body"], [], steps.pop()
    program = _program(context, body, states, [np.asarray(a[0]) for a in sequences]) if count else None
    if program is not None:
        with suppress(ChangedShapeError):  # the steps are evaluated one by one then
            return program.run(states, sequences, [body.outer[name] for name in program.contexts])
    for step in range(count):
        outputs = body([*states, *(a[step] for a in sequences)])
        states = outputs[: len(states)]
        results.append(outputs[len(states) :])
    if not results:
        return states, body.empty(len(states))
    return states, [np.stack(each) for each in zip(*results, strict=True)]


def _program(context: Context, body: Any, states: list[Any], first: list[Any]) -> ScanProgram | None:
    """The Scan of graphnet for these types and shapes, which the node keeps."""
    key = program_key(body, states, first)
    if key is None:
        return None
    if key not in context.cache:
        context.cache[key] = scan_program(body, states, first)
    program: ScanProgram | None = context.cache[key]
    return program


def _batched(context: Context, lengths: Any, *arrays: Any) -> tuple[Any, ...]:
    """Opset 8: axis 0 is the batch, and rows have lengths."""
    count, rows = int(context["num_scan_inputs"]), len(arrays[0])
    states, sequences = arrays[: len(arrays) - count], arrays[len(arrays) - count :]
    turned = context.get("directions") or [0] * count
    finals, outputs = [], []
    for row in range(rows):
        steps = sequences[0].shape[1] if lengths is None else int(lengths[row])
        given = [a[row, :steps][::-1] if t else a[row, :steps] for a, t in zip(sequences, turned, strict=True)]
        final, output = scanned(context, [a[row] for a in states], given)
        missing = sequences[0].shape[1] - steps
        finals.append(final)
        outputs.append([np.pad(a, [(0, missing), *[(0, 0)] * (a.ndim - 1)]) for a in output])
    return (*map(np.stack, zip(*finals, strict=True)), *map(np.stack, zip(*outputs, strict=True)))
