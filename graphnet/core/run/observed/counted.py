"""The row and the step from which a weight gradient that is not finite comes, found by halves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.observed.record import BackwardCall

#: Whether the gradient is not finite if each step, and each row, is replaced by another one.
Fails = Callable[[Array, Array], bool]


def place_of_gradient(kept: BackwardCall, name: str, bad: Array) -> tuple[int | None, int | None]:
    """The first step and row that make a gradient not finite; None where no single one does.

    ``grad`` is called again with the error and the saved values of one place copied to others. A gradient that is then
    finite came from the places that were replaced.

    Parameters
    ----------
    kept : BackwardCall
    name : str
        Of the weight array.
    bad : boolean array
        Where its gradient is not finite.
    """
    shape = next((s for s in kept.call.output_shapes if s is not None and s.has(BATCH)), None)
    if shape is None or shape.axis(BATCH) > 1 or (shape.has(TIME) and shape.names[:2] != (TIME, BATCH)):
        return None, None
    sizes = tuple(n or 0 for n in shape.sizes)
    timed = shape.has(TIME)
    steps, rows = np.arange(sizes[0] if timed else 1), np.arange(sizes[1] if timed else sizes[0])

    def fails(t: Array, b: Array) -> bool:
        return _not_finite(kept, name, bad, shape, t if timed else None, b)

    row = _culprit(len(rows), lambda chosen: fails(steps, chosen))
    if row is None:
        return None, None
    if not timed:
        return None, row
    others = _harmless(len(rows), lambda chosen: fails(steps, chosen))
    column = rows if others is None else np.where(rows == row, row, others)
    return _culprit(len(steps), lambda chosen: fails(chosen, column)), row


def _harmless(count: int, fails: Callable[[Array], bool]) -> int | None:
    """The first place that, copied to all others, gives a finite gradient."""
    return next((i for i in range(count) if not fails(np.full(count, i))), None)


def _culprit(count: int, fails: Callable[[Array], bool]) -> int | None:
    """The first place that makes the gradient not finite among harmless ones."""
    if count == 1:
        return 0
    harmless = _harmless(count, fails)
    if harmless is None:
        return 0 if fails(np.zeros(count, np.intp)) else None
    everywhere, chosen = np.arange(count), list(range(count))
    while len(chosen) > 1:
        half = len(chosen) // 2
        for part in (chosen[:half], chosen[half:]):
            if fails(np.where(np.isin(everywhere, part), everywhere, harmless)):
                chosen = part
                break
        else:
            return None
    return chosen[0]


def _not_finite(kept: BackwardCall, name: str, bad: Array, shape: Shape, steps: Array | None, rows: Array) -> bool:
    """Whether the gradient of these steps and rows is not finite where the whole one is not."""
    call = kept.call
    try:
        with np.errstate(all="ignore"):
            saved, error = (_taken(part, shape, steps, rows) for part in (kept.saved, kept.error))
            gradients = call.layer.grad(saved, error, **call.grad_with)
        return not np.isfinite(np.asarray(gradients[name])[bad]).all()
    except Exception:  # the rule refuses such numbers: the row stays unknown
        return False


def _taken(part: Any, shape: Shape, steps: Array | None, rows: Array) -> Any:
    """A nest of arrays in which each step and row is replaced by another one, where they have these axes."""
    if isinstance(part, (tuple, list)):
        return type(part)(_taken(each, shape, steps, rows) for each in part)
    if isinstance(part, dict):
        return {key: _taken(each, shape, steps, rows) for key, each in part.items()}
    leading = tuple(n or 0 for n in shape.sizes)[: 1 if steps is None else 2]
    if not isinstance(part, np.ndarray) or part.shape[: len(leading)] != leading:
        return part
    return part[rows] if steps is None else part[steps][:, rows]
