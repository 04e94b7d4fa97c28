"""The arrays of a graph's layers as passes read and change them: weights, buffers, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.store import Store
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
        #: Those that have arrays: path, store, and the numbers of weights and buffers that passes need.
        self._stores: list[tuple[str, Store, int, int]] = []
        #: Constant arrays by dtype, path and name.
        self._constants: dict[str, dict[str, dict[str, Array]]] = {}

    @property
    def trained(self) -> bool:
        """Whether any weight array has an optimizer."""
        return any(p.optimizer is not None for _, store, _, _ in self._stores for p in store.params.values())

    def create(self, plan: Plan, shapes: Shapes) -> None:
        """Create the weights and buffers that the steps of a plan, and of its cells, need.

        Raises
        ------
        ShapeError
            If a layer has weights for inputs of another size.
        """
        self._create(plan, shapes)
        stores = []
        for path, layer in self.layers.items():
            store = layer.store
            if store.params or store.buffers:
                stores.append((path, store, len(store.params), len(store.buffers)))
        self._stores = stores  # replaced as a whole: another thread may be reading the present list

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

    def read(self, dtype: str) -> dict[str, dict[str, Array]] | None:
        """Each layer's arrays in the dtype of a pass; new dictionaries, so that a pass may replace buffers in them.

        None if arrays are missing, because an earlier snapshot of a layer was restored; ``create`` creates them again.
        """
        wanted = np.dtype(dtype)
        arrays: dict[str, dict[str, Array]] = {}
        for path, store, params, buffers in self._stores:
            if len(store.params) < params or len(store.buffers) < buffers:
                return None
            own = arrays[path] = {}
            for name, parameter in store.params.items():
                value = parameter.value
                own[name] = value if value.dtype is wanted else value.astype(wanted, copy=False)
            if store.buffers:
                for name, value in store.buffers.items():
                    own[name] = value if value.dtype is wanted else value.astype(wanted, copy=False)
        for path, constants in self.constants(dtype).items():
            arrays[path] = {**arrays.get(path, {}), **constants}
        return arrays

    def constants(self, dtype: str) -> dict[str, dict[str, Array]]:
        """Each layer's constant arrays in a dtype; converted once."""
        found = self._constants.get(dtype)
        if found is None:
            declaring = {path: layer for path, layer in self.layers.items() if layer.declares_constants}
            found = self._constants[dtype] = {
                path: {name: np.asarray(array, dtype) for name, array in layer.constants().items()}
                for path, layer in declaring.items()
            }
        return found

    def watched(self, arrays: Mapping[str, dict[str, Array]]) -> WatchedArrays | None:
        """What :meth:`read` returned, to be kept up to date for further passes; None if it has converted any array."""
        watched = []
        for path, store, _, _ in self._stores:
            own, params, buffers = arrays[path], store.params, store.buffers
            for name, parameter in params.items():
                if own[name] is not parameter.value:
                    return None
            for name, value in buffers.items():
                if own[name] is not value:
                    return None
            watched.append((path, store, params, buffers, own))
        return WatchedArrays(watched)

    def store_buffers(self, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        """Store the buffers that a pass has replaced."""
        for path, store, _, _ in self._stores:
            if store.buffers:
                own = arrays[path]
                store.replace_buffers({n: own[n].astype(old.dtype, copy=False) for n, old in store.buffers.items()})

    def set_gradients(self, gradients: Mapping[str, Mapping[str, Array]]) -> None:
        """Set the gradients of the parameters after a pass; zeros where no error arrived."""
        for path, store, _, _ in self._stores:
            own = gradients.get(path, {})
            for name, parameter in store.params.items():
                gradient, dtype = own.get(name), parameter.value.dtype
                if gradient is None:
                    parameter.gradient = np.zeros_like(parameter.value)
                else:
                    parameter.gradient = gradient if gradient.dtype is dtype else gradient.astype(dtype, copy=False)


class WatchedArrays:
    """The arrays that a pass has read, and where they came from.

    Parameters
    ----------
    layers : list
        Of each layer with arrays: its path, the store, its mappings of parameters and buffers, and the dictionary of
        the pass.
    """

    __slots__ = ("_named", "_stores")

    def __init__(self, layers: list[tuple[str, Store, Mapping[str, Parameter], Mapping[str, Array], Any]]) -> None:
        self._stores = [(store, params, buffers) for _, store, params, buffers, _ in layers]
        self._named = [(p, own, name, path) for path, _, params, _, own in layers for name, p in params.items()]

    def update(self) -> bool | None:
        """Put the present weights into the dictionaries of the pass, before it is repeated.

        Returns whether any was replaced; None if a layer has other parameters or buffers than before, or an array of
        another dtype or shape, so that the arrays must be read as for a first pass.
        """
        for store, params, buffers in self._stores:
            if store.params is not params or store.buffers is not buffers:
                return None
        replaced = False
        for parameter, own, name, _ in self._named:
            value, before = parameter.value, own[name]
            if value is not before:
                if type(value) is not np.ndarray or value.dtype != before.dtype or value.shape != before.shape:
                    return None
                own[name] = value
                replaced = True
        return replaced

    def same_parameters(self) -> bool:
        """Whether the layers still have the parameters that they had."""
        for store, params, _ in self._stores:  # noqa: SIM110  # a generator costs every pass more
            if store.params is not params:
                return False
        return True

    def parameters(self) -> dict[tuple[str, str], Parameter]:
        """The parameters by the path of their layer and their name."""
        return {(path, name): parameter for parameter, _, name, path in self._named}
