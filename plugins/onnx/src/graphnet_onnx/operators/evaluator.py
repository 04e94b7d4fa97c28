"""Evaluates graphs of ONNX node by node, with graphs inside and functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from graphnet import GraphError, GraphnetError
from graphnet_onnx.operators.context import DEFAULT_DOMAINS, Context, node_place, tensor_value, unknown_operator
from graphnet_onnx.operators.functions import (
    Functions,
    default_attributes,
    definition,
    has_definition,
    instantiated,
    opsets_of,
)
from graphnet_onnx.operators.run import run, supported

#: How deep functions and graphs may be nested.
DEEPEST = 64
#: Operators that return other numbers at each evaluation.
DRAWN = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


@dataclass(frozen=True)
class Settings:
    """What the nodes of a graph share.

    Attributes
    ----------
    opsets : mapping of str to int
        The version of each domain.
    functions : mapping
        The functions of the model by domain and name.
    depth : int
        How many graphs and functions are around this one.
    """

    opsets: Mapping[str, int]
    functions: Functions
    depth: int = 0

    def deeper(self, where: str, opsets: Mapping[str, int] | None = None) -> Settings:
        """The settings of a graph or function inside.

        Raises
        ------
        GraphError
            If there are more than :data:`DEEPEST`, as where a function calls itself.
        """
        if self.depth >= DEEPEST:
            raise GraphError("graphs and functions are nested too deep", where=where, expected=f"at most {DEEPEST}")
        return replace(self, depth=self.depth + 1, opsets=self.opsets if opsets is None else opsets)


class Step:
    """One node, ready to be evaluated many times.

    Parameters
    ----------
    node : NodeProto
    settings : Settings
    """

    def __init__(self, node: onnx.NodeProto, settings: Settings) -> None:
        self.node, self.settings, self.where = node, settings, node_place(node)
        self.domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        names = list(node.input)
        while names and not names[-1]:
            names.pop()
        self.inputs, self.outputs = tuple(names), tuple(node.output)
        self.opset = settings.opsets.get(self.domain, 1)
        local = settings.functions.get((self.domain, node.op_type))
        self.graphs = {
            a.name: Evaluator.of_graph(a.g, settings.deeper(self.where))
            for a in node.attribute
            if a.type == onnx.AttributeProto.GRAPH
        }
        self._function = None if local is None else self._of_function(local)
        self._expanded: dict[Any, Evaluator] = {}
        self.context = None
        if self._function is None and supported(node.op_type, self.domain):
            self.context = Context.of_node(node, self.opset, where=self.where, graphs=self.graphs)
        elif self._function is None and not has_definition(node.op_type, self.opset, self.domain):
            raise unknown_operator(node.op_type, self.domain, self.opset, self.where)
        nested = [*self.graphs.values(), *([self._function] if self._function else [])]
        #: Whether each evaluation may return other numbers for equal inputs.
        self.draws = node.op_type in DRAWN or (node.op_type == "Dropout" and len(names) > 2)
        self.draws = self.draws or any(step.draws for graph in nested for step in graph.steps)
        captured = [name for graph in self.graphs.values() for name in graph.captured]
        #: All names that the node reads, with those that graphs inside it read.
        self.reads = tuple(dict.fromkeys([name for name in (*names, *captured) if name]))

    def _of_function(self, function: onnx.FunctionProto) -> Evaluator:
        settings = self.settings.deeper(self.where, {**self.settings.opsets, **opsets_of(function.opset_import)})
        nodes = instantiated(function, self.node, default_attributes(self.node.op_type, self.opset, self.domain))
        return Evaluator(function.input, function.output, nodes, {}, settings, optional=True)

    def run(self, scope: dict[str, Any]) -> tuple[Any, ...]:
        """Return the outputs, from the values of the names in scope."""
        inputs = [scope[name] if name else None for name in self.inputs]
        if self.context is None:
            return self._by_definition(inputs)
        context = self.context
        if self.graphs:
            bound = {name: Subgraph(graph, scope) for name, graph in self.graphs.items()}
            context = replace(context, attributes={**context.attributes, **bound})
        return run(context, inputs)

    def _by_definition(self, inputs: list[Any]) -> tuple[Any, ...]:
        evaluator = self._function or self._expansion(inputs)
        given = [*inputs, *[None] * (len(evaluator.inputs) - len(inputs))]
        try:
            return tuple(evaluator.run(dict(zip(evaluator.inputs, given, strict=False))))
        except GraphnetError as error:
            raise error.at(self.where) from None

    def _expansion(self, inputs: list[Any]) -> Evaluator:
        key = tuple((a.dtype.str, a.dtype.name, a.shape) if isinstance(a, np.ndarray) else None for a in inputs)
        if key not in self._expanded:
            function = definition(self.node, self.opset, inputs)
            if function is None:
                raise unknown_operator(self.node.op_type, self.domain, self.opset, self.where)
            self._expanded = {key: self._of_function(function)}
        return self._expanded[key]


class Evaluator:
    """A graph whose nodes can be evaluated.

    Parameters
    ----------
    inputs, outputs : iterable of str
    nodes : iterable of NodeProto
        In an order in which each node comes after those that it reads.
    constants : mapping of str to array
        The initializers.
    settings : Settings
    optional : bool
        Whether outputs may be missing, as optional ones of functions; they are None then.

    Attributes
    ----------
    captured : tuple of str
        The names that the nodes read from the graph around this one.

    Raises
    ------
    GraphnetError
        If a node has an unknown operator, or an attribute that cannot be read.
    """

    def __init__(
        self,
        inputs: Iterable[str],
        outputs: Iterable[str],
        nodes: Iterable[onnx.NodeProto],
        constants: Mapping[str, Any],
        settings: Settings,
        *,
        optional: bool = False,
    ) -> None:
        self.inputs, self.outputs, self.constants = tuple(inputs), tuple(outputs), dict(constants)
        self.steps = [Step(node, settings) for node in nodes]
        known = {*self.inputs, *self.constants}
        captured: dict[str, None] = {}
        for step in self.steps:
            captured |= dict.fromkeys(name for name in step.reads if name not in known)
            known.update(name for name in step.outputs if name)
        captured |= dict.fromkeys(name for name in self.outputs if name not in known and not optional)
        self.captured: tuple[str, ...] = tuple(captured)
        self._optional = optional
        #: The declared types of the outputs.
        self.declared: tuple[onnx.TypeProto, ...] = ()
        self._unused = self._last_uses()

    @classmethod
    def of_graph(cls, graph: onnx.GraphProto, settings: Settings) -> Evaluator:
        """Return the evaluator of a graph of a model."""
        place = f"graph {graph.name!r}"
        constants = {tensor.name: tensor_value(tensor, place) for tensor in graph.initializer}
        if graph.sparse_initializer:
            raise GraphError("sparse tensors are not supported", where=place)
        inputs = [value.name for value in graph.input]
        evaluator = cls(inputs, [value.name for value in graph.output], graph.node, constants, settings)
        evaluator.declared = tuple(value.type for value in graph.output)
        return evaluator

    def _last_uses(self) -> list[tuple[str, ...]]:
        """For each step, the names that nothing reads after it."""
        kept, seen, unused = {*self.outputs, *self.inputs, *self.constants, *self.captured}, set[str](), []
        for step in reversed(self.steps):
            names = {name for name in (*step.reads, *step.outputs) if name and name not in kept and name not in seen}
            unused.append(tuple(names))
            seen |= names
        return unused[::-1]

    def run(self, values: Mapping[str, Any], record: dict[str, Any] | None = None) -> list[Any]:
        """Return the outputs for the values of all inputs without an initializer, and of all captured names.

        Parameters
        ----------
        values : mapping of str to object
        record : dict, optional
            Gets all values by name, also those that are not outputs.

        Raises
        ------
        GraphError
            If a node reads what nothing before it computes.
        GraphnetError
            If a node cannot be evaluated.
        """
        scope = {**self.constants, **values}
        for step, unused in zip(self.steps, self._unused, strict=True):
            missing = [name for name in step.reads if name not in scope]
            if missing:
                raise GraphError(f"{missing[0]!r} is read before it is computed", where=step.where)
            for name, value in zip(step.outputs, step.run(scope), strict=False):
                if name:
                    scope[name] = value
            for name in unused if record is None else ():
                scope.pop(name, None)
        absent = [name for name in self.outputs if name not in scope]
        if absent and not self._optional:
            raise GraphError(f"no node computes the output {absent[0]!r}", where="graph")
        if record is not None:
            record.update(scope)
        return [scope.get(name) for name in self.outputs]


class Subgraph:
    """A graph inside a node, with the values around it: a function of a list of arrays.

    Parameters
    ----------
    evaluator : Evaluator
    scope : mapping of str to object
    """

    def __init__(self, evaluator: Evaluator, scope: Mapping[str, Any]) -> None:
        self.evaluator = evaluator
        self.outer = {name: scope[name] for name in evaluator.captured if name in scope}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return self.evaluator.inputs

    def empty(self, first: int) -> list[Any]:
        """Return sequences of no steps of the outputs from number ``first`` on, by their declared types."""
        return [_no_steps(kind) for kind in self.evaluator.declared[first:]]

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Return the outputs for the inputs, in order."""
        return self.evaluator.run({**self.outer, **dict(zip(self.inputs, values, strict=True))})


def _no_steps(kind: onnx.TypeProto) -> Any:
    """An array of no steps of a declared type; sizes that are not declared are 0."""
    tensor = kind.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type or onnx.TensorProto.FLOAT)
    return np.zeros((0, *(n.dim_value for n in tensor.shape.dim)), dtype)
