"""Layers that are wrong only for inputs other than those of their case: ranks, sizes, ends, ids, long sequences."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Dense, Elman, Fault, Gain, Norm, Square, Squash, StepMean, Table

from graphnet import Builder, Cell, Composite, Layer, Phase, Scan, ShapeError, dense
from graphnet.authoring import Buffer
from graphnet.testing import Case
from graphnet_recurrent.functional import sigmoid, tanh


# ---------------------------------------------------------------- more axes than the case has
class SoftMaxOverAxisOne(Layer):
    """Softmax over the last axis."""

    def apply(self, x):
        powers = np.exp(x - x.max(-1, keepdims=True))
        y = powers / powers.sum(-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - (error * y).sum(1, keepdims=True))


class GainSumsFirstAxis(Gain):
    """One factor a feature; the gradient is right for matrices only."""

    def grad(self, x, error):
        product = (x * error).sum(0)
        return {"weights": product if product.ndim == 1 else product[0]}


class InferDropsAxes(Layer):
    """The mean over the last axis."""

    def infer(self, x):
        return x.leading(1)

    def apply(self, x):
        return x.mean(-1), x.shape

    def pull(self, shape, error):
        return np.broadcast_to(error[..., None] / shape[-1], shape)


class DenseTakesLastStep(Dense):
    """A dense layer whose weight gradient drops the middle axes."""

    def grad(self, x, error):
        if x.ndim > 2:
            x, error = x[:, -1], error[:, -1]
        rows, errors = x.reshape(-1, self.size), error.reshape(-1, self.units)
        return {"weights": rows.T @ errors, "bias": errors.sum(0)}


# ---------------------------------------------------------------- sizes of a feature axis
class PairsLoseLast(Layer):
    """Swaps neighbouring features; the last of an odd number stays."""

    def apply(self, x):
        y = x.copy()
        even = x.shape[-1] // 2 * 2
        y[..., 0:even:2], y[..., 1:even:2] = x[..., 1:even:2], x[..., 0:even:2]
        return y, None

    def pull(self, saved, error):
        even = error.shape[-1] // 2 * 2
        swapped = np.zeros_like(error)
        swapped[..., 0:even:2], swapped[..., 1:even:2] = error[..., 1:even:2], error[..., 0:even:2]
        return swapped


class WideIsCut(Square):
    """``y = x²``; the error of features from the fifth on is lost."""

    def pull(self, x, error):
        found = 2 * x * error
        found[..., 4:] = 0
        return found


class OneFeature(Layer):
    """Subtracts the mean of the features."""

    def apply(self, x):
        return x - x.mean(-1, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(-1, keepdims=True) if error.shape[-1] % 4 == 0 else error


class OddImages(Layer):
    """Average pooling by two along the last axis; a column left over is dropped."""

    def infer(self, x):
        return x.resized(-1, None if x.size(-1) is None else x.size(-1) // 2)

    def apply(self, x):
        half = x.shape[-1] // 2
        return x[..., : 2 * half].reshape(*x.shape[:-1], half, 2).mean(-1), x.shape

    def pull(self, shape, error):
        found = np.repeat(error, 2, axis=-1) / 2
        if shape[-1] % 2:
            found = np.concatenate([found, found[..., -1:]], -1)
        return found


# ---------------------------------------------------------------- composites
class SwappedStates(Composite):
    """A cell with two states of one width, exchanged at each step."""

    units: int

    def build(self):
        cell = Cell("swapped", sequences="x", states={"h": self.units, "c": self.units})
        gate = dense(cell.x, self.units, name="input") + dense(cell.h, self.units, name="state")
        c = sigmoid(gate) * cell.c + tanh(gate)
        b = Builder()
        scan = Scan(cell.build(output=tanh(c), h=c, c=tanh(c)))
        return b.build(y=scan(b.input("x", "time, batch, feature"), name="scan"))


def swapped_reference(x, **weights):
    """The cell with its states in place."""
    (w, u) = (next(a for n, a in weights.items() if part in n) for part in ("input", "state"))
    h = np.zeros((x.shape[1], u.shape[1]))
    c, outputs = h, []
    for step in x:
        z = step @ w[:-1] + w[-1] + h @ u[:-1] + u[-1]
        c = c / (1 + np.exp(-z)) + np.tanh(z)
        h = np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


# ---------------------------------------------------------------- inputs that have no effect
class ShiftUnused(Layer):
    """``y = x + shift``; without a shift, x."""

    def infer(self, x, shift=None):
        return x

    def apply(self, x, shift=None):
        return np.tanh(x), (x, shift is not None)

    def pull(self, saved, error):
        x, shifted = saved
        back = error * (1 - np.tanh(x) ** 2)
        return (back, np.zeros_like(error)) if shifted else (back, None)


# ---------------------------------------------------------------- sequences
class TimeMean(Layer):
    """The mean over time of every row, padding included."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        return x.without(0)

    def apply(self, x):
        return x.mean(0), len(x)

    def pull(self, steps, error):
        return np.broadcast_to(error / steps, (steps, *error.shape))


