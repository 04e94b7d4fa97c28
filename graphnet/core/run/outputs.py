"""Prepares the outputs of a pass, and the errors for inputs, for the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.describe.parameter import Array
from graphnet.core.run.row_masks import mask, owner


def masked(array: Array, origin: int | None, lengths: Sequence[Array | None]) -> Array:
    """``array`` with zeros beyond the rows' ends, where it has the row lengths of the input ``origin``."""
    row_lengths = None if origin is None else lengths[origin]
    return array if row_lengths is None else mask(array, row_lengths)


def unread_sequences(plan: Plan) -> frozenset[int]:
    """The slots of outputs over time that a Scan writes and nothing else reads: their arrays are the caller's alone.

    Any other output may be an array that a rule has saved for ``backward``, a weight, a view of another output, or a
    state that is carried to the next pass, so the caller gets a copy: ``outputs["y"] -= targets`` changes no result.
    """
    outputs = [slot for _, slot in plan.outputs]
    written: set[int] = set()
    read: set[int | None] = {slot for slot in outputs if outputs.count(slot) > 1}
    for step in plan.steps:
        if isinstance(step, Loop):
            written.update(step.outputs)
            read.update((*step.sequences, *step.initial, *step.contexts))
        else:
            read.update(step.inputs)
    return frozenset(written - read)


def kept_inputs(arrays: Iterable[Array | None]) -> list[Array | None]:
    """Copies of the inputs of a pass for ``backward``, which the caller may then write to."""
    copies: list[Array | None] = []
    for array in arrays:  # a comprehension is a call, in every pass
        copies.append(None if array is None else array.copy("K"))
    return copies


def kept_batch(arrays: Iterable[Array | None], lengths: Iterable[Array | None]) -> list[Array | None]:
    """The same for inputs of which those with row lengths are copies already."""
    pairs = zip(arrays, lengths, strict=True)
    return [array if array is None or counts is not None else array.copy("K") for array, counts in pairs]


def unshared(errors: Iterable[Array | None], given: Iterable[Array | None]) -> list[Array | None]:
    """The errors of inputs, for a caller that may write to them.

    Copied are those that are an error that the caller gave, or one before it, or a view of these, and those that cannot
    be written to, such as one number that stands for many.
    """
    seen = {id(array if array.base is None else owner(array)) for array in given if array is not None}
    result = []
    for error in errors:
        if error is not None:
            memory = id(error if error.base is None else owner(error))
            if memory in seen or not error.flags.writeable:
                error = error.copy()
            seen.add(memory)
        result.append(error)
    return result
