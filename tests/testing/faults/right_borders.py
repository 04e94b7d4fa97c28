"""Right layers in unusual styles: slow statistics, limits in apply, steep domain ends, undeclared domains."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE

from graphnet import DataError, Layer, Phase, ShapeError, Weight
from graphnet.authoring import Buffer
from graphnet.testing import Case


class SlowNorm(Layer):
    """Batch normalization of ``(batch, feature)``, whose running statistics move by 1 - momentum for each batch."""

    size: int = 4
    momentum: float = 0.999
    unbiased: bool = False

    def buffers(self, *inputs):
        return {"mean": Buffer((self.size,)), "variance": Buffer((self.size,), 1.0)}

    def infer(self, x):
        if x.rank != 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, {self.size})", received=str(x))
        return x

    def apply(self, x, *, mean, variance, phase):
        train = phase is Phase.train
        centre, spread = (x.mean(0), x.var(0)) if train else (mean, variance)
        scale = 1 / np.sqrt(spread + 1e-3)
        y = (x - centre) * scale
        return y, (y, scale, train, centre, spread)

    def pull(self, saved, error):
        y, scale, train = saved[:3]
        return (error - error.mean(0) - y * (error * y).mean(0)) * scale if train else error * scale

    def update(self, saved, *, mean, variance):
        rows, rate = len(saved[0]), 1 - self.momentum
        spread = saved[4] * (rows / max(rows - 1, 1) if self.unbiased else 1)
        return {
            "mean": self.momentum * mean + rate * saved[3],
            "variance": self.momentum * variance + rate * spread,
        }


class LimitInApply(Layer):
    """Adds a row of a table of six positions; longer sequences are refused by apply, not by infer."""

    def parameters(self, *inputs):
        return {"weights": Weight((6, 4), 6, 4)}

    def infer(self, x):
        if x.rank != 3 or x.size(-1) not in (None, 4):
            raise ShapeError("does not fit", where=repr(self), expected="(time, batch, 4)", received=str(x))
        return x

    def apply(self, x, *, weights):
        if len(x) > 6:
            raise ShapeError("too many steps", where=repr(self), expected="at most 6", received=len(x))
        return x + weights[: len(x), None], None

    def pull(self, saved, error, *, weights):
        return error

    def grad(self, saved, error):
        gradient = np.zeros((6, 4), error.dtype)
        gradient[: len(error)] = error.sum(1)
        return {"weights": gradient}


class ArcSine(Layer):
    """``y = arcsin x``, with infinite slopes at -1 and 1."""

    def apply(self, x):
        return np.arcsin(x), x

    def pull(self, x, error):
        with np.errstate(divide="ignore", invalid="ignore"):
            return error / np.sqrt((1 - x) * (1 + x))


class Entropy(Layer):
    """``y = -x log x``, 0 at 0, where its slope is infinite."""

    def apply(self, x):
        return np.where(x > 0, -x * np.log(np.where(x > 0, x, 1)), 0), x

    def pull(self, x, error):
        with np.errstate(divide="ignore", invalid="ignore"):
            return -error * (np.log(x) + x / x)


class LogOfPositive(Layer):
    """``y = log x``, of positive numbers."""

    def apply(self, x):
        with np.errstate(all="ignore"):
            return np.log(x), x

    def pull(self, x, error):
        with np.errstate(all="ignore"):
            return error / x


class Picked(Layer):
    """One feature of each row, by its number."""

    integer_inputs: ClassVar[tuple[int, ...]] = (1,)

    def infer(self, x, numbers):
        if x.rank != 2 or numbers.rank != 1:
            raise ShapeError("does not fit", where=repr(self), expected="(batch, feature), (batch)", received=str(x))
        return x.leading(1)

    def apply(self, x, numbers):
        numbers = numbers.astype(np.int64)
        if len(numbers) != len(x):
            raise ShapeError("a number for each row", where=repr(self), expected=len(x), received=len(numbers))
        if numbers.size and (numbers.min() < 0 or numbers.max() >= x.shape[1]):
            raise DataError("no such feature", where=repr(self), expected=f"0 to {x.shape[1] - 1}")
        return x[np.arange(len(x)), numbers], (numbers, x.shape)

    def pull(self, saved, error):
        numbers, shape = saved
        found = np.zeros(shape, error.dtype)
        found[np.arange(len(numbers)), numbers] = error
        return found, None


class RandomSlope(Layer):
    """A leaky ReLU with a random slope between 1/8 and 1/3; the mean, 11/48, in the test phase."""

    draws: ClassVar[tuple[str, ...]] = ("slopes",)

    def draw(self, rng, x):
        return {"slopes": rng.uniform(1 / 8, 1 / 3, x.sizes)}

    def apply(self, x, *, slopes):
        factor = np.where(x >= 0, 1, 11 / 48 if slopes is None else slopes).astype(x.dtype)
        return x * factor, factor

    def pull(self, factor, error):
        return error * factor


class MiddleFeature(Layer):
    """The median of the features, the mean of the two middle ones for even sizes."""

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        count = x.shape[-1]
        middle = np.argsort(x, -1, kind="stable")[..., [(count - 1) // 2, count // 2]]
        return np.take_along_axis(x, middle, -1).mean(-1, keepdims=True), (middle, x.shape)

    def pull(self, saved, error):
        middle, shape = saved
        found = np.zeros(shape, error.dtype)
        for k in range(2):
            part = np.zeros(shape, error.dtype)
            np.put_along_axis(part, middle[..., k : k + 1], error / 2, -1)
            found += part
        return found


RIGHT = [
    Case(SlowNorm, {}, "batch=6, feature=4"),
    Case(SlowNorm, {"momentum": 0.9, "unbiased": True}, "batch=6, feature=4"),
    Case(LimitInApply, {}, SEQUENCE),
    Case(ArcSine, {}, ROWS, domain=(-1.0, 1.0)),
    Case(Entropy, {}, ROWS, domain=(0.0, 1.0)),
    Case(LogOfPositive, {}, ROWS),
    Case(Picked, {}, [ROWS, np.array([0, 2, 1])]),
    Case(RandomSlope, {}, ROWS),
    Case(MiddleFeature, {}, ROWS),
]
