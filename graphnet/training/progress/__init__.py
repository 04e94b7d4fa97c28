"""The progress of a training run: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from graphnet.core.display import Display
from graphnet.core.errors import ConfigError
from graphnet.training.progress.base import Bar, Shown
from graphnet.training.progress.lines import Lines
from graphnet.training.progress.notebook import NotebookBar, in_notebook
from graphnet.training.progress.terminal import TerminalBar

__all__ = ["Bar", "Lines", "NotebookBar", "Shown", "TerminalBar", "checked_verbose", "progress", "progress_of_fit"]

#: The approximate number of plain lines for a run of the command line.
LINES = 20


def progress(stream: TextIO | None) -> Shown:
    """The progress of a run of the command line: a bar if the stream is a terminal that can draw one, else lines."""
    shown = TerminalBar(stream) if _draws(stream) else Lines(stream, LINES)
    shown.display = Display(stream, owned=True)
    return shown


def progress_of_fit(verbose: int | None) -> Shown | None:
    """The progress of a ``fit``; None: nothing is shown.

    Parameters
    ----------
    verbose : {None, 0, 1, 2}
        As :func:`checked_verbose` returns it.
    """
    stream = sys.stdout
    if verbose is None and (Bar.open or _is_child()):  # the run around this one is shown; or many run side by side
        return None
    if verbose == 0 or stream is None:
        return None
    if verbose == 2 or Bar.open:
        return Lines(stream)
    if in_notebook():
        return NotebookBar()
    if _draws(stream):
        return TerminalBar(stream)
    return Lines(stream) if verbose == 1 or Display(stream).is_terminal else None


def checked_verbose(value: Any) -> int | None:
    """The argument ``verbose`` of a ``fit``.

    Raises
    ------
    ConfigError
        For anything but None, 'auto', a boolean, 0, 1 and 2.

    Examples
    --------
    >>> checked_verbose("auto"), checked_verbose(False), checked_verbose(2)
    (None, 0, 2)
    """
    if value is None or (isinstance(value, str) and value == "auto"):
        return None
    if isinstance(value, int) and value in (0, 1, 2):
        return int(value)
    raise ConfigError(
        "verbose must be None, 0, 1 or 2",
        where="fit",
        expected="None (a bar where a person watches), 0 (nothing), 1 (a bar) or 2 (a line for each epoch)",
        received=repr(value)[:100],
        key_path=("verbose",),
    )


def _draws(stream: TextIO | None) -> bool:
    """Whether a bar can be drawn: the stream is a terminal that moves its cursor."""
    return Display(stream).is_terminal and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _is_child() -> bool:
    """Whether this process is a worker that multiprocessing has started."""
    process = sys.modules.get("multiprocessing.process")  # which a worker has imported
    return process is not None and process.parent_process() is not None
