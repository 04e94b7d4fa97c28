"""The order of a program's buffers in memory: ``(steps, units, batch)``, or ``(steps, batch, units)``.

Vectors hold rows of the batch in the first order, units in the second one. What is chosen needs fewer vectors.
"""

from __future__ import annotations

from graphnet.core.compile.program import PackRef, Program
from graphnet.core.records import record
from graphnet_native.ir import Type
from graphnet_native.products import tiles

#: An elementwise operation on a vector, in multiply-adds.
ELEMENTWISE = 6
#: Rows come first where they need at most this multiple of the vectors: nothing is transposed then at the borders.
WORTH = 1.1
#: Rows of each worker from which on workers divide them: none waits for another then, but each reads all weights.
OWN_ROWS = 8


@record
class Layout:
    """The order of buffers.

    Attributes
    ----------
    rows_first : bool
        The units of a row are neighbours in memory.
    single : bool
        The batch has one row; then rows come first.
    by_rows : bool
        Workers divide the rows, not the units; then rows come first.
    """

    rows_first: bool
    single: bool = False
    by_rows: bool = False


def layout_of(program: Program, dtype: Type, vector_bytes: int, batch: int, workers: int = 1) -> Layout:
    """The layout that needs fewer vectors for a batch of this size."""
    if batch == 1:
        return Layout(True, True)
    units, rows = vectors(program, dtype, vector_bytes, batch)
    rows_first = units < WORTH * rows
    return Layout(rows_first, False, rows_first and workers > 1 and batch >= workers * OWN_ROWS)


def vectors(program: Program, dtype: Type, vector_bytes: int, batch: int) -> tuple[int, int]:
    """Operations on vectors in a step of each instruction, with units and with rows of the batch in the lanes."""
    lanes, across = vector_bytes // dtype.bytes, -(-batch // tiles(dtype, vector_bytes, batch).lanes)
    units = rows = 0
    for instruction in program.instructions:
        width, weights = instruction.output.width, instruction.operands[-1]
        if instruction.name == "dot" and isinstance(weights, PackRef):
            depth = instruction.operands[0].width  # type: ignore[union-attr]
            units += depth * batch * -(-width // lanes)
            rows += depth * width * across
        else:
            units += ELEMENTWISE * batch * -(-width // lanes)
            rows += ELEMENTWISE * -(-width * batch // lanes)
    for accumulator in program.accumulators:
        units += accumulator.rows * batch * -(-accumulator.columns // lanes)
        rows += accumulator.rows * accumulator.columns * across
    return units, rows
