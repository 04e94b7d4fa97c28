"""What is restored before any other code of the host runs, in one frame and without a builtin function."""

from __future__ import annotations

import builtins
import sys
from typing import Any

_MISSING: Any = object()


class Innermost:
    """Restores the recursion limit and Python's builtin functions, which the host itself needs.

    Parameters
    ----------
    notes : list of str
        Receives a sentence about each.
    """

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def __enter__(self) -> None:
        self.limit, self.builtins = sys.getrecursionlimit(), dict(vars(builtins))
        self.namespace = vars(builtins)

    def __exit__(self, *error: object) -> None:
        if sys.getrecursionlimit() != self.limit:
            sys.setrecursionlimit(self.limit)
            self.notes.append("it changes the recursion limit when it loads; the old value was restored")
        changed = [f"builtins.{n}" for n in self.builtins if self.namespace.get(n, _MISSING) is not self.builtins[n]]
        changed.remove("builtins._") if "builtins._" in changed else None  # that of the last value at the prompt
        if changed:
            for name in self.builtins:
                self.namespace[name] = self.builtins[name]
            self.notes.append(f"it replaces {', '.join(changed[:3])} when it loads; the old value was restored")
