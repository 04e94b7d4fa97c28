"""Clipping of gradients by their global norm (Pascanu, Mikolov & Bengio 2013, ICML, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number
from graphnet.core.errors import DataError, ShapeError
from graphnet.core.norms import euclidean

Array = npt.NDArray[Any]


def clip_by_global_norm(gradients: Sequence[npt.ArrayLike], limit: float) -> tuple[list[Array], float]:
    """Scale all gradients by one factor, so that their global norm is at most ``limit``.

    With ``norm = sqrt(sum of all squares of all arrays)`` each ``g`` becomes ``g * limit / norm`` if the norm is above
    the limit. The direction of the whole step does not change.

    Parameters
    ----------
    gradients : sequence of arrays
        Any shapes and float dtypes; none is written.
    limit : float above 0

    Returns
    -------
    clipped : list of arrays
        New arrays, even if nothing was clipped, in the same order, shapes and dtypes.
    norm : float
        The norm before clipping, computed in float64 without overflow of the squares; 0 for no arrays.

    Raises
    ------
    DataError
        If the norm is NaN or infinite: no factor makes such a step finite.
    ShapeError
        If an array is passed instead of a list of arrays.
    DtypeError, ConfigError
        If a gradient does not hold floats; if the limit is not a positive finite number.

    Examples
    --------
    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), np.array([[4.0]])], 1.0)
    >>> norm, [float(g.item()) for g in clipped]
    (5.0, [0.6, 0.8])
    """
    bound = number("clip_by_global_norm", "limit", limit, 0.0, above=True)
    arrays = _arrays(gradients)
    norm = global_norm(arrays)
    if norm <= bound:
        return [array.copy() for array in arrays], norm
    return [scaled(array, norm, bound) for array in arrays], norm


def scaled(gradient: Array, norm: float, limit: float) -> Array:
    """``gradient * limit / norm`` as a new array of its dtype."""
    # In float64: the norm of float32 arrays need not fit into float32.
    return (gradient.astype(np.float64) / norm * limit).astype(gradient.dtype)


def clipped(gradient: Array, norm: float, limit: float) -> Array:
    """``gradient * limit / norm`` if the norm is above the limit; else the gradient itself."""
    if norm <= limit:
        return gradient
    factor = limit / norm
    # A factor that is subnormal in this dtype has too little precision.
    return gradient * factor if factor >= np.finfo(gradient.dtype).tiny else scaled(gradient, norm, limit)


def _arrays(gradients: Sequence[npt.ArrayLike]) -> list[Array]:
    if isinstance(gradients, np.ndarray):
        raise ShapeError(
            "the gradients are one array",
            where="clip_by_global_norm",
            expected="a list of arrays",
            received=f"an array of shape {gradients.shape}",
            remedy="Pass a list with this array.",
        )
    return [float_array("clip_by_global_norm", f"gradients[{i}]", each) for i, each in enumerate(gradients)]


def global_norm(arrays: Sequence[Array]) -> float:
    """The square root of the sum of all squares, in float64 without overflow; 0 for no arrays.

    Raises
    ------
    DataError
        If the norm is NaN or infinite.
    """
    norm = euclidean(arrays)
    if math.isfinite(norm):
        return norm
    not_finite = [i for i, array in enumerate(arrays) if not np.isfinite(array).all()]
    raise DataError(
        "the norm of the gradients is not finite",
        where="clip_by_global_norm",
        expected="finite gradients",
        received=f"NaN or infinity in arrays {not_finite}" if not_finite else "numbers too large for float64",
        remedy="Lower the learning rate, or find out why the loss is NaN.",
    )
