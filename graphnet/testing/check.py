"""What a check is, and how it says what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnet.testing.subject import Subject


class Fault(AssertionError):
    """A layer does not do what its contract says."""


class Skipped(Exception):
    """A check has nothing to look at in this case; the message says why."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
    run : callable
        Takes a Subject; raises Fault, or Skipped.
    needs : tuple of str
        The capabilities without which it does not apply; a layer that has them all must be checked.
    """

    name: str
    run: Callable[[Subject], None]
    needs: tuple[str, ...]

    @property
    def says(self) -> str:
        """What it looks at, in a sentence."""
        return " ".join((self.run.__doc__ or "").split())


#: Every check by name, in the order in which they run.
CHECKS: dict[str, Check] = {}


def check(*needs: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a check of a function, under its own name, for layers with these capabilities."""

    def add(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CHECKS[function.__name__] = Check(function.__name__, function, needs)
        return function

    return add


def fault(problem: str, *, where: object = None, expected: object = None, received: object = None) -> Fault:
    """A Fault in the words of graphnet's errors."""
    text = f"{where}: {problem}" if where else problem
    told = [f"{word} {value}" for word, value in (("expected", expected), ("received", received)) if value is not None]
    return Fault("; ".join([text, ", ".join(told)]) if told else text)


def short(value: Any, width: int = 200) -> str:
    """A value on one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"
