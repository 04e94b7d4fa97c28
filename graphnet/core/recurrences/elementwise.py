"""What recurrences of one elementwise state return."""

from __future__ import annotations

from typing import Any

from graphnet.core.recurrences.order import Steps

Array = Any


class ElementwiseStates:
    """The states of a recurrence, elementwise.

    Attributes
    ----------
    final : array (batch, *inner)
        The state after the last step of each row.
    """

    final: Array
    _steps: Steps
    #: The states before and after all steps in the order of processing, (batch, steps + 1, *inner).
    _states: Array

    @property
    def after(self) -> Array:
        """The state after each step, (batch, steps, *inner); it may be a view, and must not be changed."""
        return self._steps.shown(self._states[:, 1:])

    @property
    def before(self) -> Array:
        """The state before each step; a view likewise."""
        return self._steps.shown(self._states[:, :-1])
