"""The record of a fault, and the right layers from which wrong ones are derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphnet import DataError, Layer, Phase, ShapeError, Weight
from graphnet.authoring import Buffer, positive, require
from graphnet.testing import Case

#: Inputs that most cases use: rows, a sequence.
ROWS, SEQUENCE = "batch=3, feature=4", "time=5, batch=3, feature=4"


@dataclass
class Fault:
    """A wrong layer.

    Parameters
    ----------
    name : str
        A short unique name.
    case : Case
    fault : str
        One sentence that describes the fault.
    """

    name: str
    case: Case
    fault: str


class Squash(Layer):
    """``y = tanh(x)``, elementwise."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


class Square(Layer):
    """``y = x²``, elementwise."""

    def apply(self, x):
        return x * x, x

    def pull(self, x, error):
        return 2 * x * error


class Dense(Layer):
    """``y = x · weights + bias`` over the last axis."""

    size: int
    units: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size", "units")

    def parameters(self, *inputs):
        return {
            "weights": Weight((self.size, self.units), fan_in=self.size, fan_out=self.units),
            "bias": Weight((self.units,), fan_in=self.size, fan_out=self.units, kind="bias"),
        }

    def infer(self, x):
        if x.rank < 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, …, {self.size})", received=x)
        return x.resized(-1, self.units)

    def apply(self, x, *, weights, bias):
        return x @ weights + bias, x

    def pull(self, x, error, *, weights):
        return error @ weights.T

    def grad(self, x, error):
        rows, errors = x.reshape(-1, self.size), error.reshape(-1, self.units)
        return {"weights": rows.T @ errors, "bias": errors.sum(0)}


class Gain(Layer):
    """``y = x · weights``, one factor a feature."""

    size: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size")

    def parameters(self, *inputs):
        return {"weights": Weight((self.size,))}

    def infer(self, x):
        if x.rank < 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, …, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, weights):
        return x * weights, x

    def pull(self, x, error, *, weights):
        return error * weights

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size).sum(0)}


class Table(Layer):
    """``y = weights[x]`` for whole numbers x."""

    count: int
    size: int
    dtype: str = "float64"

    integer_inputs: ClassVar[tuple[int, ...]] = (0,)

    def check(self):
        positive(self, "count", "size")

    def parameters(self, *inputs):
        return {"weights": Weight((self.count, self.size), fan_in=self.count, fan_out=self.size)}

    def infer(self, tokens):
        return tokens.extended("feature", self.size)

    def apply(self, tokens, *, weights):
        rows = tokens.astype(np.int64)
        if (rows != tokens).any() or rows.min() < 0 or rows.max() >= self.count:
            raise DataError("no row of the table", where=repr(self), expected=f"0 to {self.count - 1}")
        return weights[rows], rows

    def pull(self, rows, error):
        return None

    def grad(self, rows, error):
        gradient = np.zeros((self.count, self.size), error.dtype)
        np.add.at(gradient, rows, error)
        return {"weights": gradient}


class Norm(Layer):
    """Batch normalization of ``(batch, feature)`` without gain; the first batch counts whole in the running mean."""

    size: int
    momentum: float = 0.8
    dtype: str = "float64"

    def check(self):
        positive(self, "size")
        require(0 <= self.momentum < 1, self, "momentum", "from 0, below 1")

    def buffers(self, *inputs):
        return {"mean": Buffer((self.size,)), "variance": Buffer((self.size,), 1.0), "batches": Buffer(())}

    def infer(self, x):
        if x.rank != 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.test:
            scale = 1 / np.sqrt(variance + 1e-5)
            return (x - mean) * scale, (None, scale, None, None)
        return self.normalized(x, x.mean(0), x.var(0))

    def normalized(self, x, centre, spread):
        scale = 1 / np.sqrt(spread + 1e-5)
        normal = (x - centre) * scale
        return normal, (normal, scale, centre, spread)

    def pull(self, saved, error):
        normal, scale = saved[:2]
        if normal is None:
            return error * scale
        return (error - error.mean(0) - normal * (error * normal).mean(0)) * scale

    def update(self, saved, *, mean, variance, batches):
        keep = self.momentum if float(batches) else 0.0
        centre, spread = saved[2:]
        return {
            "mean": keep * mean + (1 - keep) * centre,
            "variance": keep * variance + (1 - keep) * spread,
            "batches": batches + 1,
        }


