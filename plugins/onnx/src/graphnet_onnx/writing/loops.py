"""A Scan of graphnet as the operator Scan: the cell is its body, with a node for each of its nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, helper

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.shapes import Shape
from graphnet_onnx.writing.errors import ExportError
from graphnet_onnx.writing.plans import PlanWriter
from graphnet_onnx.writing.recurrent import write_operator
from graphnet_onnx.writing.scope import Scope
from graphnet_onnx.writing.sizes import Size


def write_loop(writer: PlanWriter, step: Loop) -> None:
    """Write a Scan, as an operator of its own where the file is to have these and the cell is one."""
    LoopWriter(writer, step).write()


class LoopWriter:
    """Writes one Scan."""

    def __init__(self, writer: PlanWriter, step: Loop) -> None:
        self.writer, self.step, self.file = writer, step, writer.file
        self.outer = writer.scope
        self.cell: tuple[Shapes, Shapes] = tuple(shapes.cells[step.path] for shapes in writer.shapes)  # type: ignore[assignment]
        self.single = step.path in writer.shapes[0].single
        origins = [writer.origin(slot) for slot in step.sequences]
        self.origin = next((origin for origin in origins if origin is not None), None)
        self.sequences = [self.batched(slot) for slot in step.sequences]

    # ------------------------------------------------------------------ the values that it reads
    def batched(self, slot: int) -> str:
        """A sequence; one without a batch axis gets one."""
        name = self.writer.values[slot]
        return self.outer.op("Unsqueeze", name, self.outer.constant([1], np.int64)) if self.single else name

    def reversed(self, name: str, result: str = "") -> str:
        """A sequence in reverse order.

        The operator Scan can go backwards itself, but ONNX's reference evaluator lacks that.
        """
        numbers = [self.outer.constant([number], np.int64) for number in (-1, np.iinfo(np.int64).min, 0, -1)]
        result = result or self.outer.unique("reversed")
        self.outer.node("Slice", (name, *numbers), (result,))
        return result

    def pair(self, slot: int) -> tuple[Shape, Shape]:
        """The two shapes of a slot of the cell."""
        first, second = (shapes.slots[slot] for shapes in self.cell)
        assert first is not None
        assert second is not None
        return first, second

    def sizes(self, slot: int) -> list[int]:
        """The sizes of a slot of the cell, as expressions of those of the sequences."""
        known: dict[int, Size] = {}
        for name, outer in zip(self.sequences, self.step.sequences, strict=True):
            pair = self.writer.pair(outer)
            for axis, (a, b) in enumerate(zip(pair[0].sizes, pair[1].sizes, strict=True)):
                place = axis + 1 if self.single and axis else axis
                if a != b:
                    known.setdefault(a or 0, Size(a or 0, ("axis", name, place)))
        first, second = self.pair(slot)
        result = []
        for a, b in zip(first.sizes, second.sizes, strict=True):
            if a != b and (a or 0) not in known:
                raise ExportError(
                    "a state has a free size that none of the sequences has",
                    where=f"{self.step.path}/{self.step.cell.slot_paths[slot]}",
                    received=str(first),
                    remedy="Declare the size of the input.",
                )
            result.append(known[a or 0] if a != b else a or 0)
        return result

    def initial(self, number: int) -> str:
        """A state before the first step: zeros where there is no value."""
        outer, slot = self.step.initial[number], len(self.sequences) + number
        if outer is not None and outer in self.writer.values:
            return self.writer.values[outer]
        sizes = self.sizes(slot)
        given = self.writer.initial.get((self.step.path, number))
        if given is None:
            given = self.outer.constant(np.zeros((1,) * len(sizes), self.file.dtype))
        return self.outer.op("Expand", given, self.outer.shape(sizes))

    # ------------------------------------------------------------------ the node
    def write(self) -> None:
        """Append the nodes, and name what they compute."""
        initial = [self.initial(i) for i in range(len(self.step.initial))]
        lengths = None if self.origin is None else self.writer.lengths[self.origin]
        as_operator = self.file.recurrent == "operator"
        if not (as_operator and write_operator(self.writer, self.step, self.sequences[0], lengths, initial)):
            self.write_scan(initial)

    def write_scan(self, initial: list[str]) -> None:
        """Append a Scan."""
        step, outer, writer = self.step, self.outer, self.writer
        scanned = [self.reversed(name) if step.reverse else name for name in self.sequences]
        if self.origin is not None:
            within = writer.mask(self.origin)
            scanned.append(self.reversed(within) if step.reverse else within)
        finals = [writer.name(slot) for slot in step.finals]
        emitted = [writer.name(slot) for slot in step.outputs]
        made = [outer.unique("emitted") for _ in emitted] if self.single or step.reverse else emitted
        body = self.body()
        outer.node(
            "Scan", [*initial, *scanned], [*finals, *made], name=step.path, body=body, num_scan_inputs=len(scanned)
        )
        for source, name in zip(made, emitted, strict=True):
            if step.reverse:
                wide = self.reversed(source, "" if self.single else name)
            if self.single:
                outer.node("Squeeze", (wide if step.reverse else source, outer.constant([1], np.int64)), (name,))
        slots, names = (*step.finals, *step.outputs), (*finals, *emitted)
        writer.values.update(zip(slots, names, strict=True))
        if self.origin is not None:
            writer.zeroed.update(zip(step.outputs, emitted, strict=True))

    def body(self) -> GraphProto:
        """The graph of one step."""
        step, cell = self.step, self.step.cell
        scope = Scope(f"{step.path}:")
        count, states = len(step.sequences), len(step.initial)
        names = {slot: cell.slot_paths[slot] for slot in range(count + states)}
        values = dict(names)
        lengths: dict[int, str] = {}
        integers = {i for i, slot in enumerate(step.sequences) if slot in self.writer.integers}
        for slot, outer in enumerate(step.contexts, count + states):
            values[slot] = self.writer.masked(outer)
            origin = self.writer.origin(outer)
            if origin is not None:
                lengths[slot] = self.writer.lengths[origin]
            if outer in self.writer.integers:
                integers.add(slot)
        inner = PlanWriter(self.file, cell, self.cell, scope, values, lengths, integers, write_loop)
        inner.write()
        rows = f"{step.path}:within" if self.origin is not None else None
        order = (*range(count, count + states), *range(count))
        inputs = [self.info(names[slot], slot, slot in integers) for slot in order]
        if rows is not None:
            batch = next((a for a in self.file.dimensions(self.pair(0))[:1]), None)
            inputs.append(self.file.typed(rows, [batch], bool))
            self.check_batch_axes()
        outputs = self.results(inner, scope, rows)
        graph: GraphProto = helper.make_graph(scope.nodes, cell_name(step.path), inputs, outputs)
        return graph

    def info(self, name: str, slot: int, integer: bool = False) -> Any:
        """The type of a value of the body."""
        return self.file.value_info(name, self.pair(slot), np.int64 if integer else None)

    def results(self, inner: PlanWriter, scope: Scope, rows: str | None) -> list[Any]:
        """The next states, then what each step emits; rows that have ended keep their states and emit zeros."""
        step, infos = self.step, []
        first, emitted = len(step.sequences), len(step.outputs)
        order = [*range(emitted, len(step.cell.outputs)), *range(emitted)]
        for number in order:
            port, slot = step.cell.outputs[number]
            is_state = number >= emitted
            name = f"{step.path}/{port}:{'next' if is_state else 'emitted'}"
            value = inner.values[slot]
            if rows is None:
                scope.node("Identity", (value,), (name,))
            else:
                rank = self.pair(slot)[0].rank
                flags = rows
                if rank > 1:
                    flags = scope.op("Unsqueeze", rows, scope.constant(list(range(1, rank)), np.int64))
                old = step.cell.slot_paths[first + number - emitted] if is_state else None
                other = old or scope.constant(0, np.int64 if slot in inner.integers else self.file.dtype)
                scope.node("Where", (flags, value, other), (name,))
            infos.append(self.info(name, slot, slot in inner.integers))
        return infos

    def check_batch_axes(self) -> None:
        """Refuse rows of different lengths where the batch is another axis than 0 of a step's value."""
        step = self.step
        emitted = [slot for _, slot in step.cell.outputs]
        for slot in (*range(len(step.sequences) + len(step.initial)), *emitted):
            if BATCH in self.pair(slot)[0].names[1:]:
                raise ExportError(
                    "rows of different lengths need the batch as axis 0 of each step's value",
                    where=f"{step.path}/{step.cell.slot_paths[slot]}",
                    expected="(batch, …)",
                    received=str(self.pair(slot)[0]),
                    remedy="Export it with lengths=False.",
                )


def cell_name(path: str) -> str:
    """The name of the graph of a body."""
    return f"{path}/cell"
