"""One compiled function while it is built: addresses of operands, loads and stores, and loops over vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from graphnet.core.compile.program import (
    BLOCK_BUFFER,
    FULL_BUFFER,
    RING_BUFFER,
    BufferSlice,
    Expanded,
    ExternalArray,
    Instruction,
    Operand,
    PackRef,
    Program,
    Scalar,
)
from graphnet.core.records import record
from graphnet_native import team
from graphnet_native.ir import I8, I64, PTR, Function, Module, Type, Value, integer
from graphnet_native.lanes import Lanes
from graphnet_native.layout import Layout
from graphnet_native.partition import Partition
from graphnet_native.table import Table

#: Rows are divided among workers in multiples of this number: that of the smaller kernels of products.
ROWS = 4
#: Kinds of buffers that have a place for each step.
TIMED = (BLOCK_BUFFER, FULL_BUFFER, RING_BUFFER)


@record
class PackSlice(PackRef):
    """Units ``start`` to ``stop`` of a pack of vectors."""

    start: int
    stop: int


class Frame(Lanes):
    """A function ``f(table, first step, step after the last, first step of the block)``.

    Parameters
    ----------
    module : Module
    name : str
    program : Program
    dtype : Type
    layout : Layout
        The order of buffers in memory.
    table : Table
        Of the program.
    partition : Partition or None
        How workers divide the work of a task, whose function has the parameters team, worker and workers beyond those
        above; None for a function of one thread.
    by_rows : bool
        Workers divide the rows of the batch, not the units: each has all units of its own rows.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        program: Program,
        dtype: Type,
        layout: Layout,
        table: Table,
        partition: Partition | None = None,
        by_rows: bool = False,
    ) -> None:
        further = team.TASK_PARAMETERS if partition else ()
        f = module.function(name, [PTR, I64, I64, I64, *further], table=True)
        super().__init__(f, dtype)
        self.module, self.program, self.layout = module, program, layout
        self.table, self.partition, self.by_rows = table, partition, by_rows
        #: Whether elementwise loops are functions that are called: of programs with many, which are compiled faster.
        self.calls_loops = False
        entries, self.start, self.stop, self.origin, *self._team = f.parameters
        self._entries, self._addresses = entries, dict[int, Value]()
        if module.checks is not None:  # bounds checks have branches, which must be in the order of the code
            entries = self._with_bounds(entries)
            self._addresses = {entry: self._address(entries, entry) for entry in range(self.table.batch)}
        self.batch = integer(1) if layout.single else f.load(I64, f.offset(entries, self.table.batch * 8))
        self.row = f.mul(self.batch, dtype.bytes)
        #: The rows of the batch that this worker has, and the first of them.
        self.rows, self.first_row = self.batch, integer(0)
        self.steps = f.binary("sub", self.stop, self.start)
        #: The steps of this worker, where steps are divided.
        self.own_start, self.own_stop = self.start, self.stop
        self._shares: dict[int, tuple[Value, Value]] = {}
        if partition is not None:
            first, last = self._share(self.steps, 1)
            self.own_start, self.own_stop = f.add(self.start, first), f.add(self.start, last)
            if by_rows:
                low, high = self._share(self.batch, ROWS)
                self.rows, self.first_row = f.binary("sub", high, low), low
            for piece in sorted({partition.of(width) for width in _widths(program)}):
                self._shares[piece] = self._share(integer(piece), partition.grain)

    @contextmanager
    def into(self, function: Function) -> Iterator[None]:
        """Emit into another function, which knows no address of the table."""
        own, self.f = self.f, function
        try:
            yield
        finally:
            self.f = own

    # ------------------------------------------------------------------ the share of this worker
    def _share(self, count: Value, grain: int) -> tuple[Value, Value]:
        """The first number of this worker's share, and the one after its last, in multiples of the grain."""
        f, (_, worker, workers) = self.f, self._team
        grains = f.binary("udiv", f.add(count, grain - 1), integer(grain))
        ends = []
        for number in (worker, f.add(worker, 1)):
            end = f.mul(f.binary("udiv", f.mul(grains, number), workers), grain)
            ends.append(f.select(f.compare("icmp slt", end, count), end, count))
        return ends[0], ends[1]

    def share(self, count: Value) -> tuple[Value, Value]:
        """The part of a range that is this worker's; all of it where there is one thread."""
        return (integer(0), count) if self.partition is None else self._share(count, 1)

    def shared(self, width: int, body: Callable[[Value, Value, Value], object]) -> None:
        """``body(line, first unit, number of units)`` for this worker's units of each piece of a width.

        ``line`` is where the first unit is among the rows of panels, in which each piece begins a panel.
        """
        partition, f = self.partition, self.f
        if partition is None or self.by_rows:
            body(integer(0), integer(0), integer(width))
            return
        piece, pieces = partition.of(width), partition.pieces(width)
        # A width that only fusion has made, where it cut instructions, has no share that was computed at the beginning.
        low, high = self._shares.get(piece) or self._share(integer(piece), partition.grain)
        count = f.binary("sub", high, low)
        lines = partition.padded(width) // max(1, pieces)

        def one(number: Value, _: list[Value]) -> None:
            body(f.add(f.mul(number, lines), low), f.add(f.mul(number, piece), low), count)

        if pieces == 1:
            one(integer(0), [])
        else:
            f.loop(integer(0), integer(pieces), 1, one)

    def meet(self) -> None:
        """Wait until every worker is here; nothing where there is one thread."""
        if self.partition is not None:
            self.f.run(team.barrier(self.module), self._team[0], self._team[2])

    def _with_bounds(self, entries: Value) -> Value:
        """The table with its own bounds: three addresses an entry, the second and third the bounds of the array."""
        first = self.f.emit(I64, f"ptrtoint {entries} to i64")
        return replace(entries, bounds=(first, self.f.add(first, 3 * 8 * self.table.size)))

    def _address(self, entries: Value, entry: int) -> Value:
        """The address in an entry of the table; with bounds checks, and its bounds."""
        f, size = self.f, self.table.size
        if self.module.checks is None:
            return f.load(PTR, f.offset(entries, entry * 8))
        address, first, last = (f.load(I64, f.offset(entries, (entry + k * size) * 8)) for k in range(3))
        return replace(f.emit(PTR, f"inttoptr {address} to ptr"), bounds=(first, last))

    def entry(self, number: int) -> Value:
        """The address in an entry of the table."""
        found = self._addresses.get(number)
        if found is None:  # loaded once, before anything else: only what a function reads
            found = self.f.at_start(lambda: self._address(self._entries, number))
            self._addresses[number] = found
        return found

    # ------------------------------------------------------------------ operands
    def boolean(self, operand: Operand) -> bool:
        """Whether an operand holds truth values."""
        operand = operand.source if isinstance(operand, Expanded) else operand
        return isinstance(operand, BufferSlice) and self.program.buffers[operand.buffer].boolean

    def width(self, operand: Operand) -> int:
        """The number of units of an operand that is not a number."""
        if isinstance(operand, PackSlice):
            return operand.stop - operand.start
        if isinstance(operand, PackRef):
            shapes = [self.program.expressions[p].shape for p in self.program.packs[operand.pack].parts]
            return sum(shape[-1] if shape else 1 for shape in shapes)
        assert not isinstance(operand, Scalar)
        return operand.width

    def bytes(self, operand: Operand) -> int:
        """Bytes of one number of an operand."""
        return 1 if self.boolean(operand) else self.dtype.bytes

    def timeless(self, instruction: Instruction) -> bool:
        """Whether the result of an instruction is the same at every step."""
        output = instruction.output
        return isinstance(output, BufferSlice) and self.program.buffers[output.buffer].kind not in TIMED

    def address(self, operand: Operand, step: Value) -> Value:
        """Where an operand that is not a number is at a step; the first of this worker's rows."""
        start = self._address_of(operand, step)
        return self.f.offset(start, self.f.mul(self.first_row, self.pitch(operand))) if self.by_rows else start

    def _address_of(self, operand: Operand, step: Value) -> Value:
        f = self.f
        if isinstance(operand, Expanded):
            return self._address_of(operand.source, step)
        if isinstance(operand, PackSlice):
            distance = integer(self.dtype.bytes) if self.layout.rows_first else self.row
            return f.offset(self.entry(self.table.pack + operand.pack), f.mul(distance, operand.start))
        if isinstance(operand, PackRef):
            return self.entry(self.table.pack + operand.pack)
        if isinstance(operand, ExternalArray):
            number, stride = self.table.externals.index(operand), f.mul(self.row, operand.width)
            if self.layout.rows_first:  # as the array is
                return f.offset(self.entry(self.table.external + number), f.mul(stride, step))
            index = f.binary("sub", step, self.origin)
            return f.offset(self.entry(self.table.copy + number), f.mul(stride, index))
        assert isinstance(operand, BufferSlice)
        buffer = self.program.buffers[operand.buffer]
        row = self.batch if buffer.boolean else self.row
        unit = integer(self.bytes(operand)) if self.layout.rows_first else row
        base = f.offset(self.entry(operand.buffer), f.mul(unit, operand.start))
        if buffer.kind not in TIMED:
            return base
        if buffer.kind == RING_BUFFER:
            index = f.binary("and", f.add(step, 1 - operand.shift), integer(1))
        else:
            index = f.binary("sub", step, self.origin) if buffer.kind == BLOCK_BUFFER else step
            index = f.add(index, operand.shift)
        return f.offset(base, f.mul(f.mul(row, buffer.units), index))

    def pitch(self, operand: Operand) -> int:
        """Bytes from one row of the batch to the next, where rows come first."""
        if isinstance(operand, (PackRef, Scalar)):
            return 0
        if isinstance(operand, Expanded):
            return self.pitch(operand.source)
        units = operand.width if isinstance(operand, ExternalArray) else self.program.buffers[operand.buffer].units
        return units * self.bytes(operand)

    def unit_bytes(self) -> Value:
        """Bytes from one unit of an operand to the next."""
        return integer(self.dtype.bytes) if self.layout.rows_first else self.row

    def timed(self, operand: Operand) -> bool:
        """Whether an operand that is not a pack has a place for each step."""
        return isinstance(operand, ExternalArray) or (
            isinstance(operand, BufferSlice) and self.program.buffers[operand.buffer].kind in TIMED
        )

    def stride(self, operand: BufferSlice | ExternalArray) -> Value:
        """Bytes from one step of an operand to the next."""
        if isinstance(operand, ExternalArray):
            return self.f.mul(self.row, operand.width)
        buffer = self.program.buffers[operand.buffer]
        return self.f.mul(self.row, buffer.units) if buffer.kind in TIMED else integer(0)

    # ------------------------------------------------------------------ vectors
    def unit_vectors(
        self,
        width: int,
        pointers: Mapping[Operand, Value],
        body: Callable[[Mapping[Operand, Value], Value, Value | None], None],
    ) -> None:
        """``body(pointers, first number, mask)`` for vectors over the numbers of this worker's units of a width.

        The pointers are those of operands of that width at one step. Where rows come first, ``body`` receives those of
        one row after the other.
        """
        f = self.f

        def part(_: Value, first: Value, count: Value) -> None:
            if self.layout.rows_first:
                self.each_row(pointers, lambda row: self.span(first, count, partial(body, row)))
            else:
                self.span(f.mul(self.batch, first), f.mul(self.batch, count), partial(body, pointers))

        self.shared(width, part)

    def each_row(self, pointers: Mapping[Operand, Value], body: Callable[[Mapping[Operand, Value]], None]) -> None:
        """``body`` for each row of the batch, with the pointers there, where rows come first."""
        f = self.f
        if self.layout.single:
            body(pointers)
            return
        pitches = [integer(self.pitch(operand)) for operand in pointers]

        def row(_: Value, values: list[Value]) -> list[Value]:
            body(dict(zip(pointers, values, strict=True)))
            return [f.offset(value, pitch) for value, pitch in zip(values, pitches, strict=True)]

        f.loop(integer(0), self.rows, 1, row, list(pointers.values()))

    def each_ended_row(
        self, pointers: Mapping[Operand, Value], flags: Value, body: Callable[[Mapping[Operand, Value]], None]
    ) -> None:
        """``body`` for each row of the batch whose flag is set, where rows come first."""
        f = self.f

        def row(b: Value, values: list[Value]) -> list[Value]:
            ended = f.compare("icmp ne", f.load(I8, f.offset(flags, f.add(self.first_row, b))), integer(0, I8))
            f.when(ended, lambda: body(dict(zip(pointers, values, strict=True))))
            return [f.offset(v, self.pitch(o)) for o, v in zip(pointers, values, strict=True)]

        f.loop(integer(0), self.rows, 1, row, list(pointers.values()))

    def span(self, start: Value, count: Value, body: Callable[[Value, Value | None], None]) -> None:
        """``body(first number, mask)`` for vectors over ``count`` numbers from ``start`` on."""
        self.vectors(count, lambda i, mask: body(self.f.add(start, i), mask))


def _widths(program: Program) -> set[int]:
    """The widths of everything that a program computes."""
    places = [i.output for i in program.instructions]
    places += [*program.states, *program.emitted]
    widths = {place.width for place in places}
    for accumulator in program.accumulators:
        widths.add(accumulator.columns)
        for term in accumulator.terms:
            if isinstance(term.left, (BufferSlice, ExternalArray)):
                widths.add(term.left.width)
    return widths
