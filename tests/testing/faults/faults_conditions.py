"""Rules that are wrong only sometimes: for some values, sizes, dtypes, layouts; and traits that lie."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Dense, Fault, Gain, Square, Squash

from graphnet import Layer
from graphnet.testing import Case


class NegativeOnly(Layer):
    """``y = x`` above 0, else ``eˣ - 1``."""

    def apply(self, x):
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0))), x

    def pull(self, x, error):
        return error


class LargeOnly(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * np.where(np.abs(y) > 0.9, y.dtype.type(0), 1 - y * y)


class TinyOnly(Square):
    """``y = x²``."""

    def pull(self, x, error):
        return np.where(np.abs(x) < 0.05, x.dtype.type(0), 2 * x * error)


class ForwardTinyOnly(Layer):
    """``y = x``, for small numbers as well."""

    def apply(self, x):
        return np.where(np.abs(x) < 1e-3, x.dtype.type(0), x), None

    def pull(self, saved, error):
        return error


class ZeroRowOnly(Layer):
    """``y = x / |x|`` over the last axis."""

    def apply(self, x):
        length = np.sqrt((x * x).sum(-1, keepdims=True))
        y = x / length
        return y, (y, length)

    def pull(self, saved, error):
        y, length = saved
        return (error - y * (error * y).sum(-1, keepdims=True)) / length


class TiesToBoth(Layer):
    """The maximum over the last axis, kept as an axis; the first of several wins."""

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        y = x.max(-1, keepdims=True)
        return y, x == y

    def pull(self, winners, error):
        return error * winners


class NaiveSoftMax(Layer):
    """Softmax over the last axis."""

    def apply(self, x):
        powers = np.exp(x)
        y = powers / powers.sum(-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - (error * y).sum(-1, keepdims=True))


class NaiveLogistic(Layer):
    """``y = 1 / (1 + e⁻ˣ)``."""

    def apply(self, x):
        y = 1 / (1 + np.exp(-x))
        return y, y

    def pull(self, y, error):
        return error * y * (1 - y)


class NaiveSoftPlus(Layer):
    """``y = log(1 + eˣ)``."""

    def apply(self, x):
        return np.log(1 + np.exp(x)), x

    def pull(self, x, error):
        return error * (0.5 + 0.5 * np.tanh(x / 2))


class NaiveTanh(Layer):
    """``y = tanh(x)``, from exponentials."""

    def apply(self, x):
        up, down = np.exp(x), np.exp(-x)
        y = (up - down) / (up + down)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


class BatchOfOne(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        rows, errors = x.reshape(-1, self.size), error.reshape(-1, self.units)
        return {"weights": np.squeeze(rows).T @ np.squeeze(errors), "bias": errors.sum(0)}


class BatchOfOneValue(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error if len(y) == 1 else error * (1 - y * y)


class Above256(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        y = np.tanh(x)
        if len(x) > 256:
            y = np.concatenate([y[:256], x[256:]])
        return y, y


class Above256Gradient(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size)[:256].sum(0)}


class EvenBatch(Squash):
    """``y = tanh(x)``, two halves of the rows."""

    def pull(self, y, error):
        half = len(y) // 2
        found = np.zeros_like(error)
        found[: 2 * half] = (error * (1 - y * y))[: 2 * half]
        return found


class LastFeature(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        slope = 1 - y * y
        slope[..., -1] = 1
        return error * slope


class LastRowForward(Squash):
    """``y = tanh(x)``, rows in pairs."""

    def apply(self, x):
        y = x.copy()
        for i in range(0, len(x) - 1, 2):
            y[i : i + 2] = np.tanh(x[i : i + 2])
        return y, y


class FirstRowForward(Squash):
    """``y = tanh(x)``; all rows get the first one's mean taken away."""

    def apply(self, x):
        y = np.tanh(x - x[:1].mean())
        return y, y


class RankThree(Squash):
    """``y = tanh(x)``, right for rows."""

    def pull(self, y, error):
        return error * (1 - y * y) if y.ndim == 2 else error * (1 - y)


class OneDtypeOutput(Square):
    """``y = x²``."""

    def apply(self, x):
        return (x * x).astype(np.float64), x


class OneDtypeConstant(Square):
    """``y = x² + 1/3``."""

    def apply(self, x):
        return x * x + np.full(1, 1 / 3), x


class OneDtypeError(Square):
    """``y = x²``."""

    def pull(self, x, error):
        return error * (2 * x).astype(np.float64)


class OneDtypeGradient(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).astype(np.float64).reshape(-1, self.size).sum(0)}


class Float32Only(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y) if y.dtype == np.float32 else error * (1 - y * y)


class Float32Eps(Layer):
    """``y = √(x² + 1e-12)``, which is |x| up to rounding."""

    def apply(self, x):
        floor = 0.1 if x.dtype == np.float32 else 1e-12
        y = np.sqrt(x * x + floor)
        return y, x / y

    def pull(self, slope, error):
        return error * slope


class HalfInside(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        y = np.tanh(x.astype(np.float16)).astype(x.dtype)
        return y, y


class SingleInside(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        y = np.tanh(x.astype(np.float32)).astype(x.dtype)
        return y, y


class SingleInPull(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y).astype(np.float32).astype(y.dtype)


class SingleInGrad(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        found = (x * error).astype(np.float32).reshape(-1, self.size).sum(0)
        return {"weights": found.astype(error.dtype)}


class MemoryOrder(Squash):
    """``y = tanh(x)``; the errors are read by their memory."""

    def pull(self, y, error):
        flat = error.ravel(order="K").reshape(error.shape)
        return flat * (1 - y * y)


class Strides(Square):
    """``y = x²`` through the memory of the input."""

    def apply(self, x):
        flat = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,)) if x.flags.c_contiguous else x.ravel("K")
        return np.square(flat).reshape(x.shape), x


class ArraysOnly(Squash):
    """``y = tanh(x)``; another rule for arguments that are not arrays."""

    def apply(self, x):
        y = np.tanh(x) if isinstance(x, np.ndarray) else x * 1.0
        return y, y


class PullOfTracer(Squash):
    """``y = tanh(x)``; another rule for arguments that are not arrays."""

    def pull(self, y, error):
        return error * (1 - y * y) if isinstance(error, np.ndarray) else error * 1.0


class LiesElementwise(Layer):
    """``y = x - mean(x)`` over the last axis."""

    elementwise: ClassVar[bool] = True

    def apply(self, x):
        return x - x.mean(-1, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(-1, keepdims=True)


class LiesElementwisePosition(Layer):
    """``y = x · (1, 2, 3, …)`` over the last axis."""

    elementwise: ClassVar[bool] = True

    def apply(self, x):
        places = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
        return x * places, places

    def pull(self, places, error):
        return error * places


class LiesRowwise(Layer):
    """``y = x - mean(x)`` over the rows."""

    rowwise: ClassVar[bool] = True

    def apply(self, x):
        return x - x.mean(0, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(0, keepdims=True)


class LiesRowwiseTime(Layer):
    """The cumulative sum over time."""

    rowwise: ClassVar[bool] = True

    def apply(self, x):
        return np.cumsum(x, 0), None

    def pull(self, saved, error):
        return np.cumsum(error[::-1], 0)[::-1]


class LiesRowwiseFirstAxis(Layer):
    """``y = x · (1, 2, 3, …)`` over the rows of a step."""

    rowwise: ClassVar[bool] = True

    def apply(self, x):
        places = np.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None]
        return x * places, places

    def pull(self, places, error):
        return error * places


class NanGradient(Layer):
    """``y = √max(x, 0)``."""

    def apply(self, x):
        y = np.sqrt(np.maximum(x, 0))
        return y, (x, y)

    def pull(self, saved, error):
        x, y = saved
        with np.errstate(all="ignore"):
            return error * (x > 0) / (2 * y)


class OtherLayerOutput(Square):
    """``y = x²``, as a list of rows."""

    def apply(self, x):
        return (x * x).tolist(), x


class MaskedOutput(Square):
    """``y = x²``, as a masked array."""

    def apply(self, x):
        return np.ma.masked_array(x * x, x > 1), x


SIZE = {"size": 4}
FAULTS = [
    Fault("negative only", Case(NegativeOnly), "the error is wrong for negative inputs alone"),
    Fault("large only", Case(LargeOnly), "the error is 0 where |tanh| is above 0.9"),
    Fault("tiny only", Case(TinyOnly), "the error is 0 for inputs below 0.05"),
    Fault("tiny only, forward", Case(ForwardTinyOnly), "inputs below 0.001 count as 0, with an error all the same"),
    Fault("zero rows", Case(ZeroRowOnly), "NaN for a row of zeros"),
    Fault("ties to both", Case(TiesToBoth), "every one of several maxima gets the whole error"),
    Fault("naive softmax", Case(NaiveSoftMax), "NaN for large inputs"),
    Fault("naive logistic", Case(NaiveLogistic), "overflow warnings for large negative inputs"),
    Fault("naive softplus", Case(NaiveSoftPlus), "infinity for large inputs"),
    Fault("naive tanh", Case(NaiveTanh), "NaN for large inputs"),
    Fault("batch of one, grad", Case(BatchOfOne, {"size": 4, "units": 5}), "squeeze: the gradient fails for one row"),
    Fault("batch of one, pull", Case(BatchOfOneValue), "the error is wrong for a batch of one row"),
    Fault("above 256, apply", Case(Above256), "rows from 256 on are passed through"),
    Fault("above 256, grad", Case(Above256Gradient, SIZE), "rows from 256 on do not count in the gradient"),
    Fault("odd batches", Case(EvenBatch), "the last row of an odd number of rows gets no error"),
    Fault("last feature", Case(LastFeature), "the error of the last feature is wrong"),
    Fault(
        "last row", Case(LastRowForward, {}, "batch=5, feature=4"), "the last row of an odd number is passed through"
    ),
    Fault("rows mix", Case(FirstRowForward), "the first row leaks into all others, and pull knows nothing of it"),
    Fault("rank three", Case(RankThree, {}, SEQUENCE), "the error is wrong for sequences alone"),
    Fault("output in float64", Case(OneDtypeOutput), "a float64 output for float32"),
    Fault("constant in float64", Case(OneDtypeConstant), "an array constant makes float64 of float32"),
    Fault("error in float64", Case(OneDtypeError), "a float64 error for float32"),
    Fault(
        "gradient in float64", Case(OneDtypeGradient, {"size": 4, "dtype": "float32"}), "a float64 gradient for float32"
    ),
    Fault("float32 only", Case(Float32Only), "the error is wrong in float32 alone"),
    Fault("float32 only, apply", Case(Float32Eps), "another function in float32"),
    Fault("float16 inside", Case(HalfInside), "computes in float16"),
    Fault("float32 inside", Case(SingleInside), "computes in float32 for float64"),
    Fault("float32 in pull", Case(SingleInPull), "pull computes in float32 for float64"),
    Fault("float32 in grad", Case(SingleInGrad, SIZE), "grad computes in float32 for float64"),
    Fault("memory order", Case(MemoryOrder), "pull is right only for errors in C order"),
    Fault("memory order, apply", Case(Strides), "apply is right only for contiguous inputs"),
    Fault("arrays only", Case(ArraysOnly), "apply does something else with symbols"),
    Fault("arrays only, pull", Case(PullOfTracer), "pull does something else with symbols"),
    Fault("lies elementwise", Case(LiesElementwise), "says elementwise, but subtracts the mean"),
    Fault("lies elementwise, places", Case(LiesElementwisePosition), "says elementwise, but features differ"),
    Fault(
        "lies rowwise", Case(LiesRowwise, {}, ROWS, disclaims={"rows"}), "says rowwise, but subtracts the rows' mean"
    ),
    Fault("lies rowwise, time", Case(LiesRowwiseTime, {}, SEQUENCE), "says rowwise, but sums over time"),
    Fault("lies rowwise, places", Case(LiesRowwiseFirstAxis, {}, SEQUENCE), "says rowwise, but rows differ by place"),
    Fault("nan at the kink", Case(NanGradient), "the error is NaN for negative inputs"),
    Fault("output as a list", Case(OtherLayerOutput), "apply returns lists"),
    Fault("output masked", Case(MaskedOutput), "apply returns a masked array"),
]