class Drop(Layer):
    """Inverted dropout; ``keep`` is the probability of keeping a number."""

    keep: float = 0.7

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self):
        require(isinstance(self.keep, float) and 0 < self.keep <= 1, self, "keep", "in (0, 1]")

    def draw(self, rng, *inputs):
        return {"mask": (rng.random(inputs[0].sizes) < self.keep) / self.keep}

    def apply(self, x, *, mask):
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask, error):
        return error if mask is None else error * mask


class Blend(Layer):
    """``y = a · tanh(b)`` of two inputs of one shape."""

    def infer(self, a, b):
        if not a.fits(b):
            raise ShapeError("the two differ", where=repr(self), expected=a, received=b)
        return a

    def apply(self, a, b):
        t = np.tanh(b)
        return a * t, (a, t)

    def pull(self, saved, error):
        a, t = saved
        return error * t, error * a * (1 - t * t)


class Polar(Layer):
    """Two outputs of one input: ``exp(x / 2)`` and ``sin(x)``."""

    def output_ports(self):
        return ("power", "wave")

    def infer(self, x):
        return x, x

    def apply(self, x):
        power = np.exp(x / 2)
        return (power, np.sin(x)), (x, power)

    def pull(self, saved, errors):
        x, power = saved
        return errors[0] * power / 2 + errors[1] * np.cos(x)


class Elman(Layer):
    """``h_t = tanh(x_t · kernel + h_{t-1} · recurrent + bias)``: (time, batch, size) to (time, batch, units)."""

    size: int
    units: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size", "units")

    def parameters(self, *inputs):
        return {
            "kernel": Weight((self.size, self.units), fan_in=self.size, fan_out=self.units),
            "recurrent": Weight((self.units, self.units), fan_in=self.units, fan_out=self.units),
            "bias": Weight((self.units,), kind="bias"),
        }

    def infer(self, x):
        if x.rank != 3 or x.size(-1) not in (None, self.size):
            raise ShapeError("no sequence", where=repr(self), expected=f"(time, batch, {self.size})", received=x)
        return x.resized(-1, self.units)

    def start(self, x):
        """The state before the first step."""
        return np.zeros((x.shape[1], self.units), x.dtype)

    def apply(self, x, *, kernel, recurrent, bias):
        states = [self.start(x)]
        for step in x:
            states.append(np.tanh(step @ kernel + states[-1] @ recurrent + bias))
        return np.stack(states[1:]), (x, np.stack(states))

    def inner(self, states, error, recurrent):
        """The errors before tanh, of all steps."""
        found, carried = np.zeros_like(error), np.zeros_like(error[0])
        for t in reversed(range(len(error))):
            found[t] = (error[t] + carried) * (1 - states[t + 1] ** 2)
            carried = found[t] @ recurrent.T
        return found

    def pull(self, saved, error, *, kernel, recurrent):
        return self.inner(saved[1], error, recurrent) @ kernel.T

    def grad(self, saved, error, *, recurrent):
        x, states = saved
        errors = self.inner(states, error, recurrent)
        rows = errors.reshape(-1, self.units)
        return {
            "kernel": x.reshape(-1, self.size).T @ rows,
            "recurrent": states[:-1].reshape(-1, self.units).T @ rows,
            "bias": rows.sum(0),
        }


class StepMean(Layer):
    """The mean over the valid steps of each row: (time, batch, feature) to (batch, feature); zeros for empty rows."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        return x.without(0)

    def shares(self, x, lengths):
        """What each step weighs in its row's mean, ``(time, batch, 1)``."""
        if lengths is None:
            return np.full((len(x), 1, 1), 1 / len(x), x.dtype)
        counted = np.arange(len(x))[:, None] < lengths
        return (counted / np.maximum(lengths, 1)).astype(x.dtype)[:, :, None]

    def apply(self, x, *, lengths):
        share = self.shares(x, lengths)
        return (np.where(share > 0, x, x.dtype.type(0)) * share).sum(0), share

    def pull(self, share, error):
        return share * error
