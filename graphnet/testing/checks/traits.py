"""Traits are true."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe import signatures
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.phase import Phase
from graphnet.testing.check import check
from graphnet.testing.subject import Arrays, Passed, Subject


@check("elementwise")
def elementwise(s: Subject) -> None:
    """Each number of the output depends on the number at its own place alone, whatever the layout."""
    values = s.values(rows=None if s.batch is None else max(s.batch, 3))
    shapes = {array.shape for array in values.values()}
    s.require(len(shapes) == 1, "the inputs are broadcast")
    outputs, pulled = _called(s, list(values.values()))
    order = np.random.default_rng(2).permutation(outputs[0].size)
    for shape in (outputs[0].shape, (outputs[0].size, 1), (1, outputs[0].size)):
        moved, back = _called(s, [x.ravel()[order].reshape(shape) for x in values.values()], order, shape)
        for found, whole in zip((*moved, *back), (*outputs, *pulled), strict=True):
            s.agree(found.ravel(), whole.ravel()[order], f"it is not elementwise: with its numbers moved to {shape}")
    half = order.size // 2
    moved, back = _called(
        s, [x.ravel()[order[:half]].reshape(half, 1) for x in values.values()], order[:half], (half, 1)
    )
    for found, whole in zip((*moved, *back), (*outputs, *pulled), strict=True):
        s.agree(found.ravel(), whole.ravel()[order[:half]], "it is not elementwise: with half of its numbers")


def _called(
    s: Subject, given: list[np.ndarray], order: Any = None, shape: tuple[int, ...] | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The rules called directly: outputs and errors, with the errors for the outputs moved like the inputs."""
    runner = s.runner()
    layer = next(iter(runner.layers.values()))
    available: dict[str, Any] = {**{n: p.value for n, p in layer.params.items()}, **layer.buffer_values}
    context = {"phase": Phase.test, "lengths": None, "shapes": tuple(Shape.of(x.shape) for x in given)}
    everything = {**context, **dict.fromkeys(layer.draws), **available}
    output, saved = layer.apply(*given, **signatures.keywords(type(layer).apply).pick(everything))
    outputs = list(output) if isinstance(output, tuple) else [output]
    rng = np.random.default_rng(4)
    size = int(np.prod(s.values(rows=None if s.batch is None else max(s.batch, 3))[s.names[0]].shape))
    errors = [rng.standard_normal(size) for _ in outputs]
    placed = [(e if order is None else e[order]).reshape(y.shape) for e, y in zip(errors, outputs, strict=True)]
    error = tuple(placed) if isinstance(output, tuple) else placed[0]
    back = layer.pull(saved, error, **signatures.keywords(type(layer).pull).pick(available))
    return outputs, [e for e in (back if isinstance(back, tuple) else (back,)) if e is not None]


@check("rowwise")
def rowwise(s: Subject) -> None:
    """Rows do not mix, and leading axes may be folded together: the same rows in another order, fewer, and one by
    one."""
    rows = max(s.batch or 1, 3)
    values = s.values(rows=rows)
    s.require(s.batch is not None, "there is no batch axis")
    order = np.random.default_rng(3).permutation(rows)
    phase = Phase.test if "phases" in s.capabilities else Phase.train
    whole = s.run(values, phase=phase)
    for chosen, what in ((order, "in another order"), (order[:2], "fewer of them"), (order[:1], "one alone")):
        part = picked_pass(s, values, whole, chosen, phase)
        _same_rows(s, part, whole, chosen, f"it is not rowwise: its rows {what}")
    if "sequence" in s.capabilities:
        _steps_apart(s, values, whole, phase)


def _steps_apart(s: Subject, values: Arrays, whole: Passed, phase: Phase) -> None:
    """Steps are rows as well: the same in another order."""
    timed = [name for name, shape in s.shapes.items() if shape.names[:1] == (TIME,)]
    steps = len(values[timed[0]])
    order = np.roll(np.arange(steps), 1)
    moved = {n: a[order] if n in timed else a for n, a in values.items()}
    s.expect(all(len(y) == steps for y in whole.outputs.values()), "it is not rowwise: it has another number of steps")
    part = s.run(moved, phase=phase, errors={n: e[order] for n, e in whole.errors.items()})
    for name, array in part.outputs.items():
        s.agree(array, whole.outputs[name][order], f"it is not rowwise: its steps in another order: output {name!r}")
    for name in timed:
        back, full = part.pulled[name], whole.pulled[name]
        if back is not None and full is not None:
            s.agree(back, full[order], f"it is not rowwise: its steps in another order: error for {name!r}")


@check("rows")
def rows(s: Subject) -> None:
    """In the test phase each row of the batch comes out as if it were alone, and gradients are sums over the rows."""
    s.require(s.batch is not None and not s.fixed, "there is no batch axis to vary")
    count = max(s.batch or 1, 3)
    values = s.values(rows=count)
    whole = s.run(values, phase=Phase.test)
    alone = [picked_pass(s, values, whole, np.array([i]), Phase.test) for i in range(count)]
    for i, part in enumerate(alone):
        _same_rows(s, part, whole, np.array([i]), f"row {i} of a batch in the test phase is not as if alone")
    for name, gradient in whole.gradients.items():
        s.agree(
            sum(p.gradients[name] for p in alone), gradient, f"the gradient of {name!r} is not the sum over the rows"
        )


def picked_pass(s: Subject, values: Arrays, whole: Passed, chosen: np.ndarray, phase: Phase) -> Passed:
    """A pass with some of the rows of another one, and the errors of these rows."""
    picked = {n: pick(s.sized(rows=_rows(s))[n], a, chosen) for n, a in values.items()}
    errors = {n: pick_like(e, _rows(s), chosen, batch_axis(s, n)) for n, e in whole.errors.items()}
    return s.run(picked, phase=phase, errors=errors)


def _rows(s: Subject) -> int:
    return max(s.batch or 1, 3)


def pick(shape: Shape, array: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Some rows of an input; all of one without a batch axis."""
    if not shape.has(BATCH) or shape.size(BATCH) == 1:
        return array
    return np.take(array, chosen, axis=shape.axis(BATCH))


def batch_axis(s: Subject, output: str) -> int | None:
    """The batch axis of an output, as infer names it."""
    shape = s.outputs[output]
    return shape.axis(BATCH) if shape is not None and shape.has(BATCH) else None


def pick_like(array: np.ndarray, rows: int, chosen: np.ndarray, axis: int | None) -> np.ndarray:
    """Some rows of an output or error."""
    return array if axis is None or array.shape[axis] != rows else np.take(array, chosen, axis=axis)


def _same_rows(s: Subject, part: Passed, whole: Passed, chosen: np.ndarray, what: str) -> None:
    for name, array in part.outputs.items():
        expected = pick_like(whole.outputs[name], _rows(s), chosen, batch_axis(s, name))
        s.agree(array, expected, f"{what}: output {name!r}")
    for name, back in part.pulled.items():
        full, shape = whole.pulled[name], s.sized(rows=_rows(s))[name]
        if back is not None and full is not None and shape.has(BATCH) and shape.size(BATCH) != 1:
            s.agree(back, pick(shape, full, chosen), f"{what}: error for {name!r}")
