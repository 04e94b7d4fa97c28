"""The row and the step from which a weight gradient that is not finite comes, found by halves."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.observed.record import BackwardCall


def place_of_gradient(kept: BackwardCall, name: str, bad: Array) -> tuple[int | None, int | None]:
    """The first step and row whose error alone makes a gradient not finite; None where no single one does.

    ``grad`` is linear in the error, so it is called again with the errors of some rows, and zeros in the others.

    Parameters
    ----------
    kept : BackwardCall
    name : str
        Of the weight array.
    bad : boolean array
        Where its gradient is not finite.
    """
    shape = next((s for s in kept.call.output_shapes if s is not None and (s.has(TIME) or s.has(BATCH))), None)
    if shape is None:
        return None, None
    found: dict[str, int | None] = {TIME: None, BATCH: None}
    chosen: dict[str, list[int]] = {}
    for axis in (TIME, BATCH):
        if shape.has(axis):
            chosen[axis] = list(range(shape.sizes[shape.axis(axis)] or 0))
    for axis in list(chosen):
        while len(chosen[axis]) > 1:
            half = len(chosen[axis]) // 2
            for part in (chosen[axis][:half], chosen[axis][half:]):
                if _not_finite(kept, {**chosen, axis: part}, name, bad):
                    chosen[axis] = part
                    break
            else:
                break
        found[axis] = chosen[axis][0] if len(chosen[axis]) == 1 else None
    return found[TIME], found[BATCH]


def _not_finite(kept: BackwardCall, chosen: dict[str, list[int]], name: str, bad: Array) -> bool:
    """Whether the gradient from these steps and rows alone is not finite where the whole one is not."""
    call, errors = kept.call, kept.error if kept.call.several else (kept.error,)
    parts = tuple(_only(e, s, chosen) for e, s in zip(errors, call.output_shapes, strict=True))
    try:
        with np.errstate(all="ignore"):
            gradients = call.layer.grad(kept.saved, parts if call.several else parts[0], **call.grad_with)
        return not np.isfinite(np.asarray(gradients[name])[bad]).all()
    except Exception:  # the rule refuses such an error: the row stays unknown
        return False


def _only(error: Any, shape: Shape | None, chosen: dict[str, list[int]]) -> Any:
    """An error with zeros in all steps and rows but those that are chosen."""
    if error is None or shape is None:
        return error
    mask: Any = np.True_
    for axis, positions in chosen.items():
        if shape.has(axis):
            at = shape.axis(axis)
            keep = np.zeros(error.shape[at], bool)
            keep[positions] = True
            mask = mask & keep.reshape([-1 if i == at else 1 for i in range(error.ndim)])
    return np.where(mask, error, error.dtype.type(0))
