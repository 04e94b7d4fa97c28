"""A hash of a program as data: equal for programs that have the same native code.

The names of nodes and of weights are left out: only the shapes of weights matter to code.
"""

from __future__ import annotations

import hashlib
import marshal
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from graphnet.core.compile.program import Expression, Instruction, Program

#: What code does not depend on.
LEFT_OUT = {
    Instruction: frozenset(("paths",)),
    Expression: frozenset(("attr", "args", "name")),
    Program: frozenset(("gradient_expressions", "gradients", "may_be_nonfinite")),
}
PRIMITIVE = (str, int, float, bool, type(None), bytes)


def digest(program: Program) -> str:
    """The hash of a program."""
    # Version 2 of marshal writes equal values as equal bytes: no references to objects that happen to be shared.
    return hashlib.sha256(marshal.dumps(_plain(program), 2)).hexdigest()


@cache
def _reader(kind: Any) -> tuple[str, Any]:
    names = [f.name for f in fields(kind) if f.name not in LEFT_OUT.get(kind, ())]
    if not names:
        return kind.__name__, lambda value: ()
    get = attrgetter(*names)
    return kind.__name__, get if len(names) > 1 else lambda value: (get(value),)


def _plain(value: Any) -> Any:
    """Tuples of numbers and texts that say the same as a tree of dataclasses."""
    kind: Any = type(value)
    if kind in PRIMITIVE:
        return value
    if kind is tuple:
        return tuple([_plain(each) for each in value])
    if hasattr(kind, "__dataclass_fields__"):
        name, read = _reader(kind)
        return (name, *[_plain(each) for each in read(value)])
    return repr(value)  # the attribute of an instruction that nothing but its name is read of
