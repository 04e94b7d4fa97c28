"""The plugin that registers graphnet's own objects, through the same hooks as any other plugin.

It imports most of graphnet, and nothing imports it: the manager loads it by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet import initializers, layers, losses, metrics, optimizers, regularizers
from graphnet.core.describe.layer import Layer
from graphnet.core.run import backends
from graphnet.data import datasets
from graphnet.inspect import exporters
from graphnet.models import callbacks
from graphnet.optimizers import schedules
from graphnet.plugins.hookspecs import Register, hookimpl
from graphnet.training.distributed.threads import ThreadCommunicator

if TYPE_CHECKING:
    from graphnet.testing.case import Case


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register every layer of ``graphnet.layers``."""
    for name in layers.__all__:
        thing = getattr(layers, name)
        if issubclass(thing, Layer):
            register(thing)


@hookimpl
def graphnet_register_optimizers(register: Register) -> None:
    """Register every optimizer of ``graphnet.optimizers``."""
    _all(register, optimizers, optimizers.Optimizer)


@hookimpl
def graphnet_register_regularizers(register: Register) -> None:
    """Register every regularizer of ``graphnet.regularizers``."""
    _all(register, regularizers, regularizers.Regularizer)


@hookimpl
def graphnet_register_initializers(register: Register) -> None:
    """Register every initializer of ``graphnet.initializers``."""
    _all(register, initializers, initializers.Initializer)


@hookimpl
def graphnet_register_losses(register: Register) -> None:
    """Register every loss of ``graphnet.losses``."""
    _all(register, losses, losses.Loss)


@hookimpl
def graphnet_register_metrics(register: Register) -> None:
    """Register every metric of ``graphnet.metrics``."""
    _all(register, metrics, metrics.Metric)


@hookimpl
def graphnet_register_schedules(register: Register) -> None:
    """Register every schedule of ``graphnet.schedules``."""
    _all(register, schedules, schedules.Schedule)


@hookimpl
def graphnet_register_datasets(register: Register) -> None:
    """Register every data set of ``graphnet.datasets``."""
    for name, loader in datasets.builtin.LOADERS.items():
        register(loader, name)


@hookimpl
def graphnet_register_callbacks(register: Register) -> None:
    """Register every callback of ``graphnet.callbacks``."""
    _all(register, callbacks, callbacks.Callback)


@hookimpl
def graphnet_register_backends(register: Register) -> None:
    """Register the built-in backends."""
    for name, backend in backends.BUILT_IN.items():
        register(backend, name)


@hookimpl
def graphnet_register_exporters(register: Register) -> None:
    """Register every exporter of ``graphnet.inspect.exporters``."""
    for name in exporters.__all__:
        register(getattr(exporters, name))


@hookimpl
def graphnet_register_communicators(register: Register) -> None:
    """Register the group of threads."""
    register(ThreadCommunicator)


@hookimpl
def graphnet_register_commands(register: Register) -> None:
    """Register nothing: the command line finds graphnet's own commands without loading plugins."""


@hookimpl
def graphnet_register_executors(register: Register) -> None:
    """Register nothing: a sweep without ``--on`` trains in processes of this machine, without loading plugins."""


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the cases of graphnet's own layers."""
    register(layer_cases)


def layer_cases() -> list[Case]:
    """Return the cases of graphnet's own layers; they are imported here, because they are rarely needed."""
    from graphnet.testing.builtin_cases import CASES

    return CASES


def _all(register: Register, module: object, base: type) -> None:
    """Register the subclasses of ``base`` that a module exports."""
    for name in module.__all__:  # type: ignore[attr-defined]
        thing = getattr(module, name)
        if isinstance(thing, type) and issubclass(thing, base) and thing is not base:
            register(thing)
