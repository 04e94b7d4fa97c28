"""What users give as targets: one row an example, or one sequence a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.array_types import exact
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import DataError, GraphnetError, ShapeError
from graphnet.data.batches import Examples
from graphnet.data.ports import OutputPort
from graphnet.data.sources import ArraySource, SequenceSource, Source, sequences
from graphnet.losses import Loss
from graphnet.metrics import Metric

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
    common = np.result_type(*dtypes_found)
    if common.kind == "f":
        for i, array in enumerate(arrays):
            exact(array, common, f"{place}, sequence {i}")
    return SequenceSource(arrays, common, least)


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


def check_targets(graph: Graph, found: Examples, losses: Mapping[str, Loss], metrics: Sequence[Metric] = ()) -> None:
    """Let each loss, and each metric of the first output, look at all targets, as far as the output's shape is known.

    Raises
    ------
    ShapeError, DtypeError, DataError
        As the loss; also if no target has a valid step.
    """
    for i, (name, loss) in enumerate(losses.items()):
        if name in found.targets:
            judges = [loss, *(metric.loss() for metric in metrics if i == 0)]
            _check_output(found, name, judges, f"{graph.name}, target of {name!r}")


def _check_output(found: Examples, name: str, judges: Sequence[Loss], place: str) -> None:
    counted = False
    for start in range(0, len(found), CHECKED):
        rows = slice(start, min(start + CHECKED, len(found)))
        target = found.targets[name].take(rows)
        mask = found.mask(name, rows, len(target))
        if mask is not None and not mask.any():
            continue
        counted = True
        shape = found.outputs[name].sized(rows.stop - start, len(target))
        for judge in judges if shape is not None else ():
            _check_target(judge, shape or (), target, mask, place)
    if not counted:
        raise DataError("every sequence is empty", where=place, expected="one step")


def _check_target(loss: Loss, shape: tuple[int, ...], target: Array, mask: Array | None, place: str) -> None:
    try:
        loss.check(shape, target, mask)
    except GraphnetError as error:
        raise error.at(place) from None
