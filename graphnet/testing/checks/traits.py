"""The traits that a layer declares hold: elementwise, rowwise, independent rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe import signatures, weights
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.testing import buffers
from graphnet.testing.buffers import Arrays
from graphnet.testing.check import check
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult


@check("elementwise")
def elementwise(harness: Harness) -> None:
    """Each element of the output depends only on the input element at the same position, for any layout."""
    values = _elementwise_values(harness)
    shapes = {array.shape for array in values.values()}
    harness.require(len(shapes) == 1, "the inputs have different shapes")
    outputs, input_errors = _call_rules(harness, list(values.values()))
    order = np.random.default_rng(2).permutation(outputs[0].size)
    for shape in (outputs[0].shape, (outputs[0].size, 1), (1, outputs[0].size)):
        moved, back = _call_rules(harness, [x.ravel()[order].reshape(shape) for x in values.values()], order, shape)
        for part, whole in zip((*moved, *back), (*outputs, *input_errors), strict=True):
            harness.assert_close(
                part.ravel(),
                whole.ravel()[order],
                f"it is not elementwise: after permuting its elements into shape {shape}",
            )
    half = order.size // 2
    moved, back = _call_rules(
        harness, [x.ravel()[order[:half]].reshape(half, 1) for x in values.values()], order[:half], (half, 1)
    )
    for part, whole in zip((*moved, *back), (*outputs, *input_errors), strict=True):
        harness.assert_close(
            part.ravel(), whole.ravel()[order[:half]], "it is not elementwise: with half of its elements"
        )


def _elementwise_values(harness: Harness) -> Arrays:
    return harness.values(rows=None if harness.batch is None else max(harness.batch, 3))


def _call_rules(
    harness: Harness, inputs: list[np.ndarray], order: Any = None, shape: tuple[int, ...] | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Call the rules directly; return outputs and input errors. The output errors are permuted like the inputs."""
    runner = harness.runner()
    layer = next(iter(runner.layers.values()))
    available: dict[str, Any] = {name: p.value for name, p in weights.named(layer).items()}
    available |= buffers.current(layer)
    context = {"phase": Phase.test, "lengths": None, "shapes": tuple(Shape.of(x.shape) for x in inputs)}
    everything = {**context, **dict.fromkeys(layer.draws), **available}
    output, saved = layer.apply(*inputs, **signatures.keywords(type(layer).apply).pick(everything))
    outputs = list(output) if isinstance(output, tuple) else [output]
    rng = np.random.default_rng(4)
    size = _elementwise_values(harness)[harness.names[0]].size
    errors = [rng.standard_normal(size) for _ in outputs]
    placed = [(e if order is None else e[order]).reshape(y.shape) for e, y in zip(errors, outputs, strict=True)]
    error = tuple(placed) if isinstance(output, tuple) else placed[0]
    back = layer.pull(saved, error, **signatures.keywords(type(layer).pull).pick(available))
    return outputs, [e for e in (back if isinstance(back, tuple) else (back,)) if e is not None]


@check("rowwise")
def rowwise(harness: Harness) -> None:
    """Rows are independent and leading axes may be flattened: tested with permuted, fewer and single rows."""
    rows = max(harness.batch or 1, 3)
    values = harness.values(rows=rows)
    harness.require(harness.batch is not None, "there is no batch axis")
    order = np.random.default_rng(3).permutation(rows)
    phase = Phase.test if "phases" in harness.capabilities else Phase.train
    whole = harness.run(values, phase=phase)
    for chosen, what in ((order, "in another order"), (order[:2], "two of them"), (order[:1], "one alone")):
        part = picked_pass(harness, values, whole, chosen, phase)
        _same_rows(harness, part, whole, chosen, f"it is not rowwise: its rows {what}")
    if "sequence" in harness.capabilities:
        _check_steps(harness, values, whole, phase)


def _check_steps(harness: Harness, values: Arrays, whole: PassResult, phase: Phase) -> None:
    """Time steps are rows as well: tested in another order."""
    timed = [name for name, shape in harness.shapes.items() if shape.names[:1] == (TIME,)]
    steps = len(values[timed[0]])
    order = np.roll(np.arange(steps), 1)
    moved = {n: a[order] if n in timed else a for n, a in values.items()}
    harness.expect(
        all(len(y) == steps for y in whole.outputs.values()),
        "it is not rowwise: its output has another number of steps",
    )
    part = harness.run(moved, phase=phase, errors={n: e[order] for n, e in whole.errors.items()})
    for name, array in part.outputs.items():
        harness.assert_close(
            array, whole.outputs[name][order], f"it is not rowwise: its steps in another order: output {name!r}"
        )
    for name in timed:
        back, full = part.input_errors[name], whole.input_errors[name]
        if back is not None and full is not None:
            harness.assert_close(
                back, full[order], f"it is not rowwise: its steps in another order: error for {name!r}"
            )


@check("rows")
def rows(harness: Harness) -> None:
    """In the test phase, each row of a batch gives the same results as alone, and gradients are sums over the rows."""
    harness.require(harness.batch is not None and not harness.fixed, "there is no batch axis to vary")
    count = max(harness.batch or 1, 3)
    values = harness.values(rows=count)
    whole = harness.run(values, phase=Phase.test)
    alone = [picked_pass(harness, values, whole, np.array([i]), Phase.test) for i in range(count)]
    for i, part in enumerate(alone):
        _same_rows(
            harness, part, whole, np.array([i]), f"row {i} of a batch in the test phase differs from the row alone"
        )
    for name, gradient in whole.gradients.items():
        harness.assert_close(
            sum(p.gradients[name] for p in alone), gradient, f"the gradient of {name!r} is not the sum over the rows"
        )


def picked_pass(harness: Harness, values: Arrays, whole: PassResult, chosen: np.ndarray, phase: Phase) -> PassResult:
    """Run a pass with some rows of another pass and their errors."""
    picked = {n: pick(harness.sized(rows=_rows(harness))[n], a, chosen) for n, a in values.items()}
    errors = {n: pick_like(e, _rows(harness), chosen, batch_axis(harness, n)) for n, e in whole.errors.items()}
    return harness.run(picked, phase=phase, errors=errors)


def _rows(harness: Harness) -> int:
    return max(harness.batch or 1, 3)


def pick(shape: Shape, array: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return some rows of an input; all of it if it has no batch axis."""
    if not shape.has(BATCH) or shape.size(BATCH) == 1:
        return array
    return np.take(array, chosen, axis=shape.axis(BATCH))


def batch_axis(harness: Harness, output: str) -> int | None:
    """Return the batch axis of an output; None if it has none."""
    shape = harness.outputs[output]
    return shape.axis(BATCH) if shape is not None and shape.has(BATCH) else None


def pick_like(array: np.ndarray, rows: int, chosen: np.ndarray, axis: int | None) -> np.ndarray:
    """Return some rows of an output or error."""
    return array if axis is None or array.shape[axis] != rows else np.take(array, chosen, axis=axis)


def _same_rows(harness: Harness, part: PassResult, whole: PassResult, chosen: np.ndarray, what: str) -> None:
    for name, array in part.outputs.items():
        expected = pick_like(whole.outputs[name], _rows(harness), chosen, batch_axis(harness, name))
        harness.assert_close(array, expected, f"{what}: output {name!r}")
    for name, back in part.input_errors.items():
        full, shape = whole.input_errors[name], harness.sized(rows=_rows(harness))[name]
        if back is not None and full is not None and shape.has(BATCH) and shape.size(BATCH) != 1:
            harness.assert_close(back, pick(shape, full, chosen), f"{what}: error for {name!r}")
