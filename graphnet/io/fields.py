"""The arguments of a constructor: names, types and defaults."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple


class Field(NamedTuple):
    """One argument of a constructor; ``default`` is ``inspect.Parameter.empty`` if it has none."""

    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether the argument has no default."""
        return self.default is inspect.Parameter.empty

    def holds(self, value: Any) -> bool:
        """Whether a value is the default; True does not equal 1 here."""
        return type(value) is type(self.default) and bool(value == self.default)


def fields_of(thing: Any) -> dict[str, Field]:
    """Return the arguments of a class, in order: the fields of a dataclass, or the named parameters of ``__init__``."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(thing).parameters.values()
    return {p.name: Field(_type_of(thing, p.name), p.default) for p in parameters if p.kind in named}


def values_of(thing: Any) -> dict[str, Any]:
    """Return the arguments for an equal object: the result of ``config()``, else the attributes with their names."""
    if callable(getattr(thing, "config", None)):
        return dict(thing.config())
    return {name: getattr(thing, name) for name in fields_of(type(thing)) if hasattr(thing, name)}


def differing(thing: Any) -> dict[str, Any]:
    """Return the arguments of an object that differ from their defaults."""
    known = fields_of(type(thing))
    return {name: value for name, value in values_of(thing).items() if name in known and not known[name].holds(value)}


def _type_of(thing: type, name: str) -> Any:
    """The annotated type of one argument; Any if it has none, or one that cannot be resolved."""
    for base in thing.__mro__:
        annotation = inspect.get_annotations(base).get(name) if dataclasses.is_dataclass(thing) else None
        if annotation is None and "__init__" in vars(base):
            annotation = inspect.get_annotations(base.__init__).get(name)  # type: ignore[misc]
        if annotation is not None:
            return _resolved(annotation, getattr(sys.modules.get(base.__module__), "__dict__", {}))
    return Any


def _resolved(annotation: Any, names: Mapping[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={"field": annotation})
    try:
        return typing.get_type_hints(holder, dict(names))["field"]
    except Exception:  # an annotation can be any expression, and raise any exception
        return Any
