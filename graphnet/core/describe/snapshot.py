"""Snapshots of layers: their weights, gradients, optimizers' states and buffers at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.describe.optimizer_step import optimizer_state, put_optimizer_state
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.protocols import WeightOwner
from graphnet.core.describe.weights import owners
from graphnet.core.errors import StateError


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSnapshot:
    """One parameter with copies of its value and gradient, and the state of its optimizer."""

    parameter: Parameter
    value: Array
    gradient: Array | None
    optimizer: Any
    optimizer_state: dict[str, Any] | None

    @classmethod
    def take(cls, parameter: Parameter) -> ParameterSnapshot:
        """Copy a parameter's arrays."""
        gradient = None if parameter.gradient is None else np.array(parameter.gradient)
        optimizer = parameter.optimizer
        return cls(parameter, np.array(parameter.value), gradient, optimizer, optimizer_state(optimizer))

    def restore(self) -> None:
        """Put copies of the arrays back, and the optimizer's state."""
        self.parameter.value = np.array(self.value)
        self.parameter.gradient = None if self.gradient is None else np.array(self.gradient)
        self.parameter.optimizer = self.optimizer
        put_optimizer_state(self.optimizer, self.optimizer_state)


@dataclass(frozen=True, slots=True, eq=False)
class OwnerSnapshot:
    """The parameters and buffers of one primitive layer."""

    owner: WeightOwner
    parameters: Mapping[str, ParameterSnapshot]
    buffers: Mapping[str, Array]

    @classmethod
    def take(cls, owner: WeightOwner) -> OwnerSnapshot:
        """Copy a layer's arrays."""
        parameters = {name: ParameterSnapshot.take(parameter) for name, parameter in owner.store.params.items()}
        return cls(owner, parameters, {name: np.array(array) for name, array in owner.store.buffers.items()})

    def restore(self) -> None:
        """Put copies back; arrays that the layer did not have are created again when they are needed."""
        for snapshot in self.parameters.values():
            snapshot.restore()
        self.owner.store.replace_params({name: snapshot.parameter for name, snapshot in self.parameters.items()})
        self.owner.store.replace_buffers({name: np.array(array) for name, array in self.buffers.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What :meth:`Layer.snapshot` returns and :meth:`Layer.restore` takes; valid for this layer only."""

    layer: WeightOwner
    owners: tuple[OwnerSnapshot, ...]

    @classmethod
    def take(cls, layer: WeightOwner) -> Snapshot:
        """Copy the arrays of a layer and of all layers inside it."""
        return cls(layer, tuple(OwnerSnapshot.take(owner) for owner in owners(layer).values()))

    def restore(self, layer: WeightOwner) -> None:
        """Put copies of all arrays back.

        Raises
        ------
        StateError
            If the snapshot is that of another layer.
        """
        if self.layer is not layer:
            raise StateError(
                "a snapshot of another layer",
                where=repr(layer),
                expected="what snapshot() of this layer returned",
                received=f"a snapshot of {self.layer!r}",
                remedy="Use get_weights and set_weights to copy weights from one layer to another.",
            )
        for owner in self.owners:
            owner.restore()
