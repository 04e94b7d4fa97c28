"""Python's garbage collector during work that makes many small objects and few cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects made while it was paused from which on they are counted as old without being looked at: the collections that
#: would follow take as long as the work itself.
MANY = 200_000


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection: while modules are imported or code is compiled, most objects stay alive."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if gc.get_count()[0] > MANY:
                count_as_old()
            gc.enable()


def count_as_old() -> None:
    """Put all present objects into the oldest generation, without looking at them.

    Modules, for one, stay alive; a collection that looks for garbage among them takes 15 ms and finds nothing.
    """
    if not gc.get_freeze_count():  # what a program has frozen stays frozen
        gc.freeze()
        gc.unfreeze()


@contextmanager
def gc_deferred() -> Iterator[None]:
    """The same, but the collector stays enabled, with a threshold that is never reached.

    Code inside the block that disables or enables the collector can then be recognized.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
