"""An array of weights as a value: a trained bias, gain or scalar."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers.array_field import checked_array, described, nested
from graphnet.layers.attributes import WeightsAttribute
from graphnet.layers.spread import row_sum, spread, spread_shape


class LearnedArray(WeightsAttribute, Layer):
    """``y = weights`` for each row of x: a trained bias, gain or scalar.

    Only the axes of the rows of x are used, ``(batch,)`` or ``(time, batch)``; the axes of the array follow, also where
    a row of x has fewer axes. x gets no error. ``weights`` has the shape ``shape``. fan_in = fan_out = 1 for a vector;
    of a matrix they are its sizes.

    Parameters
    ----------
    shape : int or tuple of int
        The sizes of the array; 1: a scalar.
    initial : float, array_like of float, or None
        What the weights start at, independent of the initializers, and not regularized, as a bias. An array has the
        shape ``shape``, or its last axes, and is then the same along the others. None: drawn by the weights
        initializer, and regularized.
    dtype : {'float64', 'float32'}
        Of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LearnedArray(2, initial=[1.0, 2.0])
    >>> layer.forward(np.zeros((3, 5))), layer.backward(np.ones((3, 2))), layer.get_gradient_weights()
    (array([[1., 2.],
           [1., 2.],
           [1., 2.]]), array([[0., 0., 0., 0., 0.],
           [0., 0., 0., 0., 0.],
           [0., 0., 0., 0., 0.]]), array([3., 3.]))
    """

    shape: int | tuple[int, ...]
    initial: float | tuple[Any, ...] | None = 0.0
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        self._sizes = self.shape if isinstance(self.shape, tuple) else (self.shape,)
        valid = bool(self._sizes) and all(is_python_int(n, 1) for n in self._sizes)
        require(valid, self, "shape", "a positive integer, or several")
        self._initial = None
        if self.initial is not None:
            suffixes = ((), *[self._sizes[i:] for i in range(len(self._sizes))])
            self._initial = checked_array(self.initial, "LearnedArray", "initial", suffixes)
            self.initial = nested(self._initial)

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        fans = (self._sizes[0], self._sizes[-1]) if len(self._sizes) > 1 else (1, 1)
        if self._initial is None:
            return {"weights": Weight(self._sizes, *fans)}
        value = float(self._initial) if self._initial.ndim == 0 else self._initial
        return {"weights": Weight(self._sizes, *fans, kind="bias", value=value)}

    def infer(self, x: Shape) -> Shape:
        return spread_shape(x, self._sizes, self, more=True)

    def apply(self, x: Any, *, weights: Any, shapes: Any) -> tuple[Any, Any]:
        return spread(weights, x, self.infer(shapes[0])), None

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        return None

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        return {"weights": row_sum(error, self._sizes)}

    def __repr__(self) -> str:
        config = self.config()
        if self._initial is not None and "initial" in config:
            config["initial"] = described(self._initial)
        shown = [f"{name}={value if name == 'initial' else repr(value)}" for name, value in config.items()]
        return f"LearnedArray({', '.join(shown)})"
