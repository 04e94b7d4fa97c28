"""Converting the values of a file to the annotated types of fields."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from graphnet.core.describe.scan import CellGraph
from graphnet.initializers import Initializer
from graphnet.io.tree import Item
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.optimizers import Optimizer
from graphnet.optimizers.schedules import Schedule
from graphnet.plugins import Registry
from graphnet.regularizers import Regularizer
from graphnet.training.callbacks import Callback

#: The kind of registered objects for each annotated type.
KINDS: dict[Any, str] = {
    Optimizer: "optimizers",
    Regularizer: "regularizers",
    Initializer: "initializers",
    Loss: "losses",
    Metric: "metrics",
    Callback: "callbacks",
    Schedule: "schedules",
}
#: Numbers such as ``1e-3``, which are text in YAML 1.1 because they lack a dot or a sign.
_EXPONENT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+", re.ASCII)

#: Constructs a registered object from an Item and a kind.
Named = Callable[[Item, str, Registry], Any]
#: Constructs a cell from the mapping that describes it.
Cells = Callable[[Item], CellGraph]


class Unfit(Exception):
    """A value does not have a type; it may have another one of a union."""


class Converter:
    """Converts Items to values of annotated types.

    Parameters
    ----------
    registry : Registry
    named : callable
        Constructs the object that ``Name`` or ``{Name: {field: value}}`` describes.
    cells : callable, optional
        Constructs a cell graph; without it, cell graphs are refused.
    """

    def __init__(self, registry: Registry, named: Named, cells: Cells | None = None) -> None:
        self.registry = registry
        self.named = named
        self.cells = cells

    def convert(self, item: Item, hint: Any) -> Any:
        """Return the value as the annotated type.

        Raises
        ------
        GraphnetError
            With file, line and key path.
        """
        try:
            return self._converted(item, hint)
        except Unfit:
            raise item.wrong(described(hint)) from None

    def _converted(self, item: Item, hint: Any) -> Any:
        origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            return self._first(item, inner)
        if origin is Literal:
            return _chosen(item.value, inner)
        if hint in KINDS:
            return self.named(item, KINDS[hint], self.registry)
        if hint is CellGraph:
            if self.cells is None or not isinstance(item.value, dict):
                raise Unfit
            return self.cells(item)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(item, inner)
        if isinstance(origin, type) and origin is not str and issubclass(origin, Collection):
            return self._sequence(item, inner if origin is tuple or not inner else (inner[0], ...))
        return scalar(item.value, hint)

    def _first(self, item: Item, hints: tuple[Any, ...]) -> Any:
        """Convert to the first member of a union that fits; integers before floats, text last."""
        kind = next((KINDS[h] for h in hints if h in KINDS), None)
        if kind is not None and isinstance(item.value, dict):
            hints = tuple(h for h in hints if (h in KINDS) == self._names(item.value, kind)) or hints
        for hint in sorted(hints, key=lambda h: (h is float, h is str)):
            try:
                return self._converted(item, hint)
            except Unfit:
                continue
        raise Unfit

    def _names(self, value: dict[str, Any], kind: str) -> bool:
        """Whether a mapping is ``{Name: {field: value}}``, rather than one from outputs to objects."""
        if len(value) != 1:
            return False
        ((name, item),) = value.items()
        entries = self.registry.matching(kind, name)
        inner = item.value
        named = isinstance(inner, str) or (
            isinstance(inner, dict) and len(inner) == 1 and any(self.registry.matching(kind, key) for key in inner)
        )
        # An output may be called as a loss is, in another spelling: {hinge: CrossEntropy}.
        return any(entry.name == name.rpartition("/")[2] for entry in entries) or (bool(entries) and not named)

    def _mapping(self, item: Item, inner: tuple[Any, ...]) -> dict[str, Any]:
        if not isinstance(item.value, dict):
            raise Unfit
        return {name: self._converted(part, inner[1] if inner else Any) for name, part in item.value.items()}

    def _sequence(self, item: Item, inner: tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(item.value, list):
            if inner and inner[0] in KINDS and item.value is not None:
                return (self._converted(item, inner[0]),)
            raise Unfit
        hints = inner or (Any, ...)
        if hints[-1] is Ellipsis:
            hints = (hints[0],) * len(item.value)
        if len(hints) != len(item.value):
            raise Unfit
        return tuple(self._converted(part, hint) for part, hint in zip(item.value, hints, strict=True))


def _chosen(value: Any, choices: tuple[Any, ...]) -> Any:
    """Return one of the values of a Literal; True does not equal 1 here."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise Unfit


def scalar(value: Any, hint: Any) -> Any:
    """Return a plain value of a plain type; an integer is accepted for a float.

    Raises
    ------
    Unfit
        If it has another type.
    """
    if hint is Any:
        return bare(value)
    if hint in (types.NoneType, None) and value is None:
        return None
    if hint is float and (type(value) is int or (isinstance(value, str) and _EXPONENT.fullmatch(value))):
        return _float(value)
    if hint in (int, float, bool, str) and type(value) is hint:
        return value
    raise Unfit


def _float(value: int | str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unfit from None


def bare(value: Any) -> Any:
    """Return the plain value inside Items; lists become tuples."""
    if isinstance(value, Item):
        return bare(value.value)
    if isinstance(value, list):
        return tuple(bare(part) for part in value)
    return {name: bare(part) for name, part in value.items()} if isinstance(value, dict) else value


def described(hint: Any) -> str:
    """Describe a type in words."""
    origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(described(part) for part in inner))
    if origin is Literal:
        return " or ".join(repr(part) for part in inner)
    if hint in KINDS:
        return f"the name of one of the {KINDS[hint]}, or {{Name: {{field: value}}}}"
    if hint is CellGraph:
        return "a cell: a mapping with sequences, states, inputs, nodes and outputs"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "text", types.NoneType: "null"}
    if hint in words:
        return words[hint]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping to {described(inner[1])}" if inner else "a mapping"
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _listed(origin, inner)
    return getattr(hint, "__name__", str(hint))


def _listed(origin: type, inner: tuple[Any, ...]) -> str:
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return f"a list of {len(inner)}: {', '.join(described(part) for part in inner)}"
    return f"a list of {described(inner[0])}" if inner else "a list"
