"""The attributes of an optimizer before a step, so that a failed step can be undone."""

from __future__ import annotations

from typing import Any


class OptimizerSnapshot:
    """Holds the attributes of an optimizer; its arrays are not copied, because steps replace them."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        attributes = vars(optimizer) if hasattr(optimizer, "__dict__") else None
        self._attributes = None if attributes is None else {name: _shallow(v) for name, v in attributes.items()}

    def restore(self) -> None:
        """Set the attributes to what they were."""
        if self._attributes is not None:
            vars(self.optimizer).clear()
            vars(self.optimizer).update(self._attributes)


def _shallow(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value
