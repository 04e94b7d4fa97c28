"""The arrays that layers own: trainable weights, and buffers such as running statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import StateError

__all__ = ["Array", "Buffer", "Parameter", "Weight"]


@dataclass(frozen=True, slots=True)
class Weight:
    """The shape and the starting values of one weight array; what ``Layer.parameters`` returns, by name.

    Parameters
    ----------
    shape : tuple of int
    fan_in, fan_out : int
        Numbers of inputs and outputs that one weight connects; initializers scale by them.
    kind : {'weights', 'bias', 'constant'}
        What fills it: the weights initializer, the bias initializer, or ``value`` ('constant'), to which ``initialize``
        resets it.
    bias_rows : int
        Rows at the end, of an array of kind 'weights', that the bias initializer fills.
    value : float or array, optional
        The starting value of a 'constant'; that of a bias (or the bias rows), instead of the bias initializer's. An
        array broadcasts to the shape.
    """

    shape: tuple[int, ...]
    fan_in: int = 1
    fan_out: int = 1
    kind: Literal["weights", "bias", "constant"] = "weights"
    bias_rows: int = 0
    value: float | Array | None = None


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array that a layer keeps but no optimizer trains; what ``Layer.buffers`` returns, by name."""

    shape: tuple[int, ...]
    value: float = 0.0


class Parameter:
    """One weight array of one layer, its last gradient and its optimizer.

    Attributes
    ----------
    name : str
        The name under which the layer's rules receive it.
    spec : Weight
    value : array
        Updates replace it and do not write to it, so that an array that was handed out does not change.
    gradient : array or None
        Of the last ``backward``, summed over the batch; None before it.
    optimizer : object or None
    """

    __slots__ = ("gradient", "name", "optimizer", "spec", "value")

    def __init__(self, name: str, spec: Weight, value: Array) -> None:
        self.name = name
        self.spec = spec
        self.value = value
        self.gradient: Array | None = None
        self.optimizer: Any = None

    def known_gradient(self) -> Array:
        """Return the last gradient.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        if self.gradient is None:
            raise StateError("no gradient yet", where=repr(self), remedy="Call forward and backward first.")
        return self.gradient

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, shape={self.value.shape}, dtype={np.dtype(self.value.dtype).name})"
