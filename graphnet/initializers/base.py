"""The base of all initializers: checks of shapes and fans, and the configuration."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.errors import RuleError, ShapeError

Shape = SupportsIndex | Sequence[SupportsIndex]


@dataclass
class Initializer:
    """Base of the initializers; a subclass implements :meth:`draw`.

    Layers take any object with ``initialize(weights_shape, fan_in, fan_out)``; this class adds checks and ``config()``.
    """

    def initialize(self, weights_shape: Shape, fan_in: float | None = None, fan_out: float | None = None) -> Any:
        """New weights as a float64 array.

        Parameters
        ----------
        weights_shape : int or sequence of ints, each at least 1
        fan_in, fan_out : float above 0
            The number of inputs of each output, and of outputs of each input; not checked by an initializer that does
            not use them.

        Raises
        ------
        ShapeError
            If a size is not a positive integer.
        ConfigError
            If a required fan is missing, not a number, or not positive.
        """
        return self.draw(self._shape(weights_shape), fan_in, fan_out)

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """The rule: an array of this checked ``shape``, drawn from ``graphnet.core.random.generator()``."""
        raise RuleError(
            f"{type(self).__name__} has no draw",
            expected="a method draw(shape, fan_in, fan_out)",
            remedy="Implement it; it returns a float64 array of that shape.",
        )

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    def _shape(self, weights_shape: Shape) -> tuple[int, ...]:
        try:
            sizes: Any = weights_shape if np.ndim(weights_shape) else (weights_shape,)  # type: ignore[arg-type]
            shape = tuple(operator.index(size) for size in sizes)
        except (TypeError, ValueError):
            shape = (0,)
        if all(size > 0 for size in shape):
            return shape
        raise ShapeError(
            "weights_shape is not a valid shape",
            where=type(self).__name__,
            expected="positive integers",
            received=repr(weights_shape),
            remedy="Pass the shape as a tuple.",
        )

    def _fan(self, name: str, value: Any) -> float:
        return number(type(self).__name__, name, value, 0.0, above=True)
