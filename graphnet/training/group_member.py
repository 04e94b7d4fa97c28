"""One weight array of a graph, as the optimizers of a training run see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array, Parameter
from graphnet.optimizers import AdamW


@dataclass(frozen=True)
class GroupMember:
    """One weight array of a graph, and the delta that applies to it.

    Attributes
    ----------
    path : str
        ``layer path/name``.
    parameter : Parameter
    delta : float
    layer_path : str
    settings : tuple of (str, value)
        Those of the optimizer that differ from the settings of the run.
    undecayed : int
        Rows at the end that are a bias and that no decay changes.
    """

    path: str
    parameter: Parameter
    delta: float
    layer_path: str = ""
    settings: tuple[tuple[str, Any], ...] = ()
    undecayed: int = 0

    def decayed(self, value: Array) -> Array:
        """The part of the weights to which a decay applies."""
        return value[: len(value) - self.undecayed] if self.undecayed else value

    def undecayed_part(self, value: Array) -> Array:
        """The rest of the weights."""
        return value[len(value) - self.undecayed :]


def decay_of(optimizer: Any, delta: float, weights: Array) -> Array:
    """What decoupled weight decay and a regularizer subtract from weights in one step, besides the step itself."""
    rate = delta * optimizer.learning_rate
    taken = np.zeros_like(weights)
    if isinstance(optimizer, AdamW):
        taken += rate * optimizer.weight_decay * weights
    regularizer = getattr(optimizer, "regularizer", None)
    if regularizer is not None:
        taken += rate * np.asarray(regularizer.calculate(weights))
    return taken
