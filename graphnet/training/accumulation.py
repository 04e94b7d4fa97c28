"""Gradients of several batches, added up for one update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import NonFiniteError
from graphnet.core.run.runner import Runner


class Accumulation:
    """Adds up gradients; their mean over the batches becomes the gradient of one update.

    Parameters
    ----------
    runner : Runner
    every : int
        The batches of an update.

    Attributes
    ----------
    batches : int
        Those that have been added since the last update.
    """

    def __init__(self, runner: Runner, every: int) -> None:
        self.runner, self.every = runner, every
        self.batches = 0
        self._sums: dict[str, Array] = {}

    def add(self) -> bool:
        """Add the gradients of a batch; return whether an update is due.

        Raises
        ------
        NonFiniteError
            If a gradient is not finite; then none is added.
        """
        gradients = {p: q.gradient for p, q in self.runner.parameters.items() if q.gradient is not None}
        for path, gradient in gradients.items():
            if not np.isfinite(gradient).all():
                error = NonFiniteError("a gradient is not finite", where=path, expected="finite numbers",
                                       remedy="Lower the learning rate, or clip the gradients.")  # fmt: skip
                error.kind, error.subject = "gradient", path
                raise error
        for path, gradient in gradients.items():
            if path in self._sums:
                self._sums[path] += gradient
            else:
                self._sums[path] = gradient.copy()
        self.batches += 1
        return self.batches >= self.every

    def finish(self) -> None:
        """Make the mean the gradient of each weight array, and begin again."""
        parameters = self.runner.parameters
        for path, total in self._sums.items():
            parameters[path].gradient = total / total.dtype.type(self.batches)
        self.batches, self._sums = 0, {}

    def state(self) -> dict[str, Any]:
        """The sums and the number of batches; not copied."""
        return {"batches": self.batches, "sums": self._sums}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self.batches, self._sums = state["batches"], dict(state["sums"])
