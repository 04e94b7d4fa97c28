"""Layers of a network that are not graphnet layers: their phase, under the names they use, and their regularization."""

from __future__ import annotations

from enum import Enum
from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.phase import Phase

#: The values of ``phase`` and ``testing_phase`` of a layer before a change; a name that it does not have is missing.
PhaseAttributes = dict[str, Any]


def phase_attributes(layer: Any) -> PhaseAttributes:
    """What ``set_phase`` may change."""
    if isinstance(layer, Layer):
        return {"phase": layer.phase}
    return {name: getattr(layer, name) for name in ("phase", "testing_phase") if hasattr(layer, name)}


def put_phase_attributes(layer: Any, attributes: PhaseAttributes) -> None:
    """Put back what ``phase_attributes`` returned, and remove what has been added since."""
    for name, value in attributes.items():
        _set(layer, name, value)
    if not isinstance(layer, Layer):
        for name in {"phase", "testing_phase"} - attributes.keys():
            getattr(layer, "__dict__", {}).pop(name, None)


def set_phase(layer: Any, phase: Phase) -> None:
    """Set the phase of a layer; an object that does not accept attributes has none.

    A layer that is not a graphnet layer also gets ``testing_phase``. If its ``phase`` is a member of an enumeration of
    its own, it gets the member of the same name.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(testing_phase=False)
    >>> set_phase(layer, Phase.test)
    >>> layer
    namespace(testing_phase=True, phase=<Phase.test: 'test'>)
    """
    value: Any = phase
    if not isinstance(layer, Layer):
        own = getattr(layer, "phase", None)
        if isinstance(own, Enum) and phase.name in type(own).__members__:
            value = type(own)[phase.name]
    _set(layer, "phase", value)
    if not isinstance(layer, Layer):
        _set(layer, "testing_phase", phase is Phase.test)


def _set(layer: Any, name: str, value: Any) -> None:
    try:
        setattr(layer, name, value)
    except AttributeError:
        return


def regularization_loss(layer: Any) -> float:
    """The norm of the weights by the layer's regularizer; that of a layer without a method for it by its optimizer's.

    0 for a layer without weights, an optimizer or a regularizer.
    """
    if hasattr(layer, "calculate_regularization_loss"):
        return layer.calculate_regularization_loss()  # type: ignore[no-any-return]
    regularizer = getattr(getattr(layer, "optimizer", None), "regularizer", None)
    if regularizer is None or getattr(layer, "weights", None) is None:
        return 0.0
    return regularizer.norm(layer.weights)  # type: ignore[no-any-return]
