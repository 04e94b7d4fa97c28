"""Signals that end a command: Ctrl-C, SIGTERM and SIGHUP.

Handlers are installed by the command line only, in the main thread only, and never for a signal that the process was
started to ignore: ``nohup`` ignores SIGHUP, a shell ignores SIGINT for jobs in the background.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from graphnet.core.signal_exit import SignalExit

#: Exit statuses of a process that a signal ends are 128 and its number: 130, 143, 129.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
STOPPING = b"\nstopping after this batch; once more stops at once\n"


class Signals:
    """The signals that have arrived while a command runs.

    Attributes
    ----------
    received : int or None
        The first signal.
    deferred : bool
        Whether the first signal only sets ``received``, so that a training run can end in order. Every other one raises
        SystemExit where the program is.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False

    @property
    def status(self) -> int:
        """The exit status."""
        return 128 + (signal.SIGINT if self.received is None else self.received)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        first, self.received = self.received is None, number if self.received is None else self.received
        if not (first and self.deferred):
            raise SignalExit(self.status)
        with contextlib.suppress(OSError):  # not print: the signal may have interrupted one
            os.write(2, STOPPING)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """Defer the first signal inside the block."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False


@contextlib.contextmanager
def installed(signals: Signals) -> Iterator[None]:
    """Let ``signals`` handle the signals that end a process, inside the block; then put back the handlers before."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN and handler is not None:  # None: not installed by Python
                before[number] = signal.signal(number, signals.handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
