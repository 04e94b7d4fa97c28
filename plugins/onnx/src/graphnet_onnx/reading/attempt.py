"""One conversion of a file, for one choice of the axes of batch and time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Builder, FileError, Graph, GraphnetError, Model, TrainingConfig
from graphnet.io.foreign import reading
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.convert import initializers, opsets_of, run
from graphnet_onnx.reading.dims import Dim, Size, symbol
from graphnet_onnx.reading.handlers.parts import unflipped
from graphnet_onnx.reading.parse import count_nodes, nested
from graphnet_onnx.reading.ports import Port, Roles
from graphnet_onnx.reading.report import Report
from graphnet_onnx.reading.scope import Conversion, Scope, count_uses
from graphnet_onnx.reading.values import Dropped, Flipped, Known, Term, new_atom

#: Nodes that functions may give, besides eight times those of the file.
EXPANDED = 4000
RECURRENT = frozenset({"LSTM", "GRU", "RNN", "Scan"})


class Attempt:
    """One conversion of a file, for one choice of the axes of batch and time."""

    def __init__(self, proto: Any, where: str, folder: str | None, ports: list[Port], roles: Roles) -> None:
        self.proto, self.where, self.ports, self.roles = proto, where, ports, roles
        self.conversion = Conversion(where, folder, limit=EXPANDED + 8 * count_nodes(proto, where))
        name = re.sub(r"[^0-9A-Za-z_]+", "_", proto.graph.name[:80]).strip("_")
        self.builder = Builder(name if name[:1].isalpha() else "onnx_model")
        functions = {(function.domain, function.name): function for function in proto.functions}
        self.scope = Scope(self.conversion, self.builder, opsets_of(proto), functions)
        self.scope.uses, self.scope.readers = count_uses(proto.graph.node, proto.graph.output)
        self.sources: dict[str, tuple[str, int]] = {}
        self.outputs: dict[str, Any] = {}
        self._indices: set[str] = set()
        self.skipped: list[str] = []
        starts = list(dict.fromkeys((self.roles.batch[n], t) for n, t in self.roles.time.items()))
        self.batch_major = bool(starts) and starts[0] == (0, 1)
        self.sequences = {n for n, t in roles.time.items() if (roles.batch[n], t) in (starts[:1] if starts else [])
                          and sorted((roles.batch[n], t)) == [0, 1]}  # fmt: skip

    def run(self) -> None:
        """Convert the graph."""
        for port in self.ports:
            self._input(port)
        optional = {value.name for value in self.proto.graph.input} if self.proto.ir_version >= 4 else ()
        initializers(self.scope, self.proto.graph, self.where, optional)
        run(self.scope, self.proto.graph.node, self.where)
        states = final_states(self.proto)
        for value in self.proto.graph.output:
            if value.name in states and len(self.proto.graph.output) > len(states):
                self.skipped.append(f"{value.name}: a state, which predict(stateful=True) keeps")
            else:
                self._output(value.name)
        if not self.outputs:
            raise FileError(
                "the model has no output that depends on its inputs",
                where=self.where,
                expected="numbers for each row",
                received="; ".join(self.skipped)[:500] or "no output",
            )

    def times(self) -> dict[str, int]:
        """The axes of inputs that a recurrence runs along."""
        found: dict[str, int] = {}
        for name in self.conversion.scanned:
            if name in self.sources:
                source, axis = self.sources[name]
                found[source] = axis
            for port in self.ports:
                if name in port.dims and port.dims.index(name) != self.roles.batch[port.name]:
                    found[port.name] = port.dims.index(name)
        return found

    def _symbols(self, port: Port) -> list[Size]:
        """The sizes of the axes of an input; free ones as symbols."""
        recurrent = getattr(self, "_recurrent", None)
        if recurrent is None:
            recurrent = self._recurrent = has_recurrence(self.proto)
        batch = self.roles.batch[port.name]
        sizes: list[Size] = []
        for axis, dim in enumerate(port.dims):
            size: Size
            if axis == batch:
                size = symbol(self.conversion.batch)
                if isinstance(dim, int):
                    self.conversion.hints[self.conversion.batch] = dim
            elif isinstance(dim, int):
                size, place = dim, f"{port.name}[{axis}]"
                early = (
                    recurrent and not self.roles.time and axis < 2 and (len(port.dims) == 3 or port.dtype.kind != "f")
                )
                if early or self.roles.time.get(port.name) == axis:
                    size = symbol(place)
                    self.conversion.hints[place] = dim
                    self.sources[place] = (port.name, axis)
            else:
                name = dim or f"{port.name}[{axis}]"
                size = symbol(name)
                self.sources.setdefault(name, (port.name, axis))
            sizes.append(size)
        named = port.dims[batch]
        if isinstance(named, str):  # other axes of this name have the size of the batch
            sizes = [symbol(self.conversion.batch) if port.dims[i] == named else size for i, size in enumerate(sizes)]
        return sizes

    def _input(self, port: Port) -> None:
        """Declare an input, and arrange it with the rows first."""
        sizes, batch, time = self._symbols(port), self.roles.batch[port.name], self.roles.time.get(port.name)
        atoms = [new_atom() for _ in sizes]
        known = dict(zip(atoms, sizes, strict=True))
        groups = tuple((atom,) for atom in atoms)
        name = self.scope.free_name(port.name, "input")
        shown = [self._shown(size) for size in sizes]
        sequence = port.name in self.sequences
        order = [time, batch] if sequence and time is not None else [batch] if batch == 0 else []
        order += [i for i in range(len(sizes)) if i not in order]
        names = self._axis_names(batch, time if sequence else None, [shown[i] for i in order], order)
        value = self.builder.input(name, names, integer=self._is_index(port))
        rows = 2 if sequence else 1
        axes = tuple((atoms[i],) for i in order)
        term = Term(value, axes, groups, known, rows, port.dtype)
        if not sequence and batch != 0:
            moved = tuple((atoms[i],) for i in [batch, *[i for i in range(len(sizes)) if i != batch]])
            term = layout.arranged(replace(term, axes=axes), moved, self.scope.move)
        if port.name not in self._indices:
            term = layout.with_inner(term, self.scope.move)
        self.scope.set(port.name, term)
        for atom, size in known.items():
            if isinstance(size, Dim) and len(size.symbols) == 1:
                self.conversion.located.setdefault(size.symbols[0], (term, atom))
        self.scope.reference = self.scope.reference or term

    def _shown(self, size: Size) -> str:
        return "" if isinstance(size, Dim) else f"={size}"

    def _axis_names(self, batch: int, time: int | None, shown: list[str], order: list[int]) -> str:
        """The declaration of an input."""
        rest = [i for i in order if i not in (batch, time)]
        usual = {1: ["feature"], 2: ["axis1", "axis2"], 3: ["channel", "y", "x"]}.get(len(rest))
        if usual is None or (batch != 0 and time is None):
            usual = [f"axis{i}" for i in range(1, len(rest) + 1)]
        if len(rest) == 1 and batch != 0 and time is None:
            usual = ["axis0"]
        names = dict(zip(rest, usual, strict=True)) | {batch: "batch"} | ({} if time is None else {time: "time"})
        return ", ".join(f"{names[i]}{text}" for i, text in zip(order, shown, strict=True))

    def _is_index(self, port: Port) -> bool:
        """Whether an input is declared as integers."""
        if port.dtype.kind in "iu" and self._only_indices(port.name):
            self._indices.add(port.name)
        return port.name in self._indices

    def _only_indices(self, name: str) -> bool:
        """Whether an input of integers is read as indices of rows of a table and as nothing else."""
        waiting, readers = [name], self.scope.readers
        while waiting:
            for node in readers.get(waiting.pop(), []):
                if node is None:
                    return False
                if node.op_type in ("Identity", "Cast", "Transpose", "Unsqueeze", "Squeeze"):
                    waiting += list(node.output[:1])
                elif node.op_type not in ("Gather", "Shape") or (node.op_type == "Gather" and node.input[1] not in
                                                                  (name, *self._aliases(name))):  # fmt: skip
                    return False
        return True

    def _aliases(self, name: str) -> set[str]:
        """Names of the same integers in another shape."""
        found, waiting = set(), [name]
        while waiting:
            for node in self.scope.readers.get(waiting.pop(), []):
                if node is not None and node.op_type in ("Identity", "Cast", "Transpose", "Unsqueeze", "Squeeze"):
                    found |= set(node.output[:1])
                    waiting += list(node.output[:1])
        return found

    def _output(self, name: str) -> None:
        """Arrange an output in the axes of the file."""
        place = f"{self.where}, output {name[:200]!r}"
        value = self.scope.get(name, place)
        if isinstance(value, Flipped):
            value = unflipped(self.scope, value)
        if not isinstance(value, Term):
            if isinstance(value, Dropped):
                self.skipped.append(f"{name}: {value.reason}")
            else:
                self.skipped.append(f"{name}: {'a constant' if isinstance(value, Known) else 'sizes of axes'}")
            return
        try:
            term = self._arranged(value)
        except GraphnetError as error:
            raise error.at(place) from None
        wanted = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_")[:80]
        if not wanted[:1].isalpha():
            wanted = f"output_{wanted}".strip("_")
        count, first = 2, wanted
        while wanted in self.outputs:
            wanted, count = f"{first}_{count}", count + 1
        self.outputs[wanted] = term.value

    def _arranged(self, term: Term) -> Term:
        move = self.scope.move
        places = [next((i for i, g in enumerate(term.groups) if atom in g), None) for atom in term.row_atoms]
        if term.rows == 2 and (not self.sequences or sorted(p if p is not None else 9 for p in places) != [0, 1]
                               or (places == [1, 0]) != self.batch_major):  # fmt: skip
            term = layout.demoted(term, move)
            places = places[1:]
        batch = places[-1]
        if batch is None:
            raise layout.mixed_rows("an output does not depend on the row of the batch")
        term, _ = layout.canonical(term, move)
        if term.rows == 1 and batch != 0:
            atoms = [group if group else (new_atom(),) for group in term.groups]
            term = layout.arranged(term, tuple(atoms), move, batch=batch)
        return term

    def model(self) -> tuple[Model, Report]:
        """The model, with its weights."""
        graph: Graph = self.builder.build(**self.outputs)
        wide = any(port.dtype == np.float64 for port in self.ports)
        config = TrainingConfig(
            batch_major=self.batch_major and bool(self.sequences), dtype="float64" if wide else "float32"
        )
        found = {n: c for n, c in self.conversion.classes.items() if len(set(c)) == len(c) >= 2}
        if len(self.outputs) == 1 and found:
            config = replace(config, classes=next(reversed(found.values())))
        elif any(name in self.outputs for name in found):
            config = replace(config, classes={name: found[name] for name in self.outputs if name in found})
        model = Model(graph, config)
        conversion = self.conversion
        batch = {port.name: self.roles.batch[port.name] for port in self.ports}
        fixed = tuple(dict.fromkeys(conversion.fixed))
        return model, Report(self.where, tuple(conversion.entries), tuple(self.skipped), fixed, batch)


def final_states(proto: Any) -> set[str]:
    """The outputs that graphnet's export has added for the states of a model."""
    if proto.producer_name != "graphnet":
        return set()
    for entry in proto.metadata_props:
        if entry.key == "graphnet.states":
            with reading("graphnet.states", "a list of states"):
                listed = json.loads(entry.value)
                return {str(state["output"]) for state in listed}
    return set()


def has_recurrence(proto: Any) -> bool:
    """Whether a model has a node that runs along an axis."""
    waiting = [proto.graph, *proto.functions]
    while waiting:
        graph = waiting.pop()
        for node in graph.node:
            if node.op_type in RECURRENT:
                return True
            waiting += nested(node)
    return False
