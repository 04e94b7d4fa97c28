"""Classes of plain data that programs have by the thousand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[_Class]) -> type[_Class]:
    """Make a class a dataclass with slots, which no code may assign to once it is constructed.

    The type checker holds that, not the interpreter: a frozen dataclass takes four times as long to construct, and a
    program of 10,000 nodes has 400,000 records. They are compared and hashed by their values, unless the class defines
    a hash of its own. What all records do alike is not generated for each class, which would take most of an import.

    Examples
    --------
    >>> @record
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, 0), len({Point(1), Point(1)})
    (Point(x=1, y=0), True, 1)
    """
    made = dataclass(slots=True, eq=False, repr=False)(cls)
    own: dict[str, Any] = dict(_comparisons(attrgetter(*[f.name for f in fields(made) if f.compare])))  # type: ignore[arg-type]
    for name, method in {**own, "__repr__": _shown}.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _comparisons(values: Callable[[Any], Any]) -> dict[str, Any]:
    """``==`` and ``hash`` of the values of a record."""

    def equal(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(values(self) == values(other))

    return {"__eq__": equal, "__hash__": lambda self: hash(values(self))}


def _shown(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"
