"""RNN and LSTM as oracles that can be wrong: forward and backward passes with named faults.

Written for one purpose, apart from the layers of graphnet: every fault is a switch. Sequences are ``(time, rows,
features)``; the weights are ``(W_x, W_h, b)`` with one block of columns per gate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = tuple[Array, Array, Array]


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``."""
    return 0.5 * (np.tanh(0.5 * x) + 1.0)


@dataclass
class Trace:
    """What a forward pass keeps: for each step the input, the states before and after, and the gates."""

    x: list[Array] = field(default_factory=list)
    h_before: list[Array] = field(default_factory=list)
    h: list[Array] = field(default_factory=list)
    c_before: list[Array] = field(default_factory=list)
    c: list[Array] = field(default_factory=list)
    gates: list[dict[str, Array]] = field(default_factory=list)
    #: What the output layer reads.
    read: list[Array] = field(default_factory=list)

    @property
    def hidden(self) -> Array:
        """What the output layer reads, ``(time, rows, units)``."""
        return np.stack(self.read)

    def end(self) -> tuple[Array, Array]:
        """The states after the last step."""
        return self.h[-1], self.c[-1]


#: Faults of the forward pass of an RNN, by name, with the words for them.
RNN_FORWARD = {
    "sigmoid": ("wrong-activation", "the hidden state goes through a Sigmoid; the Elman cell uses TanH"),
    "linear": ("activation-missing", "the hidden state goes through no activation; TanH is missing"),
    "relu": ("wrong-activation", "the hidden state goes through a ReLU; the Elman cell uses TanH"),
    "twice": ("activation-twice", "TanH is applied twice to the hidden state"),
    "no bias": ("bias-missing", "the bias of the hidden state is missing"),
    "no feedback": (
        "state-not-stored",
        "the hidden state is not passed on to the next step: each step starts from zeros",
    ),
    "raw feedback": ("wrong-state", "the next step gets the sum before TanH instead of the hidden state"),
    "previous output": ("wrong-step", "the output of a step is computed from the hidden state of the step before it"),
    "raw output": ("activation-missing", "the output is computed from the sum before TanH, not from the hidden state"),
    "last output": ("wrong-step", "every step's output is computed from the last hidden state"),
    "first state": (
        "state-not-stored",
        "every step starts from the same hidden state as the first one that was stored",
    ),
    "lag": ("wrong-step", "a step reads the hidden state of two steps before, not that of the step before it"),
    "added": ("wrong-state", "the old hidden state is added to the new one"),
    "h outside": ("brackets", "the hidden state's part is added after TanH; it belongs into its argument"),
    "x outside": ("brackets", "the input's part is added after TanH; it belongs into its argument"),
    "b outside": ("brackets", "the bias is added after TanH; it belongs into its argument"),
    "reversed": ("wrong-step", "the sequence is processed from its last step to its first"),
    "input before": ("wrong-step", "a step reads the input of the step before it"),
    "minus h": ("sign", "the hidden state's part of the sum has the wrong sign"),
    "minus x": ("sign", "the input's part of the sum has the wrong sign"),
    "minus b": ("sign", "the bias has the wrong sign"),
    "ones": ("initial-state", "the hidden state starts with ones, not with zeros"),
    "start 0.5": ("initial-state", "the hidden state starts with 0.5, not with zeros"),
    "start 0.1": ("initial-state", "the hidden state starts with 0.1, not with zeros"),
    "same output": ("wrong-step", "every step's output is that of the first step"),
}

