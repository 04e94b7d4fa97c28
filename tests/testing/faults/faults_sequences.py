"""Faults in the handling of sequences: backpropagation through time, ragged rows, initial states."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import SEQUENCE, Elman, Fault, Layer, StepMean

from graphnet import Builder, Cell, Composite, Scan, concatenate, dense
from graphnet.authoring import positive
from graphnet.testing import Case
from graphnet_recurrent.functional import tanh


class NoCarry(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        return error * (1 - states[1:] ** 2)


class CarryOneStep(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        slope = 1 - states[1:] ** 2
        found = error * slope
        found[:-1] += (error[1:] * slope[1:]) @ recurrent.T * slope[:-1]
        return found


class CarryNotTransposed(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        return super().inner(states, error, recurrent.T)


class CarryForgetsSlope(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        found, carried = np.zeros_like(error), np.zeros_like(error[0])
        for t in reversed(range(len(error))):
            found[t] = error[t] * (1 - states[t + 1] ** 2) + carried
            carried = found[t] @ recurrent.T
        return found


class SlopeOfStepBefore(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        return super().inner(np.concatenate([states[:1], states[:-1]]), error, recurrent)


class FirstStepGradient(Elman):
    """An Elman network."""

    def grad(self, saved, error, *, recurrent):
        found = super().grad(saved, error, recurrent=recurrent)
        first = self.inner(saved[1], error, recurrent)[0]
        return {**found, "kernel": found["kernel"] - saved[0][0].T @ first}


class FirstStepError(Elman):
    """An Elman network."""

    def pull(self, saved, error, *, kernel, recurrent):
        found = super().pull(saved, error, kernel=kernel, recurrent=recurrent)
        found[0] = (error[0] * (1 - saved[1][1] ** 2)) @ kernel.T
        return found


class LastStepAlone(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        last = np.zeros_like(error)
        last[-1] = error[-1]
        return super().inner(states, last, recurrent)


class RecurrentGradientShifted(Elman):
    """An Elman network."""

    def grad(self, saved, error, *, recurrent):
        found = super().grad(saved, error, recurrent=recurrent)
        rows = self.inner(saved[1], error, recurrent).reshape(-1, self.units)
        return {**found, "recurrent": saved[1][1:].reshape(-1, self.units).T @ rows}


class BiasOfLastStep(Elman):
    """An Elman network."""

    def grad(self, saved, error, *, recurrent):
        found = super().grad(saved, error, recurrent=recurrent)
        return {**found, "bias": self.inner(saved[1], error, recurrent)[-1].sum(0)}


class GradientOverTime(Elman):
    """An Elman network."""

    def grad(self, saved, error, *, recurrent):
        found = super().grad(saved, error, recurrent=recurrent)
        return {name: gradient / len(error) for name, gradient in found.items()}


class SilentTruncation(Elman):
    """An Elman network."""

    def inner(self, states, error, recurrent):
        cut = max(0, len(error) - 4)
        found = super().inner(states, error, recurrent)
        found[:cut] = error[:cut] * (1 - states[1 : cut + 1] ** 2)
        return found


class KeepsState(Elman):
    """An Elman network."""

    def start(self, x):
        kept = getattr(self, "kept", None)
        return super().start(x) if kept is None or kept.shape[0] != x.shape[1] else kept.astype(x.dtype)

    def apply(self, x, *, kernel, recurrent, bias):
        y, saved = super().apply(x, kernel=kernel, recurrent=recurrent, bias=bias)
        self.kept = y[-1]
        return y, saved


class StartsAtOne(Elman):
    """An Elman network; the state starts at zeros."""

    def apply(self, x, *, kernel, recurrent, bias):
        y, (x, states) = super().apply(x, kernel=kernel, recurrent=recurrent, bias=bias)
        states[0] = 1
        return y, (x, states)


class BatchIsTime(Elman):
    """An Elman network over (time, batch, size)."""

    def apply(self, x, *, kernel, recurrent, bias):
        y, saved = super().apply(x.swapaxes(0, 1), kernel=kernel, recurrent=recurrent, bias=bias)
        return y.swapaxes(0, 1), saved

    def pull(self, saved, error, *, kernel, recurrent):
        return super().pull(saved, error.swapaxes(0, 1), kernel=kernel, recurrent=recurrent).swapaxes(0, 1)

    def grad(self, saved, error, *, recurrent):
        return super().grad(saved, error.swapaxes(0, 1), recurrent=recurrent)


class RowsShareState(Elman):
    """An Elman network."""

    def apply(self, x, *, kernel, recurrent, bias):
        y, saved = super().apply(x, kernel=kernel, recurrent=recurrent, bias=bias)
        return np.concatenate([y[:, :1], y[:, 1:] + 0 * y[:, :1] + 1e-3 * y[:, :1]], 1), saved


class RaggedFirstRow(StepMean):
    """The mean over each row's valid steps."""

    def shares(self, x, lengths):
        found = super().shares(x, lengths)
        if lengths is not None:
            found[:, 0] = 1 / len(x)
        return found


