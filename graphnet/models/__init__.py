"""Models: a graph with its weights and training, networks as lists of layers, and runs from model files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphnet.core.attributes import missing_from

if TYPE_CHECKING:
    from graphnet.models.loading import load
    from graphnet.models.model import Model
    from graphnet.models.network import NeuralNetwork
    from graphnet.models.sequential import Sequential

__all__ = ["Model", "NeuralNetwork", "Sequential", "load"]

#: The module of each public name; imported when the name is first used.
_MODULES = {
    "Model": "graphnet.models.model",
    "NeuralNetwork": "graphnet.models.network",
    "Sequential": "graphnet.models.sequential",
    "load": "graphnet.models.loading",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    return missing_from(__name__)(name)
