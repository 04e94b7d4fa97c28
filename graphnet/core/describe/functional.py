"""Functions that make a layer and apply it to values of a graph."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.operators import layer_named
from graphnet.core.describe.value import Value
from graphnet.core.errors import ConfigError, GraphError


def functional(
    layer: Callable[..., Layer],
    name: str,
    *,
    inferred: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    activation: bool = False,
) -> Callable[..., Value]:
    """A function that makes a layer and applies it: values are its inputs, all other arguments are its configuration.

    Its keyword ``name`` names the node. If the layer has a field ``dtype`` (or the function that makes it a parameter
    of this name), it gets the builder's dtype unless the call gives another one.

    Parameters
    ----------
    layer : class of Layer, or function that makes one
    name : str
        Of the function: by convention that of the class in snake case.
    inferred : collection of str
        Fields of the layer that are None, and so taken from the first input; the function does not have them as
        positional parameters.
    defaults : mapping of str to object, optional
        Values of fields that a call may leave out, where the layer has no default.
    activation : bool
        Whether the function has the keyword ``activation``: see :func:`activated`.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> dense = functional(FullyConnected, "dense", inferred=["input_size"])
    >>> g = Builder()
    >>> dense(g.input("x"), 7, name="scores")
    Value(scores, in 'model')
    """
    name_, given = name, {**dict.fromkeys(inferred), **(defaults or {})}
    positions = [parameter for parameter in _parameters(layer) if parameter not in inferred] if given else []

    def apply(*arguments: Any, name: str | None = None, **config: Any) -> Value:
        values = [a for a in arguments if isinstance(a, Value)]
        others = [a for a in arguments if not isinstance(a, Value)]
        if not values:
            raise GraphError(
                f"{name_} was called without a value of a graph",
                expected="a value of a Builder or Cell first",
                received=", ".join(type(value).__name__ for value in arguments) or "nothing",
                remedy="To compute with arrays, make the layer and call its forward(array).",
            )
        function = config.pop("activation", None) if activation else None
        if values[0].builder.dtype is not None and takes_dtype(layer):
            config.setdefault("dtype", values[0].builder.dtype)
        if given:
            config = _named(name_, positions, others, config)
            others, config = [], {**given, **config}
        return activated(layer(*others, **config)(*values, name=name), function)

    apply.__name__ = apply.__qualname__ = name
    apply.__module__ = sys._getframe(1).f_globals.get("__name__", __name__)  # where it is found again by pickle
    with suppress(ValueError):  # of a callable without a signature, or with a field of the same name
        apply.__signature__ = _signature(layer, inferred, defaults or {}, activation)  # type: ignore[attr-defined]
    apply.__doc__ = _documentation(layer, name, inferred, activation)
    return apply


def activated(value: Value, activation: Any) -> Value:
    """Apply an activation to a value.

    Parameters
    ----------
    value : Value
    activation : str, Layer, class of Layer, callable or None
        The name of a registered layer in any spelling that files accept (``"relu"``, ``"TanH"``); a layer; or a
        function of values, such as ``np.tanh``. None: the value itself.

    Raises
    ------
    UnknownNameError
        If no layer has this name.
    ConfigError
        If it is none of these, or does not return a value.
    """
    if activation is None:
        return value
    function = layer_named(activation) if isinstance(activation, str) else activation
    if isinstance(function, type) and issubclass(function, Layer):
        function = function()
    result = function(value) if callable(function) else None
    if not isinstance(result, Value):
        raise ConfigError(
            "not an activation",
            where="activation",
            expected="the name of a layer, a layer, or a function of values",
            received=repr(activation)[:80],
            remedy="Write activation='relu', or apply a layer to the result.",
        )
    return result


def _named(function: str, positions: list[str], arguments: list[Any], config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a call by name."""
    twice = [name for name in positions[: len(arguments)] if name in config]
    if len(arguments) > len(positions) or twice:
        raise ConfigError(
            f"{twice[0]} is given twice" if twice else "too many arguments",
            where=function,
            expected=f"{function}(value, {', '.join(positions)})",
            received=", ".join([*(repr(a)[:40] for a in arguments), *config]),
        )
    return {**dict(zip(positions, arguments, strict=False)), **config}


def _parameters(layer: Callable[..., Layer]) -> list[str]:
    """The positional parameters of a layer class, or of a function that makes a layer."""
    parameters = inspect.signature(layer).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _signature(
    layer: Callable[..., Layer], inferred: Collection[str], defaults: Mapping[str, Any], activation: bool
) -> inspect.Signature:
    """The signature of a function, for help: values, the configuration of the layer, ``name``."""
    kind = inspect.Parameter
    fields = [
        p.replace(default=defaults.get(p.name, p.default))
        for p in inspect.signature(layer).parameters.values()
        if p.name not in inferred and p.kind in (kind.POSITIONAL_OR_KEYWORD, kind.KEYWORD_ONLY)
    ]
    more = ["activation", "name"] if activation else ["name"]
    keywords = [p for p in fields if p.kind is kind.KEYWORD_ONLY]
    keywords += [kind(name, kind.KEYWORD_ONLY, default=None) for name in more]
    positional = [p for p in fields if p.kind is not kind.KEYWORD_ONLY]
    return inspect.Signature([kind("x", kind.POSITIONAL_ONLY), *positional, *keywords])


def _documentation(layer: Any, name: str, inferred: Collection[str], activation: bool) -> str:
    """The docstring of a function: the first paragraph of the layer's, and what the arguments are."""
    kind = getattr(layer, "__name__", name)
    parts = [f"Apply a new {kind} layer to values of a graph."]
    if isinstance(layer, type) and layer.__doc__:
        parts.append(inspect.cleandoc(layer.__doc__).partition("\n\n")[0])
    taken = f", without {', '.join(inferred)}, which is taken from the first value" if inferred else ""
    parts.append(f"Values are its inputs; the other arguments are those of {kind}{taken}. ``name=`` names the node.")
    if activation:
        parts.append("``activation=`` is applied to the result: the name of a layer, a layer, or a function of values.")
    return "\n\n".join(parts)


@lru_cache(maxsize=256)
def takes_dtype(layer: Callable[..., Layer]) -> bool:
    """Whether a layer class, or a function that makes a layer, has a parameter named ``dtype``."""
    make = layer.__init__ if isinstance(layer, type) else layer  # type: ignore[misc]
    try:
        return "dtype" in inspect.signature(make).parameters
    except ValueError:  # a callable without a signature
        return False
