"""Source text for the loops of a program, made of slot numbers and a fixed table of operations alone.

A list of steps would cost a look-up and an unpacking a call; straight lines cost neither. No name out of a model or a
plan gets into the text: operations are numbered as they occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np


@dataclass(slots=True)
class LoopSource:
    """The lines of one loop in the making: functions and constant arrays by number, and arrays that change by step."""

    constants: list[Any] = field(default_factory=list)
    varying: list[Any] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _known: dict[Any, str] = field(default_factory=dict)

    def constant(self, value: Any) -> str:
        """The name of something that stays the same."""
        return self._named(("c", id(value)), self.constants, value, "c")

    def changing(self, key: Any) -> str:
        """The name of an array that is another one at each step, by a key that the caller understands."""
        return self._named(("v", key), self.varying, key, "v")

    def _named(self, key: Any, values: list[Any], value: Any, letter: str) -> str:
        if key not in self._known:
            self._known[key] = f"{letter}{len(values)}"
            values.append(value)
        return self._known[key]

    def call(self, function: Any, *arguments: str) -> None:
        """Add one call."""
        self.lines.append(f"{self.constant(function)}({', '.join(arguments)})")

    def function(self) -> Callable[[Sequence[Any]], None]:
        """The loop: called with one list of arrays for each changing name."""
        make = _compiled(len(self.constants), len(self.varying), tuple(self.lines))
        return make(*self.constants)  # type: ignore[no-any-return]


@cache
def _compiled(constants: int, varying: int, lines: tuple[str, ...]) -> Any:
    """The maker of a loop; equal texts are compiled once."""
    names = ", ".join(f"c{i}" for i in range(constants))
    each = ", ".join(f"v{i}" for i in range(max(varying, 1)))
    text = [f"def make({names}):", "    def run(lists):"]
    text += [f"        for {each}, in zip(*lists):"] + [f"            {line}" for line in lines or ("pass",)]
    text += ["    return run"]
    scope: dict[str, Any] = {}
    exec(compile("\n".join(text), "<graphnet loop>", "exec"), scope)  # noqa: S102
    return scope["make"]


def scalar(value: float, dtype: Any) -> Any:
    """A constant as a 0-d array: numpy takes it faster than a Python float."""
    array = np.array(value, dtype)
    array.flags.writeable = False
    return array
