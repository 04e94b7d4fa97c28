"""What users give as targets: one row an example, or one sequence a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.errors import DataError, GraphnetError, ShapeError
from graphnet.core.graph import Graph
from graphnet.core.parameter import Array
from graphnet.losses import Loss
from graphnet.training.batches import Examples
from graphnet.training.ports import OutputPort
from graphnet.training.sources import ArraySource, SequenceSource, Source, sequences

#: Examples whose targets are checked at a time.
CHECKED = 1024


def target_source(graph: Graph, port: OutputPort, value: Any, sources: Mapping[str, Source]) -> Source:
    """The targets of one output, in the way in which the sequences that it belongs to come.

    Raises
    ------
    ShapeError, DtypeError
        Too few axes, or other numbers of steps.
    """
    place = f"{graph.name}, target of {port.name!r}"
    if port.origin is None or not isinstance(value, (list, tuple)):
        array = dtypes.as_array(value, place)
        if array.ndim <= port.axis:
            expected = "one row an example" if port.origin is None else "(time, batch, …), or a list of sequences"
            raise ShapeError("the targets have too few axes", where=place, expected=expected, received=array.shape)
        return ArraySource(array, port.axis) if port.origin is None else _cut(array, sources[port.origin], place)
    arrays = sequences(value, place)
    sequence = sources[port.origin]
    least = sequence.array.shape[0] if isinstance(sequence, ArraySource) else 1
    dtypes_found = {array.dtype for array in arrays if array.size} or {np.dtype(np.int64)}
    return SequenceSource(arrays, np.result_type(*dtypes_found), least)


def _cut(array: Array, sequence: Source, place: str) -> Source:
    """Padded targets (time, batch, …) in the way in which their sequences come."""
    if isinstance(sequence, ArraySource):
        steps = sequence.array.shape[0]
        if len(array) != steps:
            raise ShapeError("other steps than the input", where=place, expected=f"{steps} steps", received=array.shape)
        return ArraySource(array, 1)
    if array.shape[1] != len(sequence):
        return ArraySource(array, 1)  # refused with all other numbers of examples
    counts = sequence.lengths(slice(0, len(sequence)))
    if counts is None or counts.max(initial=0) > len(array):
        raise ShapeError("too few steps", where=place, expected="as many as the longest sequence", received=len(array))
    return SequenceSource([array[:count, i] for i, count in enumerate(counts)], array.dtype)


def check_steps(place: str, target: SequenceSource, sequence: Source, origin: str) -> None:
    """Refuse targets (a list) that have not as many steps as their sequences."""
    counts = sequence.lengths(slice(0, len(sequence)))
    if counts is None:
        counts = np.full(len(sequence), target.least)  # of a whole array, which set it
    for i in np.flatnonzero(counts != target.counts)[:1]:
        raise ShapeError(
            f"target {i} does not have the steps of its sequence",
            where=place,
            expected=f"{counts[i]} steps, as in input {origin!r}",
            received=f"{target.counts[i]} steps",
        )


def check_targets(graph: Graph, found: Examples, losses: Mapping[str, Loss]) -> None:
    """Let each loss look at all targets, as far as the output's shape is known."""
    for name, source in found.targets.items():
        counted = False
        for start in range(0, len(found), CHECKED):
            rows = slice(start, min(start + CHECKED, len(found)))
            target = source.take(rows)
            mask = found.mask(name, rows, len(target))
            if mask is not None and not mask.any():
                continue
            counted = True
            shape = found.outputs[name].sized(rows.stop - start, len(target))
            if shape is not None:
                _check_target(losses[name], shape, target, mask, f"{graph.name}, target of {name!r}")
        if not counted:
            raise DataError("every sequence is empty", where=f"{graph.name}, target of {name!r}", expected="one step")


def _check_target(loss: Loss, shape: tuple[int, ...], target: Array, mask: Array | None, place: str) -> None:
    try:
        loss.check(shape, target, mask)
    except GraphnetError as error:
        raise error.at(place) from None
