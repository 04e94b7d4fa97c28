"""A fixed shift and scale of each feature, from the statistics of training data."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class Standardize(Layer):
    """``y = (x - mean) / scale`` for each feature, the last axis, with constant numbers.

    With the mean and the standard deviation of training data, the features of these data have mean 0 and variance 1:
    the z-score. The numbers are settings of the model, not weights: training does not change them, and a model file
    holds them.

    Parameters
    ----------
    mean, scale : tuple of float, one for each feature
        Finite, and above 0 for ``scale``.

    Raises
    ------
    ShapeError
        If the input has another number of features.

    Examples
    --------
    >>> import numpy as np
    >>> Standardize(mean=(1.0, 0.0), scale=(2.0, 1.0)).forward(np.array([[3.0, 5.0], [-1.0, 0.0]]))
    array([[ 1.,  5.],
           [-1.,  0.]])
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def check(self) -> None:
        numbers = isinstance(self.mean, tuple) and len(self.mean) > 0 and all(finite(each) for each in self.mean)
        require(numbers, self, "mean", "one finite number for each feature")
        same = isinstance(self.scale, tuple) and len(self.scale) == len(self.mean)
        require(same and all(finite(each) and each > 0 for each in self.scale), self, "scale",
                f"{len(self.mean)} finite numbers above 0, one for each mean")  # fmt: skip

    def infer(self, x: Shape) -> Shape:
        last_size(self, len(self.mean), (x,), known=False)
        return x.resized(-1, len(self.mean))

    def apply(self, x: Any) -> tuple[Any, Any]:
        return (x - np.array(self.mean, x.dtype)) / np.array(self.scale, x.dtype), None

    def pull(self, saved: Any, error: Any) -> Any:
        return error / np.array(self.scale, error.dtype)
