"""How work is divided, and where workers wait for each other."""

from __future__ import annotations

import numpy as np
import pytest
from test_backend import scan

from graphnet import Builder, Runner, Scan
from graphnet.core.compile.program import BACK_LOOP, LOOP, Buffer, BufferSlice, Instruction, PackRef, Program
from graphnet_native import executable
from graphnet_native.emitter import Emitter
from graphnet_native.frame import Frame
from graphnet_native.fusion import groups
from graphnet_native.ir import F32
from graphnet_native.partition import Access, Partition, accesses, balanced, barriers, kept, piece_of
from graphnet_native.products import Tiles


def test_width_of_several_pieces_is_padded_piece_by_piece():
    partition = Partition(20, 12)
    assert partition.of(80) == 20 and partition.pieces(80) == 4 and partition.padded(80) == 4 * 24
    assert partition.of(30) == 30 and partition.pieces(30) == 1 and partition.padded(30) == 36
    assert Partition(0, 12).of(80) == 80


@pytest.mark.parametrize(("piece", "workers", "rows"), [(128, 2, 8), (12, 2, 8), (48, 2, 12), (512, 4, 8), (0, 2, 12)])
def test_tiles_have_the_rows_of_the_smallest_largest_share(piece, workers, rows):
    tiles = Tiles(F32, 16, 12, 2)
    assert balanced(tiles, piece, workers).rows == rows


def program_of(kinds, states=()):
    buffers = tuple(Buffer(kind, units) for kind, units in kinds)
    return Program(buffers, (), (), (), (), (), (), tuple(states), (), (), ())


def dot(target, source, phase=LOOP):
    return [Instruction(phase, "dot", target, (source, PackRef(0)))]


def tanh(target, source, phase=LOOP):
    return [Instruction(phase, "tanh", target, (source,))]


def meetings(program, partition, groups, direction, states=()):
    found = [list(accesses(partition, group)) for group in groups]
    return barriers(program, [*found, kept(partition, states)], direction)


def test_cell_with_one_product_meets_once_a_step():
    program = program_of([("full", 16), ("step", 64)])
    state, gates = BufferSlice(0, 0, 16), BufferSlice(1, 0, 64)
    following = BufferSlice(0, 0, 16, 1)
    steps = [dot(gates, state), tanh(gates, gates), tanh(following, BufferSlice(1, 32, 48))]
    assert meetings(program, Partition(16, 4), steps, 1) == {0}
    # Without pieces a worker does not own the same units of each gate.
    assert len(meetings(program, Partition(0, 4), steps, 1)) == 2


def test_independent_units_never_meet():
    program = program_of([("full", 16), ("step", 16)])
    steps = [tanh(BufferSlice(1, 0, 16), BufferSlice(0, 0, 16)), tanh(BufferSlice(0, 0, 16, 1), BufferSlice(1, 0, 16))]
    assert meetings(program, Partition(16, 4), steps, 1) == frozenset()


def test_buffer_that_is_written_again_is_waited_for():
    program = program_of([("step", 16), ("full", 16)])
    steps = [tanh(BufferSlice(0, 0, 16), BufferSlice(1, 0, 16)), dot(BufferSlice(1, 0, 16, 1), BufferSlice(0, 0, 16))]
    # All read what the next step's first instruction writes.
    assert meetings(program, Partition(16, 4), steps, 1) == {0, 1}


def test_alternating_buffers_share_numbers_every_second_step():
    program = program_of([("ring", 16), ("full", 16)])
    steps = [
        tanh(BufferSlice(1, 0, 16), BufferSlice(0, 0, 16), BACK_LOOP),
        dot(BufferSlice(0, 0, 16, 1), BufferSlice(1, 0, 16), BACK_LOOP),
    ]
    assert meetings(program, Partition(16, 4), steps, -1) == {1}


def test_reading_together_is_no_conflict():
    program = program_of([("full", 16)])
    both = Access(BufferSlice(0, 0, 16), None, False)
    assert barriers(program, [[both], [both]]) == frozenset()


def test_kept_states_belong_to_their_owner():
    state = BufferSlice(0, 0, 16, 1)
    program = program_of([("full", 16), ("full", 16)], [state])
    steps = [tanh(state, BufferSlice(1, 0, 16))]
    assert meetings(program, Partition(16, 4), steps, 1, [state]) == frozenset()
    assert meetings(program, Partition(8, 4), [dot(state, BufferSlice(1, 0, 16))], 1, [state]) == frozenset()


def test_cell_of_gates_meets_at_its_products_and_reductions(monkeypatch):
    made = []
    original = executable.NativeExecutable.__init__

    def watched(self, program, *arguments):
        made.append(program)
        original(self, program, *arguments)

    monkeypatch.setattr(executable.NativeExecutable, "__init__", watched)
    builder = Builder("cell")
    x = builder.input("x", "time, batch, feature=3")
    inner = scan(32, 3, "float32").nodes["scan"].layer.cell
    Runner(builder.build(Scan(inner)(x)), backend="native").forward({"x": np.zeros((4, 8, 3), "float32")})
    program = made[0]
    emitter = Emitter(program, "float32", 32, 8, 22, workers=2)
    assert emitter.partition is not None and piece_of(program) == emitter.partition.piece == 32
    frame = Frame(emitter.module, "f", program, F32, emitter.layout, emitter.table, emitter.partition)
    loop = groups(frame, [i for i in program.instructions if i.phase == LOOP])
    found = meetings(program, emitter.partition, loop, 1, program.states)
    products = sum(group[0].name in ("dot", "reduce") for group in loop)
    assert 1 <= len(found) <= 2 * products + 1
