"""Reading and writing objects of registered classes: ``Name`` or ``{Name: {field: value}}``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.errors import ConfigError, GraphnetError, PluginError, unknown
from graphnet.io.fields import Field, differing, fields_of
from graphnet.io.tree import Item
from graphnet.io.values import KINDS, Cells, Converter, Unfit
from graphnet.plugins import Entry, Registry


# ---------------------------------------------------------------------- reading
def construct(item: Item, thing: Any, registry: Registry, what: str, cells: Cells | None = None) -> Any:
    """Construct an object of a class from a mapping of its fields; ``cells`` reads those that are cell graphs.

    Raises
    ------
    GraphnetError
        With file, line and key path.
    """
    known = fields_of(thing)
    items = {} if item.value is None else item.mapping()
    _check_names(item, items, known, what)
    converter = Converter(registry, named, cells)
    values = {name: converter.convert(value, known[name].type) for name, value in items.items()}
    try:
        return thing(**values)
    except GraphnetError as error:
        raise error.at(str(item.find(error.key_path).place)) from None
    except Exception as error:  # the class may be of a plugin
        raise ConfigError(
            f"{what} cannot be constructed: {type(error).__name__}: {error}",
            where=str(item.place),
            received=item.described(),
        ) from error


def _check_names(item: Item, items: Mapping[str, Item], known: Mapping[str, Field], what: str) -> None:
    """Refuse unknown and missing fields."""
    for name, value in items.items():
        if name not in known:
            problem = f"{what} has no field {name!r}"
            raise unknown("field", name, known, where=str(value.place), problem=problem, error=ConfigError)
    missing = [name for name, field in known.items() if field.required and name not in items]
    if missing:
        raise ConfigError(
            f"{what} needs {', '.join(missing)}",
            where=str(item.place),
            expected=", ".join(missing),
            received=", ".join(items) or "nothing",
        )


def named(item: Item, kind: str, registry: Registry) -> Any:
    """Construct the object that ``Name`` or ``{Name: {field: value}}`` describes.

    Raises
    ------
    GraphnetError
        With file, line and key path.
    Unfit
        If it is neither.
    """
    fields: Item | None = None
    if isinstance(item.value, dict) and len(item.value) == 1:
        ((name, fields),) = item.value.items()
    elif isinstance(item.value, str):
        name = item.value
    else:
        raise Unfit
    try:
        entry = registry.get(kind, name)
    except GraphnetError as error:
        raise error.at(str(item.place)) from None
    return construct(fields or Item(None, item.place), entry.object, registry, entry.name)


# ---------------------------------------------------------------------- writing
def written(value: Any, registry: Registry, used: list[Entry]) -> Any:
    """Convert the value of a field to plain data for a file; add the registry entries that it needs to ``used``.

    Raises
    ------
    ConfigError, PluginError
        If a file cannot represent it.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return [written(part, registry, used) for part in value]
    if isinstance(value, Mapping):
        return {str(name): written(part, registry, used) for name, part in value.items()}
    entry = _entry(value, registry)
    used.append(entry)
    config = {name: written(part, registry, used) for name, part in _differing(value, entry).items()}
    return {registry.short_name(entry): config} if config else registry.short_name(entry)


def _entry(value: Any, registry: Registry) -> Entry:
    """The entry of the class of an object, of any kind."""
    for kind in KINDS.values():
        with contextlib.suppress(PluginError):
            return registry.entry_of(type(value), kind)
    for base, kind in KINDS.items():
        if isinstance(value, base):
            return registry.entry_of(type(value), kind)
    raise ConfigError(
        "cannot be written to a file", expected="plain values or registered objects", received=repr(value)[:200]
    )


def _differing(value: Any, entry: Entry) -> dict[str, Any]:
    """The arguments of an object that differ from their defaults.

    Raises
    ------
    ConfigError
        If an object that is made from them would lack one.
    """
    found = differing(value)
    missing = [name for name, field in fields_of(type(value)).items() if field.required and name not in found]
    if missing:
        raise ConfigError(
            "cannot be written to a file",
            where=entry.name,
            expected=f"attributes with the names of its arguments: {', '.join(fields_of(type(value)))}",
            received=f"no attribute {missing[0]}",
        )
    return found
