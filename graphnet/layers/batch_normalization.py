"""Batch normalization."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet.core import collective
from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.parameter import Buffer, Weight
from graphnet.core.describe.shapes import Shape
from graphnet.core.dtypes import as_array
from graphnet.core.errors import ShapeError, StateError
from graphnet.core.operations import Operation, offered
from graphnet.core.phase import Phase
from graphnet.layers.attributes import BiasAttribute
from graphnet.layers.checks import finite
from graphnet.layers.rows import kept, valid
from graphnet.layers.statistics import feature_axis, moments, shared_moments, shared_sums


class BatchNormalization(BiasAttribute, Layer):
    """``y = γ · (x - mean) / √(variance + ε) + β`` (Ioffe & Szegedy 2015, algorithm 1).

    Statistics are per feature for ``(batch, features)`` and for sequences ``(time, batch, features)``, and per channel
    for signals and images ``(batch, channels, …)`` and sequences of them; only the valid steps of sequences are used.
    The variance is the biased one, divided by N. The test phase uses running statistics: those of the first training
    batch, then ``running ← running + rate · (batch - running)`` with

    ``rate = (1 - momentum) · min(1, rows / rows of the first batch)``,

    so that a small last batch is weighted by its size: one row after batches of 32 changes them by a 32nd of the change
    by a full batch. Rows are the examples of a batch or, for sequences, the valid steps of all examples; the positions
    of an image are not counted. The rows of the first batch are stored in the buffer ``rows``; 0, as in files of
    earlier versions, means unknown, and the next training batch sets it.

    A batch of one row has variance 0: its output in the train phase is β, and after a first batch of one row the
    running variance is 0. The same holds for a feature that is constant in training: with the epsilon of 1e-10, a value
    that differs from that constant by d becomes ``1e5 γ d + β`` in the test phase. If features may be constant, remove
    them or use a larger epsilon, such as 1e-5 or 1e-3.

    ``weights`` is γ and starts at 1, ``bias`` is β and starts at 0; ``initialize`` resets both to these
    values, independent of the initializers. A regularizer applies to γ only.

    Parameters
    ----------
    channels : int, optional
        Features or channels; None: taken from the first input.
    epsilon : float, at least 0
        With 0, a feature that is equal in every row becomes NaN.
    momentum : float in [0, 1)
        The weight of the previous running statistics after a batch with as many rows as the first one.
    dtype : {'float64', 'float32'}
        The dtype of weights and running statistics.

    Raises
    ------
    ShapeError
        If the number of features or channels differs, or the input has no axis for them.
    StateError
        In the test phase before any training batch.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNormalization(epsilon=1.0)
    >>> layer.forward(np.array([[0.0, 5.0], [2 * 3**0.5, 5.0]])).round(3)
    array([[-0.866,  0.   ],
           [ 0.866,  0.   ]])
    """

    optional_buffers: ClassVar[tuple[str, ...]] = ("rows",)

    #: The shape of the last images that ``reformat`` was called with.
    _image_shape: ClassVar[tuple[int, ...]] = ()

    channels: int | None = None
    epsilon: float = field(default=1e-10, kw_only=True)
    momentum: float = field(default=0.8, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "channels")
        require(finite(self.epsilon) and self.epsilon >= 0, self, "epsilon", "a finite number of at least 0")
        require(finite(self.momentum) and 0 <= self.momentum < 1, self, "momentum", "a number in [0, 1)")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        shape = (self._size(inputs),)
        return {"weights": Weight(shape, kind="constant", value=1.0), "bias": Weight(shape, kind="bias", value=0.0)}

    def buffers(self, *inputs: Shape) -> dict[str, Buffer]:
        shape = (self._size(inputs),)
        return {"mean": Buffer(shape), "variance": Buffer(shape), "batches": Buffer(()), "rows": Buffer(())}

    def infer(self, x: Shape) -> Shape:
        axis = feature_axis(x, self)
        size = x.sizes[axis]
        if self.channels is not None and size is not None and size != self.channels:
            expected = x.resized(axis, self.channels)
            raise ShapeError("wrong number of features or channels", where=repr(self), expected=expected, received=x)
        return x if self.channels is None else x.resized(axis, self.channels)

    def apply(
        self, x: Any, *, weights: Any, bias: Any, mean: Any, variance: Any, batches: Any, phase: Any, lengths: Any,
        shapes: Any, operations: Any = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        axis = feature_axis(shapes[0], self)
        mask = None if lengths is None else valid(lengths, x.shape[0], x.ndim)
        rows = math.prod(x.shape[: kept(shapes[0])]) if mask is None else int(np.count_nonzero(mask))
        across = (*range(axis), *range(axis + 1, x.ndim))
        aligned = (1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1)
        share = collective.statistics()
        if phase is not Phase.test and share is None and axis == x.ndim - 1:
            count = math.prod(x.shape[:-1]) if mask is None else max(rows, 1) * math.prod(x.shape[2:-1])
            flags = None if mask is None or x.ndim > 3 else mask
            if mask is None or flags is not None:
                found = offered(operations, Operation.NORMALIZED, x, flags, count, weights, bias, self.epsilon)
                if found is not None:
                    y, normal, centre, spread, scale = found
                    return y, (normal, scale, count, mask, across, aligned, centre, spread, rows)
        if phase is Phase.test:
            self._require_statistics(batches)
            count, centre, spread = None, mean.reshape(aligned), variance.reshape(aligned)
            centred = x - centre
        elif share is not None:
            count, centre, spread, centred, rows = shared_moments(share, x, across, mask, rows)
        else:
            count, centre, spread, centred = moments(x, across, mask, rows)
        scale = 1.0 / np.sqrt(spread + self.epsilon)
        normal = centred * scale
        saved = normal, scale, count, mask, across, aligned, centre, spread, rows
        return normal * weights.reshape(aligned) + bias.reshape(aligned), saved

    def pull(self, saved: Any, error: Any, *, weights: Any, operations: Any = None) -> Any:
        normal, scale, count, mask, across, aligned = saved[:6]
        error = error * weights.reshape(aligned)
        if count is None:  # the test phase: statistics are constants
            return error * scale
        share = collective.statistics()
        sums: tuple[Any, ...] = _sums(error, normal, across, operations)
        if share is not None:
            sums = shared_sums(share, *sums)
        mean, correlation = (total.reshape(aligned) / count for total in sums)
        by_statistics = mean + normal * correlation
        # Steps after the end of a row are normalized, but do not contribute to the statistics.
        if mask is not None:
            by_statistics = np.where(mask, by_statistics, normal.dtype.type(0))
        return (error - by_statistics) * scale

    def grad(self, saved: Any, error: Any, *, operations: Any = None) -> dict[str, Any]:
        bias, weights = _sums(error, saved[0], saved[4], operations)
        return {"weights": weights, "bias": bias}

    def update(self, saved: Any, *, mean: Any, variance: Any, batches: Any, rows: Any) -> dict[str, Any]:
        centre, spread, batch_rows = saved[6:]
        if not batch_rows:  # a batch of empty rows has no statistics
            return {}
        known = float(rows)
        first_rows = known or batch_rows
        rate = (1.0 - self.momentum) * min(1.0, batch_rows / first_rows) if float(batches) else 1.0
        return {
            "mean": (1.0 - rate) * mean + rate * centre.reshape(-1),
            "variance": (1.0 - rate) * variance + rate * spread.reshape(-1),
            "batches": batches + 1,
            "rows": rows if known == first_rows else np.full_like(rows, first_rows),
        }

    def reformat(self, tensor: Any) -> Any:
        """Images ``(batch, channels, …)`` as rows ``(batch · positions, channels)``, or such rows as images.

        Later editions of the exercise ask for this method; this layer does not need it.

        Parameters
        ----------
        tensor : array_like
            With two axes it is rows, which take the shape of the images of the last ``reformat`` or ``forward``.

        Raises
        ------
        StateError
            For rows, if no images came before.
        ShapeError
            If the rows do not fit these images.
        """
        array = as_array(tensor, f"{self!r}, reformat")
        if array.ndim > 2:
            self._image_shape = array.shape  # type: ignore[misc]  # the class has the value before the first one
            return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])
        shape = self._last_image_shape()
        if array.ndim < 2 or array.size != math.prod(shape) or array.shape[-1] != shape[1]:
            expected = f"({math.prod(shape) // shape[1]}, {shape[1]})"
            raise ShapeError(
                "the rows do not fit the images", where=repr(self), expected=expected, received=array.shape
            )
        return np.ascontiguousarray(np.moveaxis(array.reshape(shape[0], *shape[2:], shape[1]), -1, 1))

    def _last_image_shape(self) -> tuple[int, ...]:
        last = getattr(self._runner, "last_pass", None)
        shape = last.binding.shapes.slots[0].sizes if last is not None else ()
        shape = shape if len(shape) > 2 else self._image_shape
        if not shape:
            remedy = "Call forward, or reformat, with images first."
            raise StateError("the shape of the images is not known", where=repr(self), remedy=remedy)
        return shape

    def _require_statistics(self, batches: Any) -> None:
        if float(batches) == 0:
            remedy = "Run at least one training batch first."
            raise StateError("no running statistics yet", where=repr(self), remedy=remedy)

    def _size(self, inputs: tuple[Shape, ...]) -> int:
        size = self.channels
        if size is None and inputs:
            size = inputs[0].sizes[feature_axis(inputs[0], self)]
        if size is None:
            raise ShapeError(
                "the number of features is not known yet",
                where=repr(self),
                remedy="Pass channels to the constructor, or declare the size on the input of the graph.",
            )
        return size


def _sums(error: Any, other: Any, across: tuple[int, ...], operations: Any) -> tuple[Any, Any]:
    """The sums of ``error`` and of ``error * other`` over axes."""
    if across == tuple(range(error.ndim - 1)):
        found = offered(operations, Operation.COLUMN_SUMS, error, other)
        if found is not None:
            return found  # type: ignore[no-any-return]
    return error.sum(across), (error * other).sum(across)
