"""The state of a training run before a batch, to which it can go back."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from graphnet.core import random
from graphnet.core.run.runner import Runner
from graphnet.training.tbptt import TruncatedRunner


class BatchStart:
    """What a forward pass changes: the generator, buffers, and the states carried from piece to piece.

    Nothing is copied but the state of the generator, because buffers and states are replaced and never written.
    Weights and optimizers change in an update only, which changes nothing if it fails.

    Parameters
    ----------
    feed : Feed
    stores : list of Store
        Those with buffers.
    draws : bool
        Whether anything in a batch may draw random numbers.
    """

    __slots__ = ("_buffers", "_numbers", "_recent", "_rng", "_state")

    def __init__(self, feed: Any, stores: list[Any], draws: bool = True) -> None:
        self._rng = random.current().rng
        self._numbers = self._rng.bit_generator.state if draws else None
        self._buffers = [(store, store.buffers) for store in stores]
        truncated: TruncatedRunner | None = feed.truncated
        self._recent = None if truncated is None else list(truncated.recent)
        self._state = None if truncated is None else truncated.state

    def numbers(self) -> Any:
        """The state of the bit generator."""
        return copy.deepcopy(self._rng.bit_generator.state if self._numbers is None else self._numbers)

    def rewind(self, feed: Any) -> None:
        """Go back to this state."""
        if self._numbers is not None:
            self._rng.bit_generator.state = self._numbers
        for store, buffers in self._buffers:
            store.replace_buffers(buffers)
        truncated: TruncatedRunner | None = feed.truncated
        if truncated is not None and self._recent is not None and self._state is not None:
            truncated.recent, truncated.state = deque(self._recent), self._state

    @property
    def state(self) -> Any:
        """The carried states; None where no state is carried over."""
        return self._state


def stores_with_buffers(runner: Runner) -> list[Any]:
    """The stores of the layers that have buffers."""
    return [layer.store for layer in runner.layers.values() if layer.declares_buffers]


def may_draw(runner: Runner, *others: object) -> bool:
    """Whether the layers of a runner, or other objects, may draw random numbers: any of another author may."""
    if any(layer.draws for layer in runner.layers.values()):
        return True
    return any(type(each).__module__.split(".")[0] != "graphnet" for each in (*runner.layers.values(), *others))


def with_runner(feed: Any, runner: Runner) -> Any:
    """A copy of a feed at the same position, which runs another runner."""
    other = copy.copy(feed)
    other.runner = runner
    truncated: TruncatedRunner | None = feed.truncated
    if truncated is not None:
        other.truncated = TruncatedRunner(runner, truncated.k1, truncated.k2)
        other.truncated.recent, other.truncated.state = deque(truncated.recent), truncated.state
    return other
