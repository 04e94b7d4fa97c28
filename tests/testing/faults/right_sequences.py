"""Right layers over time, composite and recurrent ones, that a careless kit would blame."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

import numpy as np
from faults_base import ROWS, SEQUENCE, Elman, Gain, StepMean

from graphnet import Builder, Cell, Composite, Layer, Scan, ShapeError, Weight, concatenate, dense
from graphnet.authoring import positive
from graphnet.testing import Case
from graphnet_recurrent import RNNBase
from graphnet_recurrent.functional import sigmoid, tanh


class Sums(Layer):
    """The cumulative sum over time."""

    def apply(self, x):
        return np.cumsum(x, 0), None

    def pull(self, saved, error):
        return np.cumsum(error[::-1], 0)[::-1]


class Changes(Layer):
    """``y_t = x_t - x_{t-1}``, the first step as it is."""

    def apply(self, x):
        return np.concatenate([x[:1], x[1:] - x[:-1]]), None

    def pull(self, saved, error):
        found = error.copy()
        found[:-1] -= error[1:]
        return found


class FinalStep(Layer):
    """Each row's last valid step, ``(batch, feature)``; zeros for empty rows."""

    def infer(self, x):
        if x.rank != 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, feature)", received=x)
        return x.without(0)

    def apply(self, x, *, lengths):
        ends = np.full(x.shape[1], len(x)) if lengths is None else lengths
        there = (ends > 0)[:, None]
        return np.where(there, x[ends - 1, np.arange(x.shape[1])], x.dtype.type(0)), (x.shape, ends, there)

    def pull(self, saved, error):
        shape, ends, there = saved
        found = np.zeros(shape, error.dtype)
        found[ends - 1, np.arange(shape[1])] = np.where(there, error, error.dtype.type(0))
        return found


class Backwards(Layer):
    """Each row's valid steps in reverse order; padding stays where it is."""

    def places(self, x, lengths):
        """Which step stands where, ``(time, batch)``."""
        ends = np.full(x.shape[1], len(x)) if lengths is None else lengths
        steps = np.arange(len(x))[:, None]
        return np.where(steps < ends, ends - 1 - steps, steps)

    def apply(self, x, *, lengths):
        places = self.places(x, lengths)
        return x[places, np.arange(x.shape[1])], places

    def pull(self, places, error):
        return error[places, np.arange(error.shape[1])]


class Causal(Layer):
    """``y_t = Σ_k x_{t-k} · weights_k`` for k = 0, 1, 2: a causal convolution over (time, batch, feature)."""

    size: int
    units: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size", "units")

    def parameters(self, *inputs):
        return {"weights": Weight((3, self.size, self.units), fan_in=3 * self.size, fan_out=self.units)}

    def infer(self, x):
        if x.rank != 3 or x.size(-1) not in (None, self.size):
            raise ShapeError("no sequence", where=repr(self), expected=f"(time, batch, {self.size})", received=x)
        return x.resized(-1, self.units)

    def apply(self, x, *, weights):
        y = x @ weights[0]
        for k in range(1, min(3, len(x))):
            y[k:] += x[:-k] @ weights[k]
        return y, x

    def pull(self, x, error, *, weights):
        found = error @ weights[0].T
        for k in range(1, min(3, len(x))):
            found[:-k] += error[k:] @ weights[k].T
        return found

    def grad(self, x, error):
        found = np.zeros((3, self.size, self.units), error.dtype)
        for k in range(min(3, len(x))):
            found[k] = np.einsum("tbi,tbj->ij", x[: len(x) - k], error[k:])
        return {"weights": found}


