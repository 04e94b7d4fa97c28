"""Settings of single weight arrays: frozen layers, groups with settings of their own, weights without decay."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from graphnet.core.describe import optimizer_step
from graphnet.core.describe.parameter import Weight
from graphnet.core.errors import ConfigError
from graphnet.optimizers import AdamW
from graphnet.training.config import TrainingConfig

#: Settings of an array in the form of a key: equal for arrays that may share an optimizer.
Settings = tuple[tuple[str, Any], ...]


def frozen_layers(config: TrainingConfig, paths: Iterable[str]) -> frozenset[str]:
    """The paths of the layers that ``config.frozen`` names, by themselves or by a layer that they are in.

    Raises
    ------
    ConfigError
        If a pattern matches no layer with weights.
    """
    paths = list(paths)
    found: set[str] = set()
    for pattern in config.frozen:
        matching = [path for path in paths if fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")]
        _require(matching, pattern, paths, "frozen")
        found.update(matching)
    return frozenset(found)


def settings_of(config: TrainingConfig, path: str, spec: Weight) -> Settings:
    """The settings of one weight array, ``layer path/name``, that differ from those of the run."""
    settings: dict[str, Any] = {}
    if not config.decay_biases and spec.kind != "weights":
        settings["regularize"] = False
        if isinstance(config.optimizer, AdamW):
            settings["weight_decay"] = 0.0
    for pattern, given in config.parameter_groups.items():
        if fnmatchcase(path, pattern):
            settings.update(given)
    return tuple(sorted(settings.items()))


def check_patterns(config: TrainingConfig, paths: Iterable[str]) -> None:
    """Raise a ConfigError if a pattern of ``config.parameter_groups`` matches no weight array."""
    paths = list(paths)
    for pattern in config.parameter_groups:
        _require([path for path in paths if fnmatchcase(path, pattern)], pattern, paths, "parameter_groups")


def _require(matching: list[str], pattern: str, paths: list[str], field: str) -> None:
    if not matching:
        shown = ", ".join(paths[:8]) + (", …" if len(paths) > 8 else "")
        raise ConfigError(
            f"the pattern {pattern!r} matches nothing",
            where=f"TrainingConfig.{field}",
            expected=f"some of {shown}",
            received=repr(pattern),
            remedy="* stands for any text: 'encoder/*' for all that is inside the node encoder.",
            key_path=(field,),
        )


def optimizer_with(optimizer: Any, settings: Settings) -> Any:
    """A copy of an optimizer with other settings."""
    changed = {name: value for name, value in settings if name != "regularize"}
    copy = optimizer_step.copied(optimizer)
    for name, value in changed.items():
        setattr(copy, name, value)
    return copy


def undecayed_rows(config: TrainingConfig, spec: Weight) -> int:
    """The rows at the end of a weight array that are a bias and that no decay changes."""
    return 0 if config.decay_biases or spec.kind != "weights" else spec.bias_rows
