"""Exponential moving averages of the weights (Polyak & Juditsky 1992, SIAM J. Control Optim. 30)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner


class Averages:
    """``a <- d a + (1 - d) w`` after each update; the first one sets ``a <- w``. Buffers are not averaged.

    Parameters
    ----------
    runner : Runner
    decay : float in [0, 1) or None
        ``d``; None: no averages.
    """

    def __init__(self, runner: Runner, decay: float | None) -> None:
        self.runner, self.decay = runner, decay
        self._values: dict[str, Array] = {}

    def update(self) -> None:
        """Add the present weights."""
        if self.decay is None:
            return
        for path, parameter in self.runner.parameters.items():
            average = self._values.get(path)
            if average is None:
                self._values[path] = parameter.value.copy()
            else:
                average += (parameter.value - average) * average.dtype.type(1.0 - self.decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the layers have the averages of the weights, as copies."""
        if not self._values:
            yield
            return
        parameters = self.runner.parameters
        present = {path: parameter.value for path, parameter in parameters.items()}
        try:
            for path, average in self._values.items():
                parameters[path].value = average.copy()
            yield
        finally:
            for path, value in present.items():
                parameters[path].value = value

    def state(self) -> dict[str, Any]:
        """The averages by path; not copied."""
        return dict(self._values)

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self._values = dict(state)
