"""Assemble a program from a buffer assignment: instructions, packed weights, accumulators, gradients.

Members of a group whose slices are neighbours become one instruction: ``tanh`` of four gates in a row is one call.
Costs one walk over the calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphnet.core.compile.accumulators import Accumulators
from graphnet.core.compile.assignment import BufferAssignment, slice_operands
from graphnet.core.compile.passes.layout import merge_slices, runs
from graphnet.core.compile.program import (
    BACK_LOOP,
    BACKWARD,
    FORWARD,
    LOOP,
    BufferSlice,
    Expression,
    ExternalArray,
    Instruction,
    Operand,
    Pack,
    PackRef,
    Program,
    Scalar,
)
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, operands_first

#: Operations whose attribute the instruction has, too.
ATTRIBUTES = frozenset(("reduce", "reduce_axis", "permute"))


def assemble(assignment: BufferAssignment, may_be_nonfinite: bool) -> Program:
    """Return the program of a trace whose values have buffers."""
    return _Assembler(assignment).run(may_be_nonfinite)


class _Assembler:
    """Builds one program."""

    def __init__(self, assignment: BufferAssignment) -> None:
        self.trace, self.assignment = assignment.trace, assignment
        self.expressions: list[Expression] = []
        self.expression_numbers: dict[int, int] = {}
        self.packs: dict[Pack, int] = {}
        self.instructions: list[Instruction] = []

    def run(self, may_be_nonfinite: bool) -> Program:
        assignment, roles = self.assignment, self.trace.roles
        for phase, group in assignment.calls:
            self.group(phase, group)
        sums = Accumulators(assignment)
        gradient_expressions, numbers = sums.gradients(self.expression)
        slice_of, after, back_after = assignment.slice_of, FORWARD[-1], BACKWARD[-1]
        return Program(
            buffers=tuple(assignment.buffers),
            expressions=tuple(self.expressions),
            packs=tuple(self.packs),
            instructions=tuple(self.instructions),
            accumulators=tuple(sums.accumulators),
            staged=tuple((n, key, assignment.whole(a), phase) for n, key, a, phase in assignment.staged),
            emitted=tuple(slice_of(v, after) for v in roles.emitted),
            states=tuple(slice_of(v, LOOP) for v in roles.next_states),
            carried=tuple(slice_of(v, BACK_LOOP) for v in roles.carried_errors if v is not None),
            sequence_errors=tuple(None if v is None else self.output([v], back_after) for v in roles.sequence_errors),
            context_errors=tuple(None if v is None else slice_of(v, back_after) for v in roles.context_errors),
            gradient_expressions=gradient_expressions,
            gradients=tuple((key, numbers[v]) for key, v in roles.gradients.items()),
            may_be_nonfinite=may_be_nonfinite,
        )

    # ------------------------------------------------------------------ instructions
    def group(self, phase: str, group: list[int]) -> None:
        """Add the instructions of one group."""
        first = self.trace[group[0]]
        if first.name == "join":
            for part, destination in self.parts(phase, group[0]):
                operands = (self.assignment.operand(part, phase),)
                self.instructions.append(Instruction(phase, "copy", destination, operands, paths=self.paths(group)))
            return
        for run in self.runs(phase, group):
            if first.name == "dots":
                self.dots(phase, run)
            else:
                self.call(phase, run)

    def paths(self, values: Sequence[int]) -> tuple[str, ...]:
        """The nodes whose values a call computes."""
        if len(values) == 1:
            return (self.trace.paths[values[0]],)
        return tuple(dict.fromkeys(self.trace.paths[v] for v in values))

    def output(self, run: list[int], phase: str) -> BufferSlice | ExternalArray:
        """Where the results of a call are written."""
        sequence = self.assignment.external_outputs.get(run[0])
        if sequence is not None:
            return ExternalArray("sequence_error", sequence, self.trace[run[0]].width)
        if len(run) == 1:
            return self.assignment.slice_of(run[0], phase)
        return merge_slices([self.assignment.slice_of(v, phase) for v in run])

    def parts(self, phase: str, join: int) -> Iterator[tuple[int, BufferSlice]]:
        whole = self.assignment.slice_of(join, phase)
        start = whole.start
        for part in self.trace[join].args:
            stop = start + self.trace[part].width
            yield part, BufferSlice(whole.buffer, start, stop, whole.shift)
            start = stop

    def runs(self, phase: str, group: list[int]) -> list[list[int]]:
        """The members of a group in runs of neighbours."""
        if len(group) == 1:
            return [group]
        slice_of = self.assignment.slice_of
        chains = {
            value: tuple(slice_of(v, phase) for v in (value, *slice_operands(self.trace, value))) for value in group
        }
        return runs(group, chains)

    def call(self, phase: str, run: list[int]) -> None:
        """Add one instruction for a run of members."""
        first = self.trace[run[0]]
        operands: tuple[Operand, ...]
        if first.name == "dot":
            pack = self.pack("product", [self.trace[v].args[1] for v in run])
            operands = (self.assignment.operand(first.args[0], phase), pack)
        else:
            operands = tuple([self.operand(phase, run, i) for i in range(len(first.args))])
        attr = first.attr if first.name in ATTRIBUTES else None
        output = self.output(run, phase)
        self.instructions.append(Instruction(phase, first.name, output, operands, attr, paths=self.paths(run)))

    def operand(self, phase: str, run: list[int], position: int) -> Operand:
        """One operand of a run of members."""
        trace = self.trace.values
        values = [trace[v].args[position] for v in run]
        operation = trace[values[0]]
        if operation.kind == FIXED:
            broadcast = operation.width != trace[run[0]].width  # all members then have the same operand
            return self.pack("units", values[:1] if broadcast else values)
        if operation.kind == CONSTANT:
            return Scalar(float(operation.attr))
        if len(values) == 1:
            return self.assignment.operand(values[0], phase)
        return merge_slices([self.assignment.slice_of(v, phase) for v in values])

    def dots(self, phase: str, run: list[int]) -> None:
        """Add sums of products of the same rows, in as few products as the slices of the rows allow."""
        rows = self.trace[run[0]].args[::2]
        chains = {i: (self.assignment.slice_of(r, phase),) for i, r in enumerate(rows)}
        output = self.output(run, phase)
        for number, block in enumerate(runs(list(chains), chains)):
            operand = merge_slices([chains[i][0] for i in block])
            pack = self.pack("product", [self.trace[v].args[2 * i + 1] for v in run for i in block], len(block))
            paths = self.paths([*run, *(rows[i] for i in block)])
            self.instructions.append(Instruction(phase, "dot", output, (operand, pack), None, number > 0, paths))

    # ------------------------------------------------------------------ values computed from weights
    def pack(self, form: str, values: Sequence[int], deep: int = 1) -> PackRef:
        pack = Pack(form, tuple(self.expression(v) for v in values), deep)
        return PackRef(self.packs.setdefault(pack, len(self.packs)))

    def expression(self, value: int) -> int:
        """The number of the expression that computes a fixed value."""
        trace, numbers = self.trace.values, self.expression_numbers
        if value not in numbers:
            for number in operands_first(value, lambda v: trace[v].args, numbers):
                o = trace[number]
                self.expressions.append(Expression(o.name, tuple([numbers[a] for a in o.args]), o.attr, o.shape))
                numbers[number] = len(self.expressions) - 1
        return numbers[value]
