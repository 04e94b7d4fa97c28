"""The result of a training run: a record for each epoch, and all records together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from graphnet.core import late
from graphnet.data.tables.frames import pandas
from graphnet.training.history_table import table

#: The figures of an epoch that have a name of their own; all others are metrics.
FIGURES = ("epoch", "loss", "validation_loss", "learning_rate", "gradient_norm", "seconds", "examples", "best",
           "skipped_batches")  # fmt: skip
#: The prefix of figures of held-out examples.
HELD_OUT = "validation_"


@dataclass(frozen=True)
class EpochRecord:
    """The figures of one epoch.

    Attributes
    ----------
    epoch : int
        Counts from 1.
    loss : float
        Mean over the examples of the epoch (or sum, depending on the loss) in the train phase, plus the mean of the
        regularization loss over the batches.
    metrics : mapping of str to float
        Over the examples of the epoch, in the train phase.
    validation_loss : float or None
        Over the validation examples after the epoch, in the test phase; None if there are none.
    validation_metrics : mapping of str to float
    learning_rate : float or None
        None if the optimizer has no such attribute.
    gradient_norm : float
        The largest norm of all gradients together in the epoch, before clipping.
    seconds : float
        Duration of the epoch, including validation; it does not count when records are compared.
    examples : int
        Number of examples in training.
    best : bool
        Whether this is the best epoch so far.
    skipped_batches : int
        The batches that were left out because a number was not finite; see ``TrainingConfig.on_nan``.
    initial_loss : float or None
        The loss of the first batch of the epoch, if it was not skipped and had at least 8 examples.
    """

    epoch: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    validation_loss: float | None = None
    validation_metrics: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float | None = None
    gradient_norm: float = 0.0
    seconds: float = field(default=0.0, compare=False)
    examples: int = 0
    best: bool = False
    skipped_batches: int = 0
    initial_loss: float | None = None

    def flat(self) -> dict[str, Any]:
        """All values in one plain dictionary, for a line of JSON; validation values have the prefix ``validation_``."""
        values: dict[str, Any] = {"epoch": self.epoch, "loss": self.loss, **self.metrics}
        if self.validation_loss is not None:
            values["validation_loss"] = self.validation_loss
            values |= {f"validation_{name}": value for name, value in self.validation_metrics.items()}
        for name in ("learning_rate", "gradient_norm", "seconds", "examples", "best"):
            values[name] = getattr(self, name)
        if self.skipped_batches:
            values["skipped_batches"] = self.skipped_batches
        return values

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Self:
        """The record that :meth:`flat` returned as ``values``; None where a figure was not finite becomes NaN.

        Examples
        --------
        >>> record = EpochRecord(2, 0.5, {"accuracy": 0.75}, 0.25, {"accuracy": 1.0}, examples=8)
        >>> EpochRecord.from_flat(record.flat()) == record
        True
        """
        metrics = {name: _number(value) for name, value in values.items() if name not in FIGURES}
        held_out = "validation_loss" in values
        validation = {n: v for n, v in metrics.items() if n.startswith(HELD_OUT)} if held_out else {}
        return cls(
            values["epoch"],
            _number(values["loss"]),
            {name: value for name, value in metrics.items() if name not in validation},
            _number(values["validation_loss"]) if held_out else None,
            {name.removeprefix(HELD_OUT): value for name, value in validation.items()},
            values.get("learning_rate"),
            _number(values.get("gradient_norm", 0.0)),
            _number(values.get("seconds", 0.0)),
            values.get("examples", 0),
            bool(values.get("best", False)),
            values.get("skipped_batches", 0),
        )


def _number(value: Any) -> float:
    """A float from a file, where null stands for a number that is not finite."""
    return math.nan if value is None else float(value)


@dataclass(eq=False, repr=False)
class History:
    """All epochs of a run, and how it ended; prints as a short table.

    Two histories are equal if all figures are, except durations.

    Attributes
    ----------
    epochs : list of EpochRecord
    best_epoch : int
        The epoch whose weights were restored at the end; 0 if no epoch was completed, and the weights are the initial
        ones.
    stopped : str
        ``'finished'``, ``'patience'``, ``'callback'``, ``'interrupted'`` (Ctrl-C) or ``'failed'``; ``'unfinished'`` if
        it was read from the folder of a run that has not ended.
    figure : str or None
        The name of the figure that chose the best epoch, if an EarlyStopping with a figure of its own did.

    Examples
    --------
    >>> history = History([EpochRecord(1, 0.75), EpochRecord(2, 0.5, seconds=0.25, best=True)], best_epoch=2)
    >>> history
      epoch    loss  seconds
          1  0.7500     0.00
    *     2  0.5000     0.25
    best epoch 2 of 2, chosen by the training loss: no examples were held out
    >>> history.to_dict()["loss"]
    [0.75, 0.5]
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "finished"
    figure: str | None = None

    @property
    def best(self) -> EpochRecord | None:
        """The record of the best epoch; None before the first one is complete."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    @property
    def selected_by(self) -> str:
        """The figure that chose the best epoch: ``training loss``, ``validation loss``, ``validation accuracy``, …"""
        if self.figure is not None:
            name = self.figure.removeprefix(HELD_OUT)
            return f"{'training' if name == self.figure else 'validation'} {name}"
        if not _held_out(self):
            return "training loss"
        return f"validation {next(iter(self.epochs[0].validation_metrics), 'loss')}"

    def to_dict(self) -> dict[str, list[Any]]:
        """The figures as lists with one value for each epoch, by the names of :meth:`EpochRecord.flat`."""
        flat = [record.flat() for record in self.epochs]
        names = dict.fromkeys(name for values in flat for name in values)
        return {name: [values.get(name) for values in flat] for name in names}

    def to_dataframe(self) -> Any:
        """The figures as a pandas DataFrame: a column for each, and a row for each epoch, whose number is the index.

        Raises
        ------
        PluginError
            If pandas is not installed.
        """
        figures = self.to_dict() or {"epoch": [], "loss": []}
        return pandas("a DataFrame needs pandas").DataFrame(figures).set_index("epoch")

    def plot(self, figures: Any = None, *, title: str = "") -> Any:
        """The loss and all metrics, or these figures, over the epochs, as a matplotlib Figure.

        See :func:`graphnet.inspect.figures.plot_history`, also for the errors.
        """
        return late.call("plot_history", self, figures, title)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return dict(late.call("mimebundle", self))

    def __len__(self) -> int:
        return len(self.epochs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        ends = [(history.best_epoch, history.stopped, len(history)) for history in (self, other)]
        return ends[0] == ends[1] and all(map(_alike, self.epochs, other.epochs))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if not self.epochs:
            return f"no epoch was completed{ended(self)}"
        figures = self.to_dict()
        names = [name for name in figures if name not in FIGURES and not name.startswith(HELD_OUT)]
        names = ["epoch", "loss", *names, *(name for name in figures if name.startswith(HELD_OUT))]
        if len(set(figures["learning_rate"])) > 1:
            names.append("learning_rate")
        shown = table([(name, figures[name]) for name in (*names, "seconds")], self.best_epoch)
        return f"{shown}\n{ending(self)}"


def _alike(a: EpochRecord, b: EpochRecord) -> bool:
    """Whether two epochs have the same figures; NaN equals NaN."""
    first, second = a.flat(), b.flat()
    names = first.keys() | second.keys()
    return all(_same(first.get(name), second.get(name)) for name in names if name != "seconds")


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def _held_out(history: History) -> bool:
    return any(record.validation_loss is not None for record in history.epochs)


def ended(history: History) -> str:
    """Why a run ended before its last epoch, as the end of a sentence; nothing if it did not."""
    reasons = {
        "patience": "no improvement",
        "callback": "by a callback",
        "interrupted": "interrupted",
        "failed": "failed",
    }
    if history.stopped == "unfinished":
        return ", not ended"
    return f", stopped: {reasons[history.stopped]}" if history.stopped in reasons else ""


def ending(history: History) -> str:
    """Describe in one line how a run ended, and by what the best epoch was chosen.

    Examples
    --------
    >>> ending(History([EpochRecord(1, 0.5, {}, 0.75)], best_epoch=1, stopped="patience"))
    'best epoch 1 of 1, stopped: no improvement, chosen by the validation loss'
    """
    if not history.best_epoch:
        return f"no best epoch in {len(history)}{ended(history)}"
    by = f"chosen by the {history.selected_by}"
    reason = ": no examples were held out" if history.selected_by == "training loss" and not _held_out(history) else ""
    return f"best epoch {history.best_epoch} of {len(history)}{ended(history)}, {by}{reason}"
