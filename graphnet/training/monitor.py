"""The figure of an epoch that a callback follows: which one, and whether higher is better."""

from __future__ import annotations

import math
from typing import Any

from graphnet.core.errors import ConfigError, did_you_mean
from graphnet.training.history import EpochRecord

#: The names of other libraries for the figures of held-out examples.
PREFIXES = ("val_", "valid_")


def checked_mode(where: str, mode: Any) -> Any:
    """Return the argument ``mode`` of a callback.

    Raises
    ------
    ConfigError
        If it is not None, 'min' or 'max'.
    """
    if mode not in (None, "min", "max"):
        raise ConfigError("unknown mode", where=where, expected="'min', 'max' or None", received=repr(mode),
                          key_path=("mode",))  # fmt: skip
    return mode


def checked_name(where: str, monitor: Any) -> Any:
    """Return the argument ``monitor`` of a callback; whether there is such a figure is known when a run starts.

    Raises
    ------
    ConfigError
        If it is not None or text.
    """
    if monitor is not None and (not isinstance(monitor, str) or not monitor.strip()):
        raise ConfigError("not the name of a figure", where=where, expected="text, such as 'validation_loss', or None",
                          received=repr(monitor), key_path=("monitor",))  # fmt: skip
    return monitor


class Monitor:
    """Reads one figure of the records of a run, and compares two values of it.

    Parameters
    ----------
    where : str
        The callback, for errors.
    run : TrainingRun
        Its ``figures`` are the names to choose from.
    name : str or None
        None: the figure that selects the best epoch.
    mode : {'min', 'max'} or None
        Which values are better; None: 'max' for a metric with ``higher_is_better``, else 'min'.

    Raises
    ------
    ConfigError
        If the run does not have the figure.
    """

    def __init__(self, where: str, run: Any, name: str | None, mode: str | None) -> None:
        figures: dict[str, bool] = run.figures
        if name is not None and name not in figures:
            raise _unknown(where, name, list(figures))
        self.name = run.selecting if name is None else name
        self.maximize = figures[self.name] if mode is None else mode == "max"

    def value(self, record: EpochRecord) -> float:
        """The figure of an epoch, with the other sign if higher is better: lower is better always."""
        validation = self.name.startswith("validation_")
        name = self.name.removeprefix("validation_") if validation else self.name
        metrics = record.validation_metrics if validation else record.metrics
        loss = record.validation_loss if validation else record.loss
        value = loss if name == "loss" else metrics.get(name)
        if value is None:
            return math.inf
        return -value if self.maximize else float(value)


def _unknown(where: str, name: str, figures: list[str]) -> ConfigError:
    held_out = name.startswith(("validation_", *PREFIXES)) and "validation_loss" not in figures
    other = next((f"validation_{name.removeprefix(prefix)}" for prefix in PREFIXES if name.startswith(prefix)), name)
    remedy = did_you_mean(other, figures) or None
    if other in figures:
        remedy = f"Write {other!r}."
    elif held_out:
        remedy = "Hold examples out: validation=0.2, or validation_data=..."
    return ConfigError(
        f"the run has no figure {name!r}",
        where=where,
        expected=", ".join(figures),
        received=repr(name),
        remedy=remedy,
        key_path=("monitor",),
    )
