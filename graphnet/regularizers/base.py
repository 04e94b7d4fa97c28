"""The base of all regularizers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number
from graphnet.core.elementwise_kernels import Recorded
from graphnet.core.errors import RuleError


@dataclass
class Regularizer:
    """Base of the regularizers: a penalty on weights of any shape, scaled by ``alpha``.

    An optimizer takes any object with :meth:`calculate` and :meth:`norm`; this class adds checks of ``alpha`` and of
    the weights, and ``config()``.

    Parameters
    ----------
    alpha : float, at least 0

    Attributes
    ----------
    elementwise : bool, of the class
        Whether ``calculate`` depends, for each weight, on that weight only, so that the weights of several layers may
        be one flat array. False unless the class itself sets ``elementwise = True``: it is not inherited.
    """

    alpha: float
    elementwise: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "elementwise" not in vars(cls):
            cls.elementwise = False

    def __post_init__(self) -> None:
        self.alpha = number(type(self).__name__, "alpha", self.alpha, 0.0)

    def calculate(self, weights: npt.ArrayLike) -> Any:
        """The term that is added to the gradient, with the shape and float dtype of ``weights``."""
        if type(self).calculate_gradient is not Regularizer.calculate_gradient:
            return self.calculate_gradient(weights)
        raise self._missing("calculate")

    def calculate_gradient(self, weights: npt.ArrayLike) -> Any:
        """``calculate`` by the name that later editions of the exercise use; a subclass defines one of the two."""
        return self.calculate(weights)

    def norm(self, weights: npt.ArrayLike) -> float:
        """The term that is added to the loss."""
        raise self._missing("norm")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    def _weights(self, weights: npt.ArrayLike) -> npt.NDArray[Any]:
        if isinstance(weights, Recorded):
            return weights  # type: ignore[return-value]  # an optimizer step is being recorded
        return float_array(type(self).__name__, "weights", weights)

    def _double(self, weights: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return self._weights(weights).astype(np.float64, copy=False)

    def _missing(self, rule: str) -> RuleError:
        name = type(self).__name__
        return RuleError(f"{name} has no {rule}", expected=f"a method {rule}(weights)", remedy="Implement it.")
