"""The softmax, along an axis and as a loss layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import inside_scan, is_python_int, require
from graphnet_activations.labels import checked_input, complement, cross_entropy, one_hot

#: Stands for labels that were not given; None could be a mistake.
NO_LABELS: Any = object()


class SoftMax(Layer):
    """``y_k = exp(x_k) / Σ_j exp(x_j)`` along ``axis``; range [0, 1], sums to 1 (Bridle 1990, NIPS 2).

    In a graph, or by ``forward(x)``, it is that function, and ``backward(error)`` its derivative,
    ``y · (error - Σ_j error_j y_j)``. Rows that end early and an ``axis`` that is time: steps after the end get 0.

    As a loss layer, with labels: ``forward(x, one_hot)`` is the cross entropy ``-Σ one_hot · log y`` summed over the
    batch, ``backward(one_hot)`` its gradient ``y - one_hot`` with respect to x, and ``predict(x)`` is y.

    The largest x is subtracted first, and the logarithm is taken as ``x_k - log Σ_j exp(x_j)``, so that finite inputs
    give finite numbers. Probabilities near 0, losses near 0 and the derivatives at classes whose probability is near 1
    keep their relative precision; the derivative is cheaper and has that of the rounded y in the compiled loop of a
    Scan.

    Parameters
    ----------
    axis : int
        The axis of the classes; negative counts from the end.

    Raises
    ------
    ShapeError
        If the input has no such axis.

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
            raise ShapeError("no such axis", where=repr(self), expected=f"axis {self.axis}", received=str(x))
        return x

    def apply(self, x: Any, *, lengths: Any = None) -> tuple[Any, Any]:
        if lengths is not None and self.axis % x.ndim == 0:
            return _until(x, lengths)
        powers = np.exp(x - x.max(self.axis, keepdims=True))
        y = powers / powers.sum(self.axis, keepdims=True)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        if not inside_scan(y):
            # The same number taken from all errors changes nothing; that of the largest y keeps 1 - y out of the sum.
            top = np.where(y == y.max(self.axis, keepdims=True), error, -np.inf)
            error = error - top.max(self.axis, keepdims=True)
        return y * (error - (error * y).sum(self.axis, keepdims=True))

    # ------------------------------------------------------------------ the loss layer
    def forward(self, input_tensor: Any, label_tensor: Any = NO_LABELS) -> Any:
        """The softmax of ``input_tensor``; with labels the loss.

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
            Inputs or labels that mean nothing; the layer is then as it was.
        """
        if label_tensor is NO_LABELS:
            return super().forward(input_tensor)
        x = checked_input(self, input_tensor)
        loss = cross_entropy(self, x, one_hot(self, label_tensor, x.shape))
        self._set_last((None, self.apply(x)[0]))  # a pass of no runner
        return loss

    def backward(self, error_tensor: Any) -> Any:
        """The error for the input.

        Parameters
        ----------
        error_tensor : array_like
            The one-hot labels, if the last ``forward`` had labels; else the error for its output.

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's.
        ShapeError, DtypeError, DataError
            Labels, or an error, that do not fit the last ``forward``.
        """
        runner, prediction = self._get_last()
        if runner is not None:
            return super().backward(error_tensor)
        labels = one_hot(self, error_tensor, prediction.shape)
        return np.where(labels == 1, -complement(prediction, self.axis), prediction)

    def predict(self, input_tensor: Any) -> Any:
        """The softmax of ``input_tensor``; what ``backward`` needs of the last ``forward`` stays.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As ``forward``.
        """
        return self.apply(checked_input(self, input_tensor))[0]


def _until(x: Any, lengths: Any) -> tuple[Any, Any]:
    """The softmax over the steps of each row that are before its end; zeros after it."""
    steps = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    counts = np.reshape(lengths, (-1, *[1] * (x.ndim - 2)))
    inside = np.where(steps < counts, x, -np.inf)
    peak = np.where(counts > 0, inside.max(0), 0.0)
    powers = np.exp(inside - peak)
    y = powers / np.maximum(powers.sum(0), 1.0)  # the largest power is 1, unless a row has no step at all
    return y, y
