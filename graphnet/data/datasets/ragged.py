"""Sequences of different length, stored end to end in one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, DtypeError, ShapeError


def cut(frames: NDArray[Any], lengths: NDArray[Any], where: str = "lengths") -> list[NDArray[Any]]:
    """Cut an array of all frames into one array for each sequence (views, in order).

    Parameters
    ----------
    frames : array, (all frames, ...)
        The sequences end to end.
    lengths : integer array, (sequences,)
        The number of frames of each; a sequence may be empty.
    where : str
        The location for error messages.

    Raises
    ------
    DtypeError, ShapeError, DataError
        If the lengths are not integers, do not have one axis, do not add up to the frames, or one is negative.

    >>> [part.tolist() for part in cut(np.arange(5), np.array([2, 0, 3]))]
    [[0, 1], [], [2, 3, 4]]
    """
    check_lengths(frames, lengths, where)
    ends = np.cumsum(lengths, dtype=np.int64)
    return [frames[end - length : end] for end, length in zip(ends, lengths.astype(np.int64), strict=True)]


def check_lengths(frames: NDArray[Any], lengths: NDArray[Any], where: str) -> None:
    """Check that ``lengths`` fit ``frames``; see :func:`cut`."""
    if lengths.dtype.kind not in "iu":  # numpy counts timedelta64 among the integers
        raise DtypeError("lengths must be integers", where=where, expected="an integer dtype", received=lengths.dtype)
    if lengths.ndim != 1:
        raise ShapeError("lengths must have one axis", where=where, expected="(sequences,)", received=lengths.shape)
    if np.any(lengths < 0):
        position = int(np.argmax(lengths < 0))
        raise DataError(
            "a length is negative",
            where=where,
            expected="0 or more",
            received=f"{lengths[position]} at position {position}",
        )
    total = sum(lengths.tolist())  # as Python integers: a sum of int64 can wrap around to the right number
    if frames.ndim == 0 or total != len(frames):
        raise ShapeError(
            "the lengths do not add up to the frames",
            where=where,
            expected=f"a sum of {len(frames) if frames.ndim else 'frames on axis 0, for'}",
            received=total,
            remedy="Store the sequences end to end along axis 0, and the frames of each in order",
        )
