"""Writing of files that only their owner may read, for packages that graphnet.io imports."""

from __future__ import annotations

from collections.abc import Callable

#: Creates a file, which must not exist, with these contents.
Writer = Callable[[str, bytes], None]

#: Returns the writer; graphnet.io has it, and is imported when it is needed. See ``graphnet/__init__.py``.
_loaders: list[Callable[[], Writer]] = []


def use_writer(loader: Callable[[], Writer]) -> None:
    """Let files be written by what ``loader`` returns."""
    _loaders[:] = [loader]


def write(path: str, contents: bytes) -> None:
    """Create a file that only its owner may read.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If it cannot be written; there is none then.
    """
    _loaders[0]()(path, contents)
