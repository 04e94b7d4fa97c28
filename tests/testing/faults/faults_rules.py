"""Backward rules that are wrong everywhere: signs, factors, missing terms, mixed-up inputs and outputs."""

from __future__ import annotations

import numpy as np
from faults_base import ROWS, Blend, Dense, Fault, Polar, Square, Squash, Table

from graphnet import Layer
from graphnet.testing import Case


class PullSign(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (y * y - 1)


class PullTwice(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return 2 * error * (1 - y * y)


class PullMissesFactor(Square):
    """``y = x²``."""

    def pull(self, x, error):
        return x * error


class PullOverBatch(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y) / len(y)


class PullTimesBatch(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y) * len(y)


class PullOfInput(Layer):
    """``y = tanh(x)``."""

    def apply(self, x):
        return np.tanh(x), x

    def pull(self, x, error):
        return error * (1 - x * x)


class PullSlightlyOff(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y) * 1.001


class PullAddsConstant(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y) + 1e-3


class PullPassesOn(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error


class PullGivesNothing(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return None


class PullIgnoresError(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return 1 - y * y


class PullOfAbsoluteError(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return np.abs(error) * (1 - y * y)


class PullClips(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return np.clip(error, -10, 10) * (1 - y * y)


class PullClipsByNorm(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return error * (1 - y * y) / max(1.0, float(np.sqrt((error * error).sum())) / 50)


class PullDropsSmallErrors(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        return np.where(np.abs(error) < 1e-3, error.dtype.type(0), error) * (1 - y * y)


class SoftDiagonal(Layer):
    """Softmax over the last axis."""

    def apply(self, x):
        powers = np.exp(x - x.max(-1, keepdims=True))
        y = powers / powers.sum(-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return error * y * (1 - y)


class SoftOverBatch(SoftDiagonal):
    """Softmax over the last axis."""

    def pull(self, y, error):
        return y * (error - (error * y).sum(0, keepdims=True))


class CenteredForgets(Layer):
    """``y = x - mean(x)`` over the last axis."""

    def apply(self, x):
        return x - x.mean(-1, keepdims=True), None

    def pull(self, saved, error):
        return error


class UnitLength(Layer):
    """``y = x / √(Σ x² + 1)`` over the last axis."""

    def apply(self, x):
        scale = 1 / np.sqrt((x * x).sum(-1, keepdims=True) + 1)
        return x * scale, (x, scale)

    def pull(self, saved, error):
        _, scale = saved
        return error * scale


class FlipForgets(Layer):
    """The features in reverse order."""

    def apply(self, x):
        return x[..., ::-1], None

    def pull(self, saved, error):
        return error


class RollWrongWay(Layer):
    """Each feature moves one place up, the last to the front."""

    def apply(self, x):
        return np.roll(x, 1, -1), None

    def pull(self, saved, error):
        return np.roll(error, 1, -1)


class CumulativeForward(Layer):
    """The cumulative sum over the features."""

    def apply(self, x):
        return np.cumsum(x, -1), None

    def pull(self, saved, error):
        return np.cumsum(error, -1)


class BlendOneError(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return error * saved[1]


class BlendSwapped(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return super().pull(saved, error)[::-1]


class BlendNoSecond(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return super().pull(saved, error)[0], None


class BlendZeroFirst(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return np.zeros_like(error), super().pull(saved, error)[1]


class BlendThreeErrors(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return (*super().pull(saved, error), None)


class BlendList(Blend):
    """``y = a · tanh(b)``."""

    def pull(self, saved, error):
        return list(super().pull(saved, error))


class StretchedSum(Layer):
    """``y = a + b``, where b ``(1, feature)`` is stretched over the rows."""

    def infer(self, a, b):
        return a

    def apply(self, a, b):
        return a + b, None

    def pull(self, saved, error):
        return error, error.mean(0, keepdims=True)


class PolarFirst(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def pull(self, saved, errors):
        return errors[0] * saved[1] / 2


class PolarSecond(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def pull(self, saved, errors):
        return errors[1] * np.cos(saved[0])


class PolarSwapped(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def pull(self, saved, errors):
        return super().pull(saved, errors[::-1])


class PolarOrder(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def apply(self, x):
        outputs, saved = super().apply(x)
        return outputs[::-1], saved


class PolarMean(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def pull(self, saved, errors):
        return super().pull(saved, errors) / 2


class ResidualForgets(Dense):
    """``y = x + x · weights + bias``, square."""

    def apply(self, x, *, weights, bias):
        return x + x @ weights + bias, x


class DenseTransposed(Dense):
    """``y = x · weights + bias``, square."""

    def pull(self, x, error, *, weights):
        return error @ weights


class LookupError_(Table):
    """``y = weights[x]``."""

    def pull(self, rows, error):
        return error


SOFT = {"size": 4, "units": 4}
TOKENS = np.array([[0, 3, 3], [6, 1, 0]])
FAULTS = [
    Fault("sign of pull", Case(PullSign), "pull has the wrong sign"),
    Fault("pull twice", Case(PullTwice), "pull is twice the derivative"),
    Fault("pull without its factor", Case(PullMissesFactor), "the derivative of x² misses its factor 2"),
    Fault("pull over batch", Case(PullOverBatch), "pull divides by the number of rows"),
    Fault("pull times batch", Case(PullTimesBatch), "pull multiplies by the number of rows"),
    Fault("pull of the input", Case(PullOfInput), "pull uses the input where the derivative has the output"),
    Fault("pull a thousandth off", Case(PullSlightlyOff), "pull is a thousandth too large"),
    Fault("pull with an offset", Case(PullAddsConstant), "pull adds a small constant"),
    Fault("pull passes on", Case(PullPassesOn), "pull hands on the error as it is"),
    Fault("pull gives nothing", Case(PullGivesNothing), "pull returns None for a differentiable input"),
    Fault("pull ignores the error", Case(PullIgnoresError), "pull returns the derivative without the error"),
    Fault("pull of the absolute error", Case(PullOfAbsoluteError), "pull takes the error's absolute value"),
    Fault("pull clips", Case(PullClips), "pull clips errors at 10: not linear"),
    Fault("pull clips by norm", Case(PullClipsByNorm), "pull scales down errors of a norm above 50: not linear"),
    Fault("pull drops small errors", Case(PullDropsSmallErrors), "errors below 0.001 are dropped: not linear"),
    Fault("softmax diagonal", Case(SoftDiagonal), "pull has only the diagonal of softmax's Jacobian"),
    Fault("softmax over the batch", Case(SoftOverBatch), "pull sums over the rows, not over the features"),
    Fault("mean forgotten", Case(CenteredForgets), "pull leaves out the derivative of the subtracted mean"),
    Fault("norm forgotten", Case(UnitLength), "pull holds the norm fixed"),
    Fault("flip forgotten", Case(FlipForgets), "pull does not turn the features back"),
    Fault("roll the wrong way", Case(RollWrongWay), "pull moves the features on, not back"),
    Fault("cumulative sum forward", Case(CumulativeForward), "pull sums up from the front, not from the end"),
    Fault("one error for two inputs", Case(BlendOneError, {}, [ROWS, ROWS]), "pull returns one error for two inputs"),
    Fault("errors swapped", Case(BlendSwapped, {}, [ROWS, ROWS]), "the errors of the two inputs are swapped"),
    Fault("no second error", Case(BlendNoSecond, {}, [ROWS, ROWS]), "None for the second input, which has an error"),
    Fault("zero first error", Case(BlendZeroFirst, {}, [ROWS, ROWS]), "zeros for the first input's error"),
    Fault("three errors", Case(BlendThreeErrors, {}, [ROWS, ROWS]), "pull returns three errors for two inputs"),
    Fault("errors in a list", Case(BlendList, {}, [ROWS, ROWS]), "pull returns a list, not a tuple"),
    Fault(
        "stretched mean", Case(StretchedSum, {}, [ROWS, (1, 4)]), "the mean of a stretched input's error, not the sum"
    ),
    Fault("second output ignored", Case(PolarFirst), "the error of the second output is ignored"),
    Fault("first output ignored", Case(PolarSecond), "the error of the first output is ignored"),
    Fault("output errors swapped", Case(PolarSwapped), "pull takes the two outputs' errors for each other"),
    Fault("outputs swapped", Case(PolarOrder), "apply returns its outputs in another order than pull has them"),
    Fault("outputs averaged", Case(PolarMean), "pull averages over the outputs"),
    Fault("residual forgotten", Case(ResidualForgets, SOFT), "pull leaves out the identity path"),
    Fault("weights not transposed", Case(DenseTransposed, SOFT), "pull multiplies by the weights, not their transpose"),
    Fault("error for tokens", Case(LookupError_, {"count": 7, "size": 5}, TOKENS), "an error for whole numbers"),
]
