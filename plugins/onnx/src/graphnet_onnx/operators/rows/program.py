"""Divides the nodes of a model into graphs of graphnet and the nodes between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet_onnx.operators.evaluator import Evaluator, Step
from graphnet_onnx.operators.rows.segment import Segment

#: Operators whose results depend on the shapes of their inputs alone.
OF_SHAPES = frozenset({"Shape", "Size"})
#: Operators whose outputs have sizes that depend on numbers.
OF_VALUES = frozenset({"Unique", "Compress", "NonZero", "NonMaxSuppression", "Range", "If", "Loop"})
#: Operators whose outputs have sizes that depend on further inputs.
RESIZED = frozenset({"Resize", "Upsample"})


class Program:
    """What runs a model for inputs of certain types and shapes.

    Parameters
    ----------
    evaluator : Evaluator
    values : mapping of str to object
        The inputs of the first run.
    known : mapping of str to object
        All values of the first run, also of the inputs and initializers.

    Attributes
    ----------
    parts : list of Segment or Step
        In the order in which they run. Nodes that depend on no input are not among them.
    """

    def __init__(self, evaluator: Evaluator, values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self.evaluator, self._known = evaluator, known
        varying = _varying(evaluator, values)
        self.parts: list[Segment | Step] = []
        pending: list[Step] = []
        steps = [step for step in evaluator.steps if any(name in varying for name in step.outputs)]
        for number, step in enumerate(steps):
            if self._is_row(step, varying, pending):
                pending.append(step)
                continue
            self._close(pending, varying, steps[number:])
            pending = []
            self.parts.append(step)
        self._close(pending, varying, [])
        read = {name for part in self.parts for name in (part.inputs if isinstance(part, Segment) else part.reads)}
        #: The values that depend on no input and are read by parts, or are outputs.
        self.constants = {name: known[name] for name in (read | set(evaluator.outputs)) - varying if name in known}
        del self._known

    def _is_row(self, step: Step, varying: set[str], pending: list[Step]) -> bool:
        """Whether a node can be part of the present graph: all its values that vary are of one floating dtype."""
        op, read = step.node.op_type, varying & set(step.reads)
        if op in OF_VALUES or not read or (op in RESIZED and len(read) > 1):
            return False
        names = [name for name in (*step.reads, *step.outputs) if name in varying]
        arrays = [self._known.get(name) for name in names]
        if pending:
            arrays.append(self._known[next(name for name in pending[-1].outputs if name)])
        if not all(isinstance(array, np.ndarray) and array.size for array in arrays):
            return False
        return len({array.dtype.char for array in arrays}) == 1 and arrays[0].dtype.char in "fd"  # type: ignore[union-attr]

    def _close(self, pending: list[Step], varying: set[str], later: Iterable[Step]) -> None:
        """Make a graph of the pending nodes."""
        if not pending:
            return
        made = {name for step in pending for name in step.outputs if name}
        read = dict.fromkeys(name for step in pending for name in step.reads if name in varying and name not in made)
        after = {*self.evaluator.outputs, *(name for step in later for name in step.reads)}
        outputs = tuple(dict.fromkeys(name for step in pending for name in step.outputs if name in after))
        if outputs:
            self.parts.append(Segment(pending, tuple(read), outputs, self._known))

    @property
    def graphs(self) -> list[Segment]:
        """The parts that are graphs of graphnet."""
        return [part for part in self.parts if isinstance(part, Segment)]

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the outputs for inputs of the types and shapes of the first run."""
        scope = {**self.constants, **values}
        for part in self.parts:
            if isinstance(part, Segment):
                part.run(scope)
            else:
                scope.update((name, value) for name, value in zip(part.outputs, part.run(scope), strict=False) if name)
        return [scope[name] for name in self.evaluator.outputs]


def _varying(evaluator: Evaluator, values: Mapping[str, Any]) -> set[str]:
    """The names of all values that depend on the numbers of the inputs, or are drawn."""
    varying = set(values)
    for step in evaluator.steps:
        if step.draws or (step.node.op_type not in OF_SHAPES and any(name in varying for name in step.reads)):
            varying.update(name for name in step.outputs if name)
    return varying
