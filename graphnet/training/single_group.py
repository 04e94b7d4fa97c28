"""One weight array with its own optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe import optimizer_step
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.optimizers.clipping import clipped
from graphnet.training.flat_group import about
from graphnet.training.group_member import GroupMember, decay_of


class SingleGroup:
    """One weight array with its own optimizer; its methods are those of :class:`FlatGroup`."""

    def __init__(self, members: list[GroupMember], optimizer: Any) -> None:
        self.members, self.optimizer = members, optimizer
        self._gradient: Array = np.zeros(())
        self._proposed: Array = self._gradient

    @property
    def member(self) -> GroupMember:
        """The only member."""
        return self.members[0]

    @property
    def delta(self) -> float:
        """The delta of the member."""
        return self.member.delta

    def split(self, members: list[list[GroupMember]]) -> list[SingleGroup]:
        """The group itself: one array has one delta."""
        return [self]

    def gather(self) -> float:
        """Read the gradient; return its sum of squares."""
        self._gradient = self.member.parameter.known_gradient()
        return float(np.vdot(self._gradient, self._gradient))

    def snapshot(self) -> Any:
        """The state that :meth:`restore` needs to undo :meth:`propose`."""
        return optimizer_step.optimizer_state(self.optimizer)

    def restore(self, snapshot: Any) -> None:
        """Restore the optimizer."""
        optimizer_step.put_optimizer_state(self.optimizer, snapshot)

    def propose(self, norm: float, limit: float | None) -> None:
        """Compute the new weights without assigning them."""
        parameter = self.member.parameter
        # A copy of the parameter carries the run's optimizer and the clipped gradient; the layer keeps its own.
        copy = Parameter(parameter.name, parameter.spec, parameter.value)
        copy.optimizer = self.optimizer
        copy.gradient = self._gradient if limit is None else clipped(self._gradient, norm, limit)
        with about(self.member.path):
            self._proposed = optimizer_step.updated(copy, self.member.delta, self.member.path)
        if self.member.undecayed:
            new, old = (self.member.undecayed_part(value) for value in (self._proposed, parameter.value))
            new += decay_of(self.optimizer, self.member.delta, old)

    def commit(self) -> None:
        """Assign the proposed weights to the parameter."""
        self.member.parameter.value = self._proposed