GATE_NAMES = {"i": "input gate", "f": "forget gate", "g": "candidate", "o": "output gate"}
#: Faults of the forward pass of an LSTM.
LSTM_FORWARD = {
    "no forget": ("gate-missing", "the forget gate is missing: the cell state is carried over unchanged"),
    "no input gate": ("gate-missing", "the input gate is missing: the candidate is added in full"),
    "no output gate": ("gate-missing", "the output gate is missing: the hidden state is TanH of the cell state"),
    "cell not carried": ("state-not-stored", "the cell state is not carried over to the next step"),
    "no feedback": (
        "state-not-stored",
        "the hidden state is not passed on to the next step: each step starts from zeros",
    ),
    "sigmoid candidate": ("wrong-activation", "the candidate goes through a Sigmoid; it should go through TanH"),
    "linear candidate": ("activation-missing", "the candidate goes through no activation; TanH is missing"),
    **{
        f"tanh {gate}": ("wrong-activation", f"the {name} goes through TanH; it should go through a Sigmoid")
        for gate, name in (("i", "input gate"), ("f", "forget gate"), ("o", "output gate"))
    },
    "squashed output": ("wrong-state", "the output is computed from TanH of the cell state, without the output gate"),
    "tanh gates": ("wrong-activation", "the gates go through TanH; they should go through a Sigmoid"),
    "linear cell": ("activation-missing", "TanH of the cell state is missing in the hidden state"),
    "sigmoid cell": (
        "wrong-activation",
        "the cell state goes through a Sigmoid in the hidden state; it should be TanH",
    ),
    "outer tanh": ("wrong-activation", "TanH is applied to output gate times cell state, not to the cell state alone"),
    "old cell": ("wrong-step", "the hidden state is computed from the cell state of the step before"),
    "no bias": ("bias-missing", "the bias of the gates is missing"),
    "coupled": ("gate-missing", "the forget gate is used as 1 minus itself: the cell keeps what it should forget"),
    "coupled input": ("gate-missing", "1 minus the forget gate stands for the input gate"),
    "forget all": ("wrong-state", "the forget gate also scales the new candidate"),
    "input all": ("wrong-state", "the input gate also scales the old cell state"),
    "added forget": ("wrong-state", "forget gate and cell state are added instead of multiplied"),
    "candidate added": ("missing-factor", "input gate and candidate are added; they must be multiplied"),
    **{
        f"{one} as {other}": (
            "gate-order",
            f"{GATE_NAMES[one]} and {GATE_NAMES[other]} use the same columns of the weights",
        )
        for one in "ifgo"
        for other in "ifgo"
        if one != other
    },
    **{
        f"{gate} without {part}": (
            "input-part-missing" if part == "x" else "hidden-part-missing" if part == "h" else "bias-missing",
            f"the {name} leaves out {words}",
        )
        for gate, name in GATE_NAMES.items()
        for part, words in (("x", "the input"), ("h", "the old hidden state"), ("b", "its bias"))
    },
    **{
        f"{slot} 1-{gate}": (
            "missing-factor",
            f"1 minus the {GATE_NAMES[gate]} stands in the place of the {GATE_NAMES[slot]}",
        )
        for slot in "ifgo"
        for gate in "ifo"
        if (slot, gate) not in (("f", "f"), ("i", "f"))
    },
    "i added": ("wrong-state", "the input gate is added to the cell state; it must be multiplied by the candidate"),
    "o added": ("wrong-state", "output gate and TanH of the cell state are added; they must be multiplied"),
    "o squared": ("gate-twice", "the output gate is multiplied twice"),
    "g from c": ("wrong-state", "the old cell state stands in the place of the candidate"),
    "h in cell": ("wrong-state", "the old hidden state stands in the place of the old cell state"),
    "relu candidate": ("wrong-activation", "the candidate goes through a ReLU; it should go through TanH"),
    "tanh and sigmoid": (
        "wrong-activation",
        "Sigmoid and TanH are exchanged: the gates go through TanH and the candidate through a Sigmoid",
    ),
    "cell output": ("wrong-state", "the output is computed from the cell state, not from the hidden state"),
    "cell feedback": ("wrong-state", "the next step gets the cell state as its hidden state"),
    "tanh cell kept": ("wrong-state", "TanH of the cell state is carried over instead of the cell state"),
    "previous output": ("wrong-step", "the output of a step is computed from the hidden state of the step before it"),
    "last output": ("wrong-step", "every step's output is computed from the last hidden state"),
    "reversed": ("wrong-step", "the sequence is processed from its last step to its first"),
    "input before": ("wrong-step", "a step reads the input of the step before it"),
    "first state": (
        "state-not-stored",
        "every step starts from the same hidden state as the first one that was stored",
    ),
    "no input term": ("missing-sum", "the new candidate is not added to the cell state"),
    "minus": ("sign", "the new candidate is subtracted from the cell state"),
    "minus h": ("sign", "the hidden state's part of the sum has the wrong sign"),
    "minus x": ("sign", "the input's part of the sum has the wrong sign"),
    "minus b": ("sign", "the bias has the wrong sign"),
    "ones": ("initial-state", "the hidden state starts with ones, not with zeros"),
    "start 0.5": ("initial-state", "the hidden state starts with 0.5, not with zeros"),
    "start 0.1": ("initial-state", "the hidden state starts with 0.1, not with zeros"),
    "cell ones": ("initial-state", "the cell state starts with ones, not with zeros"),
}

