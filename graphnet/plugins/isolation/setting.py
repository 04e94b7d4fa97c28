"""One setting of the process, and a snapshot of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

#: The value of a setting that could not be read.
UNKNOWN = object()


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same object or equal; False if they cannot be compared."""
    try:
        return a is b or bool(a == b)
    except Exception:  # a value of a plugin may raise anything when it is compared
        return False


def anything(before: Any, after: Any) -> str:
    """Describe a change by nothing further than the name of the setting."""
    return ""


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes
    ----------
    name : str
        In the sentence "it changes … when it loads".
    covers : str
        What is saved, for the table in the documentation.
    read, write : callable
        Return the present value; restore an earlier one.
    same : callable
        Whether two values are equal.
    detail : callable
        Describes a change in a few words, from the value before and after; empty for nothing to add.
    """

    name: str
    covers: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    same: Callable[[Any, Any], bool] = equal
    detail: Callable[[Any, Any], str] = anything


class Snapshot:
    """The values of settings at one time."""

    def __init__(self, settings: Iterable[Setting]) -> None:
        self.values = {setting: _read(setting) for setting in settings}

    def restore(self) -> list[str]:
        """Restore what has changed, and return a sentence about each."""
        return [_restored(setting, *change) for setting, *change in self.changes()]

    def changes(self) -> list[tuple[Setting, Any, Any]]:
        """Return the settings that have changed, with the value before and after."""
        found = []
        for setting, before in self.values.items():
            after = _read(setting)
            if before is not UNKNOWN and (after is UNKNOWN or not _same(setting, before, after)):
                found.append((setting, before, after))
        return found


def _same(setting: Setting, before: Any, after: Any) -> bool:
    try:
        return setting.same(before, after)
    except Exception:  # a value of a plugin, of another type than expected
        return False


def sentence(setting: Setting, before: Any, after: Any) -> str:
    """Return the clause about one change: ``it changes the environment (NAME) when it loads``."""
    try:
        detail = setting.detail(before, after) if after is not UNKNOWN else ""
    except Exception:  # a plugin's value
        detail = ""
    return f"it changes {setting.name}{f' ({detail})' if detail else ''} when it loads"


def _restored(setting: Setting, before: Any, after: Any) -> str:
    text = sentence(setting, before, after)
    try:
        setting.write(before)
    except Exception as error:  # such as a folder that was deleted
        return f"{text}; the old value could not be restored ({type(error).__name__})"
    return f"{text}; the old value was restored"


def _read(setting: Setting) -> Any:
    try:
        return setting.read()
    except Exception:  # a setting that the platform lacks, or a folder that was deleted
        return UNKNOWN
