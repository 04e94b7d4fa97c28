"""The generator that every random draw of graphnet comes from, and how to seed or replace it.

A process has one default generator, which all threads share. :func:`using` replaces it for a block, in the calling
thread or asyncio task alone (a context variable): a new thread starts with the default, a new task with what the code
that creates it uses.

numpy locks a bit generator for the time of each draw, so draws from several threads never corrupt the default; in which
order they get their numbers is not defined. A result that must be repeatable needs a generator of its own, as each
training run has.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from graphnet.core.checks import integer
from graphnet.core.concurrency import locks
from graphnet.core.errors import ConfigError, ForkWarning

#: Stands for this process: a forked child has another one.
_process = object()


class _Source:
    """A generator, whether its numbers are meant to be repeatable, and the process that they are for."""

    __slots__ = ("process", "rng", "seeded")

    def __init__(self, rng: np.random.Generator, seeded: bool) -> None:
        self.rng, self.seeded, self.process = rng, seeded, _process


_default = _Source(np.random.default_rng(), seeded=False)
_scoped: ContextVar[_Source | None] = ContextVar("graphnet generator", default=None)


def seed(n: int | None) -> None:
    """Restart the process default: all later draws outside :func:`using` (fresh weights, initializers, dropout masks).

    Parameters
    ----------
    n : int or None
        At least 0. None: from the system; draws are then not repeatable.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    global _default
    integer("graphnet", "seed", n, 0, optional=True)
    made = _Source(np.random.default_rng(n), seeded=n is not None)
    with locks.lock:
        _default = made


def generator() -> np.random.Generator:
    """Return the generator in use here and now; ask for it at each draw, do not keep it.

    Warns
    -----
    ForkWarning
        The first time in a forked child, if the parent had seeded it: both would draw the same numbers. A generator
        that nobody seeded is replaced in the child instead.
    """
    source = current()
    if source.process is not _process:
        return _inherited(source)
    return source.rng


def current() -> _Source:
    """What :func:`generator` returns the generator of, without counting as a draw."""
    return _scoped.get() or _default


def _inherited(source: _Source) -> np.random.Generator:
    """The generator of a source that this process has from its parent, from now on its own."""
    with locks.lock:
        if source.process is _process:
            return source.rng
        source.process = _process
        if not source.seeded:
            source.rng = np.random.default_rng()
            return source.rng
    warnings.warn(
        "this forked process draws the same random numbers as its parent, whose generator was seeded. "
        "Call graphnet.seed(n) in the child with an n of its own, or graphnet.seed(None); "
        "inside graphnet.using(...), use a generator of its own.",
        ForkWarning,
        stacklevel=3,
    )
    return source.rng


@contextmanager
def using(rng: np.random.Generator) -> Iterator[np.random.Generator]:
    """Draw from ``rng`` inside the block, in this thread or asyncio task, and from the former generator after it.

    Raises
    ------
    ConfigError
        If it is not a ``numpy.random.Generator``.

    Examples
    --------
    >>> import numpy as np
    >>> with using(np.random.default_rng(0)) as rng:
    ...     generator() is rng
    True
    """
    if not isinstance(rng, np.random.Generator):
        raise ConfigError(
            "not a generator",
            where="graphnet.using",
            expected="a numpy.random.Generator",
            received=repr(rng),
            remedy="Make one: numpy.random.default_rng(seed).",
        )
    token = _scoped.set(_Source(rng, seeded=True))
    try:
        yield rng
    finally:
        _scoped.reset(token)


def _fork() -> None:
    global _process
    _process = object()


locks.in_child(_fork)
