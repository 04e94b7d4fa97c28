"""Small files of JSON that say how a run went; what cannot be read counts as missing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

#: Bytes of the longest line, and of the longest file with one object.
MOST = 2**24


def json_object(path: Path) -> dict[str, Any] | None:
    """The object in a file; None if there is none."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read(MOST))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def json_objects(path: Path) -> list[dict[str, Any]]:
    """The objects of the complete lines of a file: a run that is going on may have written half of the last."""
    found: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, ValueError, RecursionError), open(path, "rb") as file:
        while (line := file.readline(MOST)).endswith(b"\n"):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found
