"""The weights of a cell's gates as one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet import Layer, ShapeError, StateError
from graphnet.authoring import Parameter, as_array


class GateWeights:
    """A view of the weight arrays of several layers as one array, side by side in the order of the layers.

    The layers own the weights: reading concatenates, assigning copies each block of columns into its layer.

    Parameters
    ----------
    layers : sequence of Layer
        One per gate; their weights have equal shapes.
    owner : object
        Its ``repr`` is the place in error messages.
    """

    def __init__(self, layers: Sequence[Layer], owner: object) -> None:
        self.layers = layers
        self.owner = owner

    @property
    def parameters(self) -> list[Parameter]:
        """The weight arrays, in the order of the columns.

        Raises
        ------
        StateError
            If their sizes are not known yet.
        """
        parameters = [parameter for layer in self.layers for parameter in layer.params.values()]
        if not parameters:
            raise StateError(
                "the sizes of the weights are not known yet",
                where=repr(self.owner),
                remedy="Give input_size to the constructor, or call forward once.",
            )
        return parameters

    def values(self) -> np.ndarray:
        """Return a copy of the weights."""
        return self._concatenated(lambda parameter: parameter.value)

    def gradient(self) -> np.ndarray:
        """Return a copy of the last gradient.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        if any(parameter.gradient is None for parameter in self.parameters):
            raise StateError("no gradient yet", where=repr(self.owner), remedy="Call forward and backward first.")
        return self._concatenated(lambda parameter: parameter.gradient)

    def assign(self, weights: Any) -> None:
        """Copy each block of columns of ``weights`` into its layer; it keeps its dtype.

        Raises
        ------
        ShapeError
            If ``weights`` does not have the shape of ``values()``; the message has both, and nothing has changed.
        """
        array = as_array(weights, f"{self.owner!r}, weights")
        parameters = self.parameters
        rows, columns = parameters[0].value.shape
        expected = (rows, len(parameters) * columns)
        if array.shape != expected:
            raise ShapeError(
                "weights of another shape", where=repr(self.owner), expected=expected, received=array.shape
            )
        for parameter, block in zip(parameters, np.split(array, len(parameters), axis=1), strict=True):
            parameter.value = block.astype(parameter.value.dtype)

    def regularization_loss(self) -> float:
        """Return the norm of the weights as one array by the optimizer's regularizer; 0 without one."""
        regularizer = getattr(self.parameters[0].optimizer, "regularizer", None)
        return 0.0 if regularizer is None else float(regularizer.norm(self.values()))

    def _concatenated(self, read: Callable[[Parameter], Any]) -> np.ndarray:
        return np.concatenate([read(parameter) for parameter in self.parameters], axis=1)
