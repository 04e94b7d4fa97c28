"""Custom layers in plain numpy, of every kind that the compiler can trace."""

from __future__ import annotations

import numpy as np

from graphnet import Layer
from graphnet.core.describe.parameter import Weight


class Sine(Layer):
    """sin."""

    def apply(self, x):
        return np.sin(x), x

    def pull(self, x, error):
        return error * np.cos(x)


class Logistic(Layer):
    """1 / (1 + exp(-x)), written naively."""

    def apply(self, x):
        y = 1.0 / (1.0 + np.exp(-x))
        return y, y

    def pull(self, y, error):
        return error * y * (1 - y)


class Square(Layer):
    """x²."""

    def apply(self, x):
        return x**2, x

    def pull(self, x, error):
        return 2 * x * error


class Rectifier(Layer):
    """max(x, 0)."""

    def apply(self, x):
        return np.maximum(x, 0), x > 0

    def pull(self, positive, error):
        return np.where(positive, error, 0.0)


class Bounded(Layer):
    """np.where between -1 and 1."""

    def apply(self, x):
        inside = (x > -1) & (x < 1)
        return np.where(inside, x, np.sign(x)), inside

    def pull(self, inside, error):
        return error * inside


class Cauchy(Layer):
    """1 / (1 + x²)."""

    def apply(self, x):
        y = 1 / (1 + x * x)
        return y, (x, y)

    def pull(self, saved, error):
        x, y = saved
        return -2.0 * x * y * y * error


class Root(Layer):
    """√(1 + x²)."""

    def apply(self, x):
        y = np.sqrt(1 + np.square(x))
        return y, (x, y)

    def pull(self, saved, error):
        x, y = saved
        return error * x / y


class Logarithm(Layer):
    """log(1 + x²)."""

    def apply(self, x):
        return np.log1p(x * x), x

    def pull(self, x, error):
        return error * (2 * x / (1 + x * x))


