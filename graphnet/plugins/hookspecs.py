"""The whole extension contract: one function and one sentence a hook.

A plugin is a module that an entry point of the group ``graphnet`` names; it implements any of these with ``@hookimpl``.
``register(object, name=None)`` takes the object and, where that is not the object's own, the name under which files and
people know it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pluggy

PROJECT = "graphnet"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """What a hook is given to register objects with."""

    def __call__(self, thing: Callable[..., Any], name: str | None = None) -> None: ...


@hookspec
def graphnet_register_layers(register: Register) -> None:
    """Register layer classes: subclasses of ``graphnet.Layer``."""


@hookspec
def graphnet_register_optimizers(register: Register) -> None:
    """Register optimizer classes: with ``calculate_update(individual_delta, weight_tensor, gradient_tensor)``."""


@hookspec
def graphnet_register_regularizers(register: Register) -> None:
    """Register regularizer classes: with ``calculate(weights)`` and ``norm(weights)``."""


@hookspec
def graphnet_register_initializers(register: Register) -> None:
    """Register initializer classes: with ``initialize(weights_shape, fan_in, fan_out)``."""


@hookspec
def graphnet_register_losses(register: Register) -> None:
    """Register loss classes: subclasses of ``graphnet.losses.Loss``."""


@hookspec
def graphnet_register_metrics(register: Register) -> None:
    """Register metric classes: subclasses of ``graphnet.metrics.Metric``."""


@hookspec
def graphnet_register_datasets(register: Register) -> None:
    """Register functions that take nothing and return a ``graphnet.datasets.Dataset``."""


#: What each hook registers, by hook name.
KINDS = {
    "graphnet_register_layers": "layers",
    "graphnet_register_optimizers": "optimizers",
    "graphnet_register_regularizers": "regularizers",
    "graphnet_register_initializers": "initializers",
    "graphnet_register_losses": "losses",
    "graphnet_register_metrics": "metrics",
    "graphnet_register_datasets": "datasets",
}
