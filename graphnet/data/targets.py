"""Targets from a user's arrays: one row for each example, or one sequence for each sequence."""

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
from graphnet.data.sources import ArraySource, SequenceSource, Source, is_list, sequence_arrays
from graphnet.losses import Loss
from graphnet.metrics import Metric

#: Examples whose targets are checked at a time.
ROWS = 1024


def target_source(graph: Graph, port: OutputPort, value: Any, sources: Mapping[str, Source]) -> Source:
    """The targets of one output, in the form (padded array or list) of the sequences that it belongs to.

    Raises
    ------
    ShapeError, DtypeError
        If there are too few axes, or the numbers of steps differ.
    """
    where = f"{graph.name}, target of {port.name!r}"
    if port.origin is None or not is_list(value):
        array = dtypes.as_array(value, where)
        if array.ndim <= port.axis:
            over_time = port.origin is not None
            expected = "(time, batch, …), or a list of sequences" if over_time else "one row for each example"
            raise ShapeError("the targets have too few axes", where=where, expected=expected, received=array.shape)
        return ArraySource(array, port.axis) if port.origin is None else _like(sources[port.origin], array, where)
    arrays = sequence_arrays(value, where)
    sequence = sources[port.origin]
    min_steps = sequence.array.shape[0] if isinstance(sequence, ArraySource) else 1
    dtype = np.result_type(*({array.dtype for array in arrays if array.size} or {np.dtype(np.int64)}))
    if dtype.kind == "f":
        for i, array in enumerate(arrays):
            exact(array, dtype, f"{where}, sequence {i}")
    return SequenceSource(arrays, dtype, min_steps)


def _like(sequence: Source, array: Array, where: str) -> Source:
    """Padded targets (time, batch, …) in the form of their sequences."""
    if isinstance(sequence, ArraySource):
        steps = sequence.array.shape[0]
        if len(array) != steps:
            expected = f"{steps} steps"
            raise ShapeError(
                "the targets do not have the steps of the input", where=where, expected=expected, received=array.shape
            )
        return ArraySource(array, 1)
    if array.shape[1] != len(sequence):
        return ArraySource(array, 1)  # refused later, with all other differences in the number of examples
    counts = sequence.lengths(slice(0, len(sequence)))
    if counts is None or counts.max(initial=0) > len(array):
        expected = "the steps of the longest sequence"
        raise ShapeError("the targets have too few steps", where=where, expected=expected, received=len(array))
    return SequenceSource([array[:count, i] for i, count in enumerate(counts)], array.dtype)


def check_steps(where: str, target: SequenceSource, sequence: Source, origin: str) -> None:
    """Raise a ShapeError if targets (a list) do not have the steps of their sequences."""
    counts = sequence.lengths(slice(0, len(sequence)))
    if counts is None:
        counts = np.full(len(sequence), target.min_steps)  # those of the whole input array
    for i in np.flatnonzero(counts != target.counts)[:1]:
        raise ShapeError(
            f"target {i} does not have the steps of its sequence",
            where=where,
            expected=f"{counts[i]} steps, as in input {origin!r}",
            received=f"{target.counts[i]} steps",
        )


def check_targets(
    graph: Graph,
    data: Examples,
    losses: Mapping[str, Loss],
    metrics: Sequence[Metric],
    dtype: str,
    *,
    part: bool = False,
) -> None:
    """Check all targets by each loss, and by each metric of the first output, as far as the output's shape is known.

    Raises
    ------
    ShapeError, DtypeError, DataError
        As the loss; also if no target counts (unless these are a ``part`` of the examples), or ``dtype`` cannot hold a
        number that a loss compares.
    """
    for i, (name, loss) in enumerate(losses.items()):
        if name in data.targets:
            # Metrics are computed in float64.
            where = f"{graph.name}, target of {name!r}"
            _check_output(data, name, loss, (loss, dtype), where, part)
            for metric in metrics if i == 0 else ():
                try:
                    check = metric.loss(), "float64"
                    _check_output(data, name, loss, check, f"{where}, metric {type(metric).__name__}", part)
                except GraphnetError as error:
                    error.remedy = metric.remedy_with(loss) or error.remedy
                    raise


def _check_output(data: Examples, name: str, loss: Loss, check: tuple[Loss, str], where: str, part: bool) -> None:
    """Check the targets that ``loss`` does not ignore by another loss, or the same one, and by a dtype."""
    any_valid = False
    for start in range(0, len(data), ROWS):
        rows = slice(start, min(start + ROWS, len(data)))
        target = data.targets[name].take(rows)
        mask = data.mask(name, rows, target.shape)
        shape = data.outputs[name].sized(rows.stop - start, len(target))
        if mask is not None and not mask.any():
            continue
        if shape is not None and len(shape) in (target.ndim, target.ndim + 1):
            mask = loss.kept(shape, target, mask)
            if mask is not None and not mask.any():
                continue
        any_valid = True
        try:
            _check_target(check[0], shape, target, mask, check[1], where)
        except DataError as error:
            place = _not_finite(target, mask, start, data.outputs[name].origin is not None)
            error.received = place or error.received
            raise
    if not any_valid and not part and (name in data.target_masks or loss.ignore_index is None):
        reason = "no target counts" if name in data.target_masks else "every sequence is empty"
        raise DataError(reason, where=where, expected="one step")


def _not_finite(target: Array, mask: Array | None, start: int, timed: bool) -> str | None:
    """The place of the first NaN or infinity among the valid targets of the examples from ``start`` on."""
    if target.dtype.kind != "f":
        return None
    bad = ~np.isfinite(target)
    if mask is not None:
        bad &= np.reshape(mask != 0, (*mask.shape, *[1] * (bad.ndim - mask.ndim)))
    if not bad.any():
        return None
    at = [int(i) for i in np.argwhere(bad)[0]]
    what = "NaN" if np.isnan(target[tuple(at)]) else "infinity"
    steps = timed and len(at) > 1
    return f"{what} in example {start + at[steps]}" + (f", step {at[0]}" if steps else "")


def _check_target(
    loss: Loss, shape: tuple[int, ...] | None, target: Array, mask: Array | None, dtype: str, where: str
) -> None:
    try:
        if shape is not None:
            loss.check(shape, target, mask)
        loss.check_numbers(target, dtype, mask)
    except GraphnetError as error:
        raise error.at(where) from None
