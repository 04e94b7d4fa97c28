"""Generates the loops of a program as Python source, from numbered operands and a fixed table of operations.

A list of calls would cost a lookup and an unpacking for each call; straight-line code costs neither. The text contains
no name from a model or a plan: operands are numbered as they occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np


@dataclass(slots=True)
class LoopSource:
    """Builds the source of one loop.

    Attributes
    ----------
    constants : list
        Functions and arrays that are the same at every step.
    varying : list
        Keys, chosen by the caller, of the arrays that differ by step.
    lines : list of str
    """

    constants: list[Any] = field(default_factory=list)
    varying: list[Any] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _names: dict[Any, str] = field(default_factory=dict)

    def constant(self, value: Any) -> str:
        """The name of a constant."""
        return self._named(("c", id(value)), self.constants, value, "c")

    def variable(self, key: Any) -> str:
        """The name of an array that differs by step."""
        return self._named(("v", key), self.varying, key, "v")

    def _named(self, key: Any, values: list[Any], value: Any, letter: str) -> str:
        if key not in self._names:
            self._names[key] = f"{letter}{len(values)}"
            values.append(value)
        return self._names[key]

    def call(self, function: Any, *arguments: str) -> None:
        """Add one call."""
        self.lines.append(f"{self.constant(function)}({', '.join(arguments)})")

    def function(self) -> Callable[[Sequence[Any]], None]:
        """The loop: takes one list of arrays, by step, for each varying name."""
        make = _compiled(len(self.constants), len(self.varying), tuple(self.lines))
        return make(*self.constants)  # type: ignore[no-any-return]


@cache
def _compiled(constants: int, varying: int, lines: tuple[str, ...]) -> Any:
    """The function that returns a loop; equal texts are compiled once."""
    names = ", ".join(f"c{i}" for i in range(constants))
    step_names = ", ".join(f"v{i}" for i in range(max(varying, 1)))
    text = [f"def make({names}):", "    def run(lists):"]
    text += [f"        for {step_names}, in zip(*lists):"] + [f"            {line}" for line in lines or ("pass",)]
    text += ["    return run"]
    scope: dict[str, Any] = {}
    exec(compile("\n".join(text), "<graphnet loop>", "exec"), scope)  # noqa: S102
    return scope["make"]


def scalar(value: float, dtype: Any) -> Any:
    """A constant as a 0-d array, which ufuncs accept faster than a Python float."""
    array = np.array(value, dtype)
    array.flags.writeable = False
    return array
