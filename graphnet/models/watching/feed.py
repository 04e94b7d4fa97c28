"""The newest data of a page, for the threads that send them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any


class Feed:
    """One thread puts data, others wait for data that they have not seen."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._data: Mapping[str, Any] = {}
        self._version = 0
        self._closed = False

    def put(self, data: Mapping[str, Any]) -> bool:
        """Replace the data; returns whether they differ from those before."""
        with self._changed:
            if self._version and data == self._data:
                return False
            self._data = dict(data)
            self._version += 1
            self._changed.notify_all()
            return True

    def wait(self, seen: int, seconds: float) -> tuple[int, Mapping[str, Any]] | None:
        """The number and the data of a version after ``seen``; None if there is none within ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > seen or self._closed, seconds)
            return (self._version, self._data) if self._version > seen and not self._closed else None

    def close(self) -> None:
        """Wake all that wait; they receive nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of ``new`` that ``old`` does not have; None for those that are gone.

    Examples
    --------
    >>> difference({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5})
    {'b': 4, 'd': 5, 'c': None}
    """
    changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
    return changed | {name: None for name in old if name not in new}
