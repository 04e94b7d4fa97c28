"""The base of all that shows the progress of a run, and the count of batches and examples that a bar needs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, TextIO

from graphnet.core.display import Display
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.history import EpochRecord, History, ending
from graphnet.training.progress.text import figures


class Shown(Callback):
    """Base of the callbacks that only show something: a checkpoint keeps nothing of them."""

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Give back what is held of the screen; may be called more than once, and at any time."""


class Bar(Shown):
    """Base of the bars: follows a run, and calls :meth:`draw` a few times a second.

    Parameters
    ----------
    stream : text stream or None
        Also receives the line that says how the run ended.

    Attributes
    ----------
    epoch : str
        ``3/20``.
    figures : str
        Of the last epoch; in the first one the loss so far.
    rate : str
        Examples in a second.
    done : int
        Batches, those before a resumed run began included.
    total : int or None
        All batches of the run; None if that is not known.
    """

    #: Seconds between two updates.
    pause: ClassVar[float] = 0.2
    #: Bars that are on a screen now: only one at a time is drawn without being asked for.
    open: ClassVar[set[int]] = set()

    def __init__(self, stream: TextIO | None) -> None:
        self.display = Display(stream)
        self.epoch, self.figures, self.rate = "", "loss ...", "..."
        self.total: int | None = None
        self.done = self._before = self._examples = 0
        self._begun = self._drawn = 0.0

    def begin(self) -> None:
        """Show the bar for the first time."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show the present figures."""
        raise NotImplementedError

    @property
    def remaining(self) -> float | None:
        """Estimated seconds to the end; None if they are not known."""
        spent, done = time.monotonic() - self._begun, self.done - self._before
        return None if self.total is None or not done else max(0.0, spent / done * (self.total - self.done))

    # ------------------------------------------------------------------ the run
    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Show the bar, at the epochs that a resumed run has behind it."""
        self._begun = time.monotonic()
        self.done = self._before = batches * len(trainer.history)
        self.total = batches * trainer.config.epochs or None
        self.epoch = f"{len(trainer.history) + 1}/{trainer.config.epochs}"
        Bar.open.add(id(self))
        self.display.run(self.begin)

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        """Update the bar, a few times a second."""
        self.done += 1
        now = time.monotonic()
        if now - self._drawn >= self.pause:
            self._drawn = now
            self.epoch = f"{epoch}/{trainer.config.epochs}"
            if epoch == 1:
                self.figures = f"loss {loss:.4f}"
            self.display.run(self.draw)

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Take over the figures of the epoch."""
        self._examples += record.examples
        self.epoch, self.figures = f"{record.epoch}/{trainer.config.epochs}", figures(record)
        self.rate = f"{self._examples / max(time.monotonic() - self._begun, 1e-9):.0f}"

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Show the last figures, and how the run ended."""
        self.display.run(self.draw)
        self.close()
        if history.epochs:
            self.display.print(ending(history))

    def close(self) -> None:
        """Remove the bar from those that are open."""
        Bar.open.discard(id(self))
