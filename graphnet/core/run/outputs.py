"""Prepares the outputs of a pass, and the errors for inputs, for the caller."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.describe.parameter import Array
from graphnet.core.run.row_masks import mask, owner


def masked(array: Array, origin: int | None, lengths: Sequence[Array | None]) -> Array:
    """``array`` with zeros beyond the rows' ends, where it has the row lengths of the input ``origin``."""
    row_lengths = None if origin is None else lengths[origin]
    return array if row_lengths is None else mask(array, row_lengths)


def unshared(output: Array, inputs: Sequence[Array | None]) -> Array:
    """The output; a copy where it is the caller's own input, or a view of its memory."""
    memory = output if output.base is None else owner(output)
    for array in inputs:
        if array is not None and (array if array.base is None else owner(array)) is memory:
            return output.copy()
    return output
