"""Output for display: writing to it never fails."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO


class _QuietStream:
    """A stream that cannot be written to any more: flushing it at the end of the process does not fail."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def flush(self) -> None:
        """Flush, if that works."""
        with contextlib.suppress(Exception):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def flush_quietly() -> None:
    """Let the flush of standard output at the end of the process fail without a message."""
    if sys.stdout is not None and not isinstance(sys.stdout, _QuietStream):
        sys.stdout = _QuietStream(sys.stdout)


class Display:
    """A stream for display: writing to it never fails, and after a failure does nothing.

    Parameters
    ----------
    stream : text stream or None
        None: nothing is shown, as when standard output is closed.
    owned : bool
        Whether the program is a command of graphnet, whose standard output may be replaced after a failure, so that its
        last flush does not fail with a message.
    """

    def __init__(self, stream: TextIO | None, *, owned: bool = False) -> None:
        self.stream = stream
        self.owned = owned

    def print(self, text: str) -> None:
        """Print a line."""
        self.run(lambda: print(text, file=self.stream, flush=True))

    def run(self, action: Any) -> None:
        """Call a function that shows something, if the stream still works."""
        if self.stream is None:
            return
        try:
            action()
        except Exception:  # a closed pipe, an encoding, a full disk, a library for terminals
            if self.owned and self.stream is sys.stdout:
                flush_quietly()
            self.stream = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches."""
        try:
            return self.stream is not None and self.stream.isatty()
        except Exception:  # closed, or an object that is not a whole stream
            self.stream = None
            return False
