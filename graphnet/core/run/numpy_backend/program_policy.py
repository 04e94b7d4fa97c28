"""The thread policy of a program, from the sizes of its products."""

from __future__ import annotations

from graphnet.core.compile.program import BACK_LOOP, LOOP, STATIC, PackRef, Program
from graphnet.core.run.numpy_backend.workspace import BLOCK_ROWS, LOOPLESS_ROWS, blocks
from graphnet.core.run.thread_policy import ThreadPolicy


def of_program(program: Program, steps: int, batch: int, dtype: str) -> ThreadPolicy:
    """The policy of a program for sequences with this number of steps and rows."""
    time_blocks = blocks(max(1, steps), batch, BLOCK_ROWS if program.calls else LOOPLESS_ROWS)
    rows = max(block.steps for block in time_blocks) * batch
    loops = outside = 0
    for step in program.instructions:
        if step.name != "dot":
            continue
        pack = step.operands[1]
        assert isinstance(pack, PackRef)
        size = input_count(program, pack) * step.output.width
        if step.phase in (LOOP, BACK_LOOP):
            loops = max(loops, size * batch)
        else:
            outside = max(outside, size * (batch if step.phase == STATIC else rows))
    for accumulator in program.accumulators:
        for term in accumulator.terms:
            outside = max(outside, (term.rows[1] - term.rows[0]) * accumulator.columns * rows)
    return ThreadPolicy(dtype, loops, outside)


def input_count(program: Program, packed: PackRef) -> int:
    """The number of inputs of a product with a pack."""
    pack = program.packs[packed.pack]
    return sum(program.expressions[part].shape[0] for part in pack.parts[: pack.deep])
