"""The rows and steps at which a loss is not finite."""

from __future__ import annotations

import math

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.run.observed.codes import Places
from graphnet.losses import Loss


def loss_places(
    loss: Loss, output: Array, target: Array, mask: Array | None, weights: Array | None, timed: bool
) -> Places:
    """Where one row or step alone makes a loss not finite, with axes ``(time, batch)``, or ``(1, batch)``.

    The loss is computed again for each row, and for each step of the rows at which it is not finite.

    Parameters
    ----------
    loss : Loss
    output, target : array
    mask : boolean array or None
        The valid places of the output's first axes.
    weights : array or None
        How much each place counts.
    timed : bool
        Whether the first axes of the output are time and batch; otherwise the first one is the batch.
    """
    axes = 2 if timed else 1
    shape = output.shape[:axes] if timed else (1, *output.shape[:1])
    valid = np.ones(output.shape[:axes], bool)
    if mask is not None:
        valid &= _over(mask != 0, axes)
    found = np.zeros(shape, bool)
    for row in range(shape[1]):
        rows = np.zeros_like(valid)
        rows[..., row] = valid[..., row]
        if not _not_finite(loss, output, target, rows, mask, weights):
            continue
        if not timed:
            found[0, row] = True
            continue
        for step in range(shape[0]):
            one = np.zeros_like(valid)
            one[step, row] = valid[step, row]
            found[step, row] = _not_finite(loss, output, target, one, mask, weights)
    return found


def _over(mask: Array, axes: int) -> Array:
    """A mask with this number of axes."""
    if mask.ndim < axes:
        return mask.reshape(*mask.shape, *[1] * (axes - mask.ndim))
    return np.asarray(mask.reshape(*mask.shape[:axes], -1).any(axis=-1))


def _not_finite(
    loss: Loss, output: Array, target: Array, rows: Array, mask: Array | None, weights: Array | None
) -> bool:
    """Whether the loss of some places alone is not finite."""
    if mask is not None and mask.ndim > rows.ndim:
        rows = (mask != 0) & rows.reshape(*rows.shape, *[1] * (mask.ndim - rows.ndim))
    if not rows.any():
        return False
    try:
        with np.errstate(all="ignore"):
            return not math.isfinite(loss.value(output, target, rows, *([] if weights is None else [weights])))
    except Exception:  # the loss takes no mask, or refuses these numbers: this row stays unknown
        return False