class Softmax(Layer):
    """Over the features."""

    def apply(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y = e / e.sum(axis=-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - (error * y).sum(axis=-1, keepdims=True))


class Centred(Layer):
    """x less its mean over the features."""

    def apply(self, x):
        return x - x.mean(axis=-1, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(axis=-1, keepdims=True)


class Total(Layer):
    """The sum over the features: width 1."""

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        return x.sum(axis=-1, keepdims=True), x

    def pull(self, x, error):
        return error + np.zeros_like(x)


class Halves(Layer):
    """Two outputs: sin and cos."""

    def output_ports(self):
        return ("sine", "cosine")

    def infer(self, x):
        return x, x

    def apply(self, x):
        return (np.sin(x), np.cos(x)), x

    def pull(self, x, errors):
        return errors[0] * np.cos(x) - errors[1] * np.sin(x)


class Mixture(Layer):
    """g·a + (1 - g)·b."""

    def apply(self, g, a, b):
        return g * a + (1 - g) * b, (g, a, b)

    def pull(self, saved, error):
        g, a, b = saved
        return error * (a - b), error * g, error * (1 - g)


class Larger(Layer):
    """max(a, b)."""

    def apply(self, a, b):
        return np.maximum(a, b), a >= b

    def pull(self, first, error):
        return np.where(first, error, 0.0), np.where(first, 0.0, error)


class Ratio(Layer):
    """a / (1 + b²)."""

    def apply(self, a, b):
        d = 1 + b * b
        return a / d, (a, b, d)

    def pull(self, saved, error):
        a, b, d = saved
        return error / d, -2 * a * b * error / (d * d)


class Diagonal(Layer):
    """w · x with a weight a feature."""

    size: int = 2

    def parameters(self, *inputs):
        return {"scale": Weight((self.size,))}

    def apply(self, x, *, scale):
        return x * scale, x

    def pull(self, saved, error, *, scale):
        return error * scale

    def grad(self, x, error):
        return {"scale": (x * error).sum(axis=tuple(range(error.ndim - 1)))}


class Scaled(Layer):
    """w · x with one weight of shape ()."""

    def parameters(self, *inputs):
        return {"scale": Weight(())}

    def apply(self, x, *, scale):
        return x * scale, x

    def pull(self, saved, error, *, scale):
        return error * scale

    def grad(self, x, error):
        return {"scale": (x * error).sum()}


class Shifted(Layer):
    """x + w with one weight of shape (1,)."""

    def parameters(self, *inputs):
        return {"shift": Weight((1,))}

    def apply(self, x, *, shift):
        return x + shift, None

    def pull(self, saved, error):
        return error

    def grad(self, saved, error):
        return {"shift": error.sum().reshape(1)}


class Linear(Layer):
    """x @ W.T + b, in two arrays, the matrix outputs first."""

    size: int = 2
    units: int = 2

    def parameters(self, *inputs):
        return {"matrix": Weight((self.units, self.size)), "offset": Weight((self.units,), kind="bias")}

    def infer(self, x):
        return x.resized(-1, self.units)

    def apply(self, x, *, matrix, offset):
        return x @ matrix.T + offset, x

    def pull(self, x, error, *, matrix):
        return error @ matrix

    def grad(self, x, error):
        rows = error.reshape(-1, error.shape[-1])
        return {"matrix": rows.T @ x.reshape(-1, x.shape[-1]), "offset": rows.sum(0)}


class Gated(Layer):
    """The first half of the features times the logistic function of the second, by slices."""

    def infer(self, x):
        return x.resized(-1, x.size(-1) // 2)

    def apply(self, x):
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        g = 0.5 + 0.5 * np.tanh(0.5 * b)
        return a * g, (a, g)

    def pull(self, saved, error):
        a, g = saved
        return np.concatenate([error * g, error * a * g * (1 - g)], axis=-1)


class Mirrored(Layer):
    """[x, -|x|]: twice the features."""

    def infer(self, x):
        return x.resized(-1, 2 * x.size(-1))

    def apply(self, x):
        return np.concatenate((x, -np.abs(x)), axis=-1), x

    def pull(self, x, error):
        n = x.shape[-1]
        return error[..., :n] - error[..., n:] * np.sign(x)


class Cubic(Layer):
    """x³ / (1 + |x|)³."""

    def apply(self, x):
        d = np.absolute(x) + 1.0
        return (x / d) ** 3, (x, d)

    def pull(self, saved, error):
        x, d = saved
        return 3.0 * np.power(x / d, 2) / (d * d) * error


class Step(Layer):
    """x where it is positive, by a boolean used as a number."""

    def apply(self, x):
        there = (x > 0).astype(x.dtype)
        return x * there, there

    def pull(self, there, error):
        return there * error


class Summit(Layer):
    """log Σ exp over the features: width 1."""

    def infer(self, x):
        return x.resized(-1, 1)

    def apply(self, x):
        top = np.max(x, axis=-1, keepdims=True)
        e = np.exp(x - top)
        total = np.sum(e, axis=-1, keepdims=True)
        return top + np.log(total), e / total

    def pull(self, share, error):
        return share * error


class Opaque(Layer):
    """tanh by assignment in place: cannot be traced."""

    def apply(self, x):
        y = np.empty_like(x)
        y[...] = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


#: By kind: layers of one input whose output has its width.
UNARY = {
    cls.__name__.lower(): cls
    for cls in (Sine, Logistic, Square, Rectifier, Bounded, Cauchy, Root, Logarithm, Softmax, Centred, Cubic, Step)
}
#: The same with one weight.
WEIGHTED = {cls.__name__.lower(): cls for cls in (Scaled, Shifted)}
#: Of two inputs of one width.
BINARY = {cls.__name__.lower(): cls for cls in (Larger, Ratio)}
BY_KIND = UNARY | WEIGHTED | BINARY
