"""A softmax over the filled slots of a memory."""

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError


class SlotSoftMax(Layer):
    """``y_i = filled_i · exp(x_i) / Σ_j filled_j · exp(x_j)`` over the last axis; zeros if no slot is filled.

    ``scores`` and ``filled`` are ``(…, slots)``. A slot counts as filled above ½; the score of any other slot is
    ignored. The result neither overflows nor divides by zero. ``filled`` gets no error.

    Raises
    ------
    ShapeError
        If the two differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> scores, filled = np.array([[5.0, 5.0, 1e4], [1.0, 2.0, 3.0]]), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    >>> SlotSoftMax().forward(scores, filled)
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 0. ]])
    """

    def infer(self, scores: Shape, filled: Shape) -> Shape:
        if not scores.fits(filled):
            raise ShapeError("needs one flag per score", where=repr(self), expected=scores, received=filled)
        return scores

    def apply(self, scores: Any, filled: Any) -> tuple[Any, Any]:
        is_filled = filled > 0.5
        masked = np.where(is_filled, scores, -1e30)
        powers = np.where(is_filled, np.exp(masked - masked.max(-1, keepdims=True)), 0.0)
        y = powers / np.maximum(powers.sum(-1, keepdims=True), 1.0)  # the largest power is 1 if a slot is filled
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return y * (error - (error * y).sum(-1, keepdims=True)), None
