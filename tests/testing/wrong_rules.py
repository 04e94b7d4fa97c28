"""Layers with one fault each, in the rules of layers without weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from wrong import ROWS, SEQUENCE, Wrong

from graphnet import Layer, Shape
from graphnet.testing import Case


class Cube(Layer):
    """y = x³: the correct layer."""

    def apply(self, x):
        return x**3, x

    def pull(self, x, error):
        return 3 * error * x**2


class Sign(Cube):
    """Returns an error of the wrong sign."""

    def pull(self, x, error):
        return -3 * error * x**2


class Factor(Cube):
    """Returns twice the error."""

    def pull(self, x, error):
        return 6 * error * x**2


class Averaged(Cube):
    """Divides the error by the number of rows."""

    def pull(self, x, error):
        return 3 * error * x**2 / len(x)


class FirstRow(Cube):
    """Omits a factor in the first row."""

    def pull(self, x, error):
        back = 3 * error * x**2
        return np.concatenate([back[:1] / 3, back[1:]])


class LastFeature(Cube):
    """Returns a zero error for the last feature."""

    def pull(self, x, error):
        back = 3 * error * x**2
        back[..., -1] = 0
        return back


class FirstStep(Cube):
    """Halves the error of the first step of a sequence."""

    def pull(self, x, error):
        back = 3 * error * x**2
        back[0] *= 0.5
        return back


class Unpulled(Cube):
    """Returns None as the error for its input."""

    def pull(self, x, error):
        return None


class Constant(Cube):
    """Uses the constant 3 as derivative."""

    def pull(self, x, error):
        return 3 * error


class Clipped(Cube):
    """Clips large errors."""

    def pull(self, x, error):
        return np.clip(3 * error * x**2, -50, 50)


class NegativeOnly(Cube):
    """Is wrong for large negative inputs."""

    def pull(self, x, error):
        return np.where(x < -4, 0.0, 3 * error * x**2)


class Large(Cube):
    """Is wrong for large inputs."""

    def pull(self, x, error):
        return np.where(np.abs(x) > 10, 0.0, 3 * error * x**2)


class ManyRows(Cube):
    """Is wrong for more than 256 rows."""

    def pull(self, x, error):
        return error * x**2 * (3 if len(x) <= 256 else 2)


class OneRow(Cube):
    """Is wrong for a batch of one."""

    def pull(self, x, error):
        return error * x**2 * (3 if len(x) > 1 else 1)


class Single(Cube):
    """Computes another function in float32."""

    def apply(self, x):
        return (x**3 if x.dtype == np.float64 else x**3 + np.float32(0.5)), x


class SingleError(Cube):
    """Returns another error in float32."""

    def pull(self, x, error):
        return (3 if x.dtype == np.float64 else 2) * error * x**2


class Widened(Cube):
    """Returns float64 for float32."""

    def apply(self, x):
        return x * np.float64(1) * np.asarray(x, np.float64) ** 2, x


class Narrowed(Cube):
    """Computes internally in float32."""

    def apply(self, x):
        return (np.asarray(x, np.float32) ** 3).astype(x.dtype), x


class WidenedError(Cube):
    """Returns a float64 error for float32."""

    def pull(self, x, error):
        return 3 * np.asarray(error, np.float64) * x**2


class InPlaceInput(Cube):
    """Writes to its input."""

    def apply(self, x):
        kept = x.copy()
        x **= 3
        return x.copy(), kept


class InPlaceError(Cube):
    """Writes to the error."""

    def pull(self, x, error):
        error *= 3 * x**2
        return error


class InPlaceSaved(Cube):
    """Writes to a saved value."""

    def pull(self, x, error):
        x *= x
        return 3 * error * x


class KeptInSelf(Cube):
    """Stores its input in self instead of returning it as saved."""

    def apply(self, x):
        self.last = x
        return x**3, None

    def pull(self, saved, error):
        return 3 * error * self.last**2


class KeptInClass(Cube):
    """Stores its input in the class."""

    last: ClassVar[list] = []

    def apply(self, x):
        self.last[:] = [x]
        return x**3, None

    def pull(self, saved, error):
        return 3 * error * self.last[0] ** 2


class Drifting(Cube):
    """Adds a number that grows with every call."""

    def apply(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return x**3 + 1e-3 * self.calls, x


class Reused(Cube):
    """Returns the same array in every call."""

    def apply(self, x):
        if getattr(self, "buffer", np.empty(0)).shape != x.shape or self.buffer.dtype != x.dtype:
            self.buffer = np.empty_like(x)
        np.power(x, 3, out=self.buffer)
        return self.buffer, x.copy()


class GlobalRandom(Cube):
    """Adds noise from numpy's global generator."""

    def apply(self, x):
        return x**3 + 1e-3 * np.random.standard_normal(x.shape).astype(x.dtype), x  # noqa: NPY002


class Reseeding(Cube):
    """Seeds numpy's global generator."""

    def apply(self, x):
        np.random.seed(0)  # noqa: NPY002
        return x**3, x


class Chatty(Cube):
    """Prints."""

    def apply(self, x):
        print("cube", x.shape)
        return x**3, x


