"""A run of nodes as one graph of graphnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphnet import Builder, Phase, Runner, Value
from graphnet_onnx.operators.evaluator import Step
from graphnet_onnx.operators.rows.node_layer import ChangedShapeError, NodeLayer, row_shape
from graphnet_onnx.operators.rows.row_layers import layer_for


class Nodes:
    """Adds nodes of ONNX to a graph that is being built.

    Parameters
    ----------
    builder : Builder
    values : mapping of str to Value
        The values of the graph by their names in ONNX; extended by :meth:`add`.
    known : mapping of str to array
        All arrays of the first run, also those that are constant.
    """

    def __init__(self, builder: Builder, values: Mapping[str, Value], known: Mapping[str, Any]) -> None:
        self.builder, self.values, self.known = builder, dict(values), known

    def add(self, step: Step, used: frozenset[str]) -> None:
        """Add a node whose outputs in ``used`` are values of the graph."""
        varying = tuple(dict.fromkeys(name for name in step.reads if name in self.values))
        layer = None
        if step.context is not None and not step.graphs:
            inputs = tuple(name for name in step.inputs if name in self.values)
            layer = layer_for(step.context, step.inputs, inputs, self.known)
            if layer is not None:
                self.values[step.outputs[0]] = layer(*(self.values[name] for name in inputs))
                return
        self._add_opaque(step, varying, used)

    def _add_opaque(self, step: Step, varying: tuple[str, ...], used: frozenset[str]) -> None:
        fixed = {name: self.known[name] for name in step.reads if name not in varying}
        wanted = [i for i, name in enumerate(step.outputs) if name in used]

        def operation(arrays: list[Any]) -> Sequence[Any]:
            results = step.run({**fixed, **dict(zip(varying, arrays, strict=True))})
            return [results[i] for i in wanted]

        ports = tuple(f"y{i}" for i in wanted)
        sizes = tuple(self.known[step.outputs[i]].shape for i in wanted)
        node = NodeLayer(operation, ports, sizes, step.where)(*(self.values[name] for name in varying))
        for i, port in zip(wanted, ports, strict=True):
            self.values[step.outputs[i]] = node[port]


class Segment:
    """Consecutive nodes that a Runner runs as one graph.

    Parameters
    ----------
    steps : list of Step
    inputs : tuple of str
        The values that they read from outside, other than constants.
    outputs : tuple of str
        The values that are read after them.
    known : mapping of str to array
        All arrays of the first run.

    Attributes
    ----------
    graph : Graph
    """

    def __init__(
        self, steps: list[Step], inputs: tuple[str, ...], outputs: tuple[str, ...], known: Mapping[str, Any]
    ) -> None:
        self.steps, self.inputs, self.outputs = steps, inputs, outputs
        self._kinds = {name: (known[name].dtype, known[name].shape) for name in inputs}
        builder = Builder("segment")
        values = {name: builder.input(f"x{i}", row_shape(known[name].shape)) for i, name in enumerate(inputs)}
        nodes = Nodes(builder, values, known)
        inside = frozenset(outputs) | {name for step in steps for name in step.reads}
        for step in steps:
            nodes.add(step, inside & set(step.outputs))
        self.graph = builder.build(**{f"y{i}": nodes.values[name] for i, name in enumerate(outputs)})
        self._runner = Runner(self.graph)

    def run(self, scope: dict[str, Any]) -> None:
        """Compute the outputs from the values in scope, and put them there.

        Raises
        ------
        ChangedShapeError
            If the shape of a value differs from that of the first run.
        """
        for name, (dtype, shape) in self._kinds.items():
            if scope[name].dtype != dtype or scope[name].shape != shape:
                where = self.steps[0].where
                raise ChangedShapeError(f"the shape of {name!r} depends on numbers", where=where, expected=shape)
        inputs = {f"x{i}": scope[name][None] for i, name in enumerate(self.inputs)}
        results = self._runner.forward(inputs, phase=Phase.test, keep=False)
        scope.update((name, results[f"y{i}"][0]) for i, name in enumerate(self.outputs))
