"""The progress of a training run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any, TextIO

from graphnet.cli.streams import Display
from graphnet.training.callbacks import Callback, TrainingRun
from graphnet.training.history import EpochRecord, History

#: The approximate number of plain lines for a run; the last epoch always has one.
LINES = 20
#: Seconds between two updates of a bar.
PAUSE = 0.1


def progress(stream: TextIO | None) -> Callback:
    """Return the callback for a stream: a bar if it is a terminal that can draw one, else lines."""
    capable = os.environ.get("TERM", "") not in ("dumb", "unknown")
    return Bars(stream) if Display(stream).is_terminal and capable else Lines(stream)


def figures(record: EpochRecord) -> str:
    """Format the loss and the first metric of an epoch; those of held-out examples follow a slash.

    Examples
    --------
    >>> figures(EpochRecord(1, 0.5, {"accuracy": 0.75}, 0.625, {"accuracy": 0.5}))
    'loss 0.5000 / 0.6250  accuracy 0.750 / 0.500'
    """
    held = "" if record.validation_loss is None else f" / {record.validation_loss:.4f}"
    parts = [f"loss {record.loss:.4f}{held}"]
    for name, value in list(record.metrics.items())[:1]:
        held = f" / {record.validation_metrics[name]:.3f}" if name in record.validation_metrics else ""
        parts.append(f"{name} {value:.3f}{held}")
    return "  ".join(parts)


def ending(history: History) -> str:
    """Describe in one line how a run ended."""
    reasons = {
        "patience": "no improvement",
        "callback": "by a callback",
        "interrupted": "interrupted",
        "failed": "failed",
    }
    why = f", stopped: {reasons[history.stopped]}" if history.stopped in reasons else ""
    return f"best epoch {history.best_epoch} of {len(history)}{why}"


class Shown(Callback):
    """Base of the callbacks that only show something: a checkpoint keeps nothing of them."""

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


class Lines(Shown):
    """Prints a line for each epoch; for long runs, about twenty lines at equal distances, and the last epoch."""

    def __init__(self, stream: TextIO | None) -> None:
        self.display = Display(stream)
        self.shown = 0

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Print a line, if one is due."""
        if record.epoch % math.ceil(trainer.config.epochs / LINES) == 0:
            self._line(trainer, record)

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Print the last epoch, unless it is printed, and how the run ended."""
        if history.epochs and self.shown != len(history):
            self._line(trainer, history.epochs[-1])
        if history.epochs:
            self.display.print(ending(history))

    def _line(self, trainer: TrainingRun, record: EpochRecord) -> None:
        self.shown = record.epoch
        total = trainer.config.epochs
        rate = record.examples / record.seconds if record.seconds else 0.0
        self.display.print(f"epoch {record.epoch:>{len(str(total))}}/{total}  {figures(record)}  {rate:.0f} examples/s")


class Bars(Shown):
    """Shows a progress bar over all batches, with loss, metric, rate and remaining time."""

    def __init__(self, stream: TextIO | None) -> None:
        self.display = Display(stream)
        self._bar: Any = None
        self._task: Any = None
        self._figures = "loss ..."
        self._done = self._examples = 0
        self._begun = self._drawn = 0.0

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Start the bar, at the epochs that a resumed run has behind it."""
        self._begun = time.monotonic()
        self._done = batches * len(trainer.history)
        self.display.run(lambda: self._start(trainer, batches))

    def _start(self, trainer: TrainingRun, batches: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}", markup=False),
            TextColumn("{task.fields[rate]} examples/s"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(file=self.display.stream))
        fields = {"epoch": f"1/{trainer.config.epochs}", "figures": self._figures, "rate": "..."}
        total = batches * trainer.config.epochs or None  # None: of unknown length
        self._task = self._bar.add_task("training", total=total, **fields)
        self._bar.start()

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        """Update the bar, a few times a second."""
        self._done += 1
        now = time.monotonic()
        if now - self._drawn >= PAUSE:
            self._drawn = now
            shown = self._figures if epoch > 1 else f"loss {loss:.4f}"
            self._draw({"epoch": f"{epoch}/{trainer.config.epochs}", "figures": shown})

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Show the figures of the epoch."""
        self._figures = figures(record)
        self._examples += record.examples
        rate = self._examples / max(time.monotonic() - self._begun, 1e-9)
        epoch = f"{record.epoch}/{trainer.config.epochs}"
        self._draw({"epoch": epoch, "figures": self._figures, "rate": f"{rate:.0f}"})

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Stop the bar, and print how the run ended."""
        self._draw({})
        self.close()
        if history.epochs:
            self.display.print(ending(history))

    def close(self) -> None:
        """Stop the bar; the cursor is visible again."""
        bar, self._bar = self._bar, None
        if bar is not None:
            self.display.run(bar.stop)

    def _draw(self, fields: Mapping[str, Any]) -> None:
        if self._bar is not None:
            self.display.run(lambda: self._bar.update(self._task, completed=self._done, **fields))
