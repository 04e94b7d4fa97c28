"""ONNX's RNN, GRU and LSTM as cells in Scans, and the mapping of the weights.

Written from the text of the operators (versions 7, 14 and 22). A direction is a Scan; the two biases of a gate are added,
except for the candidate of a GRU with ``linear_before_reset``, where the reset gate is applied between them. Where the
specification is silent, the conventions are those of graphnet: Y is zero beyond the end of a row, a reversed direction
starts at the end of the row, and Y_h and Y_c are the states after the last step of a row, or its initial states.
"""

import numpy as np

from graphnet import Builder, CellGraph, Phase, Runner, Scan
from graphnet_recurrent import cells

ROLES = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
OUTPUTS = ("Y", "Y_h", "Y_c")
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTIVATIONS = {"RNN": ["tanh"], "GRU": ["sigmoid", "tanh"], "LSTM": ["sigmoid", "tanh", "tanh"]}
REVERSED = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
#: How to read each supported attribute from its protocol buffer, so that this file does not need onnx.
KNOWN = {
    **dict.fromkeys(("hidden_size", "layout", "linear_before_reset", "input_forget"), lambda a: a.i),
    "direction": lambda a: a.s.decode(),
    "activations": lambda a: [name.decode().lower() for name in a.strings],
}


class NotMapped(Exception):
    """An attribute without a corresponding cell."""


def attributes(node) -> dict:
    """The attributes of a node, with defaults; raises NotMapped if there is no corresponding cell."""
    unknown = sorted({a.name for a in node.attribute} - set(KNOWN))
    if unknown:
        raise NotMapped(f"{node.op_type} with {', '.join(unknown)}")
    values = {a.name: KNOWN[a.name](a) for a in node.attribute}
    asked = {"direction": "forward", "layout": 0, "linear_before_reset": 0, "input_forget": 0, **values}
    if values.get("activations"):
        expected = ACTIVATIONS[node.op_type] * len(REVERSED[asked["direction"]])
        if values["activations"] != expected:
            raise NotMapped(f"{node.op_type} with activations {values['activations']}")
    return asked


def cell_of(op: str, units: int, asked: dict, peepholes: bool, dtype: str) -> CellGraph:
    """The cell of one direction."""
    if op == "RNN":
        return cells.elman_cell(units, dtype)
    if op == "GRU":
        return cells.gru_cell(units, dtype, reset_after=bool(asked["linear_before_reset"]))
    if asked["input_forget"] and peepholes:
        raise NotMapped("LSTM with input_forget and peepholes")
    if asked["input_forget"]:
        return cells.coupled_lstm_cell(units, dtype)
    return cells.peephole_lstm_cell(units, dtype) if peepholes else cells.lstm_cell(units, dtype)


def weights_of(op: str, asked: dict, w, r, b, p) -> dict[str, np.ndarray]:
    """The arrays of one direction by node of the cell: one column per unit, the bias in the last row."""
    count = GATES[op]
    w, r, wb, rb = (np.split(a, count) for a in (w, r, *np.split(b, 2)))
    whole = [np.concatenate([w[k].T, r[k].T, (wb[k] + rb[k])[None]]) for k in range(count)]
    if op == "RNN":
        return {"hidden": whole[0]}
    if op == "GRU":
        values = {"update_gate": whole[0], "reset_gate": whole[1]}
        if not asked["linear_before_reset"]:
            return {**values, "candidate": whole[2]}
        candidate = np.concatenate([w[2].T, wb[2][None]]), np.concatenate([r[2].T, rb[2][None]])
        return {**values, "candidate_input": candidate[0], "candidate_state": candidate[1]}
    values = dict(zip(("input_gate", "output_gate", "forget_gate", "candidate"), whole, strict=True))
    if asked["input_forget"]:
        del values["forget_gate"]
    if p is not None:
        values |= dict(zip(("input_peephole", "output_peephole", "forget_peephole"), np.split(p, 3), strict=True))
    return values


def runner_of(node, by_role: dict[str, np.ndarray]) -> Runner:
    """A graph with a Scan ``direction_0`` (and ``direction_1``), with the operator's weights in it."""
    op, asked, w, r = node.op_type, attributes(node), by_role["W"], by_role["R"]
    units, features, peepholes = r.shape[-1], w.shape[-1], by_role.get("P")
    b = by_role.get("B", np.zeros((len(w), 2 * GATES[op] * units), w.dtype))
    builder, outputs = Builder(op), {}
    x = builder.input("x", f"time, batch, feature={features}")
    for d, reverse in enumerate(REVERSED[asked["direction"]]):
        cell = cell_of(op, units, asked, peepholes is not None, w.dtype.name)
        states = [builder.input(f"{s}_{d}", f"batch, feature={units}", optional=True) for s in cell.states]
        y = Scan(cell, reverse=reverse)(x, *states, name=f"direction_{d}")
        outputs |= {f"y_{d}": y, **{f"{s}_{d}": y[s] for s in cell.states}}
    runner = Runner(builder.build(**outputs))
    runner.materialize()
    left = set(runner.parameters)
    for d in range(len(w)):
        p = None if peepholes is None else peepholes[d]
        for name, array in weights_of(op, asked, w[d], r[d], b[d], p).items():
            path = f"direction_{d}/{name}/weights"
            assert runner.parameters[path].value.shape == array.shape, path
            runner.parameters[path].value = array
            left.remove(path)
    assert not left, f"no weights for {left}"
    return runner


def evaluate(node, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Y, Y_h and (of an LSTM) Y_c of a node; ``arrays`` are the inputs that are present, in order."""
    by_role = dict(zip([role for role, name in zip(ROLES, node.input, strict=False) if name], arrays, strict=True))
    runner = runner_of(node, by_role)
    batch_first = bool(attributes(node)["layout"])
    swapped = (lambda a: np.swapaxes(a, 0, 1)) if batch_first else np.asarray
    inputs = {"x": swapped(by_role["X"])}
    for role, state in (("initial_h", "h"), ("initial_c", "c")):
        if role in by_role:
            inputs |= {f"{state}_{d}": a for d, a in enumerate(swapped(by_role[role]))}
    values = runner.forward(inputs, lengths=by_role.get("sequence_lens"), phase=Phase.test, keep=False)
    count = len(by_role["W"])
    y = np.stack([values[f"y_{d}"] for d in range(count)], axis=1)
    results = {"Y": y.transpose(2, 0, 1, 3) if batch_first else y}
    for output, state in (("Y_h", "h"), ("Y_c", "c")):
        if f"{state}_0" in values:
            results[output] = swapped(np.stack([values[f"{state}_{d}"] for d in range(count)]))
    return results
