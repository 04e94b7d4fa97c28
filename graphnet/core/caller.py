"""The place in the user's program that a warning is about."""

from __future__ import annotations

import sys


def stacklevel() -> int:
    """The ``stacklevel`` with which the caller's warning names the first line outside graphnet."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "graphnet":
        frame = frame.f_back
        level += 1
    return level