class RaggedLastRow(StepMean):
    """The mean over each row's valid steps."""

    def pull(self, share, error):
        found = share * error
        if share.shape[1] > 1:
            found[:, -1] = found[0, -1]
        return found


class RaggedIgnored(StepMean):
    """The mean over each row's valid steps."""

    def apply(self, x):
        return super().apply(x, lengths=None)


class RaggedCounts(StepMean):
    """The mean over each row's valid steps."""

    def shares(self, x, lengths):
        return super().shares(x, None if lengths is None else np.maximum(lengths - 1, 1))


class RaggedMaximum(StepMean):
    """The mean over each row's valid steps."""

    def shares(self, x, lengths):
        found = super().shares(x, lengths)
        return found if lengths is None else found * (lengths / lengths.max()).astype(x.dtype)[:, None]


class RaggedEmpty(StepMean):
    """The mean over each row's valid steps; zeros for empty rows."""

    def apply(self, x, *, lengths):
        y, share = super().apply(x, lengths=lengths)
        return (y if lengths is None else np.where((lengths > 0)[:, None], y, x.dtype.type(np.nan))), share


class RaggedWrites(StepMean):
    """The mean over each row's valid steps."""

    def shares(self, x, lengths):
        if lengths is not None:
            lengths.sort()
        return super().shares(x, lengths)


class Start(Composite):
    """An Elman cell in a Scan, whose initial state may be given, and whose final one comes out."""

    units: int

    optional: ClassVar[bool] = True

    def check(self):
        positive(self, "units")

    def step(self, cell):
        """The next state."""
        return tanh(dense(concatenate(cell.x, cell.h), self.units, name="hidden"))

    def begin(self, start):
        """The initial state as the Scan gets it."""
        return start

    def build(self):
        cell = Cell("elman", sequences="x", states={"h": self.units})
        h = self.step(cell)
        g = Builder("start")
        x = g.input("x", "time, batch, feature")
        start = g.input("start", f"batch, feature={self.units}", optional=self.optional)
        y = Scan(cell.build(output=h, h=h))(x, self.begin(start), name="scan")
        return g.build(y, last=y["h"])


class FlippedHalf(Layer):
    """``y = x``."""

    def apply(self, x):
        return x * 1.0, None

    def pull(self, saved, error):
        return error / 2


class StartHalved(Start):
    """An Elman cell in a Scan; the initial state's error is halved."""

    optional: ClassVar[bool] = False

    def begin(self, start):
        return FlippedHalf()(start, name="begin")


class StartRemembered(Start):
    """An Elman cell in a Scan; without an initial state it starts at zeros."""

    def check(self):
        super().check()
        self.begun = None

    def forward(self, x, start=None):
        if start is not None:
            self.begun = np.array(start)
        if self.begun is None or len(self.begun) != np.shape(x)[1]:
            return super().forward(x)
        return super().forward(x, self.begun)


class StartUnpaid(Start):
    """An Elman cell in a Scan; the initial state gets its error."""

    def backward(self, *errors):
        found = super().backward(*errors)
        return (found[0], np.zeros_like(found[1])) if isinstance(found, tuple) else found


class StepHalved(Start):
    """An Elman cell in a Scan; the state's error is halved at each step."""

    def step(self, cell):
        kept = FlippedHalf()(cell.h, name="kept")
        return tanh(dense(concatenate(cell.x, kept), self.units, name="hidden"))


