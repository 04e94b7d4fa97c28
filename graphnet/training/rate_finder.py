"""A range test of the learning rate (L. N. Smith, "Cyclical learning rates for training neural networks", 2017)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.arguments import explained
from graphnet.core.checks import flag, integer, number
from graphnet.core.describe.optimizer_step import copied
from graphnet.core.errors import ConfigError, NonFiniteError
from graphnet.optimizers.schedules import Schedule
from graphnet.training.callbacks import Callback, TrainingRun
from graphnet.training.config import TrainingConfig, require_config
from graphnet.training.trainer import Trainer

#: The share of the past in the smoothed loss.
SMOOTHING = 0.9
#: The test ends when the smoothed loss exceeds the smallest one by this factor.
DIVERGED = 4.0
#: The fewest updates whose losses say how fast they fall.
FEWEST = 4


@dataclass(frozen=True, eq=False)
class RateCurve:
    """The losses of one update after another, each with a higher learning rate.

    Attributes
    ----------
    rates, losses : array (updates,)
        The learning rate of an update, and the loss of its batch before it.
    smoothed : array (updates,)
        Exponentially smoothed losses, with factor 0.9, corrected for their beginning as in Adam.
    suggestion : float or None
        The rate at which the loss falls fastest, over the logarithm of the rate, before the minimum of the smoothed
        loss (:func:`steepest`); None if it never falls.
    diverged : bool
        Whether the test ended early, because the loss had become 4 times its minimum, or not finite.
    """

    rates: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    diverged: bool = False
    smoothed: npt.NDArray[np.float64] = field(init=False)
    suggestion: float | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "smoothed", smoothed(self.losses))
        object.__setattr__(self, "suggestion", steepest(self.rates, self.losses))

    def table(self, rows: int = 20) -> str:
        """The curve as text, with about as many rows.

        Examples
        --------
        >>> print(RateCurve(np.array([0.001, 0.01, 0.1]), np.array([2.0, 1.5, 1.0])).table())
             rate    loss  smoothed
           0.0010  2.0000    2.0000
           0.0100  1.5000    1.7368
           0.1000  1.0000    1.4649
        """
        chosen = np.unique(np.linspace(0, len(self.rates) - 1, max(2, min(rows, len(self.rates)))).round().astype(int))
        lines = [f"{'rate':>9}{'loss':>8}{'smoothed':>10}"]
        lines += [f"{_short(self.rates[i]):>9}{self.losses[i]:>8.4f}{self.smoothed[i]:>10.4f}" for i in chosen]
        return "\n".join(lines)

    def __repr__(self) -> str:
        found = "none" if self.suggestion is None else f"{self.suggestion:.2g}"
        ended = ", diverged" if self.diverged else ""
        return f"RateCurve({len(self.rates)} rates up to {self.rates[-1]:.2g}, suggestion {found}{ended})"


def _short(rate: float) -> str:
    return f"{rate:.4f}" if rate >= 1e-3 else f"{rate:.2e}"


def smoothed(losses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``s_i = (1 - b) sum_j b^(i-j) l_j / (1 - b^(i+1))`` with ``b = 0.9``."""
    result, mean = np.empty(len(losses)), 0.0
    for i, loss in enumerate(losses):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        result[i] = mean / (1 - SMOOTHING ** (i + 1))
    return result


