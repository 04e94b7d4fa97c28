"""Reading, replacing and restoring the buffers of layers, so that passes can be repeated from the same state."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.protocols import WeightOwner

Arrays = dict[str, np.ndarray]


def has_buffers(layer: Layer) -> bool:
    """Return whether the layer's class declares buffers."""
    return layer.declares_buffers


def current(layer: Layer) -> Arrays:
    """Return the buffers of a layer by name; the mapping is new, the arrays are not copied."""
    return dict(layer.buffer_values)


def replace(layer: Layer, arrays: Arrays) -> None:
    """Replace the buffers of a layer by copies of some arrays."""
    layer.store.replace_buffers({name: np.array(array) for name, array in arrays.items()})


def transform(layers: Iterable[Layer], function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Apply a function to every buffer of some layers."""
    for layer in layers:
        layer.store.replace_buffers({name: function(array) for name, array in layer.buffer_values.items()})


class BufferSnapshot:
    """The buffers of some layers at one point in time. Rules must not modify buffers in place, so nothing is copied."""

    def __init__(self, layers: Iterable[Layer | WeightOwner]) -> None:
        self._entries = [(layer.store, layer.store.buffers) for layer in layers]

    def restore(self) -> None:
        """Set the buffers to what they were."""
        for store, arrays in self._entries:
            store.replace_buffers(arrays)