class SlopeInCell(Layer):
    """``y = tanh(x)``."""

    def apply(self, x):
        y = np.tanh(x)
        self.slope = 1 - y * y
        return y, None

    def pull(self, saved, error):
        return error * self.slope


class StepRemembers(Start):
    """An Elman cell in a Scan; its tanh keeps only the last step's slope."""

    def step(self, cell):
        return SlopeInCell()(dense(concatenate(cell.x, cell.h), self.units, name="hidden"), name="squashed")


SIZES, UNITS = {"size": 4, "units": 6}, {"units": 6}
BEGUN = {"x": SEQUENCE, "start": "batch=3, feature=6"}
FAULTS = [
    Fault("no error through time", Case(NoCarry, SIZES, SEQUENCE), "no error goes back through the state"),
    Fault("one step through time", Case(CarryOneStep, SIZES, SEQUENCE), "errors go back one step alone"),
    Fault("state's weights not transposed", Case(CarryNotTransposed, SIZES, SEQUENCE), "the carried error's product"),
    Fault(
        "slope forgotten through time", Case(CarryForgetsSlope, SIZES, SEQUENCE), "the carried error misses the slope"
    ),
    Fault("slope of the step before", Case(SlopeOfStepBefore, SIZES, SEQUENCE), "slopes are one step late"),
    Fault("first step's gradient", Case(FirstStepGradient, SIZES, SEQUENCE), "step 0 does not count in a gradient"),
    Fault("first step's error", Case(FirstStepError, SIZES, SEQUENCE), "step 0 gets no error from later steps"),
    Fault("last step alone", Case(LastStepAlone, SIZES, SEQUENCE), "only the last step's error counts"),
    Fault(
        "states one step late", Case(RecurrentGradientShifted, SIZES, SEQUENCE), "the gradient takes h_t for h_{t-1}"
    ),
    Fault(
        "bias of the last step", Case(BiasOfLastStep, SIZES, SEQUENCE), "the bias gradient counts the last step alone"
    ),
    Fault("mean over time", Case(GradientOverTime, SIZES, SEQUENCE), "gradients are means over the steps"),
    Fault("silent truncation", Case(SilentTruncation, SIZES, "time=7, batch=3, feature=4"), "cut after 4 steps"),
    Fault("state kept", Case(KeepsState, SIZES, SEQUENCE), "the next call starts from the last state"),
    Fault("start at one in grad", Case(StartsAtOne, SIZES, SEQUENCE), "the gradient takes ones for the initial zeros"),
    Fault("batch for time", Case(BatchIsTime, SIZES, SEQUENCE), "runs along the batch, not along time"),
    Fault("rows share a state", Case(RowsShareState, SIZES, SEQUENCE), "row 0 leaks into the other rows"),
    Fault("ragged: first row", Case(RaggedFirstRow, {}, SEQUENCE), "row 0 is divided by the longest possible length"),
    Fault("ragged: last row", Case(RaggedLastRow, {}, SEQUENCE), "the last row's error goes to padding as well"),
    Fault("ragged: ignored", Case(RaggedIgnored, {}, SEQUENCE), "lengths are ignored: padding counts in the mean"),
    Fault("ragged: one short", Case(RaggedCounts, {}, SEQUENCE), "with lengths the last step does not count"),
    Fault("ragged: scaled", Case(RaggedMaximum, {}, SEQUENCE), "with lengths the sum is divided by the longest"),
    Fault("ragged: empty rows", Case(RaggedEmpty, {}, SEQUENCE), "NaN for an empty row"),
    Fault("ragged: sorts", Case(RaggedWrites, {}, SEQUENCE), "sorts the lengths in place"),
    Fault("initial state's error halved", Case(StartHalved, UNITS, BEGUN), "half the error of the initial state"),
    Fault(
        "initial state remembered", Case(StartRemembered, UNITS, BEGUN), "a given state holds for later calls as well"
    ),
    Fault("initial state without error", Case(StartUnpaid, UNITS, BEGUN), "zeros for the initial state's error"),
    Fault("state's error halved", Case(StepHalved, UNITS, SEQUENCE), "half the state's error is lost at each step"),
    Fault("cell remembers", Case(StepRemembers, UNITS, SEQUENCE), "a layer in the cell keeps its last step in self"),
]
