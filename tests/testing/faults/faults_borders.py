"""Layers that are wrong at one border: odd sizes in the backward pass, domain ends, one integer too many, quiet NaN."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Fault, Gain, Table

from graphnet import DataError, Layer
from graphnet.testing import Case


class PairsDropOdd(Layer):
    """The larger of two neighbouring features; the backward pass is made for even sizes only."""

    def infer(self, x):
        return x.resized(-1, None if x.size(-1) is None else x.size(-1) // 2)

    def apply(self, x):
        count = x.shape[-1] // 2
        first, second = x[..., 0 : 2 * count : 2], x[..., 1 : 2 * count : 2]
        return np.maximum(first, second), first >= second

    def pull(self, left, error):
        return np.stack([np.where(left, error, 0), np.where(left, 0, error)], -1).reshape(*error.shape[:-1], -1)


class HalvesSwapped(Layer):
    """The halves of the features exchanged."""

    def apply(self, x):
        half = x.shape[-1] // 2
        return np.concatenate([x[..., half:], x[..., :half]], -1), half

    def pull(self, half, error):
        return np.concatenate([error[..., half:], error[..., :half]], -1)


class MirrorMiddle(Layer):
    """``y[i] = x[i] + x[n - 1 - i]``; the middle one counts once in the error."""

    def apply(self, x):
        return x + x[..., ::-1], None

    def pull(self, saved, error):
        found, count = error + error[..., ::-1], error.shape[-1]
        if count % 2:
            middle = slice(count // 2, count // 2 + 1)
            found = np.concatenate([found[..., : middle.start], error[..., middle], found[..., middle.stop :]], -1)
        return found


class RaisedToThreeHalves(Layer):
    """``y = x`` raised to the power 3/2."""

    def apply(self, x):
        with np.errstate(all="ignore"):
            return x**1.5, x

    def pull(self, x, error):
        with np.errstate(all="ignore"):
            return error * 1.5 * x**0.5


class CircleErrorNaN(Layer):
    """``(1 - x²)^1.5`` on [-1, 1], whose slope at the ends is 0."""

    def apply(self, x):
        return np.maximum(1 - x * x, 0) ** 1.5, x

    def pull(self, x, error):
        square = np.maximum(1 - x * x, 0)
        with np.errstate(all="ignore"):
            return -3 * error * x * square / np.sqrt(square)


class OneIdTooMany(Table):
    """A table that accepts the integer after the last one, which counts as 0."""

    def apply(self, tokens, *, weights):
        rows = tokens.astype(np.int64)
        if rows.min() < 0 or rows.max() > self.count:
            raise DataError("no row of the table", where=repr(self), expected=f"0 to {self.count - 1}")
        rows = rows % self.count
        return weights[rows], rows


class LinearOutside(Layer):
    """``x³`` between -1 and 1, the tangents outside, whose slope is 3 and not 1."""

    def apply(self, x):
        return np.where(np.abs(x) < 1, x**3, 3 * x - 2 * np.sign(x)), x

    def pull(self, x, error):
        return error * np.where(np.abs(x) < 1, 3 * x * x, 1).astype(error.dtype)


class GradOfFirstSteps(Gain):
    """One factor a feature; the gradient stops after 64 steps."""

    def grad(self, x, error):
        return {"weights": (x * error)[:64].reshape(-1, self.size).sum(0)}


class ListInInfer(Layer):
    """A factor that grows with the number of calls of infer."""

    seen: ClassVar[list[int]] = []

    def infer(self, x):
        self.seen.append(x.rank)
        return x

    def apply(self, x):
        factor = 1 + 0.001 * len(self.seen)
        return x * factor, factor

    def pull(self, factor, error):
        return error * factor


class ShareOfSum(Layer):
    """``|x| / Σ |x|``, 0 / 0 for a row of zeros."""

    def apply(self, x):
        size = np.abs(x)
        total = size.sum(-1, keepdims=True)
        with np.errstate(all="ignore"):
            return size / total, (x, size, total)

    def pull(self, saved, error):
        x, size, total = saved
        with np.errstate(all="ignore"):
            return np.sign(x) * (error / total - (error * size).sum(-1, keepdims=True) / total**2)


FAULTS = [
    Fault("size: pairs", Case(PairsDropOdd, {}, "batch=3, feature=6"), "the backward pass fails for odd sizes"),
    Fault("size: halves", Case(HalvesSwapped, {}, "batch=3, feature=6"), "not the inverse for odd sizes"),
    Fault("size: middle", Case(MirrorMiddle, {}, "batch=3, feature=6"), "the middle of odd sizes"),
    Fault("NaN below zero", Case(RaisedToThreeHalves), "NaN for half of ordinary inputs, and no word about it"),
    Fault("NaN error at the ends", Case(CircleErrorNaN, domain=(-1.0, 1.0)), "0 / 0 in the error"),
    Fault("ids: one more", Case(OneIdTooMany, {"count": 5, "size": 3}, (4, 2)), "the count itself is accepted"),
    Fault("region: outside", Case(LinearOutside, {}, ROWS), "the slope outside of [-1, 1]"),
    Fault("long: gradient", Case(GradOfFirstSteps, {"size": 4}, SEQUENCE), "steps after the 64th do not count"),
    Fault("infer counts calls", Case(ListInInfer), "a list in the class that infer extends"),
    Fault("NaN for zeros: shares", Case(ShareOfSum), "0 / 0 for a row of zeros"),
]
