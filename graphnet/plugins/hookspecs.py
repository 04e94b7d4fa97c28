"""The whole extension contract: one function and one sentence a hook.

A plugin is a module that an entry point of the group ``graphnet`` names; it implements any of these with ``@hookimpl``.
``register(object, name=None)`` takes the object and, where that is not the object's own, the name under which files and
people know it.

The contract has a version, ``API``. Hooks are only ever added to it, and arguments only to their ends, so a plugin
that was
written for an older version goes on working; one that says, by ``GRAPHNET_PLUGIN_API = n`` in its module, that it
needs a newer one is told so before any of its hooks is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pluggy

PROJECT = "graphnet"
#: The version of this contract. 1: layers to data sets; 2: callbacks, backends, exporters, commands and cases.
API = 2
#: The name, in a plugin's module, of the version that it needs.
NEEDED = "GRAPHNET_PLUGIN_API"

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


@hookspec
def graphnet_register_callbacks(register: Register) -> None:
    """Register callback classes: subclasses of ``graphnet.training.Callback``, which model files may name."""


@hookspec
def graphnet_register_backends(register: Register) -> None:
    """Register backend classes: with ``bind(plan, shapes, setting, wanted)``; see ``graphnet.core.run.backends``."""


@hookspec
def graphnet_register_exporters(register: Register) -> None:
    """Register functions that take a ``graphnet.Model`` and return a file as text or bytes, for ``graphnet export``."""


@hookspec
def graphnet_register_commands(register: Register) -> None:
    """Register ``click.Command`` objects: further commands of ``graphnet``."""


@hookspec
def graphnet_register_cases(register: Register) -> None:
    """Register functions that take nothing and return a list of ``graphnet.testing.Case``, for ``graphnet check``."""


#: What each hook registers, by hook name.
KINDS = {
    "graphnet_register_layers": "layers",
    "graphnet_register_optimizers": "optimizers",
    "graphnet_register_regularizers": "regularizers",
    "graphnet_register_initializers": "initializers",
    "graphnet_register_losses": "losses",
    "graphnet_register_metrics": "metrics",
    "graphnet_register_datasets": "datasets",
    "graphnet_register_callbacks": "callbacks",
    "graphnet_register_backends": "backends",
    "graphnet_register_exporters": "exporters",
    "graphnet_register_commands": "commands",
    "graphnet_register_cases": "cases",
}
#: The version of the contract that brought each kind.
SINCE = {kind: 1 if number < 7 else 2 for number, kind in enumerate(KINDS.values())}
