"""The state of a layer that a ``forward`` changes."""

from __future__ import annotations

from typing import Any


class LayerPassSnapshot:
    """The attributes of a layer, its weights and buffers, and the last pass of its runner.

    To be restored or, if it is not needed, released: the pass holds the memory of its arrays.
    """

    def __init__(self, layer: Any, runner: Any) -> None:
        self._layer, self._attributes = layer, dict(vars(layer))
        self._params, self._buffers = layer.store.params, layer.store.buffers
        self._pass = None if runner is None else runner.snapshot()

    def restore(self) -> None:
        """Set everything to what it was."""
        vars(self._layer).clear()
        vars(self._layer).update(self._attributes)
        self._layer.store.replace_params(self._params)
        self._layer.store.replace_buffers(self._buffers)
        if self._pass is not None:
            self._pass.restore()

    def release(self) -> None:
        """Keep the changes."""
        if self._pass is not None:
            self._pass.release()