def steepest(rates: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]) -> float | None:
    """The rate in the middle of the updates over which the losses fall fastest; None if they never fall.

    A straight line is fitted by least squares to the losses, over the logarithm of the rate, of each ``n`` updates in a
    row before the minimum of the smoothed loss; ``n`` is a fifth of the updates, and at least 4.
    """
    width = max(FEWEST, len(losses) // 5)
    end = int(np.argmin(smoothed(losses))) + 1 if len(losses) else 0
    if end < width:
        return None
    logs = np.log(rates)
    slopes = []
    for first in range(end - width + 1):
        x = logs[first : first + width]
        slopes.append(float((x - x.mean()) @ losses[first : first + width]))
    best = int(np.argmin(slopes))
    return float(np.exp(logs[best : best + width].mean())) if slopes[best] < 0 else None


@dataclass(eq=False)
class _Ramp(Schedule):
    """Factors from 1 to ``ratio`` at equal distances of their logarithms."""

    ratio: float = 1.0
    steps: int = 2
    by: str = field(default="step", kw_only=True)
    state_names: ClassVar[tuple[str, ...]] = ()

    def factor(self, position: int, total: int | None) -> float:
        return float(self.ratio ** (position / (self.steps - 1)))


class _Recorder(Callback):
    """Keeps the loss of each update, and ends the run after the last one, or when the loss has risen too far."""

    def __init__(self, steps: int, accumulate: int) -> None:
        self.steps, self.accumulate = steps, accumulate
        self.losses: list[float] = []
        self.part: list[float] = []
        self.diverged = False

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        self.part.append(trainer.batch_loss)
        if len(self.part) == self.accumulate:
            self.finish()

    def on_epoch_end(self, trainer: TrainingRun, record: Any) -> None:
        if self.part:
            self.finish()

    def finish(self) -> None:
        self.losses.append(float(np.mean(self.part)))
        self.part.clear()
        curve = smoothed(np.array(self.losses))
        self.diverged = len(curve) >= FEWEST and curve[-1] > DIVERGED * curve.min() > 0
        if self.diverged or len(self.losses) == self.steps:
            raise KeyboardInterrupt  # ends a run in the middle of an epoch


class _Trial(Trainer):
    """A Trainer whose weights nobody keeps."""

    kept: ClassVar[bool] = False


@explained
def find_rate(
    model: Any,
    inputs: Any,
    targets: Any = None,
    config: TrainingConfig | None = None,
    *,
    lengths: Any = None,
    mask: Any = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    warm_start: bool = False,
    **settings: Any,
) -> RateCurve:
    """Train a copy for a few updates, each with a higher learning rate, and return the losses and a suggestion.

    The rates are ``low (high/low)^(i/(steps-1))`` for ``i = 0, …, steps-1``. The test ends early when the smoothed loss
    is 4 times its minimum, or a number is not finite. Model, weights, optimizer and random generators stay as they are.

    Parameters
    ----------
    model : Model or Graph
        Copied with its weights.
    inputs, targets, lengths, mask
        As in :meth:`Trainer.fit <graphnet.training.trainer.Trainer.fit>`; all examples are used, as often as needed. A
        Stream must be one that can be read again.
    config : TrainingConfig, optional
        The settings; None: those of the model. The schedule, metrics, callbacks, validation and checkpoints have no
        part in the test.
    low, high : float, above 0
        ``low`` is less than ``high``.
    steps : int, at least 2
        The most updates.
    warm_start : bool
        Whether the copy begins with the present weights; otherwise they are drawn, as by ``fit``.
    **settings
        Replace those of the configuration.

    Raises
    ------
    ConfigError
        If an argument is out of range, or the optimizer has no learning rate.
    ShapeError, DtypeError, DataError
        As ``Trainer.fit``.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> from graphnet.losses import MeanSquaredError
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> g = Builder("line")
    >>> graph = g.build(FullyConnected(3, 1)(g.input("x", "batch, feature=3")))
    >>> curve = find_rate(graph, x, x.sum(1, keepdims=True), loss=MeanSquaredError(), batch_size=16)
    >>> 0.001 < curve.suggestion < 1
    True
    """
    where = "find_rate"
    low, high = number(where, "low", low, 0.0, above=True), number(where, "high", high, 0.0, above=True)
    steps, warm_start = integer(where, "steps", steps, 2), flag(where, "warm_start", warm_start)
    if low >= high:
        raise ConfigError("low is not less than high", where=where, received=f"{low:g} and {high:g}", key_path=("low",))
    chosen = require_config(getattr(model, "config", None) if config is None else config, where).changed(**settings)
    recorder = _Recorder(steps, chosen.accumulate)
    trainer = _Trial(
        copy.deepcopy(getattr(model, "graph", model)), _for_test(chosen, low, high, steps), callbacks=[recorder]
    )
    diverged = False
    try:
        trainer.fit(inputs, targets, lengths=lengths, mask=mask, warm_start=warm_start, verbose=0)
    except NonFiniteError:
        diverged = True
        if not recorder.losses:
            raise
    losses = np.array(recorder.losses)
    rates = low * (high / low) ** (np.arange(len(losses)) / (steps - 1))
    return RateCurve(rates, losses, diverged or recorder.diverged)


def _for_test(config: TrainingConfig, low: float, high: float, steps: int) -> TrainingConfig:
    """The settings of the test: nothing that the caller has too, and nothing that the test does not need."""
    optimizer = copied(config.optimizer)
    if getattr(optimizer, "learning_rate", None) is None:
        raise ConfigError(
            "the optimizer has no learning rate",
            where="find_rate",
            expected="an optimizer with the attribute learning_rate",
            received=repr(optimizer),
        )
    optimizer.learning_rate = low
    return config.changed(
        optimizer=optimizer,
        schedule=_Ramp(high / low, steps),
        decay=None,
        decay_epochs=None,
        loss=copy.deepcopy(config.loss),
        regularizer=copy.deepcopy(config.regularizer),
        metrics=(),
        callbacks=(),
        validation=0.0,
        average=None,
        patience=None,
        on_nan="stop",
        save_bad_batch=None,
        epochs=steps,
    )
