"""The softmax, along an axis and as a loss layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import inside_scan, is_python_int, require
from graphnet_activations.softmax_loss import checked_input, cross_entropy, one_hot, one_minus

#: Marks labels that were not passed, because None could be a mistake.
NO_LABELS: Any = object()


class SoftMax(Layer):
    """``y_k = exp(x_k) / Σ_j exp(x_j)`` along ``axis``; range [0, 1], sums to 1 (Bridle 1990, NIPS 2).

    In a graph, and with ``forward(x)``, it computes that function, and ``backward(error)`` its derivative,
    ``y · (error - Σ_j error_j y_j)``. If ``axis`` is time, steps after the end of a row get 0.

    As a loss layer, with labels: ``forward(x, one_hot)`` is the cross entropy ``-Σ one_hot · log y`` summed over the
    batch, ``backward(one_hot)`` its gradient ``y - one_hot`` with respect to x, and ``predict(x)`` is y.

    The largest x is subtracted first, and the logarithm is computed as ``x_k - log Σ_j exp(x_j)``, so that finite
    inputs give finite results. Probabilities near 0, losses near 0 and the derivatives at classes whose probability is
    near 1 keep their relative precision. In the compiled loop of a Scan the derivative is cheaper, and as precise as
    the rounded y.

    Parameters
    ----------
    axis : int
        The axis of the classes; a negative one counts from the end.

    Raises
    ------
    ShapeError
        If the input does not have this axis.

    Examples
    --------
    >>> import numpy as np
    >>> layer, x, labels = SoftMax(), np.array([[0.0, 0.0], [1e4, 0.0]]), np.array([[1, 0], [0, 1]])
    >>> layer.predict(x)
    array([[0.5, 0.5], [1. , 0. ]])
    >>> round(layer.forward(x, labels), 4)
    10000.6931
    >>> layer.backward(labels)
    array([[-0.5,  0.5], [ 1. , -1. ]])
    """

    axis: int = -1

    def check(self) -> None:
        require(is_python_int(self.axis), self, "axis", "an integer")

    # ------------------------------------------------------------------ the function
    def infer(self, x: Shape) -> Shape:
        if not -x.rank <= self.axis < x.rank:
            raise ShapeError(
                "the input does not have this axis", where=repr(self), expected=f"axis {self.axis}", received=str(x)
            )
        return x

    def apply(self, x: Any, *, lengths: Any = None) -> tuple[Any, Any]:
        if lengths is not None and self.axis % x.ndim == 0:
            return _softmax_over_time(x, lengths)
        powers = np.exp(x - x.max(self.axis, keepdims=True))
        y = powers / powers.sum(self.axis, keepdims=True)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        if not inside_scan(y):
            # Subtracting a constant from all errors does not change the result; that of the largest y is precise.
            at_largest = np.where(y == y.max(self.axis, keepdims=True), error, -np.inf)
            error = error - at_largest.max(self.axis, keepdims=True)
        return y * (error - (error * y).sum(self.axis, keepdims=True))

    # ------------------------------------------------------------------ the loss layer
    def forward(self, input_tensor: Any, label_tensor: Any = NO_LABELS) -> Any:
        """Return the softmax of ``input_tensor``, or with labels the loss.

        Parameters
        ----------
        input_tensor : array_like
            ``(batch, classes)``, ``(time, batch, classes)`` or any other with the classes on ``axis``.
        label_tensor : array_like, optional
            One-hot, same shape.

        Returns
        -------
        array, or with labels a float (summed in float64)

        Raises
        ------
        ShapeError, DtypeError, DataError
            If inputs or labels are invalid; the layer is then unchanged.
        """
        if label_tensor is NO_LABELS:
            return super().forward(input_tensor)
        x = checked_input(self, input_tensor)
        loss = cross_entropy(self, x, one_hot(self, label_tensor, x.shape))
        self._set_last((None, self.apply(x)[0]))  # not the pass of a Runner
        return loss

    def backward(self, error_tensor: Any) -> Any:
        """Return the error for the input.

        Parameters
        ----------
        error_tensor : array_like
            The one-hot labels, if the last ``forward`` had labels; else the error for its output.

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's.
        ShapeError, DtypeError, DataError
            If the labels, or the error, do not fit the last ``forward``.
        """
        runner, prediction = self._get_last()
        if runner is not None:
            return super().backward(error_tensor)
        labels = one_hot(self, error_tensor, prediction.shape)
        return np.where(labels == 1, -one_minus(prediction, self.axis), prediction)

    def predict(self, input_tensor: Any) -> Any:
        """Return the softmax of ``input_tensor`` without changing what ``backward`` reads.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As ``forward``.
        """
        return self.apply(checked_input(self, input_tensor))[0]


def _softmax_over_time(x: Any, lengths: Any) -> tuple[Any, Any]:
    """The softmax over the valid steps of each row; zeros after its end."""
    steps = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    counts = np.reshape(lengths, (-1, *[1] * (x.ndim - 2)))
    valid = np.where(steps < counts, x, -np.inf)
    peak = np.where(counts > 0, valid.max(0), 0.0)
    powers = np.exp(valid - peak)
    y = powers / np.maximum(powers.sum(0), 1.0)  # the largest power is 1, unless a row has no step
    return y, y
