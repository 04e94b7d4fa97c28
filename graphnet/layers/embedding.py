"""Vectors for token ids."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet.core.describe.axes import FEATURE
from graphnet.core.describe.layer import Layer, positive
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import DataError
from graphnet.layers.attributes import WeightsAttribute


class Embedding(WeightsAttribute, Layer):
    """``y = W[x]``: row x of a table, for each integer x in ``0 … count - 1``.

    ``weights`` is ``(count, size)``; fan_in = count, fan_out = size. The input has no error.

    Parameters
    ----------
    count : int
        The number of different tokens.
    size : int
        The length of each vector.
    dtype : {'float64', 'float32'}
        The dtype of the weights, and of the output unless another dtype is in use.

    Raises
    ------
    DtypeError
        If the input does not hold integers.
    DataError
        If a token is out of range.
    """

    count: int
    size: int
    dtype: str = field(default="float64", kw_only=True)

    integer_inputs: ClassVar[tuple[int, ...]] = (0,)

    def check(self) -> None:
        positive(self, "count", "size")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((self.count, self.size), fan_in=self.count, fan_out=self.size)}

    def infer(self, tokens: Shape) -> Shape:
        return tokens.extended(FEATURE, self.size)

    def apply(self, tokens: Any, *, weights: Any) -> tuple[Any, Any]:
        if tokens.dtype.kind not in "iu" and not (np.floor(tokens) == tokens).all():
            raise DataError(
                "tokens must be integers", where=repr(self), expected="token ids", received="NaN or fractions"
            )
        if tokens.min() < 0 or tokens.max() >= self.count:
            raise DataError(
                "a token is out of range",
                where=repr(self),
                expected=f"0 to {self.count - 1}",
                received=f"{tokens.min()} to {tokens.max()}",
            )
        # Tokens are floats if the input of the graph is not declared as integer.
        rows = tokens if tokens.dtype.kind in "iu" else tokens.astype(np.int64)
        return weights[rows], (rows, weights.shape)

    def pull(self, saved: Any, error: Any) -> Any:
        return None

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        tokens, shape = saved
        gradient = np.zeros(shape, error.dtype)
        np.add.at(gradient, tokens.reshape(-1), error.reshape(-1, shape[1]))
        return {"weights": gradient}
