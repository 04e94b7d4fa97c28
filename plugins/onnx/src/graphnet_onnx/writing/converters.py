"""Converters: how a layer is written where recording its rule is not enough, or an operator says it better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from graphnet.core.describe.layer import Layer
from graphnet.core.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., Any])

#: The name of the method by which a layer converts itself.
METHOD = "export_onnx"

_CONVERTERS: dict[type, Callable[..., Any]] = {}


def converter(*kinds: type) -> Callable[[Function], Function]:
    """Declare how layers of these classes are written.

    The function is called as ``function(layer, *inputs, **arrays)`` and returns the output, a tuple for several. Inputs
    and arrays are :class:`~graphnet_onnx.TracedArray`; by keyword-only parameters it asks for what ``apply`` may ask
    for: weights, buffers and constants by name, ``lengths`` (or None), ``shapes`` and ``phase``. It may compute with
    numpy, as a rule does, and add operators of ONNX by ``x.op("Relu", shape=x.shape)``.

    A layer class of one's own can have a method ``export_onnx(self, *inputs, **arrays)`` instead, which needs no import
    of this package. A converter does not apply to a subclass that has its own ``apply``.

    Raises
    ------
    ConfigError
        If one of the classes is not a subclass of ``graphnet.Layer``.

    Examples
    --------
    >>> from graphnet import Layer
    >>> class Swish(Layer):
    ...     '''x · sigmoid(x).'''
    ...     def apply(self, x):
    ...         raise NotImplementedError
    >>> @converter(Swish)
    ... def swish(layer, x):
    ...     return x * x.op("Sigmoid", shape=x.shape)
    """
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise ConfigError("not a layer", where="converter", expected="subclasses of Layer", received=repr(kind))

    def declare(function: Function) -> Function:
        _CONVERTERS.update(dict.fromkeys(kinds, function))
        return function

    return declare


def converter_of(layer: Layer) -> Callable[..., Any] | None:
    """The function that writes a layer, to be called with it; None: record its ``apply``."""
    kind = type(layer)
    own = getattr(kind, METHOD, None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    for base in kind.__mro__:
        if base in _CONVERTERS:
            return _CONVERTERS[base] if kind.apply is base.apply else None  # type: ignore[attr-defined]
    return None
