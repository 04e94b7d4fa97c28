"""The one generator that every random draw of graphnet comes from, and how to seed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_current = [np.random.default_rng()]


def seed(n: int | None) -> None:
    """Start all later draws (fresh weights, initializers, dropout masks) anew from ``n``; None: from the system."""
    _current[-1] = np.random.default_rng(n)


def generator() -> np.random.Generator:
    """The generator in use now; ask for it at each draw, do not keep it."""
    return _current[-1]


@contextmanager
def using(rng: np.random.Generator) -> Iterator[np.random.Generator]:
    """Draw from ``rng`` inside the block and from the former generator after it.

    Examples
    --------
    >>> import numpy as np
    >>> with using(np.random.default_rng(0)) as rng:
    ...     generator() is rng
    True
    """
    _current.append(rng)
    try:
        yield rng
    finally:
        _current.remove(rng)
