"""Sequence layers, cells and recurrent layers that are wrong in one way each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import SEQUENCE, Elman, Fault, Layer, StepMean

from graphnet import Builder, Cell, Composite, Scan, concatenate, dense
from graphnet.authoring import positive
from graphnet.testing import Case
from graphnet_recurrent import RNNBase
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


class Net(RNNBase):
    """An Elman network written without graphnet's cells."""

    gates: ClassVar[tuple[str, ...]] = ("mixing",)

    def cell(self):
        cell = Cell("net", sequences="x", states={"h": self.hidden_size})
        mixed = dense(concatenate(cell.x, cell.h, name="joined"), self.hidden_size, dtype=self.dtype, name="mixing")
        h = tanh(mixed, name="state")
        return cell.build(output=h, h=h)


class MemoryAlways(Net):
    """An Elman network."""

    def check(self):
        super().check()
        self.memory = True


class MemoryNever(Net):
    """An Elman network."""

    def forward(self, input_tensor, lengths=None):
        self.reset_state()
        return super().forward(input_tensor, lengths)


class MemoryIgnoresToggle(Net):
    """An Elman network."""

    def toggle_memory(self):
        pass


class MemoryOneWay(Net):
    """An Elman network."""

    def toggle_memory(self):
        self.memory = True


class MemoryFirstState(Net):
    """An Elman network."""

    def forward(self, input_tensor, lengths=None):
        kept = self.state
        output = super().forward(input_tensor, lengths)
        if self.memory and kept is not None:
            self.state = kept
        return output


class MemoryAnyRows(Net):
    """An Elman network."""

    def forward(self, input_tensor, lengths=None):
        rows = np.shape(input_tensor)[1] if np.ndim(input_tensor) == 3 else 1
        if self.memory and self.state is not None and len(self.state["h"]) != rows:
            self.reset_state()
        return super().forward(input_tensor, lengths)


class MemoryOfClass(Net):
    """An Elman network."""

    shared: ClassVar[dict] = {}

    def forward(self, input_tensor, lengths=None):
        if self.memory:
            self.state = self.shared.get("state")
        output = super().forward(input_tensor, lengths)
        self.shared["state"] = self.state
        return output


class ResetNothing(Net):
    """An Elman network."""

    def reset_state(self):
        pass


class ResetMemory(Net):
    """An Elman network."""

    def reset_state(self):
        super().reset_state()
        self.memory = False


class StateHandedOut(Net):
    """An Elman network."""

    def forward(self, input_tensor, lengths=None):
        output = super().forward(input_tensor, lengths)
        if lengths is None and self.output_size is None and output.ndim == 3:
            self._memory.state.arrays["scan/h"] = output[-1]
        return output


class TruncationIgnored(Net):
    """An Elman network."""

    def build(self):
        kept, self.bptt_length = self.bptt_length, None
        graph = super().build()
        self.bptt_length = kept
        return graph


class TruncationOff(Net):
    """An Elman network."""

    def build(self):
        kept = self.bptt_length
        self.bptt_length = None if kept is None else kept + 1
        graph = super().build()
        self.bptt_length = kept
        return graph


class TruncationAlways(Net):
    """An Elman network."""

    def build(self):
        kept, self.bptt_length = self.bptt_length, min(self.bptt_length or 3, 3)
        graph = super().build()
        self.bptt_length = kept
        return graph


class TruncatedErrors(Net):
    """An Elman network."""

    def backward(self, *errors):
        found = super().backward(*errors)
        if self.bptt_length is not None:
            found[: max(0, len(found) - self.bptt_length)] = 0
        return found


class NetGradientHalf(Net):
    """An Elman network."""

    def get_gradient_weights(self):
        found = super().get_gradient_weights()
        found[-1] = 0
        return found


class NetSetsNoBias(Net):
    """An Elman network."""

    def set_weights(self, weights):
        bias = self.get_weights()[-1]
        super().set_weights(weights)
        self._gates()[0].value = np.concatenate([self._gates()[0].value[:-1], bias[None]])


class OneSequenceReversed(Net):
    """An Elman network."""

    def forward(self, input_tensor, lengths=None):
        array = np.asarray(input_tensor)
        return super().forward(array[::-1] if array.ndim == 2 else array, lengths)


SIZES, UNITS = {"size": 4, "units": 6}, {"units": 6}
NET = {"input_size": 4, "hidden_size": 6, "output_size": 2, "bptt_length": 5}
SHORT, BARE = {**NET, "bptt_length": 2}, {**NET, "output_size": None}
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
    Fault("memory always", Case(MemoryAlways, NET, SEQUENCE), "memory is on from the start"),
    Fault("memory never", Case(MemoryNever, NET, SEQUENCE), "memory does not carry the state"),
    Fault("memory ignores toggle", Case(MemoryIgnoresToggle, NET, SEQUENCE), "toggle_memory does nothing"),
    Fault("memory one way", Case(MemoryOneWay, NET, SEQUENCE), "toggle_memory cannot switch off"),
    Fault("memory of the first state", Case(MemoryFirstState, NET, SEQUENCE), "the first state is carried for ever"),
    Fault("memory of any rows", Case(MemoryAnyRows, NET, SEQUENCE), "a state of other rows is dropped without a word"),
    Fault("memory of the class", Case(MemoryOfClass, NET, SEQUENCE), "instances share their state"),
    Fault("reset does nothing", Case(ResetNothing, NET, SEQUENCE), "reset_state does nothing"),
    Fault("reset switches off", Case(ResetMemory, NET, SEQUENCE), "reset_state switches memory off"),
    Fault("state is the output", Case(StateHandedOut, BARE, SEQUENCE), "the caller's output is the kept state itself"),
    Fault("truncation ignored", Case(TruncationIgnored, SHORT, SEQUENCE), "bptt_length is ignored"),
    Fault("truncation one off", Case(TruncationOff, SHORT, SEQUENCE), "bptt_length counts one step too many"),
    Fault("truncation always", Case(TruncationAlways, NET, SEQUENCE), "never more than 3 steps count"),
    Fault("errors truncated", Case(TruncatedErrors, SHORT, SEQUENCE), "errors for the input are truncated as well"),
    Fault("gradient without bias", Case(NetGradientHalf, NET, SEQUENCE), "the bias row of the gradient is 0"),
    Fault("set_weights without bias", Case(NetSetsNoBias, NET, SEQUENCE), "set_weights leaves the bias as it is"),
    Fault("one sequence reversed", Case(OneSequenceReversed, NET, SEQUENCE), "a 2-D input runs backwards"),
]
