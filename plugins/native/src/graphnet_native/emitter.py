"""From a program to LLVM IR: one function a phase, for any number of steps and every batch of a class.

Each function takes a table of addresses and a range of steps. Buffers are those of the numpy backend, ``(steps, units,
batch)``, so a slice of a buffer at one step is contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from graphnet.core.compile.program import (
    AFTER,
    BACK_AFTER,
    BACK_BEFORE,
    BACK_LOOP,
    BEFORE,
    LOOP,
    STATIC,
    Accumulator,
    BufferSlice,
    Instruction,
    Operand,
    Program,
)
from graphnet_native import (
    bounds,
    contractions,
    elementwise,
    features,
    fusion,
    packing,
    products,
    row_products,
    sources,
    team,
    whole_pass,
)
from graphnet_native.borders import stage, write_outputs, write_sequence_errors
from graphnet_native.bounds import BoundsChecks
from graphnet_native.digest import digest
from graphnet_native.engine import key_of
from graphnet_native.frame import Frame
from graphnet_native.ir import F32, F64, I64, PTR, IRError, Module, Value, integer
from graphnet_native.layout import layout_of
from graphnet_native.partition import Partition, accesses, balanced, barriers, kept, piece_of
from graphnet_native.parts import CHUNK, in_parts
from graphnet_native.table import Table

#: More columns than any tile has.
MANY = 1 << 20
#: Functions, and parts of them, whose work is always divided by units or steps: sums over rows, and packs.
UNITS = ("pack", "sums")
#: Instructions beyond which numpy runs a program: LLVM needs more than a millisecond for each.
MOST = 8000


@contextmanager
def naming(group: Sequence[Instruction]) -> Iterator[None]:
    """Put the instructions and their nodes in front of the message of an error of the emitter."""
    try:
        yield
    except IRError as error:
        paths = ", ".join(dict.fromkeys(path for each in group for path in each.paths))
        raise IRError(f"{paths}: {', '.join(each.name for each in group)}: {error}") from error


class Emitter:
    """Builds the functions of one program.

    Parameters
    ----------
    program : Program
    dtype : {'float32', 'float64'}
    vector_bytes : int
    batch : int
        Decides the tiles; the functions run for every batch of the same class.
    llvm : int
        The version of LLVM that reads the text.
    workers : int
        Functions for one thread if 1, else functions that any number of workers share, best this number.

    Attributes
    ----------
    data : int64 array or None
        What the functions of a large program read; see :mod:`graphnet_native.calls`.

    Raises
    ------
    Unsupported
        If the program is too large.
    """

    data: Any = None
    limited = True

    def __init__(
        self, program: Program, dtype: str, vector_bytes: int, batch: int, llvm: int, workers: int = 1
    ) -> None:
        if self.limited and len(program.instructions) > MOST:
            raise elementwise.Unsupported(f"a program of more than {MOST} instructions takes too long to compile")
        for instruction in program.instructions:
            elementwise.check(instruction)
        self.program = program
        self.dtype = F32 if dtype == "float32" else F64
        self.checks = BoundsChecks() if bounds.enabled() else None
        self.module = Module(vector_bytes, llvm, features.selected().fused, self.checks)
        #: What fills the packs.
        self.packing = sources.plan(program)
        self.table = Table.of(program, self.packing)
        self.layout = layout_of(program, self.dtype, vector_bytes, batch, workers)
        rows_first = self.layout.rows_first
        self.tiles = (
            row_products.panels(self.dtype, vector_bytes)
            if rows_first
            else products.tiles(self.dtype, vector_bytes, batch)
        )
        #: Of products whose columns are many, whatever the batch.
        self.wide = products.tiles(self.dtype, vector_bytes, MANY)
        self.space = contractions.space(program, self.wide)
        self.partition: Partition | None = None
        if workers > 1:
            piece = 0 if self.layout.by_rows else piece_of(program)
            if not rows_first:
                self.tiles = balanced(self.tiles, piece, workers)
            self.partition = Partition(piece, self.tiles.rows)

    def key(self) -> str:
        """What the code is kept under: a hash of everything that it depends on."""
        kind = (self.dtype, self.tiles, self.wide, self.layout, self.partition, self.module.vector_bytes)
        return key_of("program", digest(self.program), repr(kind))

    def emit(self) -> Module:
        """The module with the functions of all phases.

        Raises
        ------
        Unsupported
            If an instruction has no native code.
        """
        phases = (STATIC, BEFORE, LOOP, AFTER, BACK_BEFORE, BACK_LOOP, BACK_AFTER)
        of = {phase: [i for i in self.program.instructions if i.phase == phase] for phase in phases}

        def before(frame: Frame) -> None:
            stage(frame, BEFORE)
            frame.meet()
            self._block(frame, of[BEFORE])

        def after(frame: Frame) -> None:
            self._block(frame, of[AFTER])
            frame.meet()
            write_outputs(frame)

        def back_before(frame: Frame) -> None:
            stage(frame, BACK_BEFORE)
            frame.meet()
            self._block(frame, of[BACK_BEFORE])

        def back_after(frame: Frame) -> None:
            self._block(frame, of[BACK_AFTER])
            frame.meet()
            write_sequence_errors(frame)

        self._function("pack", self._pack)
        self._function("static", lambda frame: self._block(frame, of[STATIC]))
        self._function("before", before)
        self._function("loop", lambda frame: self._loop(frame, of[LOOP]))
        self._function("after", after)
        self._function("back_before", back_before)
        self._function("back_loop", lambda frame: self._back_loop(frame, of[BACK_LOOP]))
        self._function("back_after", back_after)
        self._function("sums", self._sums)
        self._sequence("forward", "before", "loop", "after")
        self._sequence("backward", "back_before", "back_loop", "back_after")
        if self.checks is None:
            threaded = self.partition is not None
            whole_pass.emit(self.module, self.program, self.table, self._function, threaded)
        return self.module

    def _site(self, *paths: str) -> None:
        """Note the nodes of what is emitted next, for errors of bounds checks."""
        if self.checks is not None:
            self.checks.site = ", ".join(dict.fromkeys(path for path in paths if path))

    def _of(self, group: Sequence[Instruction]) -> None:
        """Note the nodes of instructions that are emitted next."""
        self._site(*(path for instruction in group for path in instruction.paths))

    def _function(self, name: str, body: Callable[[Frame], None]) -> None:
        self._site(f"arrays of {name}")
        by_rows = self.layout.by_rows and name.split("_")[0] not in UNITS
        body(Frame(self.module, name, self.program, self.dtype, self.layout, self.table, self.partition, by_rows))

    def _sequence(self, name: str, *parts: str) -> None:
        """Define a function that calls others one after the other."""
        threaded = self.partition is not None
        further = team.TASK_PARAMETERS if threaded else ()
        f = self.module.function(name, [PTR, I64, I64, I64, *further], table=True)
        for number, part in enumerate(parts):
            if number and threaded:
                f.run(team.barrier(self.module), f.parameters[4], f.parameters[6])
            f.run(part, *f.parameters)

    def _block(self, frame: Frame, instructions: Sequence[Instruction]) -> None:
        """Instructions outside the loop, each for all steps of the block before the next."""
        groups = fusion.groups(frame, instructions)
        meetings = self._meetings(groups)
        many = len(groups) > CHUNK

        def emit(part: Frame, numbered: tuple[int, list[Instruction]]) -> None:
            number, group = numbered
            part.calls_loops = many
            self._of(group)
            if number in meetings:
                part.meet()
            with naming(group):
                self._group(part, group)

        in_parts(frame, self._function, list(enumerate(groups)), emit)

    def _group(self, frame: Frame, group: list[Instruction]) -> None:
        if group[0].name == "dot":
            contractions.product(frame, group[0], frame.start, frame.steps, self.tiles, self.wide)
        elif frame.timeless(group[0]):
            elementwise.compute(frame, group, frame.start)
        else:

            def step(t: Value, _: list[Value]) -> None:
                elementwise.compute(frame, group, t)

            frame.f.loop(frame.start, frame.stop, 1, step)

    def _meetings(
        self, groups: Sequence[Sequence[Instruction]], direction: int = 0, states: Sequence[BufferSlice] = ()
    ) -> frozenset[int]:
        """The groups before which workers must meet; the last one is that of states that are kept."""
        if self.partition is None or self.layout.by_rows:
            return frozenset()
        found = [list(accesses(self.partition, group)) for group in groups]
        return barriers(self.program, [*found, kept(self.partition, states)], direction)

    def _step(self, frame: Frame, groups: Sequence[Sequence[Instruction]], t: Value, meetings: frozenset[int]) -> None:
        """All instructions of a loop at one step."""
        for number, group in enumerate(groups):
            self._of(group)
            if number in meetings:
                frame.meet()
            with naming(group):
                if group[0].name == "dot":
                    contractions.product(frame, group[0], t, integer(1), self.tiles, self.wide)
                else:
                    elementwise.compute(frame, list(group), t)

    def _loop(self, frame: Frame, instructions: Sequence[Instruction]) -> None:
        groups = fusion.groups(frame, instructions, stepwise=True)
        meetings = self._meetings(groups, 1, self.program.states)

        def step(t: Value, _: list[Value]) -> None:
            self._step(frame, groups, t, meetings)
            if self.program.states:
                if len(groups) in meetings:
                    frame.meet()
                self._hold(frame, t)

        if instructions:
            frame.f.loop(frame.start, frame.stop, 1, step)

    def _back_loop(self, frame: Frame, instructions: Sequence[Instruction]) -> None:
        last, end = frame.f.add(frame.stop, -1), frame.f.add(frame.start, -1)
        groups = fusion.groups(frame, instructions, stepwise=True)
        meetings = self._meetings(groups, -1)
        if instructions:
            frame.f.loop(last, end, -1, lambda t, _: self._step(frame, groups, t, meetings))

    def _hold(self, frame: Frame, t: Value) -> None:
        """Where a row has ended, its states stay what they were."""
        f = frame.f
        held = frame.entry(frame.table.held)

        def state(place: BufferSlice, flags: Value) -> None:
            before = BufferSlice(place.buffer, place.start, place.stop, 0)
            old, new = frame.address(before, t), frame.address(place, t)
            if frame.layout.rows_first:
                frame.shared(place.width, lambda _, first, count: rows({before: old, place: new}, flags, first, count))
                return

            def unit(u: Value, _: list[Value]) -> None:
                start = f.mul(frame.row, u)

                def body(first: Value, mask: Value | None) -> None:
                    at = f.add(start, f.mul(first, frame.dtype.bytes))
                    ended = frame.load(f.offset(flags, first), mask, boolean=True)
                    before, after = frame.load(f.offset(old, at), mask), frame.load(f.offset(new, at), mask)
                    frame.store(f.select(ended, before, after), f.offset(new, at), mask)

                frame.vectors(frame.batch, body)

            frame.shared(place.width, lambda _, first, count: f.loop(first, f.add(first, count), 1, unit))

        def rows(pointers: dict[Operand, Value], flags: Value, first: Value, count: Value) -> None:
            before, place = pointers

            def keep(at: Mapping[Operand, Value]) -> None:
                def body(i: Value, mask: Value | None) -> None:
                    shift = f.mul(i, frame.dtype.bytes)
                    frame.store(frame.load(f.offset(at[before], shift), mask), f.offset(at[place], shift), mask)

                frame.span(first, count, body)

            frame.each_ended_row(pointers, flags, keep)

        def states() -> None:
            flags = f.offset(held, f.mul(frame.batch, t))
            for place in self.program.states:
                state(place, flags)

        f.when(f.compare("icmp ne", f.emit(I64, f"ptrtoint {held} to i64"), integer(0)), states)

    def _pack(self, frame: Frame) -> None:
        """Fill the packs from the weights."""

        def emit(f: Frame, source: tuple[sources.PackPart, int, sources.WeightBlock]) -> None:
            part, number, block = source
            packing.emit_part(f, part, block, f.entry(self.table.source + number), self.tiles.rows)

        in_parts(frame, self._function, self.packing.parts, emit)

    def _sums(self, frame: Frame) -> None:

        def emit(part: Frame, numbered: tuple[int, Accumulator]) -> None:
            contractions.accumulate(part, *numbered, self.tiles, self.wide)

        in_parts(frame, self._function, list(enumerate(self.program.accumulators)), emit)
