"""Standard output and error of a command: text that an encoding does not have is spelled, and display never fails."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from graphnet.core.display import Display, flush_quietly
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


__all__ = ["Display", "flush_quietly", "prepare", "short_warnings"]
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
