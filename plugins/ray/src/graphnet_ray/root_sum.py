"""The sums of rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet import WorkerError

if TYPE_CHECKING:
    from graphnet_ray.member import Member


class RootSum:
    """A sum that has begun, on rank 0.

    Parameters
    ----------
    finish : callable
        Finishes this sum, and those that began before it.
    number : int
    buffer : array
        The contribution of rank 0.
    everywhere : bool
    calls : dict of Member to object reference
        The contributions of the other ranks, in their order.
    """

    def __init__(
        self, finish: Any, number: int, buffer: np.ndarray[Any, Any], everywhere: bool, calls: dict[Member, Any]
    ) -> None:
        self._finish = finish
        self.number, self.buffer, self.everywhere, self.calls = number, buffer, everywhere, calls
        self.total: np.ndarray[Any, Any] | None = None
        self.void = False

    def result(self) -> np.ndarray[Any, Any]:
        """As :meth:`Pending.result`."""
        if self.total is None and not self.void:
            self._finish(self)
        if self.total is None:
            raise WorkerError("a sum of an earlier generation of the group", remedy="Begin it again after regroup().")
        return self.total

    def add(self, parts: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Add the contributions in the order of ranks."""
        total = np.array(self.buffer)
        for part in parts:
            np.add(total, part, out=total)
        self.total = total
        return total

    def mismatch(self, part: Any) -> str:
        """What is wrong with a contribution; empty if nothing is."""
        expected, received = _kind(self.buffer), _kind(part)
        return "" if expected == received else f"it gave {received} to a sum of {expected}"


def _kind(array: Any) -> str:
    return f"{array.shape} of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
