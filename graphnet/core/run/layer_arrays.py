"""The arrays of a graph's layers, as passes read and change them: weights, running statistics, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError


class LayerArrays:
    """The layers of a graph that have arrays; the others need not be looked at in each pass.

    Parameters
    ----------
    layers : mapping of node path to Layer
        The primitive layers of the graph.
    """

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self.layers = layers
        self._holders: list[tuple[str, Layer]] = []

    @property
    def trained(self) -> bool:
        """Whether any weight array has an optimizer."""
        return any(p.optimizer is not None for _, layer in self._holders for p in layer.params.values())

    def create(self, plan: Plan, shapes: Shapes) -> None:
        """Make the weights and buffers that the steps of a plan, and of its cells, need.

        Raises
        ------
        ShapeError
            If a layer has weights for inputs of another size; with the node's path.
        """
        self._create(plan, shapes)
        self._holders = [(path, layer) for path, layer in self.layers.items() if layer.params or layer.buffer_values]

    def _create(self, plan: Plan, shapes: Shapes) -> None:
        for step in plan.steps:
            if not isinstance(step, Call):
                self._create(step.cell, shapes.cells[step.path])
                continue
            layer = self.layers[step.layer]
            given: list[Any] = [None if i is None else shapes.slots[i] for i in step.inputs]
            try:
                weights.create(layer, layer.parameters(*given), layer.buffers(*given))
            except ShapeError as error:
                raise error.at(step.path) from None

    def arrays(self, dtype: str) -> dict[str, dict[str, Array]]:
        """Each layer's arrays in the dtype of a pass; new dictionaries, so that a pass may replace buffers in them."""
        wanted = np.dtype(dtype)
        found: dict[str, dict[str, Array]] = {}
        for path, layer in self._holders:
            own = found[path] = {n: p.value for n, p in layer.params.items()}
            if layer.buffer_values:
                own |= layer.buffer_values
            for name, array in own.items():
                if array.dtype is not wanted:
                    own[name] = array.astype(wanted, copy=False)
        return found

    def store_buffers(self, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        """Keep the buffers that a pass has replaced."""
        for path, layer in self._holders:
            if not layer.buffer_values:
                continue
            updated = arrays[path]
            layer.store.replace_buffers(
                {name: updated[name].astype(old.dtype, copy=False) for name, old in layer.buffer_values.items()}
            )

    def collect(self, gradients: Mapping[str, Mapping[str, Array]]) -> None:
        """Hand the gradients of a pass to the parameters; zeros where no error arrived."""
        for path, layer in self._holders:
            found = gradients.get(path, {})
            for name, parameter in layer.params.items():
                gradient = found.get(name)
                if gradient is None:
                    parameter.gradient = np.zeros_like(parameter.value)
                    continue
                dtype = parameter.value.dtype
                parameter.gradient = gradient if gradient.dtype is dtype else gradient.astype(dtype, copy=False)
