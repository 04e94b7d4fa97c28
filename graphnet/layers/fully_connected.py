"""The dense layer."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.axes import FEATURE
from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers.attributes import WeightsAttribute
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class FullyConnected(WeightsAttribute, Layer):
    """``y = x · W + b`` on the last axis, with any number of axes before it.

    ``weights`` is one array ``(input_size + 1, output_size)`` whose last row is the bias ``b``; without a bias it has
    ``input_size`` rows. fan_in = input_size, fan_out = output_size.

    Parameters
    ----------
    input_size : int or None
        The number of input features; None: taken from the first input.
    output_size : int
        The number of output features.
    bias : bool or float
        False: no bias. True: set by the bias initializer. A number: the initial value, independent of the bias
        initializer (1.0 is recommended for a forget gate: Jozefowicz, Zaremba & Sutskever 2015, section 2.2).
    dtype : {'float64', 'float32'}
        The dtype of the weights.

    Raises
    ------
    ShapeError
        If the size of the last axis of the input is not ``input_size``.

    Examples
    --------
    >>> import numpy as np
    >>> layer = FullyConnected(2, 1)
    >>> layer.set_weights([[3.0], [5.0], [0.5]])
    >>> layer.forward(np.array([[1.0, 10.0]]))
    array([[53.5]])
    """

    input_size: int | None
    output_size: int
    bias: bool | float = field(default=True, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        known = self.input_size is None or is_python_int(self.input_size, 1)
        require(known, self, "input_size", "a positive integer, or None")
        positive(self, "output_size")
        require(isinstance(self.bias, bool) or finite(self.bias), self, "bias", "True, False or a finite number")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        rows = last_size(self, self.input_size, inputs)
        bias = self.bias is not False
        value = None if isinstance(self.bias, bool) else float(self.bias)
        return {
            "weights": Weight(
                (rows + bias, self.output_size), fan_in=rows, fan_out=self.output_size, bias_rows=int(bias), value=value
            )
        }

    def infer(self, x: Shape) -> Shape:
        last_size(self, self.input_size, (x,), known=False)
        return x.resized(-1, self.output_size, FEATURE)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        y = _rows(x) @ (weights if self.bias is False else weights[:-1])
        if self.bias is not False:
            y = y + weights[-1]
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.output_size), x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        input_error = _rows(error) @ (weights if self.bias is False else weights[:-1]).T
        return input_error if error.ndim == 2 else input_error.reshape(*error.shape[:-1], input_error.shape[-1])

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        rows, errors = _rows(x), _rows(error)
        kernel = rows.T @ errors
        if self.bias is False:
            return {"weights": kernel}
        return {"weights": np.concatenate([kernel, errors.sum(0, keepdims=True)])}


def _rows(x: Any) -> Any:
    """All axes but the last as one: a single matrix product instead of one for each time step."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
