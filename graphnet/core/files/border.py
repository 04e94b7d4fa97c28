"""The border between the contents of a file and the program: whatever fails inside becomes an error of graphnet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphnet.core.errors import FileError, GraphnetError


@contextmanager
def reading(where: object, expected: str, *, what: str | None = None) -> Iterator[None]:
    """Turn every exception inside the block into a FileError about ``where``; errors of graphnet pass unchanged.

    Libraries that parse raise far more than they document (``TokenError``, ``NotImplementedError``, ``RecursionError``,
    ``MemoryError``), so a list of exceptions is never complete. KeyboardInterrupt and SystemExit pass.

    Parameters
    ----------
    where : object
        The file, or the place in it, as text.
    expected : str
        What the reader expects there.
    what : str, optional
        What cannot be read, if it is not the file.

    Examples
    --------
    >>> with reading("model.bin", "a model file"):
    ...     raise NotImplementedError("compression type 97")
    Traceback (most recent call last):
    graphnet.core.errors.FileError: model.bin: cannot be read; expected a model file, received NotImplementedError: ...
    """
    try:
        yield
    except GraphnetError:
        raise
    except Exception as error:
        problem = f"{what} cannot be read" if what else "cannot be read"
        raise FileError(problem, where=str(where), expected=expected, received=described(error)) from error


def described(error: Exception) -> str:
    """An exception in a few words on one line.

    Examples
    --------
    >>> described(IsADirectoryError(21, "Is a directory")), described(KeyError("x"))
    ('a folder', "KeyError: 'x'")
    """
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "more than the memory can hold"
    if isinstance(error, RecursionError):
        return "contents that are nested too deeply"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
