"""Which layers compute the operators and numpy's ufuncs on values of a graph, and which layers have which names.

The core knows no layer. The package of the built-in layers fills ``OPERATORS``; a layer of a plugin is found by the
ufunc that its class declares, and a layer by its registered name through the source that is set with
:func:`find_layers_with`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphError

#: Makers of the layers of operators and ufuncs, by the name of the ufunc; and of those below.
OPERATORS: dict[str, Callable[..., Layer]] = {}
#: The keys of layers that have no ufunc: a constant array.
CONSTANT = "constant"
#: Ufuncs that operators of values compute, by the method.
METHODS = {
    "add": "__add__",
    "subtract": "__sub__",
    "multiply": "__mul__",
    "divide": "__truediv__",
    "power": "__pow__",
    "float_power": "__pow__",
    "matmul": "__matmul__",
    "negative": "__neg__",
    "positive": "__pos__",
    "absolute": "__abs__",
    "fabs": "__abs__",
}
#: Ufuncs that an expression of operators computes.
EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "square": lambda x: x**2,
    "reciprocal": lambda x: x**-1,
    "exp2": lambda x: 2**x,
    "log2": lambda x: x.operate("log", x) * 1.4426950408889634,
    "log10": lambda x: x.operate("log", x) * 0.4342944819032518,
    "vecdot": lambda a, b: (a * b).sum(-1),
}
#: Functions of numpy, other than ufuncs, that a method of a value computes.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda x, axis=None, *, keepdims=False: x.sum(axis, keepdims),
    "mean": lambda x, axis=None, *, keepdims=False: x.mean(axis, keepdims),
    "expand_dims": lambda x, axis: x.expand_dims(axis),
    "swapaxes": lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    "clip": lambda x, a_min, a_max: _clipped(x, a_min, a_max),
    "matrix_transpose": lambda x: x.swapaxes(-2, -1),
}


def _clipped(x: Any, low: Any, high: Any) -> Any:
    """``np.clip``: the extrema with the limits that are given."""
    x = x if low is None else x.operate("maximum", x, low)
    return x if high is None else x.operate("minimum", x, high)


class LayerSource:
    """Finds layer classes of plugins.

    Attributes
    ----------
    named : callable
        Returns the class with a registered name.
    by_ufunc : callable
        Returns the class that declares a ufunc, or None.
    """

    def __init__(self, named: Callable[[str], type[Layer]], by_ufunc: Callable[[str], type[Layer] | None]) -> None:
        self.named = named
        self.by_ufunc = by_ufunc


_sources: list[Callable[[], LayerSource]] = []


def find_layers_with(source: Callable[[], LayerSource]) -> None:
    """Set what finds layers of plugins; it is called when a layer is first looked for."""
    _sources[:] = [source]


def _source() -> LayerSource:
    if not _sources:
        raise GraphError("layers cannot be found by name", remedy="Import graphnet, not graphnet.core.")
    return _sources[0]()


def layer_named(name: str) -> type[Layer]:
    """The layer class with a registered name, in any spelling that files accept.

    Raises
    ------
    UnknownNameError
        With the closest names.
    """
    return _source().named(name)


def layer_of(function: str) -> Callable[..., Layer]:
    """What makes the layer of an operator or ufunc.

    Raises
    ------
    GraphError
        If no layer computes it.
    """
    maker = maker_of(function)
    if maker is None:
        raise GraphError(f"operator {function!r} is not supported", remedy="Import graphnet, not graphnet.core.")
    return maker


def maker_of(function: str) -> Callable[..., Layer] | None:
    """The same; None if no layer computes it."""
    if function in OPERATORS:
        return OPERATORS[function]
    return _sources[0]().by_ufunc(function) if _sources else None
