"""Seconds of a process that runs."""

from __future__ import annotations

import time


class RunningClock:
    """Seconds that pass while this process runs.

    Limits of silence are measured with it. A process that was stopped, or a machine that slept, has heard nobody
    meanwhile, and must not conclude that the others have failed.

    Parameters
    ----------
    gap : float
        The most seconds that may lie between two calls of :meth:`tick`; more do not count.
    """

    def __init__(self, gap: float = 1.0) -> None:
        self.gap = gap
        self._elapsed, self._last = 0.0, time.monotonic()

    def tick(self) -> float:
        """Return the time; a thread calls this more often than every ``gap`` seconds."""
        now = time.monotonic()
        self._elapsed += min(now - self._last, self.gap)
        self._last = now
        return self._elapsed

    @property
    def now(self) -> float:
        """The time, in seconds."""
        return self._elapsed + min(time.monotonic() - self._last, self.gap)
