"""Standard output and error of a command: text that an encoding does not have is spelled, and display never fails."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from graphnet.core.errors import GraphnetWarning

#: Characters that graphnet prints, in ASCII.
SPELLED = {
    "…": "...", "×": "x", "−": "-", "–": "-", "—": "-", "→": "->", "∞": "inf", "·": "*", "≥": ">=", "≤": "<=",
    "≠": "!=", "σ": "sigma", "²": "^2", "³": "^3", "“": '"', "”": '"', "‘": "'", "’": "'", "•": "*",
    "━": "-", "╸": "-", "╺": "-", "─": "-", "│": "|",
}  # fmt: skip
NAME = "graphnet-spelled"


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """The error handler: a spelling, the byte of a file name that is not text, or an escape."""
    assert isinstance(error, UnicodeEncodeError)
    letter = error.object[error.start]
    if letter in SPELLED:
        return SPELLED[letter], error.start + 1
    if "\udc80" <= letter <= "\udcff":
        return bytes([ord(letter) - 0xDC00]), error.start + 1
    return letter.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


codecs.register_error(NAME, _spelled)


def prepare() -> None:
    """Let standard output and error spell what their encoding does not have, instead of failing.

    A file descriptor that is closed is opened as the null device: else the next file that is opened would get its
    number, and whatever a library in C prints.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and getattr(stream, "errors", None) in ("strict", "surrogateescape", "backslashreplace"):
            with contextlib.suppress(Exception):
                stream.reconfigure(errors=NAME)  # type: ignore[union-attr]


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
        sys.stdout = _QuietStream(sys.stdout)  # type: ignore[assignment]


@contextlib.contextmanager
def short_warnings() -> Iterator[None]:
    """Print graphnet's warnings inside the block as one line, without the line of code that they come from."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, GraphnetWarning):
            Display(sys.stderr).print(f"graphnet: warning: {message}")
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = before


class Display:
    """A stream for display: writing to it never fails, and after a failure does nothing.

    Parameters
    ----------
    stream : text stream or None
        None: nothing is shown, as when standard output is closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

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
            if self.stream is sys.stdout:
                flush_quietly()
            self.stream = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches."""
        try:
            return self.stream is not None and self.stream.isatty()
        except ValueError:  # closed
            self.stream = None
            return False