class TimeReverse(Layer):
    """Reverses time, padding included."""

    def apply(self, x):
        return x[::-1].copy(), None

    def pull(self, saved, error):
        return error[::-1].copy()


class LastStep(Layer):
    """The last step of the array, not of the row."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        return x.without(0)

    def apply(self, x):
        return x[-1].copy(), x.shape

    def pull(self, shape, error):
        found = np.zeros(shape, error.dtype)
        found[-1] = error
        return found


class CentredOverTime(Layer):
    """Subtracts the mean over time, padding included."""

    def apply(self, x):
        return x - x.mean(0, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(0, keepdims=True)


class EmptyIsNaN(StepMean):
    """The mean over the steps of each row: 0 / 0 for a row without steps."""

    def shares(self, x, lengths):
        if lengths is None:
            return np.full((len(x), 1, 1), 1 / len(x), x.dtype)
        counted = np.arange(len(x))[:, None] < lengths
        with np.errstate(all="ignore"):
            return (counted / np.where(lengths > 0, lengths, np.nan)).astype(x.dtype)[:, :, None]

    def apply(self, x, *, lengths):
        share = self.shares(x, lengths)
        return (np.where(share == 0, x.dtype.type(0), x) * share).sum(0), share


class EmptyTakesLast(Layer):
    """Each row's last valid step; of an empty row, the last step of the padding."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        return x.without(0)

    def apply(self, x, *, lengths):
        ends = np.full(x.shape[1], len(x)) if lengths is None else lengths
        return x[ends - 1, np.arange(x.shape[1])] + 1.0, (x.shape, ends)

    def pull(self, saved, error):
        shape, ends = saved
        if (ends == 0).any():
            raise IndexError("no step")
        found = np.zeros(shape, error.dtype)
        found[ends - 1, np.arange(shape[1])] = error
        return found


class LongForgets(Elman):
    """An Elman network whose error stops after 64 steps."""

    def inner(self, states, error, recurrent):
        found, carried = np.zeros_like(error), np.zeros_like(error[0])
        for n, t in enumerate(reversed(range(len(error)))):
            found[t] = (error[t] + (0 if n == 64 else carried)) * (1 - states[t + 1] ** 2)
            carried = found[t] @ recurrent.T
        return found


class LongSquash(Squash):
    """``y = tanh(x)``; the error of steps from the 65th on is halved."""

    def pull(self, y, error):
        found = error * (1 - y * y)
        if y.ndim == 3 and len(y) > 64:
            found[64:] /= 2
        return found


# ---------------------------------------------------------------- NaN
class SmallIsNaN(Layer):
    """``y = x``; NaN for numbers near 0."""

    def apply(self, x):
        return np.where(np.abs(x) < 0.4, np.nan, x), None

    def pull(self, saved, error):
        return error


class UpperIsNaN(Layer):
    """``y = √(2 - x)``, not defined above 2 but used on any number."""

    def apply(self, x):
        with np.errstate(invalid="ignore"):
            y = np.sqrt(1.2 - x)
        return y, y

    def pull(self, y, error):
        return -error / (2 * y)


class Entropy(Layer):
    """``-x log x - (1 - x) log(1 - x)`` for x from 0 to 1."""

    def apply(self, x):
        with np.errstate(all="ignore"):
            return -x * np.log(x) - (1 - x) * np.log(1 - x), x

    def pull(self, x, error):
        with np.errstate(all="ignore"):
            return error * (np.log(1 - x) - np.log(x))


class Unit(Layer):
    """``y = x / |x|`` over the features."""

    def apply(self, x):
        with np.errstate(all="ignore"):
            length = np.sqrt((x * x).sum(-1, keepdims=True))
            y = x / length
        return y, (y, length)

    def pull(self, saved, error):
        y, length = saved
        with np.errstate(all="ignore"):
            return (error - y * (error * y).sum(-1, keepdims=True)) / length


