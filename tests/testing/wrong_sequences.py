"""Layers with one fault each, in the handling of sequences, their lengths and their state."""

from __future__ import annotations

import numpy as np
from wrong import SEQUENCE, Wrong

from graphnet import Builder, Cell, Composite, Layer, Scan, ShapeError, Weight, concatenate, dense
from graphnet.testing import Case
from graphnet_recurrent import LSTM, RNN, tanh


class Average(Layer):
    """The mean over the valid steps: the correct layer."""

    def infer(self, x):
        if x.rank < 3:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, …)", received=x)
        return x.without(0)

    def valid(self, x, lengths):
        if lengths is None:
            return np.ones((len(x), x.shape[1], 1), x.dtype), np.full((x.shape[1], 1), len(x), x.dtype)
        steps = np.arange(len(x))[:, None, None] < np.asarray(lengths)[None, :, None]
        return steps.astype(x.dtype), np.maximum(np.asarray(lengths, x.dtype), 1)[:, None]

    def apply(self, x, *, lengths):
        steps, counts = self.valid(x, lengths)
        return (x * steps).sum(axis=0) / counts, (steps, counts)

    def pull(self, saved, error):
        steps, counts = saved
        return steps * (error / counts)


class Unmindful(Average):
    """Divides by all steps of a ragged row."""

    def valid(self, x, lengths):
        steps, _ = super().valid(x, lengths)
        return steps, np.full((x.shape[1], 1), len(x), x.dtype)


class OneShortRow(Average):
    """Is wrong for a row of one step in a ragged batch."""

    def valid(self, x, lengths):
        steps, counts = super().valid(x, lengths)
        return steps, counts if lengths is None else np.where(counts == 1, 2, counts).astype(x.dtype)


class LastRowError(Average):
    """Returns too small an error for the last row of a ragged batch."""

    def pull(self, saved, error):
        steps, counts = saved
        back = steps * (error / counts)
        if (counts != counts[0]).any():
            back[:, -1] *= 0.5
        return back


class AverageLog(Average):
    """The mean of log x over the valid steps, times a weight for each feature: the correct layer."""

    def parameters(self, *inputs):
        return {"w": Weight((3,), 1, 1)}

    def infer(self, x):
        if x.size(-1) not in (None, 3):
            raise ShapeError("another size", where=repr(self), expected="(time, batch, 3)", received=x)
        return super().infer(x)

    def logarithm(self, x, steps):
        return np.log(np.where(steps > 0, x, 1))

    def apply(self, x, *, lengths, w):
        steps, counts = self.valid(x, lengths)
        mean = (self.logarithm(x, steps) * steps).sum(axis=0) / counts
        return mean * w, (x, steps, counts, mean)

    def pull(self, saved, error, *, w):
        x, steps, counts, _ = saved
        return steps * w * (error / counts) / np.where(steps > 0, x, 1)

    def grad(self, saved, error):
        return {"w": (saved[3] * error).sum(axis=0)}


class MaskedLog(AverageLog):
    """Multiplies the logarithm of steps beyond a row's end by zero."""

    def logarithm(self, x, steps):
        return np.log(x)


class MaskedLogGradient(AverageLog):
    """Multiplies the logarithm of steps beyond a row's end by an error of zero, only in the gradient of its weight."""

    def grad(self, saved, error):
        x, steps, counts, _ = saved
        return {"w": (np.log(x) * steps * (error / counts)).sum(axis=(0, 1))}


class Elman(Layer):
    """h_t = tanh(x_t · U + h_{t-1} · V), with backpropagation by hand: the correct layer."""

    def parameters(self, *inputs):
        return {"u": Weight((3, 4), 3, 4), "v": Weight((4, 4), 4, 4)}

    def infer(self, x):
        if x.rank != 3 or x.size(-1) not in (None, 3):
            raise ShapeError("another size", where=repr(self), expected="(time, batch, 3)", received=x)
        return x.resized(-1, 4)

    def apply(self, x, *, u, v):
        h = [np.zeros((x.shape[1], 4), x.dtype)]
        for step in x:
            h.append(np.tanh(step @ u + h[-1] @ v))
        return np.stack(h[1:]), (x, np.stack(h))

    def deltas(self, saved, error, v):
        x, h = saved
        carried, found = np.zeros_like(h[0]), []
        for t in reversed(range(len(x))):
            delta = (error[t] + carried) * (1 - h[t + 1] ** 2)
            carried = self.carry(delta, v, t)
            found.append(delta)
        return np.stack(found[::-1])

    def carry(self, delta, v, t):
        return delta @ v.T

    def pull(self, saved, error, *, u, v):
        return self.deltas(saved, error, v) @ u.T

    def grad(self, saved, error, *, v):
        x, h = saved
        d = self.deltas(saved, error, v)
        return {"u": np.einsum("tbi,tbj->ij", x, d), "v": np.einsum("tbi,tbj->ij", h[:-1], d)}


class Uncarried(Elman):
    """Carries no error from step to step."""

    def carry(self, delta, v, t):
        return 0 * delta


class Untransposed(Elman):
    """Carries the error through the weights untransposed."""

    def carry(self, delta, v, t):
        return delta @ v


class StopsEarly(Elman):
    """Carries no error into the first step."""

    def carry(self, delta, v, t):
        return delta @ v.T if t != 1 else 0 * delta


class TruncatesQuietly(Elman):
    """Carries the error back over at most four steps."""

    def deltas(self, saved, error, v):
        found = super().deltas(saved, error, v)
        if len(saved[0]) > 4:
            found = np.concatenate([0.5 * found[:1], found[1:]])
        return found


