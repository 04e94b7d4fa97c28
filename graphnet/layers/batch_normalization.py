"""Batch normalization."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet.core.errors import ShapeError, StateError
from graphnet.core.layer import Layer, positive, require
from graphnet.core.parameter import Buffer, Weight
from graphnet.core.phase import Phase
from graphnet.core.shapes import CHANNEL, FEATURE, Shape
from graphnet.layers.attributes import BiasAttribute
from graphnet.layers.rows import valid


class BatchNormalization(BiasAttribute, Layer):
    """``y = γ · (x - mean) / √(variance + ε) + β`` (Ioffe & Szegedy 2015, algorithm 1).

    Statistics are per feature for ``(batch, features)`` and for sequences ``(time, batch, features)``, of which only
    valid steps count, and per channel for signals and images ``(batch, channels, …)``. The variance is the biased one,
    over N. The test phase uses running statistics; after the first training batch they equal that batch's, then
    ``running ← momentum · running + (1 - momentum) · batch``.

    ``weights`` is γ and starts at 1, ``bias`` is β and starts at 0; ``initialize`` leaves both as they are.

    Parameters
    ----------
    channels : int, optional
        Features or channels; None: taken from the first input.
    epsilon : float, at least 0
    momentum : float in [0, 1)
    dtype : {'float64', 'float32'}
        Of weights and running statistics.

    Raises
    ------
    ShapeError
        If the input has another number of features or channels.
    StateError
        In the test phase before any training batch.
    """

    channels: int | None = None
    epsilon: float = field(default=1e-10, kw_only=True)
    momentum: float = field(default=0.8, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "channels")
        require(isinstance(self.epsilon, (int, float)) and self.epsilon >= 0, self, "epsilon", "a number of at least 0")
        fits = isinstance(self.momentum, (int, float)) and 0 <= self.momentum < 1
        require(fits, self, "momentum", "a number from 0, below 1")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        shape = (self._size(inputs),)
        return {"weights": Weight(shape, kind="constant", value=1.0), "bias": Weight(shape, kind="constant", value=0.0)}

    def buffers(self, *inputs: Shape) -> dict[str, Buffer]:
        shape = (self._size(inputs),)
        return {"mean": Buffer(shape), "variance": Buffer(shape), "batches": Buffer(())}

    def infer(self, x: Shape) -> Shape:
        found = x.sizes[_axis(x, self)]
        if self.channels is not None and found is not None and found != self.channels:
            raise ShapeError(
                "another number of features or channels", where=repr(self), expected=self.channels, received=str(x)
            )
        return x

    def apply(
        self,
        x: Any,
        *,
        weights: Any,
        bias: Any,
        mean: Any,
        variance: Any,
        batches: Any,
        phase: Any,
        lengths: Any,
        shapes: Any,
    ) -> tuple[Any, Any]:
        axis = _axis(shapes[0], self)
        across = tuple(i for i in range(x.ndim) if i != axis)
        aligned = tuple(-1 if i == axis else 1 for i in range(x.ndim))
        mask = None if lengths is None or axis != x.ndim - 1 or x.ndim < 3 else valid(lengths, x.shape[0], x.ndim)
        if phase is Phase.test:
            if float(batches) == 0:
                raise StateError(
                    "no running statistics yet", where=repr(self), remedy="Run at least one training batch first."
                )
            count, centre, spread = None, mean.reshape(aligned), variance.reshape(aligned)
        else:
            count, centre, spread = _statistics(x, across, mask)
        scale = 1.0 / np.sqrt(spread + self.epsilon)
        normal = (x - centre) * scale
        saved = normal, scale, count, mask, across, aligned, centre, spread
        return normal * weights.reshape(aligned) + bias.reshape(aligned), saved

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        normal, scale, count, mask, across, aligned, _, _ = saved
        given = error * weights.reshape(aligned)
        if count is None:
            return given * scale
        if mask is None:
            mean, along = given.sum(across, keepdims=True) / count, (given * normal).sum(across, keepdims=True) / count
            return (given - mean - normal * along) * scale
        # Steps beyond a row's end were normalised with statistics that they are no part of, but do depend on those.
        mean, along = given.sum(across, keepdims=True) / count, (given * normal).sum(across, keepdims=True) / count
        return (given - np.where(mask, mean + normal * along, normal.dtype.type(0))) * scale

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        normal, across = saved[0], saved[4]
        return {"weights": (error * normal).sum(across), "bias": error.sum(across)}

    def update(self, saved: Any, *, mean: Any, variance: Any, batches: Any) -> dict[str, Any]:
        centre, spread = saved[6], saved[7]
        keep = self.momentum if float(batches) else 0.0
        return {
            "mean": keep * mean + (1.0 - keep) * centre.reshape(-1),
            "variance": keep * variance + (1.0 - keep) * spread.reshape(-1),
            "batches": batches + 1,
        }

    def _size(self, inputs: tuple[Shape, ...]) -> int:
        size = (
            self.channels
            if self.channels is not None
            else (inputs[0].sizes[_axis(inputs[0], self)] if inputs else None)
        )
        if size is None:
            raise ShapeError(
                "the number of features is not known yet",
                where=repr(self),
                remedy="Give channels to the constructor, or declare the size on the graph's input.",
            )
        return size


def _axis(x: Shape, layer: Layer) -> int:
    """The axis of features or channels."""
    if x.rank < 2:
        raise ShapeError("needs a batch axis and one more", where=repr(layer), expected="(batch, …)", received=str(x))
    if x.rank == 2 or x.names[-1] == FEATURE:
        return x.rank - 1
    return x.names.index(CHANNEL) if CHANNEL in x.names else 1


def _statistics(x: Any, across: tuple[int, ...], mask: Any) -> tuple[Any, Any, Any]:
    """Number of rows, mean and biased variance over the rows that count."""
    if mask is None:
        count = 1
        for axis in across:
            count *= x.shape[axis]
        mean = x.sum(across, keepdims=True) / count
        return count, mean, ((x - mean) ** 2).sum(across, keepdims=True) / count
    count = max(int(mask.sum()), 1)
    mean = np.where(mask, x, x.dtype.type(0)).sum(across, keepdims=True) / count
    return count, mean, np.where(mask, (x - mean) ** 2, x.dtype.type(0)).sum(across, keepdims=True) / count