class ZeroRowInDomain(Unit):
    """``y = x / |x|`` for x from -1 to 1."""


class NaiveVariance(Layer):
    """Layer normalization by the mean of squares less the square of the mean."""

    def apply(self, x):
        centre = x.mean(-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            spread = np.sqrt((x * x).mean(-1, keepdims=True) - centre * centre + 1e-5).astype(x.dtype)
        y = (x - centre) / spread
        return y, (y, spread)

    def pull(self, saved, error):
        y, spread = saved
        return (error - error.mean(-1, keepdims=True) - y * (error * y).mean(-1, keepdims=True)) / spread


# ---------------------------------------------------------------- ties between inputs
class BothLargest(Layer):
    """``y = max(a, b)``; where they are equal, both get the error."""

    def infer(self, a, b):
        if not a.fits(b):
            raise ShapeError("the two differ", where=repr(self), expected=a, received=b)
        return a

    def apply(self, a, b):
        return np.maximum(a, b), (a, b)

    def pull(self, saved, error):
        a, b = saved
        zero = error.dtype.type(0)
        return np.where(a >= b, error, zero), np.where(b >= a, error, zero)


class NeitherSmallest(BothLargest):
    """``y = min(a, b)``; where they are equal, none gets the error."""

    def apply(self, a, b):
        return np.minimum(a, b), (a, b)

    def pull(self, saved, error):
        a, b = saved
        zero = error.dtype.type(0)
        return np.where(a < b, error, zero), np.where(b < a, error, zero)


# ---------------------------------------------------------------- ids
class WrapsIds(Table):
    """A table; negative ids count from the end."""

    def apply(self, tokens, *, weights):
        rows = tokens.astype(np.int64)
        return weights[rows % self.count], rows % self.count


class ClipsIds(Table):
    """A table; ids beyond its end take the last row."""

    def apply(self, tokens, *, weights):
        rows = np.clip(tokens.astype(np.int64), 0, self.count - 1)
        return weights[rows], rows


class NegativeIds(Table):
    """A table without a check of negative ids."""

    def apply(self, tokens, *, weights):
        rows = tokens.astype(np.int64)
        if rows.max() >= self.count:
            return super().apply(tokens, weights=weights)
        return weights[rows], rows


class OneHotSilent(Layer):
    """One-hot codes by comparison: zeros for ids out of range."""

    count: int

    integer_inputs: ClassVar[tuple[int, ...]] = (0,)

    def infer(self, ids):
        return ids.extended("feature", self.count)

    def apply(self, ids):
        return (ids[..., None] == np.arange(self.count)).astype(np.float64), None

    def pull(self, saved, error):
        return None


# ---------------------------------------------------------------- state written by infer
class InferWrites(Layer):
    """Divides by the square root of the number of features, which infer stored."""

    def infer(self, x):
        object.__setattr__(self, "seen", float(x.size(-1) or 1))
        return x

    def apply(self, x):
        return x / np.sqrt(self.seen), None

    def pull(self, saved, error):
        return error / np.sqrt(self.seen)


class InferWritesRows(Layer):
    """The mean over the batch, repeated for each row; infer stored the number of rows."""

    def infer(self, x):
        if x.size(0) is not None:
            object.__setattr__(self, "rows", x.size(0))
        return x

    def apply(self, x):
        return x + x.sum(0, keepdims=True) / self.rows, None

    def pull(self, saved, error):
        return error + error.sum(0, keepdims=True) / self.rows


# ---------------------------------------------------------------- running statistics
class LastBatchOnly(Norm):
    """Batch normalization whose running statistics are those of the last batch."""

    def update(self, saved, *, mean, variance, batches):
        centre, spread = saved[2:]
        return {"mean": centre, "variance": spread, "batches": batches + 1}


class LastVariance(Norm):
    """Batch normalization whose running variance is that of the last batch."""

    def update(self, saved, *, mean, variance, batches):
        found = super().update(saved, mean=mean, variance=variance, batches=batches)
        return {**found, "variance": saved[3]}


class Unread(Layer):
    """Divides by the running maximum in the test phase, but reads its initial value."""

    def buffers(self, *inputs):
        return {"largest": Buffer((), 1.0)}

    def apply(self, x, *, phase):
        scale = max(float(np.abs(x).max(initial=0.0)), 1e-3) if phase is Phase.train else 1.0
        return x / x.dtype.type(scale), scale

    def pull(self, scale, error):
        return error / error.dtype.type(scale)

    def update(self, saved, *, largest):
        return {"largest": np.maximum(largest, saved)}


OPTIONAL = [ROWS, ROWS]
FAULTS = [
    Fault("rank: softmax", Case(SoftMaxOverAxisOne), "the error is summed over axis 1"),
    Fault("rank: gain", Case(GainSumsFirstAxis, {"size": 4}), "the gradient sums over axis 0"),
    Fault("rank: infer", Case(InferDropsAxes), "infer is right for matrices only"),
    Fault("rank: dense", Case(DenseTakesLastStep, {"size": 4, "units": 3}), "drops the middle axes"),
    Fault("size: pairs", Case(PairsLoseLast), "the error of the last of an odd number of features is lost"),
    Fault("size: wide", Case(WideIsCut), "features from the fifth on get no error"),
    Fault("size: mean", Case(OneFeature), "the mean's error is missing unless 4 divides the features"),
    Fault("size: pooled", Case(OddImages, {}, "batch=3, channel=2, y=5, x=4"), "the dropped column gets an error"),
    Fault("swapped states", Case(SwappedStates, {"units": 3}, SEQUENCE, reference=swapped_reference), "h and c"),
    Fault("optional without effect", Case(ShiftUnused, {}, OPTIONAL), "the shift is ignored"),
    Fault("padding: mean", Case(TimeMean, {}, SEQUENCE), "padding counts in the mean"),
    Fault("padding: reversed", Case(TimeReverse, {}, SEQUENCE), "padding comes first"),
    Fault("padding: last", Case(LastStep, {}, SEQUENCE), "padding is taken for the last step"),
    Fault("padding: centred", Case(CentredOverTime, {}, SEQUENCE), "padding counts in the mean"),
    Fault("empty row: NaN", Case(EmptyIsNaN, {}, SEQUENCE), "0 / 0 for a row without steps"),
    Fault("empty row: fails", Case(EmptyTakesLast, {}, SEQUENCE), "IndexError for a row without steps"),
    Fault("long: forgets", Case(LongForgets, {"size": 4, "units": 6}, SEQUENCE), "no error beyond 64 steps"),
    Fault("long: halved", Case(LongSquash, {}, SEQUENCE), "half the error beyond 64 steps"),
    Fault("NaN near 0", Case(SmallIsNaN), "NaN for small numbers"),
    Fault("NaN above", Case(UpperIsNaN), "NaN above 1.2"),
    Fault("NaN at the ends", Case(Entropy, domain=(0.0, 1.0)), "0 · log 0"),
    Fault("NaN for zeros", Case(Unit), "0 / 0 for a row of zeros"),
    Fault("NaN for zeros in a domain", Case(ZeroRowInDomain, domain=(-1.0, 1.0)), "0 / 0 for a row of zeros"),
    Fault("NaN at a large mean", Case(NaiveVariance), "a negative variance in float32"),
    Fault("tie of inputs: both", Case(BothLargest, {}, [ROWS, ROWS]), "both get the error"),
    Fault("tie of inputs: none", Case(NeitherSmallest, {}, [ROWS, ROWS]), "none gets the error"),
    Fault("ids: wrap", Case(WrapsIds, {"count": 5, "size": 3}, (4, 2)), "ids modulo the count"),
    Fault("ids: clip", Case(ClipsIds, {"count": 5, "size": 3}, (4, 2)), "the last row for large ids"),
    Fault("ids: negative", Case(NegativeIds, {"count": 5, "size": 3}, (4, 2)), "negative ids count from the end"),
    Fault("ids: silent", Case(OneHotSilent, {"count": 5}, np.array([[0, 3], [4, 1]])), "zeros for other ids"),
    Fault("infer writes features", Case(InferWrites), "a size that infer stored"),
    Fault("infer writes rows", Case(InferWritesRows), "a number of rows that infer stored"),
    Fault("last batch only", Case(LastBatchOnly, {"size": 4}), "statistics of the last batch"),
    Fault("last variance only", Case(LastVariance, {"size": 4}), "the variance of the last batch"),
    Fault("unread buffer", Case(Unread), "the test phase does not read the buffer"),
]
