"""ONNX's Scan as a Scan of graphnet, whose cell has the nodes of the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphnet import Builder, Cell, Phase, Runner, Scan, Shape
from graphnet_onnx.operators.evaluator import Subgraph
from graphnet_onnx.operators.rows.node_layer import row_shape
from graphnet_onnx.operators.rows.segment import Nodes

#: The most numbers in a captured array of integers or booleans that a program may be specific to.
FIXED = 1024


class ScanProgram:
    """A Scan for states, steps and captured arrays of certain types and shapes.

    Parameters
    ----------
    body : Subgraph
    known : mapping of str to array
        All values of the first step.
    contexts : tuple of str
        The captured arrays that every step reads.
    """

    def __init__(self, body: Subgraph, states: int, known: Mapping[str, Any], contexts: tuple[str, ...]) -> None:
        self.contexts = contexts
        evaluator = body.evaluator
        shapes = {name: row_shape(known[name].shape) for name in (*evaluator.inputs, *contexts)}
        ports = {name: f"s{i}" if i < states else f"x{i - states}" for i, name in enumerate(evaluator.inputs)}
        ports |= {name: f"k{i}" for i, name in enumerate(contexts)}
        roles: list[dict[str, Any]] = [
            {ports[name]: shapes[name] for name in names}
            for names in (evaluator.inputs[states:], evaluator.inputs[:states], contexts)
        ]
        cell = Cell("body", sequences=roles[0], states=roles[1], contexts=roles[2])
        nodes = Nodes(cell, {name: cell[port] for name, port in ports.items()}, known)
        read = frozenset(evaluator.outputs) | {name for step in evaluator.steps for name in step.reads}
        for step in evaluator.steps:
            if any(name in nodes.values for name in step.reads):
                nodes.add(step, read & set(step.outputs))
        self.states = tuple(f"s{i}" for i in range(states))
        self.outputs = tuple(f"y{i}" for i in range(len(evaluator.outputs) - states))
        results = dict(zip((*self.states, *self.outputs), evaluator.outputs, strict=True))
        scan = Scan(cell.build(**{port: nodes.values[name] for port, name in results.items()}))
        builder = Builder("scan")
        declared = [builder.input(port, _sequence(shape)) for port, shape in roles[0].items()]
        declared += [builder.input(port, shape) for role in roles[1:] for port, shape in role.items()]
        value = scan(*declared)
        self._runner = Runner(builder.build(**{port: value[port] for port in scan.output_ports()}))

    def run(
        self, states: Sequence[Any], sequences: Sequence[Any], contexts: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return the final states and the sequences of outputs."""
        inputs = {f"x{i}": np.ascontiguousarray(array)[:, None] for i, array in enumerate(sequences)}
        inputs |= {f"s{i}": array[None] for i, array in enumerate(states)}
        inputs |= {f"k{i}": array[None] for i, array in enumerate(contexts)}
        results = self._runner.forward(inputs, phase=Phase.test, keep=False)
        return [results[port][0] for port in self.states], [results[port][:, 0] for port in self.outputs]


def _sequence(step: Shape) -> Shape:
    """The shape of a sequence of steps."""
    return Shape(("time", *step.names), (None, *step.sizes), True)


def scan_program(body: Subgraph, states: Sequence[Any], first: Sequence[Any]) -> ScanProgram | None:
    """Return the program for these states and first steps of the sequences; None if graphnet has no such values.

    Its values are arrays of one floating dtype. All outputs of the body must be such values,
    and depend on its inputs.
    """
    evaluator = body.evaluator
    if len(set(evaluator.outputs)) < len(evaluator.outputs) or not first or any(s.draws for s in evaluator.steps):
        return None
    known: dict[str, Any] = {}
    evaluator.run({**body.outer, **dict(zip(evaluator.inputs, (*states, *first), strict=True))}, known)
    contexts = tuple(name for name, array in body.outer.items() if is_context(array))
    varying = {*evaluator.inputs, *contexts}
    for step in evaluator.steps:
        if any(name in varying for name in step.reads):
            varying |= {name for name in step.outputs if name}
    arrays = [known.get(name) for name in varying]
    if not all(isinstance(a, np.ndarray) and a.size and a.dtype.char in "fd" for a in arrays):
        return None
    following = [known[name] for name in evaluator.outputs[: len(states)]]
    same = all(a.shape == b.shape for a, b in zip(states, following, strict=True))
    made = {name for step in evaluator.steps for name in step.outputs}
    if not same or len({a.dtype for a in arrays}) > 1 or not set(evaluator.outputs) <= varying & made:  # type: ignore[union-attr]
        return None
    return ScanProgram(body, len(states), known, contexts)


def is_context(array: Any) -> bool:
    """Whether a captured array is a context of the cell: real numbers; single numbers belong to the program."""
    return bool(array.dtype.kind == "f" and array.ndim)


def program_key(body: Subgraph, states: Sequence[Any], first: Sequence[Any]) -> Any:
    """Return a key that is equal where one program serves; None if captured integers are too many for one."""
    arrays = [*states, *first, *body.outer.values()]
    if not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    fixed = [array for array in body.outer.values() if not is_context(array)]
    if any(array.size > FIXED for array in fixed):
        return None
    return tuple((array.dtype.str, array.shape) for array in arrays), tuple(array.tobytes() for array in fixed)
