"""Examples from a user's arrays and lists, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.compile.axis_names import accepts_shapes
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, DataError, ShapeError, unknown
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Examples
from graphnet.data.lengths import checked_lengths
from graphnet.data.masks import checked_masks, swap_time_and_batch, without_gaps
from graphnet.data.ports import InputPort, input_ports, output_ports
from graphnet.data.sources import ArraySource, SequenceSource, Source, is_list, sequence_arrays
from graphnet.data.targets import check_steps, check_targets, target_source
from graphnet.data.weighting import RowParts, Weighting
from graphnet.losses import Loss
from graphnet.metrics import Metric


def examples(
    runner: Runner,
    inputs: Any,
    targets: Any = None,
    *,
    losses: Mapping[str, Loss] | None = None,
    metrics: Sequence[Metric] = (),
    lengths: Any = None,
    mask: Any = None,
    batch_major: bool = False,
    dtype: str = "float32",
    weighting: Weighting | None = None,
    part: bool = False,
) -> Examples:
    """Examples of a graph's inputs, and of the targets of its outputs.

    Parameters
    ----------
    runner : Runner
    inputs : array, list of sequences, or mapping of input name to either
        A graph with several inputs needs a mapping. An input whose declared axes begin with (time, batch) takes a
        padded array (time, batch, …), or a list of (time, …) arrays, which may be empty. The examples of any other
        input are on its batch axis, or on axis 0 if no axes are declared.
    targets : array, list of sequences, or mapping of output name to either, optional
        For the outputs that have a loss. For an output with axes (time, batch, …) a list with one array for each
        sequence, of the same number of steps, or a padded array (time, batch, …); for any other output one row for each
        example.
    losses : mapping of output name to Loss, optional
        Required with targets.
    metrics : sequence of Metric, optional
        Computed on the first output with a loss, whose targets must suit them.
    lengths : int array, or mapping of input name to it, optional
        Valid steps of each row of padded arrays.
    mask : boolean array (time, batch), or mapping of input name to it, optional
        Instead of lengths: the valid steps of padded arrays, anywhere in a row. The others are skipped, in the targets
        too.
    batch_major : bool
        Whether padded arrays and masks are ``(batch, time, …)``.
    dtype : str
        The dtype to which floats are converted, a batch at a time.
    weighting : Weighting, optional
        Weights and masks of the targets.
    part : bool
        Whether there are more examples elsewhere: then these may have no target that counts.

    Raises
    ------
    ShapeError, DtypeError, DataError
        With the name of the input or output, and the number of the sequence.
    """
    graph = runner.graph
    required = [name for name, declaration in graph.inputs.items() if not declaration.optional]
    values = _by_name(inputs, list(graph.inputs), required, "input", graph)
    _check_inputs_present(graph, values)
    ports, outputs = input_ports(graph), output_ports(runner)
    target_values = (
        {} if targets is None else _by_name(targets, list(losses or {}), list(losses or {}), "output", graph)
    )
    values = {
        name: _array_or_list(value, f"{graph.name}, input {name!r}", integer=ports[name].declaration.integer)
        for name, value in values.items()
    }
    target_values = {n: _array_or_list(v, f"{graph.name}, target of {n!r}") for n, v in target_values.items()}
    if batch_major:
        values = swap_time_and_batch(values, {n for n, port in ports.items() if port.sequence})
        target_values = swap_time_and_batch(
            target_values, {n for n, port in outputs.items() if port.origin is not None}
        )
    masks = checked_masks(graph, ports, values, mask, lengths, batch_major)
    if masks:
        values, target_values = without_gaps(values, target_values, masks, outputs)
    counts = checked_lengths(graph, values, lengths)
    sources = {name: _input_source(graph, ports[name], values[name], counts.get(name), dtype) for name in values}
    target_sources: dict[str, Source] = {}
    if targets is not None:
        target_sources = {n: target_source(graph, outputs[n], value, sources) for n, value in target_values.items()}
        _check_targets_present(graph, losses or {}, target_sources)
    parts = RowParts(graph.name, outputs, target_sources, batch_major, masks)
    weighting = weighting or Weighting()
    data = Examples(
        sources,
        target_sources,
        outputs,
        indivisible=_read_as_time(runner, sources),
        weights=parts.weights(weighting.sample_weight),
        target_masks=parts.target_masks(weighting.target_mask),
    )
    if batch_major:
        data.check_divisible()  # without declared axes it is not known which ones to exchange
    _check_counts(graph, data)
    check_targets(graph, data, losses or {}, metrics, dtype, part=part)
    if not part:
        parts.check_some_count(data.weights)
    return data


def _read_as_time(runner: Runner, sources: Mapping[str, Source]) -> str | None:
    """An input without declared axes whose axis 0 a layer reads as time, although it numbers the examples."""
    shapes = {name: runner.graph.inputs[name].shape or _shape(source) for name, source in sources.items()}
    for name, shape in shapes.items():
        if shape.declared or not accepts_shapes(runner.plan, runner.layers, shapes):
            continue
        if not accepts_shapes(runner.plan, runner.layers, {**shapes, name: replace(shape, declared=True)}):
            return name
    return None


def _shape(source: Source) -> Shape:
    """The shape of an array of examples, without axis names; only declared inputs take lists of sequences."""
    return Shape.of(source.array.shape if isinstance(source, ArraySource) else ())


def no_targets(where: str) -> ConfigError:
    """The error for examples without targets."""
    return ConfigError(
        "targets are missing",
        where=where,
        expected="targets for each output with a loss, or a Stream",
        received="None",
    )


def _by_name(value: Any, names: list[str], required: list[str], kind: str, graph: Graph) -> dict[str, Any]:
    """Values by name; a value that is not a mapping belongs to the only required name."""
    if not isinstance(value, Mapping):
        if len(required) != 1:
            raise ShapeError(
                f"the graph has several {kind}s",
                where=repr(graph),
                expected=f"a mapping with {', '.join(names)}",
                received=type(value).__name__,
            )
        return {required[0]: value}
    for name in value:
        if name not in names:
            raise unknown(kind, name, names, where=repr(graph), error=ShapeError)
    return {name: value[name] for name in names if value.get(name) is not None}


def _array_or_list(value: Any, where: str, *, integer: bool = False) -> Any:
    """A checked array; a list, which may hold sequences, is unchanged and checked later."""
    return value if is_list(value) else dtypes.as_array(value, where, integer=integer)


def _check_inputs_present(graph: Graph, values: Mapping[str, Any]) -> None:
    missing = [name for name, port in graph.inputs.items() if name not in values and not port.optional]
    if missing or not values:
        raise ShapeError(
            "an input is missing", where=repr(graph), expected=", ".join(missing), received=", ".join(values) or "none"
        )


def _check_targets_present(graph: Graph, losses: Mapping[str, Loss], targets: Mapping[str, Source]) -> None:
    for name in losses:
        if name not in targets:
            raise ShapeError("an output with a loss has no target", where=repr(graph), expected=name)


def _input_source(graph: Graph, port: InputPort, value: Any, counts: Array | None, dtype: str) -> Source:
    where = f"{graph.name}, input {port.name!r}"
    declared, integer = port.declaration.shape, port.declaration.integer
    if port.sequence and is_list(value):
        arrays = sequence_arrays(value, where, integer=integer)
        arrays = [_fitting(port, array, f"{where}, sequence {i}") for i, array in enumerate(arrays)]
        for i, array in enumerate(() if integer else arrays):
            dtypes.check_convertible(array, dtype, f"{where}, sequence {i}")
        return SequenceSource(arrays, np.int64 if integer else dtype)
    array = dtypes.as_array(value, where, integer=integer)
    if declared is not None and not declared.fits(array.shape):
        raise ShapeError(
            "does not fit",
            where=where,
            expected=declared,
            received=array.shape,
            remedy="Pass sequences of different length as a list." if port.sequence else None,
        )
    if array.ndim == 0:
        raise ShapeError("a single number has no rows", where=where, received="a number")
    if not integer:
        dtypes.check_convertible(array, dtype, where)
    return ArraySource(array, port.axis, None if integer else dtype, counts)


def _fitting(port: InputPort, array: Array, where: str) -> Array:
    """A sequence, if it fits the declaration; one without steps gets its other axes from there."""
    declared = port.declaration.shape
    assert declared is not None  # only declared inputs are sequences
    expected = declared.without(1).resized(0, None)
    if array.shape == (0,):
        return array.reshape(0, *(size or 0 for size in expected.sizes[1:]))
    if not expected.fits(array.shape):
        raise ShapeError("does not fit", where=where, expected=expected, received=array.shape)
    return array


def _check_counts(graph: Graph, data: Examples) -> None:
    """Check that all sources have the same number of examples, at least one, and targets as many steps as inputs."""
    rows = {name: len(source) for name, source in data.inputs.items()}
    rows |= {f"target of {name}": len(source) for name, source in data.targets.items()}
    if len(set(rows.values())) > 1:
        received = ", ".join(f"{name}: {count}" for name, count in rows.items())
        over_time = (name for name, source in data.inputs.items() if isinstance(source, ArraySource) and source.axis)
        first = next(over_time, None)
        remedy = f"An array for {first!r} is (time, batch, …); for (batch, time, …) set batch_major=True."
        raise ShapeError(
            "inputs and targets differ in examples", where=graph.name, expected="equal numbers", received=received,
            remedy=None if first is None else remedy,
        )  # fmt: skip
    if 0 in rows.values():
        raise DataError("there are no examples", where=graph.name, expected="at least one example", received="none")
    for name, source in data.targets.items():
        origin = data.outputs[name].origin
        if origin is not None and isinstance(source, SequenceSource):
            check_steps(f"{graph.name}, target of {name!r}", source, data.inputs[origin], origin)
