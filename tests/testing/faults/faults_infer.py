"""Faults in infer: wrong shapes, always or under some condition."""

from __future__ import annotations

import numpy as np
from faults_base import ROWS, Blend, Dense, Fault, Gain, Norm, Polar, Square

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.testing import Case


class Halves(Layer):
    """The sum of both halves of the features."""

    def infer(self, x):
        size = x.size(-1)
        if size is not None and size % 2:
            raise ShapeError("an odd number of features", where=repr(self), expected="an even one", received=x)
        return x.resized(-1, None if size is None else size // 2)

    def apply(self, x):
        half = x.shape[-1] // 2
        return x[..., :half] + x[..., half:], None

    def pull(self, saved, error):
        return np.concatenate([error, error], -1)


class InferForgets(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return x


class InferBatchOfThree(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return super().infer(x).resized(0, 3)


class InferFree(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return x.resized(-1, x.size(-1) // 2)


class InferFreeBatch(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return Shape(x.names, (x.sizes[0] + 0, *super().infer(x).sizes[1:]))


class InferFixed(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return x.resized(-1, 2)


class InferRank(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return super().infer(x).extended("feature", 1)


class InferTwo(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return super().infer(x), x


class InferTuple(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return super().infer(x).sizes


class InferNames(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        return Shape(tuple(reversed(x.names)), super().infer(x).sizes)


class InferRaw(Halves):
    """The sum of both halves of the features."""

    def infer(self, x):
        assert x.size(-1) is None or x.size(-1) % 2 == 0
        return x.resized(-1, None if x.size(-1) is None else x.size(-1) // 2)


class InferIndex(Gain):
    """``y = x · weights``."""

    def infer(self, x):
        return Shape(x.names, (x.sizes[0], {self.size: self.size}[x.sizes[1] or self.size], *x.sizes[2:]))


class InferThirdAxis(Square):
    """``y = x²`` of rows."""

    def infer(self, x):
        return Shape(x.names, (x.sizes[0], x.sizes[1], *([x.sizes[2]] if x.rank > 2 else [])))


class InferDivides(Layer):
    """Sums over four windows of equal width; features left over are dropped."""

    def infer(self, x):
        size = x.size(-1)
        return x.resized(-1, 4 if size is None else 4 * (size // 4) // (size // 4))

    def apply(self, x):
        width = x.shape[-1] // 4
        return x[..., : 4 * width].reshape(*x.shape[:-1], 4, width).sum(-1), x.shape

    def pull(self, shape, error):
        found = np.zeros(shape, error.dtype)
        width = shape[-1] // 4
        found[..., : 4 * width] = np.repeat(error, width, -1)
        return found


class InferSilent(Dense):
    """``y = x · weights + bias``."""

    def infer(self, x):
        if x.rank < 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("wrong")
        return x.resized(-1, self.units)


class InferChanges(Square):
    """``y = x²``."""

    def check(self):
        self.asked = 0

    def infer(self, x):
        self.asked += 1
        return x if self.asked < 3 else x.resized(-1, None)


class InferSwapped(Polar):
    """Two outputs: the mean of the features, and the features."""

    def infer(self, x):
        return x, x.resized(-1, 1)

    def apply(self, x):
        return (x.mean(-1, keepdims=True), x * 1.0), x

    def pull(self, x, errors):
        return errors[0] / x.shape[-1] + errors[1]


class InferOne(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def infer(self, x):
        return x


class InferFirstInput(Blend):
    """``y = a · tanh(b)``; two inputs of one shape."""

    def infer(self, a, b):
        return a


class InferLists(Square):
    """``y = x²``."""

    def infer(self, x):
        return Shape(list(x.names), list(x.sizes))


class WeightsLater(Gain):
    """``y = x · weights``."""

    def parameters(self, *inputs):
        return {"weights": Weight((inputs[0].sizes[-1],))}


class WeightsOther(Norm):
    """Batch normalization, with one number too many in its running mean."""

    def buffers(self, *inputs):
        found = super().buffers(*inputs)
        return {**found, "mean": type(found["mean"])((self.size + 1,))}


class FlattensBatch(Layer):
    """The rows' features in one axis."""

    def infer(self, x):
        return Shape(("batch", "feature"), (x.sizes[0], int(np.prod(x.sizes[1:]))))

    def apply(self, x):
        return x.reshape(len(x), -1), x.shape

    def pull(self, shape, error):
        return error.reshape(shape)


SIZE, DENSE = {"size": 4}, {"size": 4, "units": 5}
FAULTS = [
    Fault("infer forgets", Case(InferForgets), "infer says the input's shape for half the features"),
    Fault("infer batch of three", Case(InferBatchOfThree), "infer is right for three rows alone"),
    Fault("infer free features", Case(InferFree), "infer fails for a free feature axis"),
    Fault("infer free batch", Case(InferFreeBatch), "infer fails for a free batch axis"),
    Fault("infer fixed", Case(InferFixed), "infer is right for four features alone"),
    Fault("infer rank", Case(InferRank), "infer has one axis too many"),
    Fault("infer two", Case(InferTwo), "infer returns two shapes for one output"),
    Fault("infer tuple", Case(InferTuple), "infer returns sizes, not a Shape"),
    Fault("infer names", Case(InferNames), "infer names the axes in reverse order"),
    Fault("infer raw", Case(InferRaw), "infer refuses by an assertion"),
    Fault("infer key", Case(InferIndex, SIZE), "infer fails with KeyError for another size"),
    Fault("infer index", Case(InferThirdAxis), "infer fails with IndexError for rank 1"),
    Fault(
        "infer divides",
        Case(InferDivides, {}, "batch=3, feature=9"),
        "infer fails with ZeroDivisionError for fewer than four features",
    ),
    Fault("infer silent", Case(InferSilent, DENSE), "the ShapeError says neither where, nor what was expected"),
    Fault("infer changes", Case(InferChanges), "infer says something else the third time"),
    Fault("infer swapped", Case(InferSwapped), "infer has the two outputs' shapes in the wrong order"),
    Fault("infer one", Case(InferOne), "infer returns one shape for two outputs"),
    Fault("infer one input", Case(InferFirstInput, {}, [ROWS, ROWS]), "infer does not look at its second input"),
    Fault("infer lists", Case(InferLists), "infer's shape holds lists, not tuples"),
    Fault("parameters without inputs", Case(WeightsLater, SIZE), "parameters fails with IndexError without shapes"),
    Fault(
        "buffer of another size", Case(WeightsOther, SIZE, "batch=6, feature=4"), "a buffer's shape is one too large"
    ),
    Fault("flatten free", Case(FlattensBatch, {}, "batch=3, y=2, x=5"), "infer fails with TypeError for free sizes"),
]
