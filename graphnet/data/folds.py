"""Folds: the training split of a data set, divided into equal parts, each of which is held out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.checks import integer
from graphnet.core.errors import ConfigError, DataError
from graphnet.data.dataset import Dataset, Split
from graphnet.data.settings import record_of


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One part of the training split that takes the place of the test split; the others are trained on.

    Parameters
    ----------
    fold : int
        The part, 0 to ``folds`` - 1.
    folds : int, at least 2
    fold_seed : int, at least 0
        The parts are drawn by ``numpy.random.default_rng(fold_seed)``. With class numbers as targets, ``(n,)``, all
        parts have the same share of each class, up to one example.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> Fold(fold=0, folds=3).numbers(6)
    array([1, 2, 1, 0, 0, 2])
    """

    fold: int
    folds: int
    fold_seed: int = 0

    def __post_init__(self) -> None:
        integer("Fold", "folds", self.folds, 2)
        if integer("Fold", "fold", self.fold, 0) >= self.folds:
            raise ConfigError("there is no such fold", where="Fold", expected=f"0 to {self.folds - 1}",
                              received=self.fold, key_path=("fold",))  # fmt: skip
        integer("Fold", "fold_seed", self.fold_seed, 0)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Fold | None:
        """The fold of a mapping of settings; None for an empty one.

        Raises
        ------
        ConfigError
            If a key is missing, or a value is out of range.
        """
        if not values:
            return None
        missing = [name for name in ("fold", "folds") if name not in values]
        if missing:
            received = ", ".join(values)
            raise ConfigError(f"{missing[0]} is missing", where=where, expected="fold and folds", received=received)
        return record_of(cls, values, "setting of a fold", where)

    def numbers(self, count: int, labels: Array | None = None) -> Array:
        """The part of each of ``count`` examples; with ``labels``, parts have equal shares of each.

        Raises
        ------
        DataError
            If there are fewer examples than parts.
        """
        if count < self.folds:
            raise DataError("a fold would have no example", expected=f"at least {self.folds} examples", received=count)
        generator = np.random.default_rng(self.fold_seed)
        parts = np.zeros(count, int)
        same = [np.arange(count)] if labels is None else [np.flatnonzero(labels == each) for each in np.unique(labels)]
        for members in same:
            parts[generator.permutation(members)] = np.arange(len(members)) % self.folds
        if len(np.unique(parts)) < self.folds:  # every class has fewer examples than there are parts
            return self.numbers(count)
        return parts

    def of_dataset(self, data: Dataset) -> Dataset:
        """The data set with this part of its training split as the test split; its own test split is left out.

        Raises
        ------
        DataError
            If there are fewer examples than parts.
        """
        targets = data.train.targets
        classes = isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu"
        held_out = self.numbers(len(data.train), np.asarray(targets) if classes else None) == self.fold
        return replace(data, train=_subset(data.train, ~held_out), test=_subset(data.train, held_out))


def _subset(split: Split, chosen: Array) -> Split:
    return Split({name: _rows(values, chosen) for name, values in split.inputs.items()}, _rows(split.targets, chosen))


def _rows(values: Any, chosen: Array) -> Any:
    return [values[i] for i in np.flatnonzero(chosen)] if isinstance(values, list) else values[chosen]
