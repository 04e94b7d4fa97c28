"""Checks of the shapes of a program's arrays when it is bound, because numpy would broadcast a wrong size silently."""

from __future__ import annotations

from typing import Any

from graphnet.core.compile.program import (
    BufferSlice,
    Expanded,
    ExternalArray,
    Instruction,
    InvalidProgram,
    Operand,
    PackRef,
    Scalar,
)
from graphnet.core.describe.parameter import Array


def check_slice(array: Array, buffer_slice: BufferSlice, steps: int | None, batch: int | None) -> None:
    """Check that an array has the shape of its slice; ``steps`` None: no time axis, ``batch`` None: no rows.

    Raises
    ------
    InvalidProgram
        If it has another shape.
    """
    leading = () if steps is None else (steps,)
    expected = (*leading, buffer_slice.width) if batch is None else (*leading, buffer_slice.width, batch)
    if array.shape != expected:
        raise InvalidProgram(f"{buffer_slice} has shape {array.shape}, and its calls expect {expected}")


def check_widths(step: Instruction, pack_units: Any) -> None:
    """Check that the operands of a call have as many units as its output, or one; ``pack_units`` counts a pack.

    Raises
    ------
    InvalidProgram
        If an operand has another number.
    """
    width = step.output.width
    for operand in step.operands:
        units = _units(operand, pack_units)
        fits = width == 1 if step.name == "reduce" else units in (1, width)
        if not fits:
            raise InvalidProgram(f"{step.name} of {width} units has an operand of {units}: {operand}")


def _units(operand: Operand, pack_units: Any) -> int:
    if isinstance(operand, Scalar):
        return 1
    if isinstance(operand, PackRef):
        return int(pack_units(operand.pack))
    assert isinstance(operand, (BufferSlice, Expanded, ExternalArray))
    return operand.width


def check_product(step: Instruction, pack_shape: tuple[int, ...]) -> None:
    """Check that a pack has the outputs and inputs of its product.

    Raises
    ------
    InvalidProgram
        If it does not.
    """
    rows = step.operands[0]
    assert isinstance(rows, (BufferSlice, ExternalArray))
    if pack_shape != (step.output.width, rows.width):
        raise InvalidProgram(f"a product of {rows.width} to {step.output.width} units has weights of {pack_shape}")
