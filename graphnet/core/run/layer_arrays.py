"""The arrays of a graph's layers as passes read and change them: weights, buffers, gradients."""

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
    """The arrays of the layers of a graph. Layers without arrays are skipped in each pass.

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
        return any(p.optimizer is not None for _, layer in self._holders for p in layer._parameters.values())

    def create(self, plan: Plan, shapes: Shapes) -> None:
        """Create the weights and buffers that the steps of a plan, and of its cells, need.

        Raises
        ------
        ShapeError
            If a layer has weights for inputs of another size.
        """
        self._create(plan, shapes)
        self._holders = [(path, layer) for path, layer in self.layers.items() if layer._parameters or layer._buffers]

    def _create(self, plan: Plan, shapes: Shapes) -> None:
        for step in plan.steps:
            if not isinstance(step, Call):
                self._create(step.cell, shapes.cells[step.path])
                continue
            layer = self.layers[step.layer]
            inputs: list[Any] = [None if i is None else shapes.slots[i] for i in step.inputs]
            try:
                weights.create(layer, layer.parameters(*inputs), layer.buffers(*inputs))
            except ShapeError as error:
                raise error.at(step.path) from None

    def read(self, dtype: str) -> dict[str, dict[str, Array]]:
        """Each layer's arrays in the dtype of a pass; new dictionaries, so that a pass may replace buffers in them."""
        wanted = np.dtype(dtype)
        arrays: dict[str, dict[str, Array]] = {}
        for path, layer in self._holders:
            own = arrays[path] = {}
            for name, parameter in layer._parameters.items():
                value = parameter.value
                own[name] = value if value.dtype is wanted else value.astype(wanted, copy=False)
            for name, value in layer._buffers.items():
                own[name] = value if value.dtype is wanted else value.astype(wanted, copy=False)
        return arrays

    def store_buffers(self, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        """Store the buffers that a pass has replaced."""
        for path, layer in self._holders:
            for name, old in layer._buffers.items():
                layer._buffers[name] = arrays[path][name].astype(old.dtype, copy=False)

    def set_gradients(self, gradients: Mapping[str, Mapping[str, Array]]) -> None:
        """Set the gradients of the parameters after a pass; zeros where no error arrived."""
        for path, layer in self._holders:
            own = gradients.get(path, {})
            for name, parameter in layer._parameters.items():
                gradient, dtype = own.get(name), parameter.value.dtype
                if gradient is None:
                    parameter.gradient = np.zeros_like(parameter.value)
                else:
                    parameter.gradient = gradient if gradient.dtype is dtype else gradient.astype(dtype, copy=False)
