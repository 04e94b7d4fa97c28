"""Which states of a cell depend on which: the sets that have to be computed together."""

from __future__ import annotations

from collections.abc import Iterable

from graphnet.core.compile.plan import Call, Loop
from graphnet.core.records import record


@record
class Component:
    """States that depend on each other, or one state.

    Attributes
    ----------
    states : tuple of int
    steps : tuple of int
        The steps of the cell's plan that lie between the states and their next values.
    """

    states: tuple[int, ...]
    steps: tuple[int, ...]


class Cell:
    """The plan of a cell, and what its values depend on.

    Attributes
    ----------
    entering, leaving : tuple of int
        The slots of the states before a step and after it.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop, self.plan = loop, loop.cell
        first, emitted = len(loop.sequences), len(loop.outputs)
        self.entering = tuple(range(first, first + len(loop.initial)))
        self.leaving = tuple(slot for _, slot in loop.cell.outputs[emitted:])
        self.emitted = tuple(slot for _, slot in loop.cell.outputs[:emitted])
        self.calls = [step for step in loop.cell.steps if isinstance(step, Call)]
        self.producer = {slot: number for number, step in enumerate(self.calls) for slot in step.outputs}

    def above(self, slot: int) -> set[int]:
        """The slots that a value depends on, itself included."""
        found, waiting = {slot}, [slot]
        while waiting:
            number = self.producer.get(waiting.pop())
            if number is not None:
                new = {i for i in self.calls[number].inputs if i is not None} - found
                found |= new
                waiting += new
        return found

    def below(self, slots: Iterable[int]) -> set[int]:
        """The steps that depend on some slots."""
        reached, found = set(slots), set()
        for number, step in enumerate(self.calls):
            if any(i in reached for i in step.inputs):
                found.add(number)
                reached |= set(step.outputs)
        return found

    def components(self) -> list[Component]:
        """The sets of states, each after those that it depends on."""
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_nodes_from(range(len(self.entering)))
        above = [self.above(slot) for slot in self.leaving]
        for target, slots in enumerate(above):
            graph.add_edges_from((source, target) for source, slot in enumerate(self.entering) if slot in slots)
        order = nx.condensation(graph)
        found = []
        for node in nx.topological_sort(order):
            states = tuple(sorted(order.nodes[node]["members"]))
            upper = set().union(*(above[s] for s in states))
            between = self.below(self.entering[s] for s in states)
            steps = tuple(n for n in sorted(between) if any(slot in upper for slot in self.calls[n].outputs))
            found.append(Component(states, steps))
        return found
