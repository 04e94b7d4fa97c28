"""The definition of a check, and the table of all checks."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from graphnet.core.errors import GraphnetDeprecationWarning
from graphnet.testing.harness import Harness

#: Former names of checks, accepted for one release.
RENAMED = {
    "arguments_untouched": "arguments_unmodified",
    "batches_apart": "batch_independence",
    "by_itself": "standalone",
    "draws_apart": "fresh_draws",
    "halves": "chunked_sequence",
    "outputs_apart": "each_output",
    "outputs_kept": "outputs_not_reused",
    "two_layers": "independent_layers",
    "two_places": "shared_layer",
}


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
    run : callable
        Takes a Harness; raises Fault, or Skipped.
    needs : tuple of str
        The capabilities that a layer must have for the check to apply.
    """

    name: str
    run: Callable[[Harness], None]
    needs: tuple[str, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Refer to a check by its name: the decorated function cannot be found under it."""
        return _decorated, (self.run.__module__, self.run.__name__)

    @property
    def description(self) -> str:
        """What it verifies, in one sentence."""
        return " ".join((self.run.__doc__ or "").split())

    @property
    def says(self) -> str:
        """Deprecated alias of :attr:`description`."""
        warnings.warn("Check.says is deprecated; use Check.description", GraphnetDeprecationWarning, stacklevel=2)
        return self.description


def check(*needs: str) -> Callable[[Callable[[Harness], None]], Check]:
    """Turn a function into a Check of the same name, for layers with the given capabilities."""

    def decorate(function: Callable[[Harness], None]) -> Check:
        return Check(function.__name__, function, needs)

    return decorate


def _decorated(module: str, name: str) -> Check:
    """The check of this name in a module."""
    found: Check = getattr(importlib.import_module(module), name)
    return found


class CheckTable(dict[str, Check]):
    """Checks by name, in the order in which they run; former names are looked up with a warning."""

    def __init__(self, checks: Iterable[Check]) -> None:
        super().__init__((each.name, each) for each in checks)

    def __missing__(self, name: str) -> Check:
        if name not in RENAMED:
            raise KeyError(name)
        message = f"check {name!r} is now called {RENAMED[name]!r}"
        warnings.warn(message, GraphnetDeprecationWarning, stacklevel=2)
        return self[RENAMED[name]]
