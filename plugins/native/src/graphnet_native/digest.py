"""A hash of a program as data: equal for programs that have the same native code.

The names of nodes and weights are left out: code depends on which expressions read the same weight, not on its name.
"""

from __future__ import annotations

import hashlib
import marshal
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from graphnet.core.compile.program import Expression, Instruction, Program

PRIMITIVE = (str, int, float, bool, type(None), bytes)


def digest(program: Program) -> str:
    """The hash of a program."""
    # Version 2 of marshal writes equal values as equal bytes: no references to objects that happen to be shared.
    return hashlib.sha256(marshal.dumps(_Plain().program(program), 2)).hexdigest()


@cache
def _reader(kind: Any) -> tuple[str, Any]:
    """The name of a dataclass, and what reads the values of its fields."""
    names = [f.name for f in fields(kind) if not (kind is Instruction and f.name == "paths")]
    if len(names) == 1:
        return kind.__name__, lambda value: (getattr(value, names[0]),)
    return kind.__name__, attrgetter(*names) if names else lambda value: ()


class _Plain:
    """Turns dataclasses into tuples of numbers and texts that say the same."""

    def __init__(self) -> None:
        self.weights: dict[Any, int] = {}

    def program(self, program: Program) -> Any:
        """A program; its weights are numbered in the order in which they occur."""
        parts = [self.plain(getattr(program, f.name)) for f in fields(program) if f.name != "gradients"]
        return (*parts, tuple([(self.weight(key), number) for key, number in program.gradients]))

    def weight(self, key: Any) -> int:
        return self.weights.setdefault(key, len(self.weights))

    def plain(self, value: Any) -> Any:
        kind: Any = type(value)
        if kind in PRIMITIVE:
            return value
        if kind is tuple:
            return tuple([self.plain(each) for each in value])
        if kind is Expression and value.name == "weight":
            return ("weight", self.weight(value.attr), value.shape)
        if hasattr(kind, "__dataclass_fields__"):
            name, read = _reader(kind)
            return (name, *[self.plain(each) for each in read(value)])
        return repr(value)
