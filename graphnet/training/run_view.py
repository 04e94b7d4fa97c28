"""What a callback may ask of a training run, beside its attributes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphnet.core.run.state import State
from graphnet.training.run_state import RunState


class RunView:
    """The part of a Trainer that describes the run that is going on."""

    config: Any
    checkpoints: Any
    _running: RunState | None

    @property
    def resumed(self) -> bool:
        """Whether the run that is going on continues from a checkpoint."""
        return self._running is not None and self._running.resumed

    @property
    def folder(self) -> Path | None:
        """The folder of the run; None without one, and for a numbered folder until the first update begins."""
        path = getattr(self.checkpoints, "path", None)
        return None if path is None else Path(path)

    @property
    def figures(self) -> dict[str, bool]:
        """The losses and metrics of the records of this run, by name, with whether higher is better.

        Those of the held-out examples, ``validation_loss`` and ``validation_NAME``, are there if examples are held out.
        """
        metrics = {metric.name: bool(metric.higher_is_better) for metric in self.config.metrics}
        figures = {"loss": False, **metrics}
        if self._held_out:
            figures |= {f"validation_{name}": higher for name, higher in figures.items()}
        return figures

    @property
    def selecting(self) -> str:
        """The figure that selects the best epoch, unless an EarlyStopping with a figure of its own does."""
        metric = next((metric.name for metric in self.config.metrics), "loss")
        return f"validation_{metric}" if self._held_out else "loss"

    @property
    def _held_out(self) -> bool:
        return self._running is not None and self._running.epochs.validation is not None

    @property
    def batch_loss(self) -> float:
        """The loss of the last batch, with the regularization, before its update; NaN if there is none."""
        current = None if self._running is None else self._running.epochs.current
        return math.nan if current is None else current.batch_loss

    @property
    def present_state(self) -> State | None:
        """The state at the end of the stream in the last epoch; None without a Stream."""
        return None if self._running is None else self._running.epochs.feed.state

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Inside the block the layers have the weights that are validated and kept.

        They are the present ones, or with ``config.average`` their moving averages.
        """
        if self._running is None:
            yield
            return
        with self._running.epochs.averages.in_place():
            yield
