"""Rules that are not pure: they write to their arguments, keep things, or change the world around them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import ROWS, Blend, Dense, Fault, Gain, Norm, Square, Squash, Table

from graphnet import Layer
from graphnet.testing import Case


class WritesInput(Layer):
    """``y = max(x, 0)``."""

    def apply(self, x):
        x[x < 0] = 0
        return x * 1.0, x > 0

    def pull(self, positive, error):
        return error * positive


class WritesInputLate(Square):
    """``y = x²``."""

    def pull(self, x, error):
        given = 2 * x * error
        x *= 0
        return given


class WritesSecondInput(Blend):
    """``y = a · tanh(b)``."""

    def apply(self, a, b):
        y = super().apply(a, b)
        np.tanh(b, out=b)
        return y


class WritesError(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        error *= 1 - y * y
        return error


class WritesErrorInGrad(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        np.multiply(error, x, out=error)
        return {"weights": error.reshape(-1, self.size).sum(0)}


class WritesSaved(Squash):
    """``y = tanh(x)``; the slope is saved."""

    def apply(self, x):
        y = np.tanh(x)
        return y, 1 - y * y

    def pull(self, slope, error):
        slope *= error
        return slope


class WritesOutputSaved(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        np.square(y, out=y)
        return error * (1 - y)


class WritesWeights(Gain):
    """``y = x · weights``."""

    def apply(self, x, *, weights):
        y = x * weights
        weights *= 0.999
        return y, x


class WritesWeightsInPull(Gain):
    """``y = x · weights``."""

    def pull(self, x, error, *, weights):
        given = error * weights
        weights -= 1e-3
        return given


class WritesBuffers(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        new = super().update(saved, mean=mean, variance=variance, batches=batches)
        mean[:] = new["mean"]
        return new


class WritesTokens(Table):
    """``y = weights[x]``."""

    def apply(self, tokens, *, weights):
        result = super().apply(tokens, weights=weights)
        tokens.sort(axis=-1)
        return result


class KeepsSlope(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        y = np.tanh(x)
        self.slope = 1 - y * y
        return y, None

    def pull(self, saved, error):
        return error * self.slope


class KeepsMaskOfClass(Layer):
    """``y = max(x, 0)``."""

    mask: ClassVar[list] = []

    def apply(self, x):
        self.mask[:] = [x > 0]
        return np.maximum(x, 0), None

    def pull(self, saved, error):
        return error * self.mask[0]


class KeepsStack(Square):
    """``y = x²``; first in, first out."""

    def check(self):
        self.inputs = []

    def apply(self, x):
        self.inputs.append(x)
        return x * x, None

    def pull(self, saved, error):
        return 2 * self.inputs.pop(0) * error


class KeepsFirstSize(Layer):
    """``y = x - mean(x)`` over the last axis."""

    def check(self):
        self.count = None

    def apply(self, x):
        self.count = self.count or len(x)
        return x - x.mean(-1, keepdims=True), None

    def pull(self, saved, error):
        return (error - error.mean(-1, keepdims=True)) * (self.count / len(error))


class KeepsCache(Square):
    """``y = x²``, remembered by the shape."""

    def check(self):
        self.known = {}

    def apply(self, x):
        return self.known.setdefault(x.shape, x * x), x


class KeepsCacheOfClass(Layer):
    """``y = x · slope``, remembered by the class."""

    slope: float = 1.0

    tables: ClassVar[dict] = {}

    def apply(self, x):
        return x * self.tables.setdefault("slope", self.slope), None

    def pull(self, saved, error):
        return error * self.slope


class Counts(Layer):
    """``y = x · (1 + n / 100)``, n counts the calls."""

    def check(self):
        self.calls = 0

    def apply(self, x):
        self.calls += 1
        return x * (1 + self.calls / 100), self.calls

    def pull(self, calls, error):
        return error * (1 + calls / 100)


class CountsOverClass(Counts):
    """``y = x · (1 + n / 100)``, n counts the instances."""

    made: ClassVar[list] = []

    def check(self):
        self.made.append(1)

    def apply(self, x):
        return x * (1 + len(self.made) / 100), len(self.made)


class RemembersLast(Layer):
    """``y = x + last x / 10``."""

    def check(self):
        self.last = None

    def apply(self, x):
        y = x if self.last is None or self.last.shape != x.shape else x + self.last / 10
        self.last = x.copy()
        return y, None

    def pull(self, saved, error):
        return error


class AddsUpErrors(Squash):
    """``y = tanh(x)``."""

    def check(self):
        self.total = 0.0

    def pull(self, y, error):
        self.total = self.total + error.sum() * 1e-3
        return error * (1 - y * y) + self.total


class AddsUpGradients(Gain):
    """``y = x · weights``."""

    def check(self):
        self.total = 0.0

    def grad(self, x, error):
        self.total = self.total + (x * error).reshape(-1, self.size).sum(0)
        return {"weights": self.total}


class ReusesOutput(Square):
    """``y = x²`` into a buffer."""

    def check(self):
        self.out = None

    def apply(self, x):
        if self.out is None or self.out.shape != x.shape or self.out.dtype != x.dtype:
            self.out = np.empty_like(x)
        np.multiply(x, x, out=self.out)
        return self.out, x


class ReusesSaved(Squash):
    """``y = tanh(x)``; the slope in a buffer."""

    def check(self):
        self.slopes = {}

    def apply(self, x):
        y = np.tanh(x)
        slope = self.slopes.setdefault((x.shape, x.dtype.char), np.empty_like(x))
        slope[...] = 1 - y * y
        return y, slope

    def pull(self, slope, error):
        return error * slope


class ReusesPulled(Squash):
    """``y = tanh(x)``; the error in a buffer."""

    def check(self):
        self.errors = {}

    def pull(self, y, error):
        found = self.errors.setdefault((y.shape, y.dtype.char), np.empty_like(y))
        np.multiply(error, 1 - y * y, out=found)
        return found


class ReusesGradient(Gain):
    """``y = x · weights``; the gradient in a buffer that is never cleared."""

    def check(self):
        self.gradients = {}

    def grad(self, x, error):
        found = self.gradients.setdefault(error.dtype.char, np.zeros(self.size, error.dtype))
        found += (x * error).reshape(-1, self.size).sum(0)
        return {"weights": found}


class ConfigDrifts(Layer):
    """``y = x · rate``."""

    rate: float = 0.5

    def apply(self, x):
        self.rate = self.rate * 0.9
        return x * self.rate, self.rate

    def pull(self, rate, error):
        return error * rate


class Prints(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        print("applied to", x.shape)
        return super().apply(x)


class SeedsNumpy(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        np.random.seed(0)  # noqa: NPY002
        return super().apply(x)


class SilencesNumpy(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        np.seterr(all="ignore")
        return super().apply(x)


class PrintOptions(Squash):
    """``y = tanh(x)``."""

    def pull(self, y, error):
        np.set_printoptions(precision=3)
        return super().pull(y, error)


class Warns(Layer):
    """``y = log(1 + eˣ)``."""

    def apply(self, x):
        with np.errstate(all="warn"):
            np.log(np.zeros(1))
        return np.logaddexp(x, 0), x

    def pull(self, x, error):
        return error * (0.5 + 0.5 * np.tanh(x / 2))


class LocksInput(Squash):
    """``y = tanh(x)``."""

    def apply(self, x):
        x.flags.writeable = False
        return super().apply(x)


class KeepsWeights(Dense):
    """``y = x · weights + bias``."""

    def check(self):
        self.seen = None

    def apply(self, x, *, weights, bias):
        self.seen = weights if self.seen is None else self.seen
        return x @ weights + bias, x

    def pull(self, x, error, *, weights):
        return error @ self.seen.astype(error.dtype).T


SQUARES = {"size": 4}
FAULTS = [
    Fault("apply writes its input", Case(WritesInput), "apply sets the input's negative numbers to 0 in place"),
    Fault("pull writes the input", Case(WritesInputLate), "pull clears the saved input"),
    Fault(
        "apply writes its second input", Case(WritesSecondInput, {}, [ROWS, ROWS]), "apply writes to its second input"
    ),
    Fault("pull writes the error", Case(WritesError), "pull multiplies the error in place"),
    Fault("grad writes the error", Case(WritesErrorInGrad, SQUARES), "grad multiplies the error in place"),
    Fault("pull writes what was saved", Case(WritesSaved), "pull writes to saved: a second backward differs"),
    Fault("pull writes the output", Case(WritesOutputSaved), "pull squares the saved output in place"),
    Fault("apply writes the weights", Case(WritesWeights, SQUARES), "apply shrinks the weights in place"),
    Fault("pull writes the weights", Case(WritesWeightsInPull, SQUARES), "pull changes the weights in place"),
    Fault("update writes the buffers", Case(WritesBuffers, SQUARES, "batch=6, feature=4"), "update writes in place"),
    Fault(
        "apply sorts the tokens",
        Case(WritesTokens, {"count": 7, "size": 5}, np.array([[5, 3, 3], [6, 1, 0]])),
        "apply sorts its whole-number input in place",
    ),
    Fault("slope in self", Case(KeepsSlope), "pull reads what the last apply left in self"),
    Fault("mask in the class", Case(KeepsMaskOfClass), "pull reads what the last apply of any instance left"),
    Fault("inputs on a stack", Case(KeepsStack), "saved inputs are in self, and come back in the wrong order"),
    Fault("first size in self", Case(KeepsFirstSize), "the first batch's number of rows scales all later errors"),
    Fault("outputs cached by shape", Case(KeepsCache), "the first output of a shape comes back for ever"),
    Fault(
        "slope cached in the class", Case(KeepsCacheOfClass, {"slope": 1.7}), "the first instance's slope holds for all"
    ),
    Fault("calls counted", Case(Counts), "the output depends on the number of calls"),
    Fault("instances counted", Case(CountsOverClass), "the output depends on the number of instances"),
    Fault("last input remembered", Case(RemembersLast), "the last batch leaks into the next one"),
    Fault("errors added up", Case(AddsUpErrors), "the errors of former backward passes leak into the next"),
    Fault("gradients added up", Case(AddsUpGradients, SQUARES), "gradients add up over calls"),
    Fault("output buffer reused", Case(ReusesOutput), "each output is the same array as the one before"),
    Fault("saved buffer reused", Case(ReusesSaved), "what was saved is overwritten by the next apply"),
    Fault("error buffer reused", Case(ReusesPulled), "each error is the same array as the one before"),
    Fault("gradient buffer reused", Case(ReusesGradient, SQUARES), "the gradient's array is never cleared"),
    Fault("configuration drifts", Case(ConfigDrifts), "apply changes a field of the configuration"),
    Fault("apply prints", Case(Prints), "apply prints"),
    Fault("apply seeds numpy", Case(SeedsNumpy), "apply seeds numpy's global generator"),
    Fault("apply silences numpy", Case(SilencesNumpy), "apply changes numpy's global error handling"),
    Fault("pull sets print options", Case(PrintOptions), "pull changes numpy's global print options"),
    Fault("apply warns", Case(Warns), "apply gives a RuntimeWarning for good input"),
    Fault("apply locks its input", Case(LocksInput), "apply makes its input read-only"),
    Fault("first weights kept", Case(KeepsWeights, {"size": 4, "units": 5}), "pull uses the weights of the first call"),
]
