"""What a later ``forward`` changes, held so that it can be put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Undo:
    """Call it to put back what was held, or call its ``release`` to keep the changes."""

    restore: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing

    def __call__(self) -> None:
        self.restore()
