"""Faults of recurrent layers: memory, truncation and weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import SEQUENCE, Fault

from graphnet import Cell, concatenate, dense
from graphnet.testing import Case
from graphnet_recurrent import RNNBase
from graphnet_recurrent.functional import tanh


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


NET = {"input_size": 4, "hidden_size": 6, "output_size": 2, "bptt_length": 5}
SHORT, BARE = {**NET, "bptt_length": 2}, {**NET, "output_size": None}
FAULTS = [
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
