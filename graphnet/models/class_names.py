"""The class numbers of a data set as the names of its classes, which a run then keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.data.dataset import Dataset, Split
from graphnet.training.config import TrainingConfig
from graphnet.training.totals import losses_by_output


def named(graph: Graph, config: TrainingConfig, data: Dataset) -> tuple[TrainingConfig, Dataset]:
    """The data set with the names of the classes as targets, and the configuration with these classes.

    Both are unchanged if the data set does not name classes, or there is not exactly one loss, which is one of classes.
    A negative class number is a target without a label: the empty text.
    """
    losses = losses_by_output(graph, config)
    if not data.classes or len(losses) != 1 or next(iter(losses.values())).task == "numbers":
        return config, data
    parts = {
        name: _named(split, data.classes)
        for name, split in (("train", data.train), ("test", data.test), ("validation", data.validation))
        if split is not None
    }
    classes = config.classes if _covers(config.classes, data.classes) else data.classes
    return config.changed(classes=classes), replace(data, **parts)  # type: ignore[arg-type]


def _covers(known: Any, names: tuple[str, ...]) -> bool:
    """Whether a configuration has these classes, perhaps among others."""
    values = next(iter(known.values()), ()) if isinstance(known, Mapping) else known or ()
    return set(names) <= set(values)


def _named(split: Split, classes: tuple[str, ...]) -> Split:
    targets = split.targets
    if isinstance(targets, list):
        return replace(split, targets=[_names(target, classes) for target in targets])
    return replace(split, targets=_names(targets, classes))


def _names(targets: Any, classes: tuple[str, ...]) -> Any:
    """The names, as an array of objects; numbers that are none of a class are unchanged, and refused later."""
    if targets.dtype.kind not in "iu" or (targets.size and int(targets.max()) >= len(classes)):
        return targets
    return np.array([*classes, ""], object)[np.where(targets < 0, len(classes), targets)]
