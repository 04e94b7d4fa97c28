"""Long functions in parts: code generation takes more than twice as long for twice the code of one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from graphnet_native.frame import Frame

#: Makes a function ``f(table, first step, step after the last, first step of the block)`` from its body.
Maker = Callable[[str, Callable[[Frame], None]], None]
#: Items in one function.
CHUNK = 32

T = TypeVar("T")


def in_parts(frame: Frame, make: Maker, items: Sequence[T], emit: Callable[[Frame, T], object]) -> None:
    """Emit code for each item; for more than CHUNK of them, in functions that are called one after the other."""

    def some(part: Frame, first: int) -> None:
        for item in items[first : first + CHUNK]:
            emit(part, item)

    if len(items) <= CHUNK:
        some(frame, 0)
        return
    for first in range(0, len(items), CHUNK):
        name = f"{frame.f.name}_{first}"
        make(name, lambda part, i=first: some(part, i))  # type: ignore[misc]
        frame.f.run(name, *frame.f.parameters)
