"""The extension contract: every hook, with what it registers.

A plugin is a module that an entry point of the group ``graphnet`` names. It implements any of these hooks, marked with
``@hookimpl``. A hook is called with ``register(object, name=None)``, where ``name`` replaces the object's own name, by
which files and users refer to it.

The contract has a version, ``API``. A new version only adds hooks, or arguments after the existing ones, so a plugin
written for an older version keeps working. A plugin that needs a newer version says so with
``GRAPHNET_PLUGIN_API = n`` in its module, and is reported before any of its hooks is called.

``KINDS`` is the table of all this: the function of a hook gives the kind its name and its description, and ``@hook``
the rest. Adding a kind means adding a function here, and a check to ``validation`` if none of those fits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pluggy

from graphnet.plugins import validation
from graphnet.plugins.validation import Check, is_function, is_identifier, methods

PROJECT = "graphnet"
#: The version of this contract. 1: layers to data sets; 2: callbacks, backends, exporters, commands and cases; 3:
#: schedules; 4: executors, communicators.
API = 4
#: The name, in a plugin's module, of the version that it needs.
NEEDED = "GRAPHNET_PLUGIN_API"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """The type of the argument of every hook."""

    def __call__(self, thing: Callable[..., Any], name: str | None = None) -> None: ...


@dataclass(frozen=True)
class Kind:
    """One kind of objects that plugins register.

    Attributes
    ----------
    name, singular : str
        ``losses`` and ``loss``, in messages.
    hook : str
        The hook that registers it.
    since : int
        The first version of the contract that has the hook.
    registers : str
        A sentence about the hook.
    expected : str
        A valid object, in words.
    check : callable
        Says what is wrong with an object; None for a valid one.
    named : callable
        Whether a name is valid for an object of this kind.
    own_name : str
        The attribute of an object that has its name.
    """

    name: str
    singular: str
    hook: str
    since: int
    registers: str
    expected: str
    check: Check
    named: Callable[[str], bool] = is_identifier
    own_name: str = "__name__"


#: Every kind, by name, in the order in which the hooks of a plugin are called.
KINDS: dict[str, Kind] = {}


def hook(
    singular: str, *, since: int, expected: str, check: Check, **naming: Any
) -> Callable[[Callable[[Register], None]], Callable[[Register], None]]:
    """Declare a hook, and enter its kind into ``KINDS``."""

    def declare(function: Callable[[Register], None]) -> Callable[[Register], None]:
        name = function.__name__.removeprefix("graphnet_register_")
        registers = " ".join((inspect.getdoc(function) or "").split())
        KINDS[name] = Kind(name, singular, function.__name__, since, registers, expected, check, **naming)
        marked: Callable[[Register], None] = hookspec(function)
        return marked

    return declare


@hook(
    "layer",
    since=1,
    expected="a subclass of graphnet.Layer with apply (or build, for a Composite)",
    check=validation.layer,
)
def graphnet_register_layers(register: Register) -> None:
    """Register layer classes: subclasses of ``graphnet.Layer``."""


@hook(
    "optimizer",
    since=1,
    expected="a class with calculate_update",
    check=methods("calculate_update"),
)
def graphnet_register_optimizers(register: Register) -> None:
    """Register optimizer classes: with ``calculate_update(individual_delta, weight_tensor, gradient_tensor)``."""


@hook(
    "regularizer",
    since=1,
    expected="a class with calculate and norm",
    check=methods("calculate", "norm"),
)
def graphnet_register_regularizers(register: Register) -> None:
    """Register regularizer classes: with ``calculate(weights)`` and ``norm(weights)``."""


@hook(
    "initializer",
    since=1,
    expected="a class with initialize",
    check=methods("initialize"),
)
def graphnet_register_initializers(register: Register) -> None:
    """Register initializer classes: with ``initialize(weights_shape, fan_in, fan_out)``."""


@hook(
    "loss",
    since=1,
    expected="a class with value and error",
    check=methods("value", "error"),
)
def graphnet_register_losses(register: Register) -> None:
    """Register loss classes: subclasses of ``graphnet.losses.Loss``."""


@hook(
    "metric",
    since=1,
    expected="a class with update and result",
    check=methods("update", "result"),
)
def graphnet_register_metrics(register: Register) -> None:
    """Register metric classes: subclasses of ``graphnet.metrics.Metric``."""


@hook(
    "data set",
    since=1,
    expected="a function",
    check=is_function,
)
def graphnet_register_datasets(register: Register) -> None:
    """Register functions without arguments that return a ``graphnet.datasets.Dataset``."""


@hook(
    "callback",
    since=2,
    expected="a subclass of graphnet.callbacks.Callback",
    check=methods("on_start", "on_batch_end", "on_epoch_end", "on_end"),
)
def graphnet_register_callbacks(register: Register) -> None:
    """Register callback classes: subclasses of ``graphnet.callbacks.Callback``, which model files may name."""


@hook(
    "backend",
    since=2,
    expected="a class with bind",
    check=methods("bind"),
)
def graphnet_register_backends(register: Register) -> None:
    """Register backend classes: with ``bind(plan, shapes, options, wanted)``; see ``graphnet.core.run.backends``.

    One with a positive ``priority`` runs where none is named, if it is in the entry-point group ``graphnet.backends``.
    """


@hook(
    "exporter",
    since=2,
    expected="a function",
    check=is_function,
)
def graphnet_register_exporters(register: Register) -> None:
    """Register functions that take a ``graphnet.Model`` and return a file as text or bytes, for ``graphnet export``.

    Keyword-only parameters are its options. An attribute ``endings`` of the function, such as ``(".dot",)``, names the
    files that it writes.
    """


@hook(
    "command",
    since=2,
    expected="a click.Command with a name that is not a command of graphnet",
    check=validation.command,
    named=validation.is_command_name,
    own_name="name",
)
def graphnet_register_commands(register: Register) -> None:
    """Register ``click.Command`` objects: further commands of ``graphnet``."""


@hook(
    "case",
    since=2,
    expected="a function",
    check=is_function,
)
def graphnet_register_cases(register: Register) -> None:
    """Register functions without arguments that return a list of ``graphnet.testing.Case``, for ``graphnet check``."""


@hook(
    "schedule",
    since=3,
    expected="a class with factor",
    check=methods("factor"),
)
def graphnet_register_schedules(register: Register) -> None:
    """Register schedule classes of the learning rate: subclasses of ``graphnet.schedules.Schedule``."""


@hook(
    "executor",
    since=4,
    expected="a class with submit, wait, stop and close",
    check=methods("submit", "wait", "stop", "close"),
)
def graphnet_register_executors(register: Register) -> None:
    """Register classes that train the runs of a sweep somewhere else: with the methods of
    ``graphnet.sweeps.executor.Executor``, for ``graphnet sweep --on NAME``.

    A class is called with the number of runs at a time and the threads of each, or None; ``--address`` is a keyword.
    """


@hook(
    "communicator",
    since=4,
    expected="a subclass of graphnet.distributed.Communicator",
    check=methods("launch", "broadcast", "begin_sum", "barrier", "health", "regroup", "close"),
    own_name="name",
)
def graphnet_register_communicators(register: Register) -> None:
    """Register communicator classes: subclasses of ``graphnet.distributed.Communicator``, by their ``name``."""
