"""Classes that belong to one process: defined in a script or a notebook, and registered by a decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from graphnet.core.describe.layer import Layer
from graphnet.core.errors import ConfigError, unknown
from graphnet.initializers import Initializer
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.optimizers import Optimizer
from graphnet.optimizers.schedules import Schedule
from graphnet.plugins.current import manager
from graphnet.plugins.hookspecs import KINDS
from graphnet.plugins.registry import LOCAL, Entry
from graphnet.regularizers import Regularizer

_Class = TypeVar("_Class", bound=type)

#: The kinds of classes that derive from one of these.
BASES: dict[type, str] = {
    Layer: "layers", Optimizer: "optimizers", Loss: "losses", Metric: "metrics", Schedule: "schedules",
    Regularizer: "regularizers", Initializer: "initializers",
}  # fmt: skip
#: The kinds that files refer to, in the order in which the methods of other classes are compared with them.
LOCAL_KINDS = (
    "layers", "callbacks", "optimizers", "losses", "metrics", "regularizers", "schedules", "initializers",
)  # fmt: skip


@overload
def register(thing: _Class, *, name: str | None = None, kind: str | None = None) -> _Class: ...
@overload
def register(thing: None = None, *, name: str | None = None, kind: str | None = None) -> Callable[[_Class], _Class]: ...
def register(thing: Any = None, *, name: str | None = None, kind: str | None = None) -> Any:
    """Decorate a class of a script or a notebook, so that files can refer to it, as ``local/Name``.

    A model that uses such a class can be saved, and loaded by every process that has registered a class of that name: a
    file has no code. A plugin (docs/plugins.md) makes a class available everywhere. If the same name is registered once
    more, as when the cell of a notebook runs again, files refer to the new class; objects of the former one can still
    be saved, with a warning.

    Parameters
    ----------
    thing : class
        A Layer, an optimizer, a loss, a metric, a callback, a regularizer, a schedule or an initializer.
    name : str, optional
        Replaces the name of the class.
    kind : str, optional
        ``'layers'``, ``'losses'``, …, for a class that could be of several kinds; None: the first that it fits.

    Raises
    ------
    ConfigError
        If it is not such a class, or has no valid name.

    Examples
    --------
    >>> import graphnet
    >>> @graphnet.register
    ... class Doubled(graphnet.Layer):
    ...     def apply(self, x):
    ...         return 2 * x, ()
    ...     def pull(self, saved, error):
    ...         return 2 * error
    >>> from graphnet.plugins import manager
    >>> manager().registry.get("layers", "local/Doubled").object is Doubled
    True
    """
    if thing is None:
        return lambda decorated: register(decorated, name=name, kind=kind)
    found = _kind(thing, kind)
    given = thing.__name__ if name is None else name
    if not isinstance(given, str) or not KINDS[found].named(given):
        raise ConfigError(
            "not a valid name", where="graphnet.register", expected="an identifier", received=repr(given)[:80],
            remedy='Pass one: @graphnet.register(name="Mine").',
        )  # fmt: skip
    manager().registry.put_local(Entry(found, given, thing, LOCAL, "of this process"))
    return thing


def _kind(thing: Any, kind: str | None) -> str:
    if kind is not None and kind not in LOCAL_KINDS:
        raise unknown("kind", kind, LOCAL_KINDS, where="graphnet.register", error=ConfigError)
    derived = [known for base, known in BASES.items() if isinstance(thing, type) and issubclass(thing, base)]
    for candidate in [*(derived or LOCAL_KINDS)] if kind is None else [kind]:
        if isinstance(thing, type) and thing not in BASES and KINDS[candidate].check(thing) is None:
            return candidate
    problem = "not a class of this kind" if kind is not None else "not a class that files can refer to"
    expected = KINDS[kind].expected if kind is not None else "a layer, a loss, an optimizer, …"
    raise ConfigError(problem, where="graphnet.register", expected=expected, received=repr(thing)[:100])
