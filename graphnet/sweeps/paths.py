"""Values at dotted paths of a model file, such as ``training.optimizer.learning_rate`` and ``nodes.lstm.hidden_size``.

A path is that of the file, with what is unambiguous left out: ``with`` of a node, the name of an optimizer or another
object whose settings are meant, ``training`` before a setting and ``nodes`` before a node.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from graphnet.core.errors import ConfigError, unknown
from graphnet.io.reading import TOP, WHAT
from graphnet.io.tree import Item, Place
from graphnet.training.config import NAMED, TrainingConfig

#: The keys of a node; others are those of ``with``.
NODE = (*WHAT, "with", "inputs")
#: Settings that are objects, or their names.
OBJECTS = (*NAMED, "schedule")


def with_value(model: Item, path: str, value: Any, place: Place) -> Item:
    """The tree of a model file with another value at a path; errors about the value have ``place``.

    Raises
    ------
    ConfigError
        If there is no such place in the file.
    """
    keys = _whole(model, path.split("."), place)
    return _Placing(path, place).placed(model, keys, (), as_item(value, place))


def as_item(value: Any, place: Place) -> Item:
    """Plain data as a tree, all of it at one place."""
    if isinstance(value, dict):
        return Item({key: as_item(part, place) for key, part in value.items()}, place)
    if isinstance(value, (list, tuple)):
        return Item([as_item(part, place) for part in value], place)
    return Item(value, place)


def _whole(model: Item, keys: list[str], place: Place) -> tuple[str, ...]:
    """The keys of a path from the top of the file."""
    top = model.mapping()
    nodes = top["nodes"].mapping() if "nodes" in top else {}
    settings = [field.name for field in dataclasses.fields(TrainingConfig)]
    if keys[0] in TOP:
        return tuple(keys)
    if keys[0] in settings:
        return ("training", *keys)
    if keys[0] in nodes:
        return ("nodes", *keys)
    known = [*nodes, *settings, *TOP]
    raise unknown("path", ".".join(keys), known, where=str(place), error=ConfigError,
                  problem=f"the model file has no {keys[0]!r}",
                  expected="a path such as training.batch_size, or nodes.NAME.FIELD")  # fmt: skip


class _Placing:
    """Builds the changed tree along one path."""

    def __init__(self, path: str, place: Place) -> None:
        self.path, self.place = path, place

    def placed(self, item: Item, keys: tuple[str, ...], trail: tuple[str, ...], new: Item) -> Item:
        if not keys:
            return new
        key, value, here = keys[0], item.value, item.place
        if value is None and trail[-1:] in (("with",), ("training",)):
            value = {}
        if isinstance(value, str) and _is_object(trail):  # optimizer: Adam
            return Item({value: self.placed(Item({}, here), keys, (*trail, value), new)}, here)
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            inner = [*value]
            inner[int(key)] = self.placed(value[int(key)], keys[1:], (*trail, key), new)
            return Item(inner, here)
        if not isinstance(value, dict):
            raise self.nowhere(trail, item.described())
        if len(trail) > 1 and trail[-2] == "nodes" and key not in NODE:
            keys, key = ("with", *keys), "with"
        if key in value:
            return Item({**value, key: self.placed(value[key], keys[1:], (*trail, key), new)}, here)
        if _is_object(trail) and len(value) == 1:  # optimizer: {Adam: {…}}
            ((name, inner_item),) = value.items()
            inner_item = Item({}, inner_item.place) if inner_item.value is None else inner_item
            return Item({name: self.placed(inner_item, keys, (*trail, name), new)}, here)
        if key in ("with", "training") and len(keys) > 1:
            return Item({**value, key: self.placed(Item({}, here), keys[1:], (*trail, key), new)}, here)
        if len(keys) > 1 or trail[-1:] == ("nodes",):
            raise self.missing(key, value, (*trail, key))
        return Item({**value, key: new}, here)  # a field that the file leaves at its default

    def missing(self, key: str, value: dict[str, Item], trail: tuple[str, ...]) -> ConfigError:
        remedy = f"Name it in the model file, such as {key}: Adam." if _is_object(trail) else None
        return unknown("key", key, value, where=str(self.place), problem=f"the model file has no {'.'.join(trail)}",
                       remedy=remedy, error=ConfigError)  # fmt: skip

    def nowhere(self, trail: tuple[str, ...], received: str) -> ConfigError:
        return ConfigError("a path that goes on where the model file has no mapping", where=str(self.place),
                           expected=f"a mapping at {'.'.join(trail) or 'the top'}", received=received)  # fmt: skip


def _is_object(trail: tuple[str, ...]) -> bool:
    return len(trail) == 2 and trail[0] == "training" and trail[1] in OBJECTS
