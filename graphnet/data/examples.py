"""What users give as data, checked as a whole before anything runs."""

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
from graphnet.data.masks import checked_masks, listed, time_first, without_gaps
from graphnet.data.ports import InputPort, input_ports, output_ports
from graphnet.data.sources import ArraySource, SequenceSource, Source, sequences
from graphnet.data.targets import check_steps, check_targets, target_source
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
) -> Examples:
    """Examples of a graph's inputs, and of the targets of its outputs.

    Parameters
    ----------
    runner : Runner
    inputs : array, list of sequences, or mapping of input name to either
        A mapping is needed where the graph has several inputs. An input whose declared axes begin with (time, batch)
        takes a padded array (time, batch, …), or a list of (time, …) arrays, which may be empty. For every other one
        the examples are on its batch axis, or on axis 0 where nothing is declared.
    targets : array, list of sequences, or mapping of output name to either, optional
        For the outputs that have a loss. For an output with axes (time, batch, …) a list of one array a sequence, with
        as many steps as the sequence, or a padded array (time, batch, …); for any other one row an example.
    losses : mapping of output name to Loss, optional
        Needed with targets.
    metrics : sequence of Metric, optional
        Of the first output with a loss; they too must be able to use its targets.
    lengths : int array, or mapping of input name to it, optional
        Valid steps of each row of padded arrays.
    mask : boolean array (time, batch), or mapping of input name to it, optional
        Instead of lengths: the steps of padded arrays that are there, anywhere in a row. The others are passed over, in
        the targets too.
    batch_major : bool
        Whether padded arrays are ``(batch, time, …)``, masks too.
    dtype : str
        What floats are converted to, a batch at a time.

    Raises
    ------
    ShapeError, DtypeError, DataError
        With the name of the input or output, and the number of the sequence.
    """
    graph = runner.graph
    given = _named(inputs, list(graph.inputs), [n for n, i in graph.inputs.items() if not i.optional], "input", graph)
    _refuse_missing(graph, given)
    ports, outputs = input_ports(graph), output_ports(runner)
    named = {} if targets is None else _named(targets, list(losses or {}), list(losses or {}), "output", graph)
    given = {n: _taken(v, f"{graph.name}, input {n!r}", integer=ports[n].given.integer) for n, v in given.items()}
    named = {n: _taken(v, f"{graph.name}, target of {n!r}") for n, v in named.items()}
    if batch_major:
        given = time_first(given, {name for name, port in ports.items() if port.sequence})
        named = time_first(named, {name for name, port in outputs.items() if port.origin is not None})
    masks = checked_masks(graph, ports, given, mask, lengths, batch_major)
    if masks:
        given, named = without_gaps(given, named, masks, outputs)
    counts = checked_lengths(graph, given, lengths)
    sources = {name: _input(graph, ports[name], given[name], counts.get(name), dtype) for name in given}
    wanted: dict[str, Source] = {}
    if targets is not None:
        wanted = {name: target_source(graph, outputs[name], value, sources) for name, value in named.items()}
        _refuse_untold(graph, losses or {}, wanted)
    found = Examples(sources, wanted, outputs, together=_read_as_time(runner, sources))
    if batch_major:
        found.refuse_parts()  # nothing says which axes to exchange
    _check_counts(graph, found)
    check_targets(graph, found, losses or {}, metrics)
    return found


def _read_as_time(runner: Runner, sources: Mapping[str, Source]) -> str | None:
    """An input without declared axes whose axis 0 a layer reads as time, although its examples are there."""
    shapes = {name: runner.graph.inputs[name].shape or _shape(source) for name, source in sources.items()}
    for name, shape in shapes.items():
        if shape.declared or not accepts_shapes(runner.plan, runner.layers, shapes):
            continue
        if not accepts_shapes(runner.plan, runner.layers, {**shapes, name: replace(shape, declared=True)}):
            return name
    return None


def _shape(source: Source) -> Shape:
    """The shape of an array of examples, without names; only declared inputs take lists of sequences."""
    return Shape.of(source.array.shape if isinstance(source, ArraySource) else ())


