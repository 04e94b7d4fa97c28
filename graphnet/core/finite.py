"""The errors for updates whose results are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import NonFiniteError

Array = npt.NDArray[Any]


def first_not_finite(array: Array) -> tuple[int, ...]:
    """The position of the first NaN or infinity of an array that has one."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])


def new_weights_not_finite(array: Array, where: str) -> NonFiniteError:
    """The error for new weights that are not finite, with the position of the first."""
    element = first_not_finite(array)
    return not_finite_update(
        element,
        "the new weights are not finite",
        where=where,
        expected="finite numbers",
        received=f"{'NaN' if np.isnan(array[element]) else 'infinity'} at {list(element)}",
        remedy="Lower the learning rate, or clip the gradients.",
    )


def not_finite_update(element: tuple[int, ...], problem: str, **parts: Any) -> NonFiniteError:
    """The error for an update whose result is not finite at this position of a weight array."""
    error = NonFiniteError(problem, **parts)
    error.kind, error.element = "update", element
    return error


def gradients_not_finite(paths: list[str]) -> NonFiniteError:
    """The error for weight arrays whose gradients are not finite."""
    error = NonFiniteError(
        "a gradient is not finite",
        where=", ".join(paths[:3]) + (", …" if len(paths) > 3 else ""),
        expected="finite gradients",
        received=f"NaN or infinity in {len(paths)} weight array{'s' * (len(paths) > 1)}",
        subject=paths[0],
        remedy="Lower the learning rate, or look for outliers in the data.",
    )
    error.kind = "gradient"
    return error
