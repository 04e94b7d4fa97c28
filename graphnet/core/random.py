"""The random generator of graphnet, and how to seed or replace it.

A process has one default generator, which all threads share. :func:`using` replaces it for a block, in the calling
thread or asyncio task only (a context variable): a new thread starts with the default, a new task with the generator
of the code that creates it.

numpy locks a bit generator during each draw, so draws from several threads cannot corrupt the default; the order in
which threads receive numbers is not defined. For reproducible results use a separate generator, as each training run
does.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.concurrency import locks
from graphnet.core.errors import ConfigError, ForkWarning

#: Identifies this process; replaced in a forked child.
_process = object()


class _Source:
    """A generator, whether it was seeded, and the process that it belongs to."""

    __slots__ = ("process", "rng", "seeded")

    def __init__(self, rng: np.random.Generator, seeded: bool) -> None:
        self.rng, self.seeded, self.process = rng, seeded, _process


_default = _Source(np.random.default_rng(), seeded=False)
_scoped: ContextVar[_Source | None] = ContextVar("graphnet generator", default=None)


def seed(n: int | None) -> None:
    """Seed the default generator, for all later draws outside :func:`using` (weights, initializers, dropout masks).

    Parameters
    ----------
    n : int or None
        At least 0. None: seed from the system, not reproducible.

    Raises
    ------
    ConfigError
        If ``n`` is neither.
    """
    global _default
    integer("graphnet", "seed", n, 0, optional=True)
    source = _Source(np.random.default_rng(n), seeded=n is not None)
    with locks.lock:
        _default = source


def generator() -> np.random.Generator:
    """Return the generator in use; call this for each draw rather than storing the result.

    Warns
    -----
    ForkWarning
        On the first use in a forked child if the parent seeded the generator, as both draw the same numbers. An
        unseeded generator is replaced in the child.
    """
    source = current()
    if source.process is not _process:
        return _inherited(source)
    return source.rng


def current() -> _Source:
    """Return the source of the generator in use, without the check for a forked child."""
    return _scoped.get() or _default


def saved() -> tuple[_Source, bool, np.random.Generator, dict[str, Any]]:
    """Return the source of the generator in use and its state, for :func:`restore`; they compare with ``==``."""
    source = current()
    return source, source.seeded, source.rng, copy.deepcopy(dict(source.rng.bit_generator.state))


def restore(state: tuple[_Source, bool, np.random.Generator, dict[str, Any]]) -> None:
    """Restore what :func:`saved` returned: the same generator in the same state."""
    global _default
    source, seeded, rng, numbers = state
    source.seeded, source.rng = seeded, rng
    source.rng.bit_generator.state = numbers
    if _scoped.get() is None:
        with locks.lock:
            _default = source
    elif _scoped.get() is not source:
        _scoped.set(source)


def _inherited(source: _Source) -> np.random.Generator:
    """The generator of a source inherited from the parent process, which this process then owns."""
    with locks.lock:
        if source.process is _process:
            return source.rng
        source.process = _process
        if not source.seeded:
            source.rng = np.random.default_rng()
            return source.rng
    warnings.warn(
        "this forked process draws the same random numbers as its parent, whose generator was seeded. "
        "Call graphnet.seed(n) in the child with a different n, or graphnet.seed(None); "
        "inside graphnet.using(...), use a separate generator.",
        ForkWarning,
        stacklevel=3,
    )
    return source.rng


@explained
def using(rng: np.random.Generator) -> AbstractContextManager[np.random.Generator]:
    """Use ``rng`` inside the block, in this thread or asyncio task only.

    Raises
    ------
    ConfigError
        If ``rng`` is not a ``numpy.random.Generator``.

    Examples
    --------
    >>> import numpy as np
    >>> with using(np.random.default_rng(0)) as rng:
    ...     generator() is rng
    True
    """
    if not isinstance(rng, np.random.Generator):
        raise ConfigError(
            "rng must be a random generator",
            where="graphnet.using",
            expected="a numpy.random.Generator",
            received=repr(rng),
            remedy="Create one with numpy.random.default_rng(seed).",
        )
    return _using(rng)


@contextmanager
def _using(rng: np.random.Generator) -> Iterator[np.random.Generator]:
    token = _scoped.set(_Source(rng, seeded=True))
    try:
        yield rng
    finally:
        _scoped.reset(token)


def _fork() -> None:
    global _process
    _process = object()


locks.in_child(_fork)