class Contiguous(Cube):
    """Assumes a memory layout."""

    def apply(self, x):
        flat = np.ravel(x, order="K")
        return (flat**3).reshape(x.shape), x


class Tracer(Cube):
    """Computes another function for arguments that are not arrays."""

    def apply(self, x):
        return (x**3 if isinstance(x, np.ndarray) else x**3 + x), x


class WrongShape(Cube):
    """Infers another size than it returns."""

    def infer(self, x):
        return x.resized(-1, 1)


class WrongNames(Cube):
    """Infers wrong names of axes."""

    def infer(self, x):
        return Shape(("feature", "batch"), x.sizes)


class NeedsSizes(Cube):
    """Cannot infer while the size of the batch is unknown."""

    def infer(self, x):
        return x.resized(0, 2 * x.size(0) // 2)


class RawError(Cube):
    """Raises IndexError for inputs without a second axis."""

    def infer(self, x):
        return x.resized(-1, x.sizes[1])


class Unexplained(Cube):
    def apply(self, x):
        return x**3, x


class NaiveSoftMax(Layer):
    """Computes exponentials that overflow."""

    def apply(self, x):
        y = np.exp(x)
        y = y / y.sum(axis=-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - (y * error).sum(axis=-1, keepdims=True))


class HalfSoftMax(NaiveSoftMax):
    """Treats the sum as a constant in the backward pass."""

    def apply(self, x):
        return super().apply(x - x.max(axis=-1, keepdims=True))

    def pull(self, y, error):
        return y * (1 - y) * error


class Largest(Layer):
    """Returns the error for each of several equal maxima."""

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        y = x.max(axis=-1, keepdims=True)
        return y, x == y

    def pull(self, winners, error):
        return winners * error


class LyingElementwise(Layer):
    """Declares elementwise but subtracts the mean of the features."""

    elementwise = True

    def apply(self, x):
        return x - x.mean(axis=-1, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(axis=-1, keepdims=True)


class Positional(Layer):
    """Declares elementwise but scales by position."""

    elementwise = True

    def apply(self, x):
        scale = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
        return x * scale, scale

    def pull(self, scale, error):
        return error * scale


class LyingRowwise(Layer):
    """Declares rowwise but subtracts the mean of the batch."""

    rowwise = True

    def apply(self, x):
        return x - x.mean(axis=0, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(axis=0, keepdims=True)


class Product(Layer):
    """y = a · b: the correct layer, with two inputs."""

    def apply(self, a, b):
        return a * b, (a, b)

    def pull(self, saved, error):
        a, b = saved
        return error * b, error * a


class Swapped(Product):
    """Swaps the errors of its inputs."""

    def pull(self, saved, error):
        a, b = saved
        return error * a, error * b


class TooFew(Product):
    """Returns an error for one of two inputs."""

    def pull(self, saved, error):
        return error * saved[1]


class SecondForgotten(Product):
    """Returns None as the error for its second input."""

    def pull(self, saved, error):
        return error * saved[1], None


class Broadcast(Product):
    """Does not sum the error over the broadcast axes."""

    def infer(self, a, b):
        return a


class Parts(Layer):
    """y = x², z = x³: ignores the error for z."""

    def output_ports(self):
        return ("y", "z")

    def infer(self, x):
        return x, x

    def apply(self, x):
        return (x**2, x**3), x

    def pull(self, x, errors):
        return 2 * x * errors[0]


class SwappedParts(Parts):
    """Swaps the errors for y and z."""

    def pull(self, x, errors):
        return 2 * x * errors[1] + 3 * x**2 * errors[0]


class Optional(Layer):
    """y = x + shift, with an optional shift: is wrong without it."""

    def apply(self, x, shift=None):
        return (x if shift is None else x + shift), shift is None

    def pull(self, without, error):
        return (2 * error, None) if without else (error, error)


RULES = [
    *(
        Wrong(Case(layer, {}, SEQUENCE if layer is FirstStep else ROWS))
        for layer in (
            Sign, Factor, Averaged, FirstRow, LastFeature, FirstStep, Unpulled, Constant, Clipped, NegativeOnly, Large,
            ManyRows, OneRow, Single, SingleError, Widened, Narrowed, WidenedError, InPlaceInput, InPlaceError,
            InPlaceSaved, KeptInSelf, KeptInClass, Drifting, Reused, GlobalRandom, Reseeding, Chatty, Contiguous, Tracer,
            WrongShape, WrongNames, NeedsSizes, RawError, Unexplained, NaiveSoftMax, HalfSoftMax, Largest,
            LyingElementwise, Positional, LyingRowwise,
        )
    ),
    *(Wrong(Case(layer, {}, [ROWS, ROWS])) for layer in (Swapped, TooFew, SecondForgotten)),
    Wrong(Case(Broadcast, {}, [ROWS, "batch=1, feature=3"])),
    Wrong(Case(Parts, {}, ROWS)),
    Wrong(Case(SwappedParts, {}, ROWS)),
    Wrong(Case(Optional, {}, [ROWS, ROWS])),
]  # fmt: skip
RIGHT = [Case(Cube, {}, ROWS), Case(Cube, {}, SEQUENCE), Case(Product, {}, [ROWS, ROWS])]
