"""Views of units as several axes, for operations on inner axes.

``k[:, :, None] * S`` multiplies units ``(key, 1)`` and ``(key, value)``: both slices are viewed with two axes, and
numpy repeats the axis of length 1. Nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    Expanded,
    Instruction,
    InvalidProgram,
    Operand,
    Scalar,
    repeated_axes,
    unit_axes,
)
from graphnet.core.compile.trace.ufuncs import UFUNCS
from graphnet.core.describe.parameter import Array
from graphnet.core.records import record


@record
class UnitView:
    """The axes of units, and their order if it is another one."""

    axes: tuple[int, ...]
    order: tuple[int, ...] | None = None

    def of(self, array: Array, position: int) -> Array:
        """A view of an array whose axis ``position`` (negative) has the units."""
        before, behind = array.shape[:position], array.shape[position + 1 :] if position < -1 else ()
        view = array.reshape(*before, *self.axes, *behind)
        if self.order is None:
            return view
        first = len(before)
        order = [*range(first), *(first + a for a in self.order), *range(first + len(self.axes), view.ndim)]
        return view.transpose(order)


def unit_views(
    step: Instruction, width: Callable[[Operand], int]
) -> tuple[UnitView | None, list[UnitView | None]] | None:
    """The views of the output and of each operand of an instruction; None if it needs none.

    ``width`` returns the units of an operand.

    Raises
    ------
    InvalidProgram
        If numbers of units do not fit.
    """
    if step.name == "reduce_axis":
        _, outer, count, inner = attribute(step)
        _require(step, width(step.operands[0]) == outer * count * inner and step.output.width == outer * inner)
        return UnitView((outer, inner)), [UnitView((outer, count, inner))]
    if step.name == "permute":
        sizes, order = attribute(step)
        _require(step, width(step.operands[0]) == step.output.width == int(np.prod(sizes)))
        return UnitView(tuple(sizes[a] for a in order)), [UnitView(sizes, order)]
    forms = [o.form for o in step.operands if isinstance(o, Expanded)]
    if not forms:
        return None
    axes = unit_axes(step.output.width, forms)
    _require(step, axes is not None)
    assert axes is not None
    views: list[UnitView | None] = []
    for operand in step.operands:
        if isinstance(operand, Scalar):
            views.append(None)
        elif isinstance(operand, Expanded):
            _require(step, operand.width == step.output.width and operand.source.width == operand.outer * operand.inner)
            views.append(UnitView(repeated_axes(axes, operand.form)))
        else:
            _require(step, width(operand) in (1, step.output.width))
            views.append(UnitView(axes if width(operand) == step.output.width else (1,) * len(axes)))
    return UnitView(axes), views


def attribute(step: Instruction) -> Any:
    """What an instruction says about its axes."""
    return step.attr


def _require(step: Instruction, fits: bool) -> None:
    if not fits:
        raise InvalidProgram(f"{step.name} of {step.output.width} units has operands that do not fit: {step.operands}")


def reduction(step: Instruction, batch_axis: bool) -> Callable[[Any, Any], object]:
    """The function of ``(x, out)`` that computes a ``reduce_axis``; with ``batch_axis`` the last axis is the batch."""
    name, _, _, inner = attribute(step)
    reduce: Any = UFUNCS[name].reduce
    axis = -3 if batch_axis else -2
    if name == "add" and inner == 1:  # numpy adds rows of a few numbers one by one; einsum takes a third of the time
        form = "...ocib->...oib" if batch_axis else "...oci->...oi"
        return lambda x, out: np.einsum(form, x, out=out)
    return lambda x, out: reduce(x, axis, None, out)