def no_targets(where: str) -> ConfigError:
    """The error for examples without targets."""
    return ConfigError(
        "there are no targets",
        where=where,
        expected="targets for each output with a loss, or a Stream",
        received="None",
    )


def _named(value: Any, names: list[str], needed: list[str], what: str, graph: Graph) -> dict[str, Any]:
    """What was given, by name; one value without a name is for the only one that is needed."""
    if not isinstance(value, Mapping):
        if len(needed) != 1:
            raise ShapeError(
                f"the graph has several {what}s, so the data need names",
                where=repr(graph),
                expected=f"a mapping with {', '.join(names)}",
                received=type(value).__name__,
            )
        return {needed[0]: value}
    for name in value:
        if name not in names:
            raise unknown(what, name, names, where=repr(graph), error=ShapeError)
    return {name: value[name] for name in names if value.get(name) is not None}


def _taken(value: Any, place: str, *, integer: bool = False) -> Any:
    """An array, checked; a list, which may be one of sequences, is checked where that is known."""
    return value if listed(value) else dtypes.as_array(value, place, integer=integer)


def _refuse_missing(graph: Graph, given: Mapping[str, Any]) -> None:
    missing = [name for name, port in graph.inputs.items() if name not in given and not port.optional]
    if missing or not given:
        raise ShapeError(
            "an input is missing", where=repr(graph), expected=", ".join(missing), received=", ".join(given) or "none"
        )


def _refuse_untold(graph: Graph, losses: Mapping[str, Loss], targets: Mapping[str, Source]) -> None:
    for name in losses:
        if name not in targets:
            raise ShapeError("an output with a loss has no target", where=repr(graph), expected=name)


def _input(graph: Graph, port: InputPort, value: Any, counts: Array | None, dtype: str) -> Source:
    place = f"{graph.name}, input {port.name!r}"
    if port.sequence and listed(value):
        arrays = [
            _fitting(port, array, f"{place}, sequence {i}")
            for i, array in enumerate(sequences(value, place, integer=port.given.integer))
        ]
        for i, each in enumerate(() if port.given.integer else arrays):
            dtypes.check_convertible(each, dtype, f"{place}, sequence {i}")
        return SequenceSource(arrays, np.int64 if port.given.integer else dtype)
    array = dtypes.as_array(value, place, integer=port.given.integer)
    if port.given.shape is not None and not port.given.shape.fits(array.shape):
        raise ShapeError(
            "does not fit",
            where=place,
            expected=port.given.shape,
            received=array.shape,
            remedy="Sequences of different length go in a list." if port.sequence else None,
        )
    if array.ndim == 0:
        raise ShapeError("a single number has no rows", where=place, received="a number")
    if not port.given.integer:
        dtypes.check_convertible(array, dtype, place)
    return ArraySource(array, port.axis, None if port.given.integer else dtype, counts)


def _fitting(port: InputPort, array: Array, place: str) -> Array:
    """A sequence that fits its declaration; one without steps takes its other axes from there."""
    assert port.given.shape is not None  # only declared inputs are sequences
    expected = port.given.shape.without(1).resized(0, None)
    if array.shape == (0,):
        return array.reshape(0, *(size or 0 for size in expected.sizes[1:]))
    if not expected.fits(array.shape):
        raise ShapeError("does not fit", where=place, expected=expected, received=array.shape)
    return array


def _check_counts(graph: Graph, found: Examples) -> None:
    """As many examples everywhere, at least one, and as many steps in a target as in its sequence."""
    rows = {name: len(source) for name, source in found.inputs.items()}
    rows |= {f"target of {name}": len(source) for name, source in found.targets.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in rows.items())
        raise ShapeError(
            "inputs and targets differ in examples", where=graph.name, expected="equal numbers", received=told
        )
    if 0 in rows.values():
        raise DataError("there are no examples", where=graph.name, expected="at least one example", received="none")
    for name, source in found.targets.items():
        origin = found.outputs[name].origin
        if origin is not None and isinstance(source, SequenceSource):
            check_steps(f"{graph.name}, target of {name!r}", source, found.inputs[origin], origin)