FORWARD = {"RNN": RNN_FORWARD, "LSTM": LSTM_FORWARD}
#: The gates whose columns make the weights.
GATES = {"RNN": "h", "LSTM": "ifgo"}


def forward(kind: str, weights: Weights, x: Array, start: tuple[Array, Array] | None = None, fault: str = "") -> Trace:
    """Run a cell over sequences ``(time, rows, features)`` from the states ``(h, c)``; None: from zeros."""
    units, rows = weights[1].shape[0], x.shape[1]
    h, c = start if start is not None else _start(rows, units, fault)
    if fault == "reversed":
        x = x[::-1]
    trace = Trace()
    step = _rnn_step if kind == "RNN" else _lstm_step
    first = h
    for t in range(len(x)):
        inputs = x[t] if fault != "input before" else (x[t - 1] if t else np.zeros_like(x[0]))
        before = h
        if fault == "no feedback":
            before = np.zeros_like(h)
        elif fault == "first state":
            before = first if t == 0 else trace.h[0]
        elif fault == "lag":
            before = trace.h[t - 2] if t > 1 else first
        trace.x.append(inputs)
        trace.h_before.append(before)
        trace.c_before.append(c)
        h, c, read = step(weights, inputs, before, c, fault, trace)
        trace.h.append(h)
        trace.c.append(c)
        trace.read.append(read)
    _reorder(trace, first, fault)
    return trace


def _start(rows: int, units: int, fault: str) -> tuple[Array, Array]:
    """The states before the first step: zeros, unless that is the fault."""
    h, c = np.zeros((rows, units)), np.zeros((rows, units))
    if fault == "ones":
        h += 1.0
    elif fault == "cell ones":
        c += 1.0
    elif fault.startswith("start "):
        h += float(fault.split()[1])
    return h, c


def _reorder(trace: Trace, first: Array, fault: str) -> None:
    """Let the output layer read another step's state."""
    if fault == "previous output":
        trace.read = [first, *trace.h[:-1]]
    elif fault == "last output":
        trace.read = [trace.read[-1]] * len(trace.x)
    elif fault == "same output":
        trace.read = [trace.read[0]] * len(trace.x)
    elif fault == "reversed":
        trace.read = trace.read[::-1]


def _raw(weights: Weights, x: Array, h: Array, fault: str) -> Array:
    """The sums before the activations."""
    wx, wh, b = weights
    signs = {name: -1.0 if fault == f"minus {name}" else 1.0 for name in "xhb"}
    return signs["x"] * (x @ wx) + signs["h"] * (h @ wh) + signs["b"] * (0.0 if fault == "no bias" else b)


