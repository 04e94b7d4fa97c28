"""The parts of an ONNX file put together: inputs, steps, outputs, arrays, functions and metadata."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ValueInfoProto, helper

from graphnet.core.compile import lower
from graphnet.core.compile.infer import ragged
from graphnet.core.compile.plan import Loop
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError, GraphnetWarning
from graphnet.core.run.inputs import common_dtype
from graphnet.core.run.runner import Runner
from graphnet_onnx.writing.declared import graphs_of
from graphnet_onnx.writing.errors import check_size
from graphnet_onnx.writing.file import OnnxFile
from graphnet_onnx.writing.inputs import Inferred, inferred, only_initial, ragged_inputs, states_of
from graphnet_onnx.writing.loops import write_loop
from graphnet_onnx.writing.metadata import model_metadata
from graphnet_onnx.writing.opset import IR_VERSION, OPSET
from graphnet_onnx.writing.plans import PlanWriter


@dataclass(frozen=True)
class Options:
    """What :func:`graphnet_onnx.export` was given, checked."""

    recurrent: str
    dtype: str | None
    lengths: bool
    states: bool
    batch_major: bool
    shapes: Mapping[str, Shape]


def assembled(runner: Runner, model: Any, options: Options) -> onnx.ModelProto:
    """Return a model as an object of the package onnx."""
    choices = [(graph, distinct) for graph in graphs_of(runner, options.shapes) for distinct in _namings(graph)]
    for graph, distinct in choices[:-1]:
        with suppress(GraphnetError):  # sizes that only a pass has determined, or that must be equal
            return _of(graph, distinct, model, options)
    return _of(*choices[-1], model, options)


def _namings(graph: Graph) -> tuple[bool, ...]:
    """Whether free axes of one name in several inputs may differ in size: both are tried if there are any."""
    shapes = [spec.shape for spec in graph.inputs.values() if spec.shape is not None]
    free = [n for s in shapes for n, size in zip(s.names, s.sizes, strict=True) if size is None and n != BATCH]
    return (True, False) if len(set(free)) < len(free) else (False,)


def _of(graph: Graph, distinct: bool, model: Any, options: Options) -> onnx.ModelProto:
    runner = Runner(graph)
    if not runner.drawn:
        runner.materialize()
    return _Assembly(graph, distinct, options).model(model)


class _Assembly:
    """Puts one file together."""

    def __init__(self, graph: Graph, distinct: bool, options: Options) -> None:
        self.graph, self.plan, self.layers, self.options = graph, lower(graph), graph.layers(), options
        optional = [slot for slot, name in enumerate(self.plan.inputs) if graph.inputs[name].optional]
        #: Optional inputs that are initial states, for which zeros stand; the file does not have the other ones.
        self.state_inputs = [slot for slot in optional if options.states and only_initial(self.plan, slot)]
        self.absent = [self.plan.inputs[slot] for slot in optional if slot not in self.state_inputs]
        shapes: Inferred = inferred(graph, self.plan, self.layers, self.absent, distinct)
        dtype = options.dtype or common_dtype((), self.layers.values())
        arrays = {path: _arrays(layer, dtype) for path, layer in self.layers.items()}
        self.shapes = shapes.shapes
        self.file = OnnxFile(self.layers, arrays, dtype, options.recurrent, shapes.names)
        self.inputs: list[ValueInfoProto] = []
        self.outputs: list[ValueInfoProto] = []
        #: The states of the Scans: name, and those of input and output.
        self.states: list[dict[str, str]] = []
        integers = {slot for slot, name in enumerate(self.plan.inputs) if graph.inputs[name].integer}
        self.writer = PlanWriter(self.file, self.plan, self.shapes, self.file.scope, {}, {}, integers, write_loop)

    # ------------------------------------------------------------------ inputs
    def read_inputs(self) -> None:
        """Declare the inputs of the graph, then the lengths of rows."""
        for slot, name in enumerate(self.plan.inputs):
            if name in self.absent or slot in self.state_inputs:
                continue
            integer = slot in self.writer.integers
            dimensions = self.file.dimensions(self.writer.pair(slot))
            self.writer.values[slot] = name
            if self.swapped(slot):
                dimensions[:2] = dimensions[1::-1]
                self.writer.values[slot] = f"{name}:time_major"
                self.transposed(name, self.writer.values[slot], len(dimensions))
            self.inputs.append(self.file.typed(name, dimensions, np.int64 if integer else None))
        if self.options.lengths:
            slots = ragged_inputs(self.plan, self.shapes[0])
            self.writer.lengths = {slot: self.row_lengths(slot, len(slots) == 1) for slot in slots}

    def row_lengths(self, slot: int, only: bool) -> str:
        """The lengths of the rows of an input, at most its number of steps; all steps where they are left out."""
        name, scope, source = self.plan.inputs[slot], self.file.scope, self.writer.values[slot]
        given = self.unused("lengths" if only else f"{name}_lengths")
        self.default(given, np.array([np.iinfo(np.int64).max]), [f"{given}_rows"])
        steps = scope.op("Shape", source, start=0, end=1)
        rows = scope.op("Shape", source, start=1, end=2)
        limited = scope.op("Min", given, steps)
        result = f"{given}:limited"
        scope.node("Expand", (limited, rows), (result,))
        return result

    def default(self, name: str, array: Any, dimensions: list[Any]) -> None:
        """An input that may be left out: an initializer of the same name."""
        self.inputs.append(self.file.typed(name, dimensions, array.dtype))
        self.file.initializer(name, array)

    def unused(self, name: str) -> str:
        """A name that no input, output or node of the graph has."""
        while name in (*self.graph.inputs, *self.graph.outputs, *self.plan.slot_paths):
            name += "_"
        return name

    # ------------------------------------------------------------------ states
    def read_states(self) -> None:
        """Declare the initial states of Scans as inputs that may be left out: zeros, one row for all."""
        for step, number, name in states_of(self.plan):
            slot = step.initial[number]
            if slot is None:
                given = self.unused(f"{name}_initial")
            elif slot in self.state_inputs:
                given = self.plan.inputs[slot]
            else:  # computed by the graph
                self.states.append({"name": name})
                continue
            self.states.append({"name": name, "input": given})
            self.writer.initial[step.path, number] = given
            if given not in self.file.initializers:
                first, second = self.cell_pair(step, len(step.sequences) + number)
                sizes = [a if a == b else 1 for a, b in zip(first.sizes[1:], second.sizes[1:], strict=True)]
                dimensions = [f"{given}_rows", *self.file.dimensions((first, second))[1:]]
                self.default(given, np.zeros((1, *(size or 1 for size in sizes)), self.file.dtype), dimensions)

    def cell_pair(self, step: Loop, slot: int) -> tuple[Shape, Shape]:
        """The two shapes of a slot of a cell."""
        first, second = (shapes.cells[step.path].slots[slot] for shapes in self.shapes)
        assert first is not None
        assert second is not None
        return first, second

    def write_states(self) -> None:
        """Name the final states as outputs, those that are not outputs of the graph already."""
        for state, (step, number, name) in zip(self.states, states_of(self.plan), strict=True):
            slot = step.finals[number]
            known = next((output for output, source in self.plan.outputs if source == slot), None)
            if known is not None:
                state["output"] = self.final(known)
                continue
            state["output"] = self.unused(f"{name}_final")
            self.output(state["output"], slot)

    # ------------------------------------------------------------------ outputs
    def write_outputs(self) -> None:
        """Name the outputs of the graph."""
        for name, slot in self.plan.outputs:
            self.output(self.final(name), slot)

    def final(self, name: str) -> str:
        """The name of an output of the graph, which is that of no input."""
        return f"{name}_final" if name in self.graph.inputs else name

    def output(self, name: str, slot: int) -> None:
        """Declare a value as an output, zero beyond the rows' ends."""
        value, dimensions = self.writer.masked(slot), self.file.dimensions(self.writer.pair(slot))
        if self.swapped(slot):
            dimensions[:2] = dimensions[1::-1]
            self.transposed(value, name, len(dimensions))
        else:
            self.file.scope.node("Identity", (value,), (name,))
        integer = slot in self.writer.integers
        self.outputs.append(self.file.typed(name, dimensions, np.int64 if integer else None))

    def swapped(self, slot: int) -> bool:
        """Whether a value has the axes (time, batch, …) in the graph and (batch, time, …) in the file."""
        return self.options.batch_major and ragged(self.writer.pair(slot)[0])

    def transposed(self, source: str, result: str, rank: int) -> None:
        """Exchange time and batch."""
        self.file.scope.node("Transpose", (source,), (result,), perm=[1, 0, *range(2, rank)])

    # ------------------------------------------------------------------ the whole
    def model(self, source: Any) -> onnx.ModelProto:
        """Write all parts."""
        self.read_inputs()
        if self.options.states:
            self.read_states()
        self.writer.reserved = {*self.graph.outputs}
        self.writer.write()
        self.write_outputs()
        if self.options.states:
            self.write_states()
        file = self.file
        check_size(sum(len(tensor.raw_data) for tensor in file.initializers.values()), self.graph.name)
        graph = helper.make_graph(
            file.scope.nodes, self.graph.name, self.inputs, self.outputs, list(file.initializers.values())
        )
        domains = sorted({domain for domain, _ in file.functions})
        opsets = [helper.make_opsetid("", OPSET), *[helper.make_opsetid(domain, 1) for domain in domains]]
        proto: onnx.ModelProto = helper.make_model(
            graph, functions=list(file.functions.values()), opset_imports=opsets, ir_version=IR_VERSION
        )
        if file.operators and file.dtype != "float32":
            warnings.warn(
                f"onnxruntime runs {' and '.join(sorted(file.operators))} in float32 only: export the model with "
                "dtype='float32', or with recurrent='scan'",
                GraphnetWarning,
                stacklevel=2,
            )
        model_metadata(proto, source, self.graph, self.states, self.options.batch_major)
        return proto


def _arrays(layer: Layer, dtype: str) -> Mapping[str, Any]:
    """The arrays of a layer in the dtype of a file."""
    arrays = {**{name: p.value for name, p in layer.params.items()}, **layer.buffer_values, **layer.constants()}
    return {name: np.asarray(array, dtype) for name, array in arrays.items()}
