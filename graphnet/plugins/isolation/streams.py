"""Standard streams while a plugin loads: text that it prints is kept for the report, and what it reads is empty.

A stream here stands for the real one in everything else: it has ``buffer``, ``fileno``, ``reconfigure`` and
``encoding``, and once the plugin has loaded, it passes everything on, so that a plugin may keep it (a logging handler
does). Text is kept by thread: that of the loading thread and of threads that the plugin started belongs to the plugin,
that of threads of an earlier plugin to that plugin, and that of the program's own threads is printed as usual.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: Characters of a plugin's output that are kept.
KEPT = 2000


class Printed:
    """What one plugin printed while plugins load."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def add(self, text: str) -> None:
        """Keep the beginning of what is printed."""
        if text and self.size < KEPT:
            self.parts.append(text[: KEPT - self.size])
            self.size += len(text)

    @property
    def text(self) -> str:
        """What was kept, without blank ends."""
        return "".join(self.parts).strip()


class Owners:
    """Which plugin the threads of the process belong to, while plugins load."""

    def __init__(self) -> None:
        self.of_thread: dict[int, Printed] = {}
        #: Threads that were running before: those of the program.
        self.others: set[int] = set()
        self.current: Printed | None = None

    def find(self) -> Printed | None:
        """The plugin that the calling thread belongs to; None for the program's own threads."""
        ident = threading.get_ident()
        owner = self.of_thread.get(ident)
        if owner is None and ident not in self.others:
            owner = self.current  # a thread that was started without ``threading.Thread``
        return owner

    @contextmanager
    def loading(self, printed: Printed | None) -> Iterator[None]:
        """Let the calling thread, and threads that it starts, belong to a plugin inside the block; None: to none."""
        ident = threading.get_ident()
        outer = self.others, self.current
        self.others = {each for each in sys._current_frames() if each not in self.of_thread}
        earlier, self.current = self.of_thread.pop(ident, None), printed
        if printed is not None:
            self.of_thread[ident] = printed
        start = threading.Thread.start
        threading.Thread.start = self._starting(start)  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            threading.Thread.start = start  # type: ignore[method-assign]
            self.others, self.current = outer
            self.of_thread.pop(ident, None)
            if earlier is not None:
                self.of_thread[ident] = earlier

    def _starting(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        """``Thread.start`` that passes the owner on to the new thread, before any of its code runs."""

        def started(thread: threading.Thread) -> None:
            owner, run = self.find(), thread.run
            if owner is None:
                start(thread)
                return

            def owned() -> None:
                self.of_thread[threading.get_ident()] = owner
                thread.__dict__.pop("run", None)
                try:
                    run()
                finally:
                    self.of_thread.pop(threading.get_ident(), None)

            thread.run = owned  # type: ignore[method-assign]
            start(thread)

        return started


#: One for the process: the threads of a plugin outlive the manager that loaded it.
OWNERS = Owners()


class Bytes(io.RawIOBase):
    """The ``buffer`` of a stream: what is written is kept, or passed on."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """True."""
        return True

    def readable(self) -> bool:
        """False."""
        return False

    def fileno(self) -> int:
        """The descriptor of the real stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the real stream is a terminal."""
        return self._stream.isatty()

    def write(self, data: Any) -> int:
        """Keep bytes for the report, or pass them on."""
        raw = bytes(data)
        owner = OWNERS.find() if self._stream.open else None
        if owner is not None:
            owner.add(raw.decode(self._stream.encoding, "replace"))
        else:
            under = getattr(self._stream.real, "buffer", None)
            if under is not None:
                under.write(raw)
            elif self._stream.real is not None:
                self._stream.real.write(raw.decode(self._stream.encoding, "replace"))
        return len(raw)

    def flush(self) -> None:
        """Flush the real stream, unless its text is being kept."""
        self._stream.flush()

    def close(self) -> None:
        """Nothing: the real stream stays open."""


class Stream(io.TextIOBase):
    """In place of ``sys.stdout`` or ``sys.stderr`` while plugins load; passes everything on afterwards.

    Parameters
    ----------
    real : text stream or None
    descriptor : int
        The descriptor that ``fileno`` returns where the real stream has none.
    """

    def __init__(self, real: Any, descriptor: int) -> None:
        self.real, self.descriptor, self.open = real, descriptor, True
        self._bytes = Bytes(self)

    @property
    def buffer(self) -> Any:
        """A binary stream."""
        return self._bytes if self.open or not hasattr(self.real, "buffer") else self.real.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the real stream."""
        return getattr(self.real, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How the real stream handles characters that it cannot encode."""
        return getattr(self.real, "errors", None) or "strict"

    @property
    def line_buffering(self) -> bool:
        """That of the real stream."""
        return bool(getattr(self.real, "line_buffering", False))

    @property
    def name(self) -> Any:
        """That of the real stream."""
        return getattr(self.real, "name", f"<descriptor {self.descriptor}>")

    @property
    def mode(self) -> str:
        """``w``."""
        return "w"

    def fileno(self) -> int:
        """The descriptor of the real stream, so that another process or the interpreter can write to it."""
        with suppress(Exception):
            return int(self.real.fileno())
        return self.descriptor

    def isatty(self) -> bool:
        """Whether the real stream is a terminal."""
        with suppress(Exception):
            return bool(self.real.isatty())
        return False

    def writable(self) -> bool:
        """True."""
        return True

    def reconfigure(self, **options: Any) -> None:
        """Nothing while plugins load: the program chooses the encoding of its streams."""
        if not self.open and hasattr(self.real, "reconfigure"):
            self.real.reconfigure(**options)

    def detach(self) -> Any:
        """The binary stream; the real one keeps its own."""
        return self._bytes

    def write(self, text: str) -> int:
        """Keep text for the report, or pass it on."""
        owner = OWNERS.find() if self.open else None
        if owner is not None:
            owner.add(text)
        elif self.real is not None:
            self.real.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the real stream, unless its text is being kept."""
        if self.real is not None and not (self.open and OWNERS.find()):
            self.real.flush()

    def close(self) -> None:
        """Nothing: the real stream stays open."""

    def __getattr__(self, name: str) -> Any:
        """Any further attribute of the real stream, such as ``getvalue``."""
        if name.startswith("_") or self.__dict__.get("real") is None:
            raise AttributeError(name)
        return getattr(self.real, name)


class NoInput(io.TextIOWrapper):
    """In place of ``sys.stdin`` while plugins load: empty, so that ``input()`` does not wait at a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._null = -1

    def fileno(self) -> int:
        """The descriptor of an empty file."""
        if self._null < 0:
            self._null = os.open(os.devnull, os.O_RDONLY)
        return self._null

    def end(self) -> None:
        """Close the empty file."""
        if self._null >= 0:
            os.close(self._null)
            self._null = -1

    def close(self) -> None:
        """Nothing."""


@contextmanager
def kept(printed: Printed | None, notes: list[str]) -> Iterator[None]:
    """Keep what a plugin prints inside the block, and restore the streams if it replaces them."""
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    nothing = NoInput()
    streams: dict[str, Any] = {"stdin": nothing, "__stdin__": nothing}
    for number, name in enumerate(("stdout", "stderr"), 1):
        real, original = before[name], before[f"__{name}__"]
        streams[name] = Stream(real, number)
        streams[f"__{name}__"] = streams[name] if original is real else Stream(original, number)
    for name, stream in streams.items():
        setattr(sys, name, stream)
    try:
        with OWNERS.loading(printed):
            yield
    finally:
        replaced = [f"sys.{name}" for name, stream in streams.items() if getattr(sys, name, None) is not stream]
        for name, stream in before.items():
            setattr(sys, name, stream)
        for stream in streams.values():
            if isinstance(stream, Stream):
                stream.open = False
        nothing.end()
        if replaced:
            notes.append(f"it changes {', '.join(replaced)} when it loads; the old value was restored")


@contextmanager
def descriptors(notes: list[str]) -> Iterator[None]:
    """Restore file descriptors 0 to 2 if the block closes or redirects them."""
    saved = {number: copy for number in range(3) if (copy := _copy(number)) is not None}
    try:
        yield
    finally:
        changed = [number for number, copy in saved.items() if _file(number) != _file(copy)]
        for number, copy in saved.items():
            if number in changed:
                with suppress(OSError):
                    os.dup2(copy, number)
            os.close(copy)
        if changed:
            which = ", ".join(map(str, changed))
            notes.append(f"it changes file descriptor {which} when it loads; the old value was restored")


def _copy(number: int) -> int | None:
    """A copy of a descriptor, with a number that programs do not expect; None if it is closed."""
    try:
        import fcntl
    except ImportError:  # not POSIX
        return None
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 100)
    except OSError:
        return None


def _file(number: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino
