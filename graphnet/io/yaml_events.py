"""Plain data as YAML events, without recursion: PyYAML's own representer calls itself three times for each level."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import yaml

from graphnet.core.errors import FileError


class Flow(dict[str, Any]):
    """A mapping written on one line."""


class Block(list[Any]):
    """A list written with one entry on each line."""


class _Scalars(yaml.SafeDumper):
    """Gives scalars their text and quotes."""


_scalars = _Scalars(io.StringIO())


def events(value: Any) -> Iterator[yaml.Event]:
    """The events of one document: mappings as blocks unless ``Flow``, lists on one line unless ``Block``, no aliases.

    Raises
    ------
    FileError
        If text has lone surrogates, which UTF-8 does not have: names of files that are not UTF-8, for example.
    """
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, yaml.Event):
            yield item
        elif isinstance(item, dict):
            yield yaml.MappingStartEvent(None, None, True, flow_style=isinstance(item, Flow))
            waiting.append(yaml.MappingEndEvent())
            waiting += [part for pair in reversed(item.items()) for part in reversed(pair)]
        elif isinstance(item, (list, tuple)):
            yield yaml.SequenceStartEvent(None, None, True, flow_style=not isinstance(item, Block))
            waiting.append(yaml.SequenceEndEvent())
            waiting += reversed(item)
        else:
            yield _scalar(item)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _scalar(value: Any) -> yaml.Event:
    """The event of a number, a text, a truth value or None."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            problem = "text cannot be written as UTF-8"
            raise FileError(problem, received=ascii(value)[:200], remedy="Choose another name.") from None
    node = _scalars.represent_data(value)
    assert isinstance(node, yaml.ScalarNode)
    tags = [_scalars.resolve(yaml.ScalarNode, node.value, implicit) for implicit in ((True, False), (False, True))]
    implicit = node.tag == tags[0], node.tag == tags[1]
    return yaml.ScalarEvent(None, node.tag, implicit, node.value, style=node.style)
