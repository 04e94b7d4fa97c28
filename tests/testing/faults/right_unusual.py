"""Right layers at the borders of the kit's own inputs: kinks on whole numbers, large offsets, limits, monitors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Square

from graphnet import DataError, Layer, ShapeError, Weight
from graphnet.authoring import Buffer
from graphnet.testing import Case


class Clipped(Layer):
    """``y`` = x limited to the interval from low to high; no error at the ends."""

    low: float = -1.0
    high: float = 1.0

    def apply(self, x):
        return np.clip(x, self.low, self.high), (x > self.low) & (x < self.high)

    def pull(self, inside, error):
        return np.where(inside, error, error.dtype.type(0))


class ClippedWithEnds(Clipped):
    """The same; the whole error at the ends."""

    def apply(self, x):
        return np.clip(x, self.low, self.high), (x >= self.low) & (x <= self.high)


class SoftShrink(Layer):
    """``y = sign(x) · max(|x| - λ, 0)``."""

    threshold: float = 1.0

    def apply(self, x):
        return np.sign(x) * np.maximum(np.abs(x) - self.threshold, 0), np.abs(x) > self.threshold

    def pull(self, outside, error):
        return np.where(outside, error, error.dtype.type(0))


class Triangle(Layer):
    """``y = max(0, 1 - |x|)``: kinks at -1, 0 and 1."""

    def apply(self, x):
        return np.maximum(0, 1 - np.abs(x)), np.where(np.abs(x) < 1, -np.sign(x), 0)

    def pull(self, slope, error):
        return error * slope.astype(error.dtype)


class OneHot(Layer):
    """One-hot codes of ids below a count."""

    count: int

    integer_inputs: ClassVar[tuple[int, ...]] = (0,)

    def infer(self, ids):
        return ids.extended("feature", self.count)

    def apply(self, ids):
        if ids.size and (ids.min() < 0 or ids.max() >= self.count):
            raise DataError("no such id", where=repr(self), expected=f"0 to {self.count - 1}", received=str(ids.max()))
        return np.eye(self.count)[ids], None

    def pull(self, saved, error):
        return None


class Numbers(Layer):
    """Whole numbers as floats, divided by ten."""

    integer_inputs: ClassVar[tuple[int, ...]] = (0,)

    def infer(self, counts):
        return counts

    def apply(self, counts):
        return counts / 10.0, None

    def pull(self, saved, error):
        return None


class Monitor(Layer):
    """``y = tanh(x)``; counts batches and keeps the largest input seen, for whoever looks at it."""

    def buffers(self, *inputs):
        return {"batches": Buffer(()), "largest": Buffer(())}

    def apply(self, x):
        y = np.tanh(x)
        return y, (y, np.abs(x).max(initial=0.0))

    def pull(self, saved, error):
        return error * (1 - saved[0] ** 2)

    def update(self, saved, *, batches, largest):
        return {"batches": batches + 1, "largest": np.maximum(largest, saved[1])}


class Million(Layer):
    """``y = x + 10⁶``."""

    def apply(self, x):
        return x + x.dtype.type(1e6), None

    def pull(self, saved, error):
        return error


class SixPositions(Layer):
    """Adds a trained row for each step; at most six steps."""

    size: int
    dtype: str = "float64"

    LIMIT: ClassVar[int] = 6

    def parameters(self, *inputs):
        return {"weights": Weight((self.LIMIT, self.size), fan_in=self.LIMIT, fan_out=self.size)}

    def infer(self, x):
        if x.rank != 3 or (x.size(0) or 0) > self.LIMIT or x.size(-1) not in (None, self.size):
            raise ShapeError("too long", where=repr(self), expected=f"(time <= 6, batch, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, weights):
        return x + weights[: len(x), None], None

    def pull(self, saved, error):
        return error

    def grad(self, saved, error):
        gradient = np.zeros((self.LIMIT, self.size), error.dtype)
        gradient[: len(error)] = error.sum(1)
        return {"weights": gradient}


class EvenOnly(Layer):
    """Exchanges the two halves of the features, of which there must be an even number."""

    def infer(self, x):
        if (x.size(-1) or 0) % 2:
            raise ShapeError("odd", where=repr(self), expected="an even number of features", received=x)
        return x

    def apply(self, x):
        return np.roll(x, x.shape[-1] // 2, -1), None

    def pull(self, saved, error):
        return np.roll(error, error.shape[-1] // 2, -1)


class LargerOf(Layer):
    """``y = max(a, b)``; where they are equal, each gets half of the error."""

    def infer(self, a, b):
        if not a.fits(b):
            raise ShapeError("the two differ", where=repr(self), expected=a, received=b)
        return a

    def apply(self, a, b):
        return np.maximum(a, b), (a > b) + 0.5 * (a == b)

    def pull(self, share, error):
        share = share.astype(error.dtype)
        return error * share, error * (1 - share)


class FirstOf(LargerOf):
    """``y = max(a, b)``; where they are equal, the first gets the error."""

    def apply(self, a, b):
        return np.maximum(a, b), (a >= b) + 0.0


class Stack(Layer):
    """The steps of a sequence side by side: (time, batch, feature) to (batch, time · feature)."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        sizes = x.size(0), x.size(2)
        return x.without(0).resized(-1, None if None in sizes else sizes[0] * sizes[1])

    def apply(self, x):
        return np.moveaxis(x, 0, 1).reshape(x.shape[1], -1), x.shape

    def pull(self, shape, error):
        steps, rows, width = shape
        return np.moveaxis(error.reshape(rows, steps, width), 0, 1)


class SafeUnit(Layer):
    """``y = x / √(|x|² + 10⁻⁶)`` over the features."""

    def apply(self, x):
        length = np.sqrt((x * x).sum(-1, keepdims=True) + x.dtype.type(1e-6))
        y = x / length
        return y, (y, length)

    def pull(self, saved, error):
        y, length = saved
        return (error - y * (error * y).sum(-1, keepdims=True)) / length


class Differences(Layer):
    """``y_t = x_t - x_{t-1}`` inside each row, 0 in the first step."""

    def apply(self, x):
        return np.concatenate([0 * x[:1], x[1:] - x[:-1]]), None

    def pull(self, saved, error):
        found = np.concatenate([0 * error[:1], error[1:]])
        found[:-1] -= error[1:]
        return found


RIGHT = [
    Case(Clipped), Case(ClippedWithEnds), Case(Clipped, {"low": 0.0, "high": 6.0}, SEQUENCE), Case(SoftShrink),
    Case(Triangle), Case(OneHot, {"count": 5}, np.array([[0, 3], [4, 1]])), Case(OneHot, {"count": 2}, (4, 2)),
    Case(Numbers, {}, (4, 2)), Case(Monitor), Case(Million), Case(SixPositions, {"size": 4}, SEQUENCE),
    Case(SixPositions, {"size": 4}, "time=6, batch=3, feature=4", name="SixPositions, all of them"),
    Case(EvenOnly), Case(LargerOf, {}, [ROWS, ROWS]), Case(FirstOf, {}, [ROWS, ROWS]), Case(Stack, {}, SEQUENCE),
    Case(SafeUnit), Case(Differences, {}, SEQUENCE), Case(Square, domain=(-2.0, 2.0)),
]  # fmt: skip
