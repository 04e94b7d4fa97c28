"""Mean and variance of each feature or channel over the rows of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.collective import Share
from graphnet.core.describe.axes import BATCH, CHANNEL, FEATURE
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept


def feature_axis(x: Shape, layer: Layer) -> int:
    """The axis of features or channels: the one with that name, else the first after those of the rows.

    Raises
    ------
    ShapeError
        If there is none, or the axis at its position is declared with another name.
    """
    first = kept(x)
    if x.rank <= first or (x.rank == 2 and x.names[1] == BATCH):
        raise ShapeError(
            "the input needs an axis of features or channels",
            where=repr(layer),
            expected="(batch, features) or (batch, channels, …), optionally with time before batch",
            received=x,
        )
    if x.names[-1] == FEATURE:
        return x.rank - 1
    check_rows(x, layer)
    axis = x.names.index(CHANNEL) if CHANNEL in x.names[first:] else first
    if x.rank > 2:
        x.read_as((*[None] * axis, CHANNEL), repr(layer))
    return axis


def moments(x: Any, across: tuple[int, ...], mask: Any, steps: int) -> tuple[Any, Any, Any, Any]:
    """Count, mean and biased variance over the axes ``across``, of the values that ``mask`` includes (None: all), and
    ``x`` minus the mean; ``steps`` is the number of True in the mask.

    If it includes no row, the count is 1, and mean and variance are 0.
    """
    if mask is None:
        count = 1
        for axis in across:
            count *= x.shape[axis]
        mean = x.sum(across, keepdims=True) / count
        centred = x - mean
        return count, mean, (centred * centred).sum(across, keepdims=True) / count, centred
    count = max(steps, 1)
    for axis in across[2:]:
        count *= x.shape[axis]
    zero = x.dtype.type(0)
    mean = np.where(mask, x, zero).sum(across, keepdims=True) / count
    centred = x - mean
    return count, mean, np.where(mask, centred * centred, zero).sum(across, keepdims=True) / count, centred


def shared_moments(share: Share, x: Any, across: tuple[int, ...], mask: Any, steps: int) -> tuple[Any, ...]:
    """:func:`moments` over the rows of all processes of a share, and the total of ``steps``.

    Counts, means and sums of squares are combined as by Chan, Golub & LeVeque (1979), in float64.
    """
    count, mean, variance, _ = moments(x, across, mask, steps)
    size = mean.size
    own = np.zeros(2 + 2 * size)
    if steps:
        own[:] = np.concatenate([[count, steps], mean.reshape(-1), variance.reshape(-1)])
    table = share.gathered(own)
    counts, means, variances = table[:, :1], table[:, 2 : 2 + size], table[:, 2 + size :]
    total = max(float(counts.sum()), 1.0)
    centre = (counts * means).sum(axis=0) / total
    spread = (counts * (variances + (means - centre) ** 2)).sum(axis=0) / total
    centre, spread = (part.reshape(mean.shape).astype(x.dtype) for part in (centre, spread))
    return total, centre, spread, x - centre, int(np.nan_to_num(table[:, 1]).sum())


def shared_sums(share: Share, *sums: Any) -> tuple[Any, ...]:
    """Sums over the rows of this process as sums over those of all processes of a share."""
    flat = np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in sums])
    total = share.gathered(flat).sum(axis=0)
    ends = np.cumsum([part.size for part in sums])
    parts = zip(sums, ends, strict=True)
    return tuple(total[end - part.size : end].reshape(part.shape).astype(part.dtype) for part, end in parts)