class Smoother(Gain):
    """``s_t = a · s_{t-1} + (1 - a) · x_t`` with ``a = σ(weights)`` and ``s_{-1} = 0``, written by hand."""

    def infer(self, x):
        if x.rank != 3 or x.size(-1) not in (None, self.size):
            raise ShapeError("no sequence", where=repr(self), expected=f"(time, batch, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, weights):
        a = 0.5 + 0.5 * np.tanh(weights / 2)
        y = np.zeros((len(x) + 1, *x.shape[1:]), x.dtype)
        for t, step in enumerate(x):
            y[t + 1] = a * y[t] + (1 - a) * step
        return y[1:], (x, y, a)

    def inner(self, error, a):
        """The errors of each state, those of later steps included."""
        found = error.copy()
        for t in reversed(range(len(error) - 1)):
            found[t] += a * found[t + 1]
        return found

    def pull(self, saved, error):
        return self.inner(error, saved[2]) * (1 - saved[2])

    def grad(self, saved, error):
        x, y, a = saved
        return {"weights": (self.inner(error, a) * (y[:-1] - x)).sum((0, 1)) * a * (1 - a)}


class Highway(Composite):
    """``y = t ⊙ tanh(x · W) + (1 - t) ⊙ x`` with ``t = σ(x · V)`` (Srivastava et al. 2015)."""

    size: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size")

    def build(self):
        g = Builder("highway")
        x = g.input("x")
        t = sigmoid(dense(x, self.size, dtype=self.dtype, name="transform"))
        return g.build(t * tanh(dense(x, self.size, dtype=self.dtype, name="candidate")) + (1 - t) * x)


class Siamese(Composite):
    """``tanh(a · W) - tanh(b · W)``: one dense layer in two places."""

    size: int
    units: int

    def build(self):
        from graphnet import FullyConnected

        g = Builder("siamese")
        shared = FullyConnected(self.size, self.units)
        a, b = g.input("a"), g.input("b")
        return g.build(tanh(shared(a, name="left")) - tanh(shared(b, name="right")))


class Started(Composite):
    """An Elman cell in a Scan; its initial state may be given, its final one comes out."""

    units: int
    reverse: bool = field(default=False, kw_only=True)

    def check(self):
        positive(self, "units")

    def build(self):
        cell = Cell("elman", sequences="x", states={"h": self.units})
        h = tanh(dense(concatenate(cell.x, cell.h), self.units, name="hidden"))
        g = Builder("started")
        x = g.input("x", "time, batch, feature")
        start = g.input("start", f"batch, feature={self.units}", optional=True)
        y = Scan(cell.build(output=h, h=h), reverse=self.reverse)(x, start, name="scan")
        return g.build(y, last=y["h"])


class Echo(RNNBase):
    """``h_t = tanh([x_t, h_{t-1}] · W)``, a custom recurrent layer."""

    gates: ClassVar[tuple[str, ...]] = ("mixing",)

    def cell(self):
        cell = Cell("echo", sequences="x", states={"h": self.hidden_size})
        mixed = dense(concatenate(cell.x, cell.h, name="joined"), self.hidden_size, dtype=self.dtype, name="mixing")
        h = tanh(mixed, name="state")
        return cell.build(output=h, h=h)


class LeakyEcho(Echo):
    """``h_t = (h_{t-1} + tanh([x_t, h_{t-1}] · W)) / 2``."""

    def cell(self):
        cell = Cell("leaky_echo", sequences="x", states={"h": self.hidden_size})
        mixed = dense(concatenate(cell.x, cell.h, name="joined"), self.hidden_size, dtype=self.dtype, name="mixing")
        h = (cell.h + tanh(mixed)) * 0.5
        return cell.build(output=h, h=h)


SIZES = {"size": 4, "units": 6}
NET = {"input_size": 4, "hidden_size": 6, "output_size": 2}
RIGHT = [
    Case(Sums, {}, SEQUENCE), Case(Changes, {}, SEQUENCE), Case(FinalStep, {}, SEQUENCE), Case(Backwards, {}, SEQUENCE),
    Case(Causal, SIZES, SEQUENCE), Case(Causal, SIZES, "time=2, batch=3, feature=4", name="Causal, few steps"),
    Case(Smoother, {"size": 4}, SEQUENCE), Case(Elman, SIZES, SEQUENCE), Case(StepMean, {}, SEQUENCE),
    Case(Highway, {"size": 4}), Case(Highway, {"size": 4}, SEQUENCE), Case(Siamese, SIZES, [ROWS, ROWS]),
    Case(Started, {"units": 6}, SEQUENCE), Case(Started, {"units": 6}, {"x": SEQUENCE, "start": "batch=3, feature=6"}),
    Case(Started, {"units": 6, "reverse": True}, {"x": SEQUENCE, "start": "batch=3, feature=6"}),
    Case(Echo, {**NET, "bptt_length": 5}, SEQUENCE), Case(Echo, {**NET, "bptt_length": 2}, SEQUENCE),
    Case(Echo, {**NET, "input_size": None, "output_size": None}, SEQUENCE), Case(LeakyEcho, NET, SEQUENCE),
]  # fmt: skip
