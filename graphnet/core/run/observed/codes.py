"""Where an array is not finite: one code for each (step, row), whatever its other axes are.

Codes are arrays of uint8 with axes ``(time, batch)``; an axis that a value does not have is of size 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.shapes import Shape

Codes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.bool_]

#: The bits of a code.
NAN, ABOVE, BELOW = 1, 2, 4


def codes_of(array: Any, shape: Shape | None) -> Codes | None:
    """The codes of an array; None where all of it is finite, or it holds no floats.

    Examples
    --------
    >>> codes_of(np.array([[1.0, np.nan], [np.inf, 2.0]]), Shape.parse("batch, feature"))
    array([[1, 2]], dtype=uint8)
    """
    array = np.asarray(array)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    codes = np.isnan(array) * np.uint8(NAN) + (array == np.inf) * np.uint8(ABOVE) + (array == -np.inf) * np.uint8(BELOW)
    names = () if shape is None or len(shape.names) != array.ndim else shape.names
    axes = [names.index(name) for name in (TIME, BATCH) if name in names]
    if not axes and array.ndim and names and names[0] not in (TIME, BATCH):
        axes = [0]  # an axis of another name: it numbers rows as well as any
        names = (BATCH,)
    codes = np.moveaxis(codes, axes, range(len(axes)))
    reduced = np.bitwise_or.reduce(codes.reshape(*codes.shape[: len(axes)], -1), axis=-1)
    if TIME not in names:
        reduced = reduced[None]
    if BATCH not in names:
        reduced = reduced[..., None]
    return np.asarray(reduced, np.uint8)


def fitted(places: Places, shape: tuple[int, ...]) -> Places:
    """Places with the axes of other codes: repeated along an axis of size 1, reduced to one."""
    for axis in (0, 1):
        if places.shape[axis] not in (1, shape[axis]):  # also axes of another meaning: any place stands for all
            places = np.asarray(places.any(axis=axis, keepdims=True))
    return np.asarray(np.broadcast_to(places, shape))


def explained(
    wanted: Places, output: Codes, inputs: Codes, mixes_steps: bool, mixes_rows: bool
) -> tuple[Places, Places]:
    """What of an output that is not finite an input explains.

    Parameters
    ----------
    wanted : places of the output that are to be explained
    output : codes of the output
    inputs : codes of the input
    mixes_steps, mixes_rows : bool
        Whether the node may compute a step, or a row, from others.

    Returns
    -------
    places of the input, explained places of the output
    """
    bad = inputs != 0
    if any(a != b and 1 not in (a, b) for a, b in zip(wanted.shape, bad.shape, strict=True)):
        return (bad, wanted) if wanted.any() and bad.any() else (np.zeros_like(bad), np.zeros_like(wanted))
    both = wanted & bad
    sources, targets = fitted(both, bad.shape), fitted(both, wanted.shape) & wanted
    rest = wanted & ~targets
    if mixes_steps and rest.any():
        rows = rest.any(axis=0) & bad.any(axis=0)
        sources, found = sources | (bad & rows), rest & rows
        targets, rest = targets | found, rest & ~found
    if mixes_rows and rest.any() and bad.any() and bool((output != 0).any(axis=0).all()):
        sources, targets = bad, wanted
    return sources, targets