def _rnn_step(weights: Weights, x: Array, h: Array, c: Array, fault: str, trace: Trace) -> tuple[Array, Array, Array]:
    raw = _raw(weights, x, h, fault)
    functions = {"sigmoid": sigmoid, "linear": lambda a: a, "relu": lambda a: np.maximum(a, 0.0),
                 "twice": lambda a: np.tanh(np.tanh(a)), "added": lambda a: np.tanh(a) + h}  # fmt: skip
    new = functions.get(fault, np.tanh)(raw)
    if fault.endswith(" outside"):
        part = {"x": x @ weights[0], "h": h @ weights[1], "b": weights[2] + 0 * raw}[fault[0]]
        new = np.tanh(raw - part) + part
    trace.gates.append({"raw": raw})
    read = raw if fault == "raw output" else new
    return (raw if fault == "raw feedback" else new), c, read


def quarters(raw: Array) -> list[Array]:
    """The columns of the four gates; ``np.split`` takes longer than a step of the cell."""
    units = raw.shape[1] // 4
    return [raw[:, gate * units : (gate + 1) * units] for gate in range(4)]


def _lstm_step(weights: Weights, x: Array, h: Array, c: Array, fault: str, trace: Trace) -> tuple[Array, Array, Array]:
    raw = _raw(weights, x, h, fault)
    gate = np.tanh if fault in ("tanh gates", "tanh and sigmoid") else sigmoid
    blocks = dict(zip("ifgo", quarters(raw), strict=True))
    if fault[1:10] == " without ":
        part = {"x": x @ weights[0], "h": h @ weights[1], "b": np.broadcast_to(weights[2], raw.shape)}[fault[-1]]
        blocks[fault[0]] = blocks[fault[0]] - quarters(part)["ifgo".index(fault[0])]
    if fault[1:5] == " as ":
        blocks[fault[0]] = blocks[fault[5]]
    i, f, g, o = (blocks[name] for name in "ifgo")
    i, f, o = (
        np.tanh(block) if fault == f"tanh {name}" else gate(block) for name, block in zip("ifo", (i, f, o), strict=True)
    )
    if fault == "relu candidate":
        g = np.maximum(g, 0.0)
    g = (
        sigmoid(g)
        if fault in ("sigmoid candidate", "tanh and sigmoid")
        else g
        if fault in ("linear candidate", "relu candidate")
        else np.tanh(g)
    )
    if fault[1:4] == " 1-":
        values = {"i": i, "f": f, "g": g, "o": o}
        values[fault[0]] = 1 - values[fault[4]]
        i, f, g, o = (values[name] for name in "ifgo")
    new = _new_cell(i, f, c if fault == "g from c" else g, h if fault == "h in cell" else c, fault)
    inner = c if fault == "old cell" else new
    squashed = inner if fault == "linear cell" else sigmoid(inner) if fault == "sigmoid cell" else np.tanh(inner)
    out = np.tanh(o * inner) if fault == "outer tanh" else squashed if fault == "no output gate" else o * squashed
    out = {"o added": o + squashed, "o squared": o * o * squashed}.get(fault, out)
    trace.gates.append({"i": i, "f": f, "g": g, "o": o, "raw": raw})
    read = {"cell output": new, "squashed output": np.tanh(new)}.get(fault, out)
    kept = np.tanh(new) if fault == "tanh cell kept" else new
    return (new if fault == "cell feedback" else out), kept, read


def _new_cell(i: Array, f: Array, g: Array, c: Array, fault: str) -> Array:
    cases = {
        "no forget": lambda: c + i * g, "no input gate": lambda: f * c + g, "cell not carried": lambda: i * g,
        "coupled": lambda: (1 - f) * c + i * g, "coupled input": lambda: f * c + (1 - f) * g,
        "forget all": lambda: f * (c + i * g), "input all": lambda: i * (f * c + g),
        "added forget": lambda: f + c + i * g, "no input term": lambda: f * c, "minus": lambda: f * c - i * g,
        "i added": lambda: f * c + i,
        "candidate added": lambda: f * c + i + g,
    }  # fmt: skip
    return cases[fault]() if fault in cases else f * c + i * g
