"""The part of a batch that this process computes, where several processes compute one batch together.

Nearly everything in a pass is computed row by row. The rest asks :func:`current`: random arrays are drawn for the rows
of the whole batch, of which a process takes its own, so that numbers do not depend on the number of processes; and
layers that take statistics of a batch add them up over the processes. In one process, there is no share, and nothing
changes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.array_types import Array

BATCH = "batch"


@dataclass(frozen=True)
class Share:
    """Which rows of a batch this process computes.

    Attributes
    ----------
    start, stop : int
        The first row, and the one after the last.
    total : int
        The rows of the whole batch.
    longest : mapping of input number to int
        For each input whose rows differ in length, the steps of the longest row of the whole batch.
    gather : callable or None
        Returns the vectors of all processes, ``(size, n)`` in float64, each of which must call it; zeros for a process
        whose rows do not count. None: statistics are those of the own rows.
    """

    start: int
    stop: int
    total: int
    longest: Mapping[int, int] = field(default_factory=dict)
    gather: Callable[[Array], Array] | None = None

    def gathered(self, vector: Array) -> Array:
        """The vectors of all processes; see ``gather``."""
        assert self.gather is not None
        return self.gather(vector)


_share: ContextVar[Share | None] = ContextVar("graphnet share of a batch", default=None)


def current() -> Share | None:
    """The share of the pass that is running; None if this process computes the whole batch."""
    return _share.get()


def statistics() -> Share | None:
    """The share over whose processes statistics of a batch are to be added up; None if there is none."""
    share = _share.get()
    return None if share is None or share.gather is None else share


@contextmanager
def sharing(share: Share | None) -> Iterator[None]:
    """Inside the block, passes of this thread compute this share of a batch."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


# ---------------------------------------------------------------------- gradients
#: Called in a backward pass with the path of a layer, when its gradients are complete, and the gradients by name.
Listener = Callable[[str, Mapping[str, Array]], None]

_listener: ContextVar[Listener | None] = ContextVar("graphnet listener to gradients", default=None)


def listener() -> Listener | None:
    """What the backward pass that is running is to call; None if there is nothing."""
    return _listener.get()


@contextmanager
def listening(function: Listener) -> Iterator[None]:
    """Inside the block, call a function in backward passes of this thread.

    Weights that no error reaches are left out, and those of layers that are completed in the last step may be.
    """
    token = _listener.set(function)
    try:
        yield
    finally:
        _listener.reset(token)


# ---------------------------------------------------------------------- random arrays
#: For each layer, by its input shapes: the batch axis of each array that it draws.
_axes: weakref.WeakKeyDictionary[Any, dict[Any, dict[str, int | None]]] = weakref.WeakKeyDictionary()


def drawn(layer: Any, rng: np.random.Generator, shapes: Any) -> dict[str, Array]:
    """What ``layer.draw`` returns for these shapes of inputs; with a share, its rows of what the whole batch draws."""
    share = _share.get()
    if share is None or share.stop - share.start == share.total:
        arrays: dict[str, Array] = layer.draw(rng, *shapes)
        return arrays
    whole = [_resized(shape, share.total) for shape in shapes]
    arrays = layer.draw(rng, *whole)
    axes = _batch_axes(layer, shapes, whole)
    rows = slice(share.start, share.stop)
    own = {}
    for name, array in arrays.items():
        axis = axes.get(name)
        own[name] = array if axis is None else array[(slice(None),) * axis + (rows,)]
    return own


def _resized(shape: Any, rows: int) -> Any:
    """A shape with another number of rows; without a batch axis, the same."""
    return shape.resized(shape.axis(BATCH), rows) if shape is not None and shape.has(BATCH) else shape


def _batch_axes(layer: Any, shapes: Any, whole: Any) -> dict[str, int | None]:
    """The axis of each drawn array whose size is the number of rows: where arrays for two numbers of rows differ."""
    known = _axes.setdefault(layer, {})
    key = tuple(None if shape is None else shape.names for shape in shapes)
    if key not in known:
        few = layer.draw(np.random.default_rng(0), *shapes)
        many = layer.draw(np.random.default_rng(0), *whole)
        known[key] = {name: _differing(few[name].shape, many[name].shape) for name in few}
    return known[key]


def _differing(few: tuple[int, ...], many: tuple[int, ...]) -> int | None:
    return next((axis for axis, sizes in enumerate(zip(few, many, strict=True)) if sizes[0] != sizes[1]), None)
