"""RNN, GRU and LSTM: the layer of that name where it computes the same, else a cell with these equations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet import Cell, CellGraph, Concatenate, FileError, FullyConnected, Layer, Subgraph, Value
from graphnet_onnx.layers import StepMask
from graphnet_onnx.operators import Context
from graphnet_onnx.operators.recurrent_cells import GATES, cell_of, weights_of
from graphnet_onnx.operators.recurrent_settings import DEFAULT, Settings, settings_of
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import floats
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import spread
from graphnet_onnx.reading.values import Filled, Known, Sizes, Term, new_atom
from graphnet_recurrent import GRU, LSTM, RNN, Bidirectional, Recurrent

NATIVE: dict[str, Any] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
#: The gates of the layers in the order of their columns.
COLUMNS = {
    "RNN": ("hidden",),
    "GRU": ("reset_gate", "update_gate", "candidate"),
    "LSTM": ("input_gate", "forget_gate", "candidate", "output_gate"),
}
STATES = {"RNN": ("h",), "GRU": ("h",), "LSTM": ("h", "c")}


@dataclass
class Arrays:
    """The weights of a node: W, R, B and P, in their ONNX shapes."""

    w: np.ndarray
    r: np.ndarray
    b: np.ndarray
    p: np.ndarray | None

    @property
    def dtype(self) -> str:
        """The dtype of the weights in graphnet."""
        return str(self.w.dtype.name)


def sequence(scope: Scope, term: Term, time: int) -> Term:
    """A value as a sequence, whose time is an ONNX axis, with all others but the batch as they are.

    Raises
    ------
    MixedRowsError
        If the axis is the batch.
    """
    term = single(scope, term, time)
    group = term.groups[time]
    if group == (term.batch,):
        raise layout.mixed_rows("a recurrence runs along the axis of the batch")
    size = term.sizes[group[0]]
    if isinstance(size, Dim):
        scope.conversion.scanned.update(size.symbols)
    return layout.promoted(term, group[0], scope.move)


def single(scope: Scope, term: Term, axis: int) -> Term:
    """With one atom for an ONNX axis that numbers no rows."""
    group = term.groups[axis]
    if len(group) == 1 and (group[0] in term.row_atoms or group in term.axes):
        return term
    if term.is_rows(axis) or (term.mixed(axis) and term.rows == 1):
        raise layout.mixed_rows("a recurrence runs along the axis of the batch")
    term, _ = layout.canonical(term, scope.move)
    group = term.groups[axis]
    if len(group) == 1:
        return term
    atom = new_atom()
    axes = tuple((atom,) if old == group else old for old in term.axes)
    groups = tuple((atom,) if i == axis else old for i, old in enumerate(term.groups))
    return replace(term, axes=axes, groups=groups, sizes=dict(term.sizes) | {atom: term.size(group)})


@handles("RNN", "GRU", "LSTM")
def recurrent(scope: Scope, node: NodeView) -> None:
    """One layer for each direction."""
    op = node.op
    constants = [node.inputs[i] if node.has(i) else None for i in (1, 2, 3, *((7,) if op == "LSTM" else ()))]
    if not all(isinstance(value, (Known, type(None))) for value in constants):
        generic(scope, node)
        return
    arrays, settings = _arrays(node, constants)
    term = scope.term(node, 0)
    if len(term.groups) != 3:
        raise FileError("X must have three axes", where=node.place, received=len(term.groups))
    time, batch = (1, 0) if settings.batch_first else (0, 1)
    x = layout.with_last(sequence(scope, term, time), 2, scope.move)
    if x.rows == 2 and len(x.axes) > 3:  # axes of size 1 that ONNX does not have
        x = layout.arranged(x, (*x.axes[:2], x.groups[2]), scope.move)
    if x.groups[batch] != (x.batch,) or x.rows != 2 or len(x.axes) != 3:
        raise layout.mixed_rows(f"axis {batch} of a recurrent operator is not the batch")
    if scope.conversion.value(x.dims[2]) not in (None, arrays.w.shape[2]):
        raise FileError("W does not fit the input", where=node.place, expected=x.dims[2], received=arrays.w.shape)
    mask = _mask(scope, node, x)
    initial = {name: _initial(scope, node, 5 + i, settings, x) for i, name in enumerate(STATES[op])}
    wanted = [bool(name) and name in scope.readers for name in (*node.outputs, "", "")[1 : 1 + len(STATES[op])]]
    name = node.name or next(filter(None, node.outputs), op.lower())
    plain = mask is None and not any(v is not None for each in initial.values() for v in each) and not any(wanted)
    if len(settings.reversed) == 2 and plain:
        cells = [_cell(op, settings, d, arrays) for d in (0, 1)]
        layer: Layer = Bidirectional(cells[0], cells[1])
        y = scope.apply(layer, x.value, name=name)
        states: dict[str, list[Value]] = {}
        scope.note(node, f"{y.ref.source}: Bidirectional({op})")
    else:
        y, states = _directions(scope, node, op, settings, arrays, x, mask, initial, name)
    _set_outputs(scope, node, op, settings, x, y, states)


def _arrays(node: NodeView, constants: list[Any]) -> tuple[Arrays, Settings]:
    """The weights, checked, and the attributes.

    Raises
    ------
    FileError
        If their shapes do not fit each other.
    """
    w, r, b, *p = (None if value is None else floats(value.array) for value in constants)
    gates = GATES[node.op]
    if w is None or r is None or r.ndim != 3 or w.ndim != 3 or 0 in (*w.shape, *r.shape):
        raise FileError("W or R has the wrong shape", where=node.place, expected="(directions, gates · units, …)",
                        received=f"{None if w is None else w.shape} and {None if r is None else r.shape}")  # fmt: skip
    attributes = {k: v for k, v in node.attributes.items() if isinstance(v, (int, float, str, list))}
    context = Context(node.op, node.opset, attributes, tuple(map(bool, node.outputs)), "", node.place)
    settings = settings_of(context, r.shape[2])
    d, units = len(settings.reversed), settings.units
    b = np.zeros((d, 2 * gates * units), w.dtype) if b is None else b
    peepholes = p[0] if p else None
    for name, array, expected in (("W", w, (d, gates * units, w.shape[2])), ("R", r, (d, gates * units, units)),
                                  ("B", b, (d, 2 * gates * units)), ("P", peepholes, (d, 3 * units))):  # fmt: skip
        if array is not None and array.shape != expected:
            raise FileError(f"{name} has the wrong shape", where=node.place, expected=expected, received=array.shape)
    return Arrays(w, r.astype(w.dtype), b.astype(w.dtype), peepholes), settings


def _is_native(op: str, settings: Settings, direction: int, arrays: Arrays) -> bool:
    """Whether the layer of that name computes exactly this."""
    names = tuple(a.name for a in settings.activations[direction])
    plain = names == DEFAULT[op] and settings.clip is None and arrays.p is None
    return plain and not settings.input_forget and not (op == "GRU" and settings.linear_before_reset)


def _cell(op: str, settings: Settings, direction: int, arrays: Arrays) -> CellGraph:
    """A cell of one direction with its weights."""
    cell = cell_of(op, settings, direction, arrays.p is not None, arrays.dtype)
    d = direction
    p = None if arrays.p is None else arrays.p[d]
    nodes = dict(cell.nodes)
    for name, array in weights_of(op, settings, arrays.w[d], arrays.r[d], arrays.b[d], p).items():
        if array.ndim == 2:  # the cell leaves the number of features open
            layer = FullyConnected(len(array) - 1, array.shape[1], dtype=arrays.dtype)
            nodes[name] = replace(nodes[name], layer=layer)
        nodes[name].layer.set_weights(np.ascontiguousarray(array))
    return replace(cell, nodes=nodes)


def _layer(op: str, settings: Settings, direction: int, arrays: Arrays, masked: bool) -> Layer:
    """The layer of one direction with its weights."""
    reverse = settings.reversed[direction]
    if not masked and _is_native(op, settings, direction, arrays):
        layer = NATIVE[op](arrays.w.shape[2], settings.units, None, dtype=arrays.dtype, reverse=reverse)
        d = direction
        values = weights_of(op, settings, arrays.w[d], arrays.r[d], arrays.b[d], None)
        layer.set_weights(np.ascontiguousarray(np.concatenate([values[name] for name in COLUMNS[op]], axis=1)))
        return layer  # type: ignore[no-any-return]
    cell = _cell(op, settings, direction, arrays)
    return Recurrent(with_mask(cell) if masked else cell, reverse=reverse)


def with_mask(cell: CellGraph) -> CellGraph:
    """A cell with a further sequence ``valid``: where it is 0, the states stay, and the output is 0."""
    states = {name: cell.inputs[name].shape for name in cell.states}
    outer = Cell(f"masked_{cell.name}", sequences={**dict.fromkeys(cell.sequences), "valid": 1}, states=states)  # type: ignore[dict-item]
    inner = Subgraph(cell)(*[outer[name] for name in cell.inputs], name="cell")
    valid = outer.valid
    rest = 1.0 - valid
    new = {name: valid * inner[name] + rest * outer[name] for name in cell.states}
    return outer.build(output=valid * inner, **new)


def _mask(scope: Scope, node: NodeView, x: Term) -> Value | None:
    """The valid steps of each row, if lengths are given and differ from the number of steps."""
    value = node.inputs[4] if node.has(4) else None
    if value is None:
        return None
    time = x.sizes[x.row_atoms[0]]
    if isinstance(value, (Filled, Sizes)) and all(n == time for n in value.array.reshape(-1)):
        return None
    if isinstance(value, (Known, Filled)) and value.array.dtype != object:
        lengths = np.unique(value.array)
        steps = scope.conversion.value(time)
        if len(lengths) == 1 and steps == int(lengths[0]):
            return None
        if len(lengths) != 1:
            raise layout.mixed_rows("the lengths of the rows are constants")
        counts = spread(scope, lengths.astype(np.float32), x.value, parameter=False)
        from graphnet import Last

        return scope.apply(StepMask(), x.value, scope.apply(Last(), counts))
    term = scope.term(node, 4)
    term, _ = layout.canonical(layout.demoted(term, scope.move), scope.move)
    return scope.apply(StepMask(), x.value, term.value)


def _initial(scope: Scope, node: NodeView, index: int, settings: Settings, x: Term) -> list[Value | None]:
    """The initial state of each direction; None for zeros."""
    count = len(settings.reversed)
    value = node.inputs[index] if node.has(index) else None
    if value is None or (isinstance(value, (Known, Filled)) and not value.array.any()):
        return [None] * count
    axis = 1 if settings.batch_first else 0
    if isinstance(value, (Known, Filled)):
        array = np.moveaxis(value.array, axis, 0)
        if array.shape[0] not in (1, count) or (array != array[:, :1]).any():
            raise layout.mixed_rows("initial states differ from row to row")
        array = np.broadcast_to(array, (count, *array.shape[1:]))
        vector = [np.broadcast_to(a[0], (settings.units,)) for a in array]
        from graphnet_recurrent import InitialState

        states: list[Value | None] = []
        for numbers in vector:
            layer = InitialState(settings.units, dtype=floats(numbers).dtype.name)
            layer.set_weights(floats(numbers))
            states.append(scope.apply(layer, x.value, name="initial_state"))
        return states
    term = scope.term(node, index)
    if len(term.groups) != 3 or scope.conversion.value(term.dims[axis]) not in (None, count):
        raise FileError("an initial state has the wrong shape", where=node.place, expected=f"{count} directions",
                        received=f"({', '.join(map(str, term.dims))})")  # fmt: skip
    from graphnet_onnx.reading.handlers.parts import sliced

    parts: list[Value | None] = []
    for d in range(count):
        part = sliced(scope, term, axis, d, d + 1, None) if count > 1 else term
        part = layout.squeezed(part, [axis])
        if part.rows == 2:
            part = layout.demoted(part, scope.move)
        part, _ = layout.canonical(part, scope.move)
        if part.groups[0] != (part.batch,) or len(part.axes) != 2:
            raise layout.mixed_rows("the batch is another axis of an initial state")
        parts.append(part.value)
    return parts


def _directions(
    scope: Scope, node: NodeView, op: str, settings: Settings, arrays: Arrays, x: Term, mask: Value | None,
    initial: dict[str, list[Value | None]], name: str,
) -> tuple[Value, dict[str, list[Value]]]:  # fmt: skip
    """The outputs of all directions side by side, and their final states."""
    outputs, states = [], {state: list[Value]() for state in STATES[op]}
    for d in range(len(settings.reversed)):
        layer = _layer(op, settings, d, arrays, mask is not None)
        given: list[Value | None] = [x.value, *([mask] if mask is not None else [])]
        given += [initial[state][d] for state in STATES[op]]
        while given[-1] is None:
            given.pop()
        whole = name if len(settings.reversed) == 1 else f"{name}_{'backward' if settings.reversed[d] else 'forward'}"
        value = scope.apply(layer, *given, name=whole)
        outputs.append(value)
        for state in STATES[op]:
            states[state].append(value[state])
        shown = repr(layer) if isinstance(layer, NATIVE[op]) else f"Recurrent({op} cell)"
        scope.note(node, f"{value.ref.source}: {shown}")
    y = outputs[0] if len(outputs) == 1 else scope.apply(Concatenate(), *outputs, name=name)
    return y, states


def _set_outputs(
    scope: Scope, node: NodeView, op: str, settings: Settings, x: Term, y: Value, states: dict[str, list[Value]]
) -> None:  # fmt: skip
    """Y (time, directions, batch, units), and the final states (directions, batch, units); or batch first."""
    count = len(settings.reversed)
    directions, units = new_atom(), new_atom()
    known: dict[int, Size] = dict(x.sizes) | {directions: count, units: settings.units}
    time, batch = x.axes[0], x.axes[1]
    d: tuple[int, ...] = (directions,) if count > 1 else ()
    inner = (*d, units)
    if node.outputs and node.outputs[0]:
        groups = (batch, time, d, (units,)) if settings.batch_first else (time, d, batch, (units,))
        scope.set(node.outputs[0], Term(y, (time, batch, inner), groups, known, 2, x.dtype))
    for index, state in enumerate(STATES[op], 1):
        if index >= len(node.outputs) or not node.outputs[index] or state not in states:
            continue
        values = states[state]
        if node.outputs[index] not in scope.readers:
            continue
        value = values[0] if count == 1 else scope.apply(Concatenate(), *values)
        ends = (batch, d, (units,)) if settings.batch_first else (d, batch, (units,))
        scope.set(node.outputs[index], Term(value, (batch, inner), ends, known, 1, x.dtype))
