"""The cells of RNN, GRU and LSTM with any activations, clipping, peepholes and coupled gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Cell, CellGraph, Value, concatenate, dense
from graphnet_activations import elu, leaky_relu, relu, softplus
from graphnet_onnx.layers import Threshold
from graphnet_onnx.operators.recurrent_settings import Activation, Settings
from graphnet_recurrent import peephole, sigmoid, tanh

#: The number of gates.
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
#: The gates in the order of ONNX's weights.
NAMES = {
    "RNN": ("hidden",),
    "GRU": ("update_gate", "reset_gate", "candidate"),
    "LSTM": ("input_gate", "output_gate", "forget_gate", "candidate"),
}


def _cut(value: Value, low: float, high: float) -> Value:
    cut: Any = np.minimum(np.maximum(value, low), high)  # type: ignore[call-overload]
    return cut  # type: ignore[no-any-return]


#: What applies an activation to a value of a graph.
FUNCTIONS: dict[str, Any] = {
    "Affine": lambda v, a: v * a.alpha + a.beta,
    "Elu": lambda v, a: elu(v, a.alpha),
    "HardSigmoid": lambda v, a: _cut(v * a.alpha + a.beta, 0.0, 1.0),
    "LeakyRelu": lambda v, a: leaky_relu(v, a.alpha),
    "Relu": lambda v, a: relu(v),
    "ScaledTanh": lambda v, a: tanh(v * a.beta) * a.alpha,
    "Sigmoid": lambda v, a: sigmoid(v),
    "Softplus": lambda v, a: softplus(v),
    "Softsign": lambda v, a: v / (abs(v) + 1.0),
    "Tanh": lambda v, a: tanh(v),
    "ThresholdedRelu": lambda v, a: Threshold(a.alpha)(v),
}


def cell_of(op: str, settings: Settings, direction: int, peepholes: bool, dtype: str) -> CellGraph:
    """Return the cell of one direction.

    Clipping applies to the sums that enter a gate or a candidate. The specification of ONNX can be read so that it
    applies to the cell state before the last activation of LSTM as well; onnxruntime does not do that, and this does as
    onnxruntime.
    """
    given = settings.activations[direction]
    activations = [
        _function(activation, settings.clip if number < 2 else None) for number, activation in enumerate(given)
    ]
    units = settings.units
    states = {"h": units, "c": units} if op == "LSTM" else {"h": units}
    cell = Cell(op.lower(), sequences="x", states=states, dtype=dtype)
    if op == "LSTM":
        return _lstm(cell, settings, peepholes, *activations)
    if op == "GRU":
        return _gru(cell, settings, *activations)
    h = activations[0](dense(concatenate(cell.x, cell.h), units, name="hidden"))
    return cell.build(output=h, h=h)


def _function(activation: Activation, clip: float | None) -> Any:
    """What applies one activation after clipping its input."""
    apply = FUNCTIONS[activation.name]
    return lambda value: apply(value if clip is None else _cut(value, -clip, clip), activation)


def _gru(cell: Cell, settings: Settings, f: Any, g: Any) -> CellGraph:
    units, xh = settings.units, concatenate(cell.x, cell.h)
    z = f(dense(xh, units, name="update_gate"))
    r = f(dense(xh, units, name="reset_gate"))
    if settings.linear_before_reset:
        state = dense(cell.h, units, name="candidate_state")
        n = g(dense(cell.x, units, name="candidate_input") + r * state)
    else:
        n = g(dense(concatenate(cell.x, r * cell.h), units, name="candidate"))
    h = (1 - z) * n + z * cell.h
    return cell.build(output=h, h=h)


def _lstm(cell: Cell, settings: Settings, peepholes: bool, f: Any, g: Any, h: Any) -> CellGraph:
    units, xh = settings.units, concatenate(cell.x, cell.h)

    def gate(name: str, state: Value) -> Value:
        total = dense(xh, units, name=f"{name}_gate")
        return f(total + peephole(state, units, name=f"{name}_peephole") if peepholes else total)  # type: ignore[no-any-return]

    i = gate("input", cell.c)
    forget = 1 - i if settings.input_forget else gate("forget", cell.c)
    c = forget * cell.c + i * g(dense(xh, units, name="candidate"))
    y = gate("output", c) * h(c)
    return cell.build(output=y, h=y, c=c)


def weights_of(op: str, settings: Settings, w: Any, r: Any, b: Any, p: Any) -> dict[str, Any]:
    """Return the arrays of one direction by node of its cell: one column for each unit, the bias in the last row."""
    count, names = GATES[op], NAMES[op]
    ws, rs, wb, rb = (np.split(a, count) for a in (w, r, *np.split(b, 2)))
    values = {
        name: np.concatenate([ws[k].T, rs[k].T, (wb[k] + rb[k])[None]])
        for k, name in enumerate(names)
        if not (settings.input_forget and name == "forget_gate")
    }
    if op == "GRU" and settings.linear_before_reset:
        del values["candidate"]
        values["candidate_input"] = np.concatenate([ws[2].T, wb[2][None]])
        values["candidate_state"] = np.concatenate([rs[2].T, rb[2][None]])
    if p is not None:
        parts = zip(("input_peephole", "output_peephole", "forget_peephole"), np.split(p, 3), strict=True)
        values |= {name: a for name, a in parts if not (settings.input_forget and name == "forget_peephole")}
    return values
