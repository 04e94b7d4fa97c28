"""The exceptions that a check raises, and the wording of their messages."""

from __future__ import annotations

from typing import Any


class Fault(AssertionError):
    """A layer violates its contract."""


class Skipped(Exception):
    """A check does not apply to this case; the message gives the reason."""


def fault(problem: str, *, where: object = None, expected: object = None, received: object = None) -> Fault:
    """Return a Fault with the usual parts of a graphnet error message."""
    text = f"{where}: {problem}" if where else problem
    details = [
        f"{word} {value}" for word, value in (("expected", expected), ("received", received)) if value is not None
    ]
    return Fault("; ".join([text, ", ".join(details)]) if details else text)


def short(value: Any, width: int = 200) -> str:
    """Return a value as text on one line, truncated to ``width``."""
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"
