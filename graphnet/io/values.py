"""Between files and annotated fields: plain values by their types, named objects through the registry."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from graphnet.core.errors import ConfigError, GraphnetError, nearest
from graphnet.initializers import Initializer
from graphnet.io.tree import Item
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.optimizers import Optimizer
from graphnet.plugins import Registry
from graphnet.regularizers import Regularizer

#: Which kind of the registry an annotation asks for.
KINDS: dict[type, str] = {
    Optimizer: "optimizers",
    Regularizer: "regularizers",
    Initializer: "initializers",
    Loss: "losses",
    Metric: "metrics",
}


class Unfit(Exception):
    """A value is not of one type; another one of a union may still take it."""


def fields_of(thing: Any) -> dict[str, Any]:
    """The constructor fields of a dataclass and their types, in order."""
    return {field.name: _type_of(thing, field.name) for field in dataclasses.fields(thing) if field.init}


def _type_of(thing: type, field: str) -> Any:
    """The type of one field, whatever else its class has; Any where the annotation cannot be resolved."""
    owner = next(base for base in thing.__mro__ if field in inspect.get_annotations(base))
    holder = types.SimpleNamespace(__annotations__={field: inspect.get_annotations(owner)[field]})
    module = sys.modules.get(owner.__module__)
    try:
        return typing.get_type_hints(holder, {} if module is None else vars(module))[field]
    except NameError:
        return Any


def construct(item: Item, thing: Any, registry: Registry, what: str) -> Any:
    """Make an object of a dataclass from a mapping of its fields.

    Raises
    ------
    GraphnetError
        With file, line and key path.
    """
    known = fields_of(thing)
    given = item.mapping() if item.value is not None else {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(
                f"{what} has no field {name!r}",
                where=str(value.place),
                expected=f"one of {', '.join(known)}" if known else "no field",
                received=name,
                remedy=nearest(name, known) or None,
            )
    needed = [f.name for f in dataclasses.fields(thing) if f.init and _required(f) and f.name not in given]
    if needed:
        raise ConfigError(
            f"{what} needs {', '.join(needed)}",
            where=str(item.place),
            expected=", ".join(needed),
            received=", ".join(given) or "nothing",
        )
    values = {name: convert(value, known[name], registry) for name, value in given.items()}
    try:
        return thing(**values)
    except GraphnetError as error:
        raise error.at(str(_culprit(error, given) or item.place)) from None


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _culprit(error: GraphnetError, given: Mapping[str, Item]) -> Any:
    """The place of the field that an error speaks of, if it names one."""
    words = f"{error.where or ''} {error.problem}".replace(".", " ").split()
    return next((given[word].place for word in words if word in given), None)


def convert(item: Item, hint: Any, registry: Registry) -> Any:
    """A value of the annotated type.

    Raises
    ------
    GraphnetError
        With file, line and key path.
    """
    try:
        return _converted(item, hint, registry)
    except Unfit:
        raise item.wrong(described(hint)) from None


def _converted(item: Item, hint: Any, registry: Registry) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _first(item, inner, registry)
    if origin is Literal:
        return item.value if item.value in inner else _unfit()
    if origin is tuple:
        return _sequence(item, inner, registry)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _converted(part, inner[1], registry) for name, part in item.mapping().items()}
    if hint in KINDS:
        return named(item, KINDS[hint], registry)
    return _scalar(item.value, hint)


def _first(item: Item, hints: tuple[Any, ...], registry: Registry) -> Any:
    """The value by the first member of a union that takes it; numbers try whole before broken ones."""
    objects = [h for h in hints if h in KINDS]
    mappings = [
        h for h in hints if isinstance(typing.get_origin(h), type) and issubclass(typing.get_origin(h), Mapping)
    ]
    if objects and mappings and isinstance(item.value, dict):
        single = len(item.value) == 1 and next(iter(item.value)) in {
            e.name for e in registry.entries(KINDS[objects[0]])
        }
        return _converted(item, objects[0] if single else mappings[0], registry)
    order = sorted(hints, key=lambda h: (h is float, h is str))
    for hint in order:
        try:
            return _converted(item, hint, registry)
        except Unfit:
            continue
    return _unfit()


def _sequence(item: Item, inner: tuple[Any, ...], registry: Registry) -> tuple[Any, ...]:
    if not isinstance(item.value, list):
        if inner and (inner[0] in KINDS) and item.value is not None:
            return (_converted(item, inner[0], registry),)
        return _unfit()
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_converted(part, inner[0], registry) for part in item.value)
    if len(inner) != len(item.value):
        return _unfit()
    return tuple(_converted(part, hint, registry) for part, hint in zip(item.value, inner, strict=True))


def _scalar(value: Any, hint: Any) -> Any:
    if hint is Any:
        return _bare(value)
    if hint is types.NoneType or hint is None:
        return None if value is None else _unfit()
    if hint is float and isinstance(value, str):
        return _number(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, bool, str) and type(value) is hint:
        return value
    return _unfit()


def _bare(value: Any) -> Any:
    """The plain value inside Items."""
    if isinstance(value, Item):
        return _bare(value.value)
    if isinstance(value, list):
        return tuple(_bare(part) for part in value)
    return {name: _bare(part) for name, part in value.items()} if isinstance(value, dict) else value


def _number(text: str) -> float:
    """``1e-3``, which YAML 1.1 takes for text because it has no dot."""
    try:
        return float(text)
    except ValueError:
        return _unfit()


def _unfit() -> Any:
    raise Unfit


def described(hint: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(described(part) for part in inner))
    if origin is Literal:
        return " or ".join(repr(part) for part in inner)
    if origin is tuple:
        each = described(inner[0]) if inner else "values"
        return f"a list of {each}" if len(inner) == 2 and inner[1] is Ellipsis else f"a list of {len(inner)}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", types.NoneType: "null"}
    if hint in KINDS:
        return f"the name of one of the {KINDS[hint]}, or {{Name: {{field: value}}}}"
    return names.get(hint, getattr(hint, "__name__", str(hint)))


# ---------------------------------------------------------------------- named objects
def named(item: Item, kind: str, registry: Registry) -> Any:
    """The object of ``Name`` or ``{Name: {field: value}}``.

    Raises
    ------
    GraphnetError
        With file, line and key path.
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


def written(value: Any, registry: Registry) -> Any:
    """A value of a field as plain data for a file.

    Raises
    ------
    ConfigError, PluginError
        If a file cannot hold it.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return [written(part, registry) for part in value]
    if isinstance(value, Mapping):
        return {str(name): written(part, registry) for name, part in value.items()}
    for base, kind in KINDS.items():
        if isinstance(value, base):
            name = registry.short_name(registry.entry_of(type(value), kind))
            config = {field: written(part, registry) for field, part in differing(value).items()}
            return {name: config} if config else name
    raise ConfigError(
        "cannot be written to a file", expected="plain values or registered objects", received=repr(value)
    )


def differing(thing: Any) -> dict[str, Any]:
    """The constructor fields of a dataclass object that are not at their defaults."""
    found = {}
    for field in dataclasses.fields(thing):
        value = getattr(thing, field.name)
        if field.init and (_required(field) or type(value) is not type(field.default) or value != field.default):
            found[field.name] = value
    return found
