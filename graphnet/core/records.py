"""Classes of plain data that programs have by the thousand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[_Class]) -> type[_Class]:
    """Make a class a dataclass with slots, which no code may assign to once it is constructed.

    The type checker holds that, not the interpreter: a frozen dataclass takes four times as long to construct, and a
    program of 10,000 nodes has 400,000 records. They are compared and hashed by their values.

    Examples
    --------
    >>> @record
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1) == Point(1, 0), len({Point(1), Point(1)})
    (True, 1)
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
