"""Random orthogonal weights (Saxe, McClelland & Ganguli 2014, ICLR)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.errors import ShapeError
from graphnet.core.random import generator
from graphnet.initializers.base import Initializer


@dataclass
class Orthogonal(Initializer):
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer.

    The weights are a matrix of the first axis by all other axes. A product with a square orthogonal matrix preserves
    the norm of a state, so that states and errors neither vanish nor grow over many steps of a recurrence. The
    distribution is uniform over all such matrices: the QR factors of a normal matrix with the signs of R's diagonal
    moved into Q (Mezzadri 2007, Notices of the AMS 54). The fans are not used.

    Parameters
    ----------
    gain : float above 0

    Raises
    ------
    ShapeError
        If the weights have fewer than two axes.

    Examples
    --------
    >>> w = Orthogonal().initialize((3, 3), 3, 3)
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        self.gain = number("Orthogonal", "gain", self.gain, 0.0, above=True)

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """Draw one orthogonal matrix with the given shape."""
        if len(shape) < 2:
            raise ShapeError(
                "orthogonal weights must be a matrix",
                where="Orthogonal",
                expected="two axes or more",
                received=shape,
                remedy="Use Constant(0.0) for a bias.",
            )
        rows, columns = shape[0], math.prod(shape[1:])
        factor, upper = np.linalg.qr(generator().normal(size=(max(rows, columns), min(rows, columns))))
        basis = factor * np.where(np.diagonal(upper) < 0, -1.0, 1.0)
        return self.gain * np.ascontiguousarray(basis if rows >= columns else basis.T).reshape(shape)
