"""What would end or replace the process while a plugin loads becomes an exception of that plugin."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Functions of ``os`` that do not return.
FUNCTIONS = ("_exit", "abort", "execv", "execve")


class Ending:
    """Whether the loading thread was interrupted, and what the plugin tried to end."""

    def __init__(self) -> None:
        self.process, self.thread = os.getpid(), threading.get_ident()
        self.active = True
        #: Whether the user, or the system, has sent SIGINT.
        self.interrupted = False

    def replacement(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that raises SystemExit in the loading thread; elsewhere, and afterwards, it is the original."""

        def instead(*arguments: Any, **options: Any) -> Any:
            if self.active and os.getpid() == self.process and threading.get_ident() == self.thread:
                raise SystemExit(f"it calls os.{name} when it loads")
            return function(*arguments, **options)

        return instead


@contextmanager
def prevented() -> Iterator[Ending]:
    """Keep the block from ending the process; a forked child that leaves the block ends there.

    ``KeyboardInterrupt`` that the block raises without an interrupt leaves ``interrupted`` False.
    """
    ending = Ending()
    saved = {name: getattr(os, name) for name in FUNCTIONS if hasattr(os, name)}
    handler = _note_interrupts(ending)
    for name, function in saved.items():
        setattr(os, name, ending.replacement(name, function))
    try:
        yield ending
    finally:
        ending.active = False
        for name, function in saved.items():
            setattr(os, name, function)
        if os.getpid() != ending.process:  # the plugin forked, and the child did not end: it must not run the program
            os._exit(0)
        if handler is not None and signal.getsignal(signal.SIGINT) is handler[1]:
            signal.signal(signal.SIGINT, handler[0])


def _note_interrupts(ending: Ending) -> Any:
    """Note SIGINT before its handler runs; return that handler and the one that notes, None where it cannot be set."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        return None

    def noted(number: int, frame: Any) -> Any:
        ending.interrupted = True
        return handler(number, frame)

    try:
        signal.signal(signal.SIGINT, noted)
    except ValueError:  # the main thread of another interpreter
        return None
    return handler, noted
