"""Right layers without weights or state that a careless kit would blame: kinks, domains, ports, odd numpy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Blend, Polar, Square, Squash, StepMean

from graphnet import Layer, ShapeError
from graphnet.authoring import positive, require
from graphnet.testing import Case


class Hinge(Layer):
    """``y = max(x, 0)``, elementwise; the kink at 0 has derivative 0."""

    elementwise: ClassVar[bool] = True
    rowwise: ClassVar[bool] = True

    def apply(self, x):
        return np.maximum(x, 0), x > 0

    def pull(self, positive, error):
        return error * positive


class HardTanh(Layer):
    """``y = min(max(x, -limit), limit)``, elementwise."""

    limit: float = 1.0

    elementwise: ClassVar[bool] = True

    def check(self):
        require(isinstance(self.limit, (int, float)) and self.limit > 0, self, "limit", "a number above 0")

    def apply(self, x):
        return np.clip(x, -self.limit, self.limit), np.abs(x) < self.limit

    def pull(self, inside, error):
        return np.where(inside, error, error.dtype.type(0))


class Absolute(Layer):
    """``y = |x|``, elementwise."""

    def apply(self, x):
        return np.abs(x), np.sign(x)

    def pull(self, sign, error):
        return error * sign


class Shrink(Layer):
    """``y = sign(x) · max(|x| - ½, 0)``: kinks away from 0."""

    def apply(self, x):
        return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), np.abs(x) > 0.5

    def pull(self, outside, error):
        return error * outside


class Exponential(Layer):
    """``y = eˣ``, elementwise; infinite above 709, as it must be."""

    def apply(self, x):
        with np.errstate(over="ignore"):
            y = np.exp(x)
        return y, y

    def pull(self, y, error):
        return error * y


class Logarithm(Layer):
    """``y = log(x)`` for x above 0; NaN elsewhere."""

    def apply(self, x):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(x), x

    def pull(self, x, error):
        with np.errstate(divide="ignore"):
            return error / x


class Root(Layer):
    """``y = √x`` for x above 0."""

    def apply(self, x):
        with np.errstate(invalid="ignore"):
            y = np.sqrt(x)
        return y, y

    def pull(self, y, error):
        with np.errstate(divide="ignore", invalid="ignore"):
            return error / (2 * y)


class Reciprocal(Layer):
    """``y = 1 / x`` for x above 0."""

    def apply(self, x):
        with np.errstate(divide="ignore"):
            y = 1 / x
        return y, y

    def pull(self, y, error):
        return -error * y * y


class SignOnly(Layer):
    """``y = sign(x)``: no error goes back, since the derivative is 0."""

    def apply(self, x):
        return np.sign(x), None

    def pull(self, saved, error):
        return np.zeros_like(error)


class SignStopped(SignOnly):
    """``y = sign(x)``: None for no error."""

    def pull(self, saved, error):
        return None


class Binarize(Layer):
    """``y = sign(x)``, straight through where |x| < 1 (Bengio, Léonard & Courville 2013)."""

    def apply(self, x):
        return np.where(x < 0, -1.0, 1.0).astype(x.dtype), np.abs(x) < 1

    def pull(self, inside, error):
        return error * inside


class Quantize(Layer):
    """``y = round(x · levels) / levels``, straight through."""

    levels: int = 4

    def check(self):
        positive(self, "levels")

    def apply(self, x):
        return np.round(x * self.levels) / self.levels, None

    def pull(self, saved, error):
        return error


class ClipErrors(Layer):
    """``y = x``; the error is clipped to [-limit, limit]."""

    limit: float = 0.1

    def check(self):
        require(isinstance(self.limit, (int, float)) and self.limit > 0, self, "limit", "a number above 0")

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return np.clip(error, -self.limit, self.limit)


class ReverseErrors(Layer):
    """``y = x``; the error is turned round (Ganin & Lempitsky 2015)."""

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return -error


class Pass(Layer):
    """``y = x``: the very array."""

    elementwise: ClassVar[bool] = True

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return error


class Flip(Layer):
    """The features in reverse order: a view."""

    rowwise: ClassVar[bool] = True

    def apply(self, x):
        return x[..., ::-1], None

    def pull(self, saved, error):
        return error[..., ::-1]


class SoftMaxed(Layer):
    """Softmax over the last axis."""

    rowwise: ClassVar[bool] = True

    def apply(self, x):
        powers = np.exp(x - x.max(-1, keepdims=True))
        y = powers / powers.sum(-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - (error * y).sum(-1, keepdims=True))


class LogSumExp(Layer):
    """``y = log Σ eˣ`` over the last axis, kept as an axis of 1."""

    rowwise: ClassVar[bool] = True

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        top = x.max(-1, keepdims=True)
        powers = np.exp(x - top)
        total = powers.sum(-1, keepdims=True)
        return top + np.log(total), powers / total

    def pull(self, shares, error):
        return error * shares


class LargestTwo(Layer):
    """The two largest features, in falling order; of equal ones the first."""

    def infer(self, x):
        if x.size(-1) is not None and x.size(-1) < 2:
            raise ShapeError("too few features", where=repr(self), expected="at least 2", received=x)
        return x.resized(-1, 2)

    def apply(self, x):
        order = np.argsort(-x, axis=-1, kind="stable")[..., :2]
        return np.take_along_axis(x, order, -1), (order, x.shape)

    def pull(self, saved, error):
        order, shape = saved
        found = np.zeros(shape, error.dtype)
        np.put_along_axis(found, order, error, -1)
        return found


class Pooled(Layer):
    """The maximum of each pair of neighbours, the first of two equal ones; an odd one out is dropped."""

    def infer(self, x):
        size = x.size(-1)
        return x.resized(-1, None if size is None else size // 2)

    def apply(self, x):
        left, right = x[..., 0:-1:2], x[..., 1::2]
        return np.maximum(left, right), (left >= right, x.shape)

    def pull(self, saved, error):
        first, shape = saved
        found = np.zeros(shape, error.dtype)
        found[..., 0:-1:2] = error * first
        found[..., 1::2] = error * ~first
        return found


class Gated(Layer):
    """``y = a · σ(b)``, where a and b are the halves of the features (Dauphin et al. 2017)."""

    def infer(self, x):
        size = x.size(-1)
        if size is not None and size % 2:
            raise ShapeError("an odd number of features", where=repr(self), expected="an even one", received=x)
        return x.resized(-1, None if size is None else size // 2)

    def apply(self, x):
        half = x.shape[-1] // 2
        a, s = x[..., :half], 0.5 + 0.5 * np.tanh(x[..., half:] / 2)
        return a * s, (a, s)

    def pull(self, saved, error):
        a, s = saved
        return np.concatenate([error * s, error * a * s * (1 - s)], -1)


class Maxout(Layer):
    """The largest of ``pieces`` neighbouring features (Goodfellow et al. 2013)."""

    pieces: int = 2

    def check(self):
        positive(self, "pieces")

    def infer(self, x):
        size = x.size(-1)
        if size is not None and size % self.pieces:
            raise ShapeError("cannot be cut so", where=repr(self), expected=f"a multiple of {self.pieces}", received=x)
        return x.resized(-1, None if size is None else size // self.pieces)

    def apply(self, x):
        parts = x.reshape(*x.shape[:-1], -1, self.pieces)
        winners = parts.argmax(-1)[..., None]
        return np.take_along_axis(parts, winners, -1)[..., 0], (winners, x.shape)

    def pull(self, saved, error):
        winners, shape = saved
        found = np.zeros((*error.shape, self.pieces), error.dtype)
        np.put_along_axis(found, winners, error[..., None], -1)
        return found.reshape(shape)


class Together(Layer):
    """The sum of any number of values of one shape."""

    def apply(self, *inputs):
        return sum(inputs[1:], inputs[0] * 1), len(inputs)

    def pull(self, count, error):
        return (error,) * count


class Shifted(Layer):
    """``y = x + shift``; without a shift ``y = x``."""

    def infer(self, x, shift=None):
        if shift is not None and not x.fits(shift):
            raise ShapeError("the two differ", where=repr(self), expected=x, received=shift)
        return x

    def apply(self, x, shift=None):
        return (x if shift is None else x + shift), shift is not None

    def pull(self, shifted, error):
        return error, (error if shifted else None)


class Distance(Layer):
    """``y = Σ (a - b)²`` over the last axis, ``(…, 1)``."""

    def infer(self, a, b):
        if not a.fits(b):
            raise ShapeError("the two differ", where=repr(self), expected=a, received=b)
        return a.resized(-1, 1)

    def apply(self, a, b):
        return ((a - b) ** 2).sum(-1, keepdims=True), a - b

    def pull(self, difference, error):
        return 2 * difference * error, -2 * difference * error


class Attend(Layer):
    """``y = softmax(q · kᵀ / √size) · v``: (batch, queries, size), (batch, keys, size), (batch, keys, width)."""

    def infer(self, q, k, v):
        if (q.rank, k.rank, v.rank) != (3, 3, 3) or not q.fits(q.resized(-1, k.size(-1))):
            raise ShapeError("no queries, keys, values", where=repr(self), expected="rank 3", received=f"{q}, {k}, {v}")
        return q.resized(-1, v.size(-1))

    def apply(self, q, k, v):
        scores = q @ k.swapaxes(1, 2) / k.shape[-1] ** 0.5
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        p = powers / powers.sum(-1, keepdims=True)
        return p @ v, (q, k, v, p)

    def pull(self, saved, error):
        q, k, v, p = saved
        shares = error @ v.swapaxes(1, 2)
        scores = p * (shares - (shares * p).sum(-1, keepdims=True)) / k.shape[-1] ** 0.5
        return scores @ k, scores.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ error


class Moments(Layer):
    """Two outputs of different size: the mean of the features ``(…, 1)`` and what is left ``(…, feature)``."""

    def output_ports(self):
        return ("mean", "rest")

    def infer(self, x):
        return x.resized(-1, 1), x

    def apply(self, x):
        mean = x.mean(-1, keepdims=True)
        return (mean, x - mean), x.shape[-1]

    def pull(self, count, errors):
        through = errors[0] - errors[1].sum(-1, keepdims=True)
        return errors[1] + through / count


class Positions(Layer):
    """``y = x + P``, sines of the place in time (Vaswani et al. 2017); P is made once a length and kept."""

    def check(self):
        self.tables = {}

    def table(self, steps, size):
        """The sines, ``(steps, 1, size)``."""
        if (steps, size) not in self.tables:
            rates = 1e-4 ** (np.arange(size) // 2 * 2 / size)
            angles = np.arange(steps)[:, None, None] * rates
            self.tables[steps, size] = np.where(np.arange(size) % 2, np.cos(angles), np.sin(angles))
        return self.tables[steps, size]

    def apply(self, x):
        return x + self.table(len(x), x.shape[-1]).astype(x.dtype), None

    def pull(self, saved, error):
        return error


class ImageMean(Layer):
    """The mean of each channel: (batch, channel, y, x) to (batch, channel)."""

    def infer(self, x):
        if x.rank < 3:
            raise ShapeError("no image", where=repr(self), expected="(batch, channel, y, x)", received=x)
        return x.leading(2)

    def apply(self, x):
        return x.reshape(*x.shape[:2], -1).mean(-1), x.shape

    def pull(self, shape, error):
        share = error / np.prod(shape[2:]).item()
        return np.broadcast_to(share.reshape(*share.shape, *[1] * (len(shape) - 2)), shape)


IMAGE = "batch=3, channel=2, y=5, x=4"
RIGHT = [
    Case(Squash), Case(Square), Case(Blend, {}, [ROWS, ROWS]), Case(Polar), Case(StepMean, {}, SEQUENCE),
    Case(Hinge), Case(Hinge, {}, np.array([[0.0, -1.0, 2.0], [0.0, 0.0, -3.0]]), disclaims={"derivative"}),
    Case(HardTanh, {"limit": 0.7}, SEQUENCE, refused=[{"limit": 0.0}]), Case(Absolute), Case(Shrink),
    Case(Exponential), Case(Logarithm), Case(Logarithm, domain=(0.2, 3.0), name="Logarithm with a domain"),
    Case(Root, domain=(0.1, 4.0)), Case(Reciprocal, domain=(0.5, 2.0)), Case(SignOnly), Case(SignStopped),
    Case(Binarize, disclaims={"derivative"}), Case(Quantize, disclaims={"derivative"}),
    Case(ClipErrors, disclaims={"linear", "derivative"}), Case(ReverseErrors, disclaims={"derivative"}),
    Case(Pass), Case(Flip), Case(SoftMaxed, {}, SEQUENCE), Case(LogSumExp), Case(LargestTwo), Case(Pooled),
    Case(Pooled, {}, "batch=3, feature=5", name="Pooled, one feature left over"), Case(Gated), Case(Maxout),
    Case(Together, {}, [ROWS, ROWS, ROWS]), Case(Together, {}, ROWS, name="Together, one input"),
    Case(Shifted, {}, [ROWS, ROWS]), Case(Shifted, {}, ROWS, name="Shifted by nothing"),
    Case(Distance, {}, [ROWS, ROWS]),
    Case(Attend, {}, ["batch=2, query=5, feature=4", "batch=2, key=3, feature=4", "batch=2, key=3, feature=6"]),
    Case(Moments), Case(Positions, {}, SEQUENCE), Case(ImageMean, {}, IMAGE),
]  # fmt: skip
