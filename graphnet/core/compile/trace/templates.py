"""Rules of equal layers are traced once: what they record is added again with other operands.

Graphs of thousands of nodes have few kinds of layers. The rules of each are run on symbols in a trace of their own, the
*template*, whose leaves stand for inputs, weights and the error. For a further layer of the same class, configuration
and shapes, the operations of the template are copied to the trace of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.compile.trace.ir import Operation, Trace
from graphnet.core.compile.trace.symbol import Symbol

#: Names of the leaves of a template, which are replaced: inputs and the error by their number, weights by their name.
INPUT, ERROR, WEIGHT = "template input", "template error", "weight"


@dataclass(slots=True)
class Template:
    """What the rules of one kind of layer record.

    Attributes
    ----------
    trace : Trace
        The operations of ``apply``; once an error has arrived, of ``grad`` and ``pull``, too.
    outputs : list of Symbol
    saved : object
        What ``apply`` saves for ``grad`` and ``pull``.
    weights : dict of str to Symbol
        The leaves of the weights.
    forward : int
        The number of operations of ``apply``.
    backward : (dict of str to Symbol, list of (int, Symbol)) or None
        Gradients by weight, and the errors of inputs by position.
    """

    trace: Trace
    outputs: list[Symbol]
    saved: Any
    weights: dict[str, Symbol]
    forward: int
    backward: tuple[dict[str, Symbol], list[tuple[int, Symbol]]] | None = None


@dataclass(slots=True)
class Instance:
    """One layer's copy of a template: the number of each value of the template in the trace of the graph."""

    template: Template
    numbers: list[int] = field(default_factory=list)

    def extend(self, trace: Trace, stop: int, leaves: Mapping[tuple[str, Any], int]) -> None:
        """Copy operations up to a number; ``leaves`` has what replaces leaves."""
        numbers = self.numbers
        for operation in self.template.trace.values[len(numbers) : stop]:
            if operation.args:
                args = tuple([numbers[a] for a in operation.args])
                o = operation
                numbers.append(trace.add(Operation(o.name, args, o.attr, o.kind, o.shape, o.boolean)))
            else:
                known = leaves.get((operation.name, operation.attr))
                numbers.append(trace.add(operation) if known is None else known)

    def symbol(self, trace: Trace, of: Symbol) -> Symbol:
        """The symbol of the graph for one of the template."""
        return Symbol(trace, self.numbers[of.value], of.shape, of.lead, of.dtype, of.transposed, of.fold)
