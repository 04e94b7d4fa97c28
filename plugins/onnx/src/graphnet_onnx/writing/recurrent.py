"""Scans that are exactly ONNX's LSTM, GRU or RNN, as these operators.

The gates are found as activations of what is affine in the input and the state; their roles by trying: one step of the
operator's equations, with random numbers, must give what the cell gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call, Loop
from graphnet.core.describe.parameter import Array
from graphnet_onnx.writing.affine import CellValues, Linear
from graphnet_onnx.writing.plans import PlanWriter
from graphnet_recurrent import SequenceMask

#: Largest relative difference between a step of the cell and one of the operator, in float64.
TOLERANCE = 1e-10
#: Gates of one kind, at most, whose roles are tried.
MOST = 6
ROWS = 4


@dataclass(frozen=True)
class Operator:
    """An operator that computes what a cell computes.

    Attributes
    ----------
    kind : str
        ``LSTM``, ``GRU`` or ``RNN``.
    gates : list of Linear
        In the order of the operator.
    by_state : list of array
        Of each gate, the bias that ONNX adds to the product with the state.
    hidden, memory : int
        The numbers of the states h and, for an LSTM, c.
    peepholes : list of array
        For the input, output and forget gate; empty for none.
    """

    kind: str
    gates: list[Linear]
    by_state: list[Array]
    hidden: int
    memory: int | None = None
    peepholes: list[Array] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


def write_operator(writer: PlanWriter, step: Loop, sequence: str, lengths: str | None, initial: list[str]) -> bool:
    """Write a Scan as an operator, if it is one; whether it was.

    Parameters
    ----------
    sequence : str
        Of shape (time, batch, feature).
    lengths : str, optional
        The lengths of the rows.
    initial : list of str
        The initial states.
    """
    found = recognized(writer, step)
    if found is None:
        return False
    file, scope, dtype = writer.file, writer.scope, writer.file.dtype
    x, h = 0, 1 + found.hidden
    weights = np.concatenate([gate.terms[x].T for gate in found.gates])[None]
    states = np.concatenate([gate.terms[h].T for gate in found.gates])[None]
    biases = np.concatenate([*[gate.bias for gate in found.gates], *found.by_state])[None]
    arrays = {"W": weights, "R": states, "B": biases}
    if found.peepholes:
        arrays["P"] = np.concatenate(found.peepholes)[None]
    names = {key: file.initializer(f"{step.path}/{key}", array.astype(dtype)) for key, array in arrays.items()}
    first = scope.constant([0], np.int64)
    start = [scope.op("Unsqueeze", initial[found.hidden], first)]
    if found.memory is not None:
        start.append(scope.op("Unsqueeze", initial[found.memory], first))
    rows = "" if lengths is None else scope.cast(lengths, np.int32)
    inputs = [sequence, names["W"], names["R"], names["B"], rows, *start, *([names["P"]] if "P" in names else [])]
    results = [scope.unique(hint) for hint in ("y", "y_h", "y_c")[: 2 + len(start) - 1]]
    scope.node(
        found.kind, inputs, results, name=step.path, hidden_size=states.shape[-1],
        direction="reverse" if step.reverse else "forward", **found.attributes,
    )  # fmt: skip
    _name_results(writer, step, found, results, lengths, initial)
    file.operators.add(found.kind)
    return True


def _name_results(
    writer: PlanWriter, step: Loop, found: Operator, results: list[str], lengths: str | None, initial: list[str]
) -> None:
    """Give the outputs of the operator the names of those of the Scan; rows without a step keep their states."""
    scope = writer.scope
    single = step.path in writer.shapes[0].single
    axes = scope.constant([1, 2] if single else [1], np.int64)
    for slot in step.outputs:
        scope.node("Squeeze", (results[0], axes), (writer.name(slot),))
        writer.values[slot] = writer.name(slot)
    for number, slot in enumerate(step.finals):
        name, result = writer.name(slot), results[1 if number == found.hidden else 2]
        first = scope.constant([0], np.int64)
        if lengths is None:
            scope.node("Squeeze", (result, first), (name,))
        else:  # onnxruntime returns zeros for rows without a step
            empty = scope.op("Unsqueeze", scope.op("Equal", lengths, first), scope.constant([1], np.int64))
            scope.node("Where", (empty, initial[number], scope.op("Squeeze", result, first)), (name,))
        writer.values[slot] = name


# ---------------------------------------------------------------------- recognition
def recognized(writer: PlanWriter, step: Loop) -> Operator | None:
    """The operator that a Scan is; None if it is none."""
    cell = step.cell
    shapes = writer.shapes[0].cells[step.path]
    sizes = [shapes.slots[slot] for slot in range(len(cell.inputs))]
    if len(step.sequences) != 1 or not 1 <= len(step.initial) <= 2 or not all(isinstance(s, Call) for s in cell.steps):
        return None
    if any(shape is None or shape.rank != 2 for shape in sizes) or writer.integers & {*step.sequences}:
        return None
    constant = set(range(1 + len(step.initial), len(cell.inputs)))
    if not all(_is_ones(writer, slot) for slot in step.contexts):
        return None
    numbers = np.random.default_rng(0)
    inputs = [numbers.uniform(-1.0, 1.0, (ROWS, shape.sizes[-1] or 0)) for shape in sizes if shape is not None]
    inputs = [np.ones_like(value) if slot in constant else value for slot, value in enumerate(inputs)]
    arrays = {p: {n: np.asarray(a, np.float64) for n, a in own.items()} for p, own in writer.file.arrays.items()}
    values = CellValues(cell, shapes, writer.file.layers, arrays, inputs, constant)
    return _Search(step, values).found()


def _is_ones(writer: PlanWriter, slot: int) -> bool:
    """Whether a context is the mask of a state, which is 1 in inference."""
    for step in writer.plan.steps:
        if isinstance(step, Call) and slot in step.outputs:
            return type(writer.file.layers[step.layer]) is SequenceMask
    return False


class _Search:
    """Tries the equations of the operators on the values of a cell."""

    def __init__(self, step: Loop, values: CellValues) -> None:
        self.step, self.values = step, values
        outputs = [values.values[slot] for _, slot in step.cell.outputs]
        self.emitted, self.next = outputs[: len(step.outputs)], outputs[len(step.outputs) :]
        self.x, self.states = values.values[0], values.values[1 : 1 + len(self.next)]

    def gates(self, kind: str, state: int, peepholes: bool = False) -> list[Linear]:
        """The activations of one kind, of the input and of a state, and perhaps of others by diagonal matrices."""
        width = self.states[state].shape[-1]
        found = []
        for name, linear in self.values.activated.values():
            others = [matrix for slot, matrix in linear.terms.items() if slot not in (0, 1 + state)]
            diagonal = all(m.shape == (width, width) and not (m - np.diag(np.diag(m))).any() for m in others)
            if name == kind and len(linear.bias) == width and (not others or (peepholes and diagonal)):
                found.append(self.complete(linear, state))
        return found if len(found) <= MOST else []

    def complete(self, linear: Linear, state: int) -> Linear:
        """The same with a matrix for the input and for the state, zero where it does not read them."""
        width = len(linear.bias)
        sizes = {0: self.x.shape[-1], 1 + state: self.states[state].shape[-1]}
        missing = {slot: np.zeros((size, width)) for slot, size in sizes.items() if slot not in linear.terms}
        return Linear({**linear.terms, **missing}, linear.bias)

    def found(self) -> Operator | None:
        """The operator; None if no equations fit."""
        candidates: Iterator[Operator] = self.lstm() if len(self.next) == 2 else iter((*self.gru(), *self.rnn()))
        return next((each for each in candidates if self.fits(each)), None)

    def fits(self, operator: Operator) -> bool:
        """Whether one step of the operator is one of the cell."""
        results = _STEPS[operator.kind](operator, self.x, *self.states)
        expected = [self.next[operator.hidden]]
        if operator.memory is not None:
            expected.append(self.next[operator.memory])
        expected += self.emitted
        results = [*results, *[results[0]] * len(self.emitted)]
        return all(
            a.shape == b.shape and float(abs(a - b).max()) <= TOLERANCE * (1.0 + float(abs(b).max()))
            for a, b in zip(results, expected, strict=True)
        )

    # ------------------------------------------------------------------ candidates
    def lstm(self) -> Iterator[Operator]:
        """Assignments of gates to the roles of an LSTM."""
        for hidden in (0, 1):
            memory = 1 - hidden
            if self.states[0].shape != self.states[1].shape:
                return
            sigmoids, tanhs = self.gates("Sigmoid", hidden, peepholes=True), self.gates("Tanh", hidden)
            for (i, o, f), g in product(permutations(sigmoids, 3), tanhs):
                peepholes = [_diagonal(gate, (0, 1 + hidden)) for gate in (i, o, f)]
                known = peepholes if any(p.any() for p in peepholes) else []
                zeros = [np.zeros_like(g.bias)] * 4
                yield Operator("LSTM", [i, o, f, g], zeros, hidden, memory, known)

    def gru(self) -> Iterator[Operator]:
        """Assignments of gates to the roles of a GRU, with the reset gate before or after the product."""
        sigmoids = self.gates("Sigmoid", 0)
        for (z, r), (new, state_bias, after) in product(permutations(sigmoids, 2), list(self.candidates())):
            zero = np.zeros_like(z.bias)
            for update in (z, z.times(-1.0)):  # 1 - σ(a) = σ(-a)
                gates = [update, r, new]
                attributes = {"linear_before_reset": int(after)}
                yield Operator("GRU", gates, [zero, zero, state_bias], 0, attributes=attributes)

    def candidates(self) -> Iterator[tuple[Linear, Array, bool]]:
        """The candidate of a GRU: its matrices, the bias beside the state, and whether the reset gate comes after."""
        for kind, linear in self.values.activated.values():
            others = [slot for slot in linear.terms if slot not in (0, 1)]
            if kind != "Tanh" or len(others) != 1 or 1 in linear.terms:
                continue
            (slot,) = others
            by_input = {0: linear.terms[0]} if 0 in linear.terms else {}
            zero = np.zeros_like(linear.bias)
            yield self.complete(Linear({**by_input, 1: linear.terms[slot]}, linear.bias), 0), zero, False
            for factor in self.values.products.get(slot, ()):
                inner = self.values.linear[factor]
                if set(inner.terms) == {1} and factor not in self.values.activated:
                    outer = linear.terms[slot]
                    yield (
                        self.complete(Linear({**by_input, 1: inner.terms[1] @ outer}, linear.bias), 0),
                        inner.bias @ outer,
                        True,
                    )

    def rnn(self) -> Iterator[Operator]:
        """Activations that are the next state."""
        for kind in ("Tanh", "Relu", "Sigmoid"):
            for gate in self.gates(kind, 0):
                yield Operator("RNN", [gate], [np.zeros_like(gate.bias)], 0, attributes={"activations": [kind]})


def _diagonal(gate: Linear, known: tuple[int, ...]) -> Array:
    """The diagonal by which a gate reads another value than the input and the state."""
    others = [np.diag(matrix) for slot, matrix in gate.terms.items() if slot not in known]
    return others[0] if others else np.zeros_like(gate.bias)


# ---------------------------------------------------------------------- the equations of the operators
def _sigmoid(a: Array) -> Array:
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * a))
    return result


_FUNCTIONS: dict[str, Any] = {"Sigmoid": _sigmoid, "Tanh": np.tanh, "Relu": lambda a: np.maximum(a, 0.0)}


def _sum(operator: Operator, gate: int, x: Array, h: Array) -> Array:
    linear = operator.gates[gate]
    result: Array = x @ linear.terms[0] + h @ linear.terms[1 + operator.hidden] + linear.bias + operator.by_state[gate]
    return result


def _lstm_step(operator: Operator, x: Array, *states: Array) -> list[Array]:
    h, c = states[operator.hidden], states[1 - operator.hidden]
    i, o, f, g = (_sum(operator, gate, x, h) for gate in range(4))
    by_input, by_output, by_forget = operator.peepholes or (0.0, 0.0, 0.0)
    memory = _sigmoid(f + by_forget * c) * c + _sigmoid(i + by_input * c) * np.tanh(g)
    return [_sigmoid(o + by_output * memory) * np.tanh(memory), memory]


def _gru_step(operator: Operator, x: Array, h: Array) -> list[Array]:
    z, r = (_sigmoid(_sum(operator, gate, x, h)) for gate in (0, 1))
    new, bias = operator.gates[2], operator.by_state[2]
    by_input = x @ new.terms[0] + new.bias
    if operator.attributes["linear_before_reset"]:
        n = np.tanh(by_input + r * (h @ new.terms[1] + bias))
    else:
        n = np.tanh(by_input + (r * h) @ new.terms[1] + bias)
    return [(1.0 - z) * n + z * h]


def _rnn_step(operator: Operator, x: Array, h: Array) -> list[Array]:
    return [_FUNCTIONS[operator.attributes["activations"][0]](_sum(operator, 0, x, h))]


_STEPS: dict[str, Any] = {"LSTM": _lstm_step, "GRU": _gru_step, "RNN": _rnn_step}
