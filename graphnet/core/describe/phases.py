"""Running layers in another phase than the one they are set to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from graphnet.core.phase import Phase

#: A phase, and the layers, by id, that are in it for the present block.
_forced: ContextVar[tuple[Phase, frozenset[int]] | None] = ContextVar("graphnet phase", default=None)


@contextmanager
def in_phase(phase: Phase, layers: Iterable[object]) -> Iterator[None]:
    """Put some layers in a phase inside the block, in this thread alone; their attribute is not changed.

    Examples
    --------
    >>> from graphnet import Dropout
    >>> layer = Dropout(0.5)
    >>> with in_phase(Phase.test, [layer]):
    ...     print(layer.phase.name)
    test
    >>> print(layer.phase.name)
    train
    """
    token = _forced.set((phase, frozenset(id(layer) for layer in layers)))
    try:
        yield
    finally:
        _forced.reset(token)


def phase_of(layer: object, own: Phase) -> Phase:
    """The phase of a layer whose attribute is ``own``, in the present block."""
    forced = _forced.get()
    return forced[0] if forced is not None and id(layer) in forced[1] else own
