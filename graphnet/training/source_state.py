"""The generators and counters of what a Stream is read from, so that an epoch can be read again up to a position."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError
from graphnet.data.datasets.stream import Stream
from graphnet.training import generators
from graphnet.training.object_kinds import is_resource, pair
from graphnet.training.object_reader import ObjectReader
from graphnet.training.object_writer import ObjectWriter


def source_state(data: object, where: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """The state of a Stream's source, and its arrays: what its ``state()`` returns, or the random generators, numbers
    and strings that it refers to; arrays among them are data, and not kept. Empty for anything but a Stream.
    """
    values: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for name, part in _parts(data):
        writer = ObjectWriter(lenient=not pair(part))
        try:
            is_generator = generators.is_generator(part)
            values[name] = (writer.value if is_generator else writer.object)(part, f"{where}, {name}")
        except ConfigError:
            if pair(part):
                raise
            continue
        arrays |= writer.arrays
    return values, arrays


def restore_source(written: Mapping[str, Any], arrays: Mapping[str, Array], data: object, where: str) -> None:
    """Put back what :func:`source_state` returned."""
    for name, part in _parts(data):
        if name in written:
            ObjectReader(arrays).value(written[name], part, f"{where}, {name}")


def _parts(data: object) -> Iterator[tuple[str, Any]]:
    """What a source consists of, by name: generators that a function refers to, and objects."""
    source = data.source if isinstance(data, Stream) else None
    number = 0
    while isinstance(source, (functools.partial, types.MethodType)):
        arguments = source.args if isinstance(source, functools.partial) else (source.__self__,)
        for argument in arguments:
            number += 1
            if generators.is_generator(argument) or not is_resource(argument):
                yield f"argument {number}", argument
        if isinstance(source, functools.partial):
            yield from (
                (f"argument {n}", value) for n, value in source.keywords.items() if generators.is_generator(value)
            )
        source = source.func if isinstance(source, functools.partial) else source.__func__
    if isinstance(source, types.FunctionType):
        yield from generators.of_function(source)
    elif source is not None and not isinstance(source, (list, tuple, Iterator)) and hasattr(source, "__dict__"):
        yield "source", source
        call = getattr(type(source), "__call__" if callable(source) else "__iter__", None)
        yield from generators.of_function(call)
