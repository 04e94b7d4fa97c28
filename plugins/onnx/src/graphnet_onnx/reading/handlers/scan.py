"""Scan: its body becomes a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphnet import Affine, Cell, FileError, Scan, Shape, Value
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size
from graphnet_onnx.reading.handlers.parts import flipped, unflipped
from graphnet_onnx.reading.handlers.recurrent import sequence
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope, count_uses
from graphnet_onnx.reading.spreading import as_term
from graphnet_onnx.reading.values import Abstract, Filled, Flipped, Known, Sizes, Term, new_atom


@dataclass
class Parts:
    """The inputs of a Scan, by their role."""

    states: list[Any] = field(default_factory=list)
    sequences: dict[int, Term] = field(default_factory=dict)
    constant: dict[int, Abstract] = field(default_factory=dict)
    contexts: dict[str, Term] = field(default_factory=dict)
    reverse: bool = False


@handles("Scan")
def scan(scope: Scope, node: NodeView) -> None:
    """A Scan of graphnet over a cell that is built from the body."""
    body = node.get("body")
    count = node.get("num_scan_inputs", 0)
    states = len(node.inputs) - count
    if node.opset < 9:
        raise scope.refused(node, "Scan of opset 8 has the batch as an axis of its own")
    if count < 1 or states < 0 or len(body.input) != len(node.inputs) or len(body.output) < states:
        raise FileError("the body of a Scan does not fit its inputs", where=node.place,
                        expected=f"{len(node.inputs)} inputs, of which {count} are sequences",
                        received=f"{len(body.input)} inputs and {len(body.output)} outputs")  # fmt: skip
    parts = _parts(scope, node, states)
    parts.contexts = _contexts(scope, node, body)
    built = _Body(scope, node, body, parts, states)
    built.run()
    built.set_outputs()


def _numbers(node: NodeView, name: str, count: int, *, default: int = 0) -> list[int]:
    values = list(node.get(name) or [default] * count)
    if len(values) != count:
        raise FileError(f"{name} does not fit", where=node.place, expected=f"{count} numbers", received=len(values))
    return values


def _parts(scope: Scope, node: NodeView, states: int) -> Parts:
    """The sequences with time in front, and whether they are read from their ends."""
    parts = Parts(list(node.inputs[:states]))
    count = len(node.inputs) - states
    axes = _numbers(node, "scan_input_axes", count)
    directions = _numbers(node, "scan_input_directions", count)
    backward: dict[int, bool] = {}
    for index, value in enumerate(node.inputs[states:]):
        rank = len(getattr(value, "dims", ()))
        if value is None or not -rank <= axes[index] < rank:
            raise FileError("a sequence of a Scan has no such axis", where=node.place, expected=f"{rank} axes",
                            received=axes[index])  # fmt: skip
        axis = axes[index] % rank
        if isinstance(value, (Known, Filled)) and _same_along(value, axis):
            parts.constant[index] = _without(value, axis)
            continue
        if isinstance(value, Flipped) and value.axis != axis:
            value = unflipped(scope, value)
        backward[index] = bool(directions[index]) != isinstance(value, Flipped)
        term = value.term if isinstance(value, Flipped) else value
        if isinstance(term, (Known, Filled)) and scope.reference is not None:
            term = as_term(scope, term)
        if not isinstance(term, Term):
            raise scope.refused(node, f"sequence {index} is not a value of the graph")
        parts.sequences[index] = sequence(scope, term, axis)
    if not parts.sequences:
        raise scope.refused(node, "no sequence depends on the inputs of the model")
    parts.reverse = sum(backward.values()) * 2 > len(backward)
    for index, reverse in backward.items():
        if reverse != parts.reverse:
            term = parts.sequences[index]
            axis = axes[index] % len(term.groups)
            parts.sequences[index] = sequence(scope, unflipped(scope, Flipped(term, axis)), axis)
    for index, term in parts.sequences.items():
        axis = axes[index] % len(term.groups)
        parts.sequences[index] = replace(term, groups=(*term.groups[:axis], *term.groups[axis + 1 :]))
    return parts


def _same_along(value: Known | Filled, axis: int) -> bool:
    array = value.array
    return array.shape[axis] == 1 or bool((array == np.take(array, [0], axis)).all())


def _without(value: Known | Filled, axis: int) -> Abstract:
    array = np.take(value.array, 0, axis)
    dims = (*value.dims[:axis], *value.dims[axis + 1 :])
    if any(isinstance(n, Dim) for n in dims):
        return Filled(array, dims)
    return Known(np.ascontiguousarray(np.broadcast_to(array, dims)))  # type: ignore[arg-type]


def _contexts(scope: Scope, node: NodeView, body: Any) -> dict[str, Term]:
    """The values of the graph around that the body reads."""
    from graphnet_onnx.reading.convert import reads

    inside = {v.name for v in (*body.input, *body.initializer)}
    found: dict[str, Term] = {}
    names: list[str] = []
    for inner in body.node:
        names += [name for name in reads(inner) if name and name not in inside]
        inside |= set(inner.output)
    names += [output.name for output in body.output if output.name not in inside]
    for name in dict.fromkeys(names):
        value = scope.get(name, node.place)
        if isinstance(value, Flipped):
            value = unflipped(scope, value)
        if isinstance(value, Term):
            found[name] = layout.canonical(layout.demoted(value, scope.move), scope.move)[0]
    return found


class _Body:
    """Builds the cell of a Scan, and gives the outputs of the node their values."""

    def __init__(self, scope: Scope, node: NodeView, body: Any, parts: Parts, states: int) -> None:
        self.scope, self.node, self.body, self.parts, self.count = scope, node, body, parts, states
        self.first = next(iter(parts.sequences.values()))
        self.names: dict[str, str] = {}
        self.initial = [self._initial(value, body.input[i].name) for i, value in enumerate(parts.states)]
        self.entering: list[Term] = []

    # ------------------------------------------------------------------ names and shapes
    def _name(self, wanted: str) -> str:
        """A name for an input or an output of the cell."""
        name = re.sub(r"[^0-9A-Za-z_]+", "_", wanted.rsplit("/", 1)[-1]).strip("_")[:60]
        name = name if name[:1].isalpha() else f"value_{name}".strip("_")
        if hasattr(Cell, name) or name in ("name", "inputs", "nodes", "values", "roles", "dtype"):
            name += "_"
        count, first = 2, name
        while name in self.names.values():
            name, count = f"{first}_{count}", count + 1
        self.names[wanted] = name
        return name

    def _shape(self, term: Term, rows: int) -> Shape:
        """The declaration of an input of the cell."""
        sizes = [term.size(axis) for axis in term.axes[rows:]]
        names = ["feature"] if len(sizes) == 1 else [f"axis{i}" for i in range(1, len(sizes) + 1)]
        return Shape(("batch", *names), (None, *[n if isinstance(n, int) else None for n in sizes]))

    # ------------------------------------------------------------------ states
    def _initial(self, value: Any, name: str) -> tuple[Term, Value | None]:
        """The arrangement of a state, and its initial value; None for zeros."""
        scope = self.scope
        if isinstance(value, Flipped):
            value = unflipped(scope, value)
        if isinstance(value, Term):
            term, _ = layout.canonical(layout.demoted(value, scope.move), scope.move)
            return term, term.value
        if not isinstance(value, (Known, Filled, Sizes)):
            raise scope.refused(self.node, f"the initial value of state {name!r} is not known")
        return self._constant(Filled(value.array, value.dims, getattr(value, "parameter", False)))

    def _constant(self, value: Filled) -> tuple[Term, Value | None]:
        """A state that begins with the same numbers in each row."""
        first, scope = self.first, self.scope
        batch = first.sizes[first.batch]
        number = scope.conversion.value(batch)
        rows = [i for i, n in enumerate(value.dims) if n == batch and value.array.shape[i] == 1]
        rows = rows or [i for i, n in enumerate(value.dims) if n == number and _same_along(Known(value.array), i)]
        rows = rows[:1]
        inner = [i for i in range(len(value.dims)) if i not in rows]
        atoms = {i: new_atom() for i in inner}
        loose = () if inner else ((new_atom(),),)
        axes = ((first.batch,), *[(atoms[i],) for i in inner], *loose)
        groups = tuple((first.batch,) if i in rows else (atoms[i],) for i in range(len(value.dims)))
        sizes: dict[int, Size] = {first.batch: batch} | {atoms[i]: value.dims[i] for i in inner}
        sizes |= {axis[0]: 1 for axis in loose}
        term = Term(first.value, axes, groups, sizes, 1, value.array.dtype)
        numbers = value.array
        if numbers.dtype == object:
            raise scope.refused(self.node, "a state begins with a size that is not known")
        if not numbers.any() and not value.parameter:
            return term, None
        known = [n for i in inner for n in (value.dims[i],) if isinstance(n, int)]
        if len(known) != len(inner):
            raise scope.refused(self.node, "a state begins with numbers for axes whose sizes are not known")
        vector = np.broadcast_to(np.take(numbers, 0, rows[0]) if rows else numbers, known).reshape(-1)
        from graphnet_recurrent import InitialState

        kind = np.float64 if vector.dtype == np.float64 else np.float32
        layer = InitialState(max(len(vector), 1), dtype=np.dtype(kind).name, trainable=value.parameter)  # type: ignore[call-arg]
        layer.set_weights(np.ascontiguousarray(vector.astype(kind)))
        flat = scope.apply(layer, self.first.value, name="initial_state")
        if len(axes) > 2:
            joined = (axes[0], tuple(axis[0] for axis in axes[1:]))
            flat = layout.arranged(replace(term, value=flat, axes=joined), axes, scope.move).value
        return term, flat

    # ------------------------------------------------------------------ the cell
    def run(self) -> None:
        """Convert the body."""
        from graphnet_onnx.reading.convert import initializers, run

        scope, body, parts = self.scope, self.body, self.parts
        inputs = body.input
        states = {self._name(inputs[i].name): self._shape(term, 1) for i, (term, _) in enumerate(self.initial)}
        sequences = {
            self._name(inputs[self.count + i].name): self._shape(term, 2) for i, term in parts.sequences.items()
        }
        contexts = {self._name(name): self._shape(term, 1) for name, term in parts.contexts.items()}
        name = re.sub(r"[^0-9A-Za-z_]+", "_", body.name.rsplit("/", 1)[-1]).strip("_")
        self.cell = Cell(name if name[:1].isalpha() else "cell", sequences=sequences, states=states, contexts=contexts)
        inner = Scope(scope.conversion, self.cell, scope.opsets, scope.functions, parent=scope, capture=self._captured,
                      depth=scope.depth + 1, attributes=scope.attributes)  # fmt: skip
        inner.uses, inner.readers = count_uses(body.node, body.output)
        self.inner = inner
        for i, term in parts.sequences.items():
            source = inputs[self.count + i].name
            step = replace(term, value=self.cell[self.names[source]], axes=term.axes[1:], rows=1)
            inner.set(source, step)
            inner.reference = inner.reference or step
        for i, constant in parts.constant.items():
            inner.set(inputs[self.count + i].name, constant)
        for i, (term, _) in enumerate(self.initial):
            entering = replace(term, value=self.cell[self.names[inputs[i].name]])
            self.entering.append(entering)
            inner.set(inputs[i].name, entering)
        initializers(inner, body, self.node.place)
        run(inner, body.node, self.node.place)

    def _captured(self, name: str, value: Abstract) -> Abstract:
        """A value of the graph around, in the body."""
        if name in self.parts.contexts:
            return replace(self.parts.contexts[name], value=self.cell[self.names[name]])
        if isinstance(value, (Term, Flipped)):
            raise self.scope.refused(self.node, f"its body reads {name[:80]!r}, which is given later")
        return value

    def _result(self, name: str) -> Term:
        """An output of the body as a value of the cell."""
        value = self.inner.get(name, self.node.place)
        if isinstance(value, Flipped):
            value = unflipped(self.inner, value)
        if isinstance(value, (Known, Filled)):
            value = as_term(self.inner, value)
        if not isinstance(value, Term):
            raise self.scope.refused(self.node, f"output {name[:80]!r} of its body is not a value")
        return value

    def _next(self, index: int, term: Term) -> Term:
        """The next value of a state, arranged as it enters."""
        entering = self.entering[index]
        if len(term.groups) != len(entering.groups):
            raise FileError("a state of a Scan changes its rank", where=self.node.place,
                            expected=len(entering.groups), received=len(term.groups))  # fmt: skip
        for mine, other in zip(term.groups, entering.groups, strict=True):
            if (term.batch in mine) != (entering.batch in other):
                raise layout.mixed_rows("a state of a Scan has the batch on another axis after a step")
        term, _ = layout.canonical(term, self.inner.move)
        if len(term.axes) != len(entering.axes) and len(entering.axes) == 2:  # a state without axes in ONNX
            loose = (new_atom(),)
            term = layout.arranged(replace(term, sizes=dict(term.sizes) | {loose[0]: 1}), (*term.axes[:1], loose),
                                   self.inner.move)  # fmt: skip
        return term

    def set_outputs(self) -> None:
        """Build the Scan, and set the outputs of the node."""
        scope, node, body = self.scope, self.node, self.body
        results: dict[str, Value] = {}
        emitted: list[tuple[str, str, Term, int]] = []
        for i in range(self.count):
            term = self._next(i, self._result(body.output[i].name))
            results[self.names[body.input[i].name]] = self._own(term.value)
        total = len(body.output) - self.count
        axes = _numbers(node, "scan_output_axes", total)
        directions = _numbers(node, "scan_output_directions", total)
        for i in range(total):
            target = node.outputs[self.count + i] if self.count + i < len(node.outputs) else ""
            if not target:
                continue
            term = self._result(body.output[self.count + i].name)
            name = self._name(f"{body.output[self.count + i].name}_out" if i else "output")
            results[name] = self._own(term.value)
            emitted.append((name, target, term, i))
        cell = self.cell.build(**results)
        inputs = [t.value for t in self.parts.sequences.values()]
        initial = [value for _, value in self.initial]
        contexts = [t.value for t in self.parts.contexts.values()]
        given: list[Value | None] = [*inputs, *initial, *contexts]
        while given and given[-1] is None:
            given.pop()
        layer = Scan(cell, reverse=self.parts.reverse)
        value = scope.apply(layer, *given, name=node.name or "scan")
        for i in range(min(self.count, len(node.outputs))):
            entering = self.entering[i]
            final = value[self.names[body.input[i].name]]
            scope.set(node.outputs[i], replace(entering, value=final))
        for name, target, term, i in emitted:
            axis = axes[i] % (len(term.groups) + 1)
            groups = (*term.groups[:axis], self.first.axes[0], *term.groups[axis:])
            time = self.first.axes[0]
            sizes = dict(term.sizes) | {time[0]: self.first.sizes[time[0]]}
            changes = {"value": value[name], "axes": (time, *term.axes), "groups": groups, "sizes": sizes, "rows": 2}
            whole: Term | Flipped = replace(term, **changes)  # type: ignore[arg-type]
            if bool(directions[i]) != self.parts.reverse:
                whole = flipped(whole, axis)
            scope.set(target, whole)
        scope.note(node, f"{value.ref.source}: {layer!r}"[:300])

    def _own(self, value: Value) -> Value:
        """A value that is a node of the cell; an input of it is passed through one."""
        return self.inner.apply(Affine(), value) if value.ref.source in self.cell.inputs else value