class LateStates(Elman):
    """Uses the states after the step instead of before it."""

    def grad(self, saved, error, *, v):
        x, h = saved
        d = self.deltas(saved, error, v)
        return {"u": np.einsum("tbi,tbj->ij", x, d), "v": np.einsum("tbi,tbj->ij", h[1:], d)}


class LastStepGrad(Elman):
    """Counts only the last step in a gradient."""

    def grad(self, saved, error, *, v):
        x, h = saved
        d = self.deltas(saved, error, v)
        return {"u": x[-1].T @ d[-1], "v": np.einsum("tbi,tbj->ij", h[:-1], d)}


class Carried(Elman):
    """Starts a batch from the state in which the last one ended."""

    def apply(self, x, *, u, v):
        first = getattr(self, "state", None)
        y, (kept, h) = super().apply(x, u=u, v=v)
        if first is not None and first.shape == h[0].shape:
            y = y + 1e-3 * first
        self.state = h[-1]
        return y, (kept, h)


class Bent(Layer):
    """tanh with a derivative that is a little too large; used in a cell."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1.05 - y * y)


class CellOf(Composite):
    """h_t = f([x_t, h_{t-1}] · W), with an optional initial state: wrong in its cell's own layer."""

    units: int = 4

    def squash(self, value):
        return Bent()(value, name="bent")

    def build(self):
        cell = Cell("inner", sequences="x", states={"h": self.units})
        h = self.squash(dense(concatenate(cell.x, cell.h), self.units, name="joined"))
        g = Builder("outer")
        x, first = g.input("x", "time, batch, feature=3"), g.input("h", f"batch, feature={self.units}", optional=True)
        node = Scan(cell.build(output=h, h=h))(x, first, name="scan")
        return g.build(node, last=node["h"])


class GoodCell(CellOf):
    """The same with tanh: the correct layer."""

    def squash(self, value):
        return tanh(value)


class NoMemory(RNN):
    """Forgets its state although it has memory."""

    def forward(self, x, lengths=None):
        self.state = None
        return super().forward(x, lengths)


class AlwaysMemory(RNN):
    """Remembers its state although it has no memory."""

    def forward(self, x, lengths=None):
        kept, self.memory = self.memory, True
        try:
            return super().forward(x, lengths)
        finally:
            self.memory = kept


class WrongState(LSTM):
    """Keeps half of its state."""

    def forward(self, x, lengths=None):
        y = super().forward(x, lengths)
        self.state = {name: array * (0.5 if name == "c" else 1) for name, array in self.state.items()}
        return y


class NeverOff(RNN):
    """Cannot switch its memory off again."""

    def toggle_memory(self):
        self.memory = True


class NoReset(RNN):
    """Does not forget when it is reset."""

    def reset_state(self):
        pass


class StateOfOthers(RNN):
    """Accepts a state with any number of rows."""

    def forward(self, x, lengths=None):
        if self.state is not None and np.ndim(x) == 3 and len(self.state["h"]) != np.shape(x)[1]:
            self.reset_state()
        return super().forward(x, lengths)


class PaddedState(RNN):
    """Keeps the state of the first row for all rows of a ragged batch."""

    def forward(self, x, lengths=None):
        y = super().forward(x, lengths)
        if lengths is not None:
            self.state = {name: np.repeat(array[:1], len(array), axis=0) for name, array in self.state.items()}
        return y


class Backwards(RNN):
    """Reads a single sequence backwards."""

    def forward(self, x, lengths=None):
        return super().forward(x, lengths) if np.ndim(x) == 3 else super().forward(x[::-1], lengths)[::-1]


class OneMore(RNN):
    """Goes back over one step more than it should."""

    def check(self):
        super().check()
        if self.bptt_length is not None and self.bptt_length < 100:
            self.__dict__["_asked"] = self.bptt_length

    def build(self):
        asked = self.bptt_length
        self.bptt_length = None if asked is None else asked + 1
        try:
            return super().build()
        finally:
            self.bptt_length = asked


class Untruncated(RNN):
    """Ignores its bptt_length."""

    def build(self):
        asked, self.bptt_length = self.bptt_length, None
        try:
            return super().build()
        finally:
            self.bptt_length = asked


class SwappedGates(LSTM):
    """Returns the gradients of its gates in another order than the weights."""

    def get_gradient_weights(self):
        return np.roll(super().get_gradient_weights(), self.hidden_size, axis=1)


SIZES = {"input_size": 3, "hidden_size": 4, "output_size": 2, "bptt_length": 5}
SEQUENCES = [
    *(
        Wrong(Case(layer, {}, SEQUENCE))
        for layer in (
            Unmindful, OneShortRow, LastRowError, MaskedLog, MaskedLogGradient, Uncarried, Untransposed, StopsEarly, TruncatesQuietly, LateStates,
            LastStepGrad, Carried, CellOf,
        )
    ),
    *(
        Wrong(Case(layer, SIZES, SEQUENCE))
        for layer in (NoMemory, AlwaysMemory, WrongState, NeverOff, NoReset, StateOfOthers, PaddedState, Backwards, OneMore, Untruncated, SwappedGates)
    ),
]  # fmt: skip
RIGHT = [
    Case(Average, {}, SEQUENCE),
    Case(AverageLog, {}, SEQUENCE),
    Case(Elman, {}, SEQUENCE),
    Case(GoodCell, {}, SEQUENCE),
]
