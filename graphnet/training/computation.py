"""What computes the outputs, losses and gradients of a batch: this process, or several together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError
from graphnet.data.batches import Batch
from graphnet.training.feeds import Feed
from graphnet.training.nonfinite.batch_guard import BatchGuard
from graphnet.training.totals import Totals


class Computation(Protocol):
    """Computes one batch after the other; everything else of a training step is the same in all computations."""

    def forward(self, batch: Batch, totals: Totals) -> tuple[float, bool]:
        """Add a batch to the totals; returns its loss, and whether ``backward`` has anything to compute."""

    def backward(self) -> None:
        """Set the gradients of all weights for the batch of the last ``forward``."""


class Engine(Protocol):
    """Provides the computation of a training run."""

    def start(self, trainer: Any, epochs: Any) -> AbstractContextManager[Computation]:
        """Begin a run of a Trainer with these epochs; the computation ends with the block."""

    def settings(self) -> Mapping[str, Any]:
        """What the folder of a run records, as plain values."""


class OneProcess:
    """Computes every batch in this process.

    Parameters
    ----------
    feed : Feed
    guard : BatchGuard
        Is shown the outputs.
    """

    def __init__(self, feed: Feed, guard: BatchGuard) -> None:
        self.feed, self.guard = feed, guard
        self._errors: Mapping[str, Array] = {}

    def forward(self, batch: Batch, totals: Totals) -> tuple[float, bool]:
        """As :meth:`Computation.forward`."""
        outputs = self.feed.forward(batch)
        self.guard.forward(batch, outputs)
        loss, self._errors = totals.add_with_errors(outputs, batch)
        return loss, bool(self._errors)

    def backward(self) -> None:
        """As :meth:`Computation.backward`."""
        self.feed.backward(self._errors)


def require_engine(engine: Any) -> Engine | None:
    """Return the argument if it is an engine, or None.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if engine is None or callable(getattr(engine, "start", None)):
        checked: Engine | None = engine
        return checked
    raise ConfigError(
        "not an engine", where="Trainer", expected="a graphnet.distributed.DataParallel, or None",
        received=repr(engine)[:100], key_path=("engine",),
    )  # fmt: skip
