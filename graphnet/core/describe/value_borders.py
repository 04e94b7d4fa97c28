"""What a value of a graph cannot do, each with an error that says what to write instead.

A value stands for an array that does not exist yet, so nothing that reads numbers can work on it: comparisons,
conversions, attributes of arrays, and numpy's functions that no layer computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

from graphnet.core.describe.operators import EXPRESSIONS, FUNCTIONS, METHODS, maker_of
from graphnet.core.errors import GraphError

#: What to do instead, by the operation that was tried.
REMEDIES = {
    "@": "Use dense(value, units), or a layer with weights.",
    "matmul": "Use dense(value, units), or a layer with weights.",
    "dot": "Use dense(value, units), or a layer with weights.",
    "concatenate": "Use concatenate(a, b) of graphnet.",
    "stack": "Use concatenate(a[:, None], b[:, None], axis=1) of graphnet.",
    "einsum": "Use outer_product(a, b), np.matvec, np.vecmat, @, or a product and a sum over an axis.",
    "outer": "Use outer_product(a, b) of graphnet.",
    "tensordot": "Use @, np.matvec or np.vecmat of the matrices and vectors in each row.",
    "reshape": "Use reshape(value, shape) of graphnet, with the shape of each row.",
    "transpose": "Use np.swapaxes(value, -2, -1).",
    "T": "Use np.swapaxes(value, -2, -1).",
    "mT": "Use np.swapaxes(value, -2, -1).",
    "squeeze": "Use value.sum(axis) over an axis of size 1.",
    "norm": "Use np.sqrt((value**2).sum(axis=-1, keepdims=True)), or unit_normalization(value).",
    "split": "Use split(value, parts) of graphnet.",
    "setitem": "Values never change: compute a new one, or write a layer.",
    "delitem": "Values never change: compute a new one, or write a layer.",
    "format": "A value has numbers only when the graph runs: format the outputs of the run.",
    "len": "The sizes of a value are known only when the graph runs.",
    "shape": "The sizes of a value are known only when the graph runs; read them in the rules of a layer.",
}
#: What values do.
EXPECTED = (
    "layers; +, -, *, /, **, @ and abs; slices of features and new axes; sums over axes; "
    "numpy's ufuncs that have a layer, such as np.exp"
)
LAYER = "Apply a layer that computes it, or write one (docs/plugins.md) whose rule calls numpy."


class OperationError(GraphError, TypeError):
    """An operation on arrays was applied to a value of a graph."""


class ValueAttributeError(GraphError, AttributeError):
    """A value of a graph has no attributes of arrays."""


class UnsupportedOperations:
    """Base of values: everything that arrays do and values do not raises a GraphError."""

    __slots__ = ()

    def _refuse(self, what: str, operation: str, received: object = None) -> OperationError:
        return OperationError(
            f"{what} cannot be applied to a value of a graph",
            where=str(self),
            expected=EXPECTED,
            received=received,
            remedy=REMEDIES.get(operation, LAYER),
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options:
            values = [each for each in inputs if isinstance(each, UnsupportedOperations)]
            name = ufunc.__name__
            if name in METHODS:
                return _operated(METHODS[name], *inputs)
            if name in EXPRESSIONS:
                return EXPRESSIONS[name](*inputs)
            if maker_of(name) is not None:
                return values[0].operate(name, *inputs)
        called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        given = f" with {', '.join(f'{option}=' for option in options)}" if options else ""
        raise self._refuse(f"numpy.{called}{given}", ufunc.__name__)

    def operate(self, function: str, *operands: Any) -> Any:
        """Add the node of a function."""
        raise NotImplementedError

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        apply = FUNCTIONS.get(function.__name__)
        if apply is not None and arguments and isinstance(arguments[0], UnsupportedOperations):
            try:
                inspect.signature(apply).bind(*arguments, **options)
            except TypeError:
                raise self._refuse(f"numpy.{function.__name__} with these arguments", function.__name__,
                                   ", ".join(options) or None) from None  # fmt: skip
            return apply(*arguments, **options)
        raise self._refuse(f"numpy.{function.__name__}", function.__name__)

    def __array__(self, *arguments: Any, **options: Any) -> NoReturn:
        raise self._refuse("conversion to an array", "array")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise ValueAttributeError(
            f"a value of a graph has no attribute {name!r}",
            where=type(self).__name__,
            expected=EXPECTED,
            received=f".{name}",
            remedy=REMEDIES.get(name, LAYER),
        )

    def __bool__(self) -> NoReturn:
        raise GraphError(
            "a value of a graph has no truth value", where=str(self), remedy="Branch on configuration, not on values."
        )

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise self._refuse("assignment to a part", "setitem")

    def __delitem__(self, key: Any) -> NoReturn:
        raise self._refuse("deletion of a part", "delitem")

    def __format__(self, form: str) -> str:
        if form:
            raise self._refuse(f"the format {form!r}", "format")
        return str(self)

    def __len__(self) -> NoReturn:
        raise self._refuse("len()", "len")


def _operation(symbol: str) -> Callable[..., NoReturn]:
    def refuse(self: UnsupportedOperations, *others: Any) -> NoReturn:
        raise self._refuse(f"the operator {symbol}", symbol, ", ".join(type(other).__name__ for other in others))

    return refuse


def _conversion(name: str) -> Callable[..., NoReturn]:
    def refuse(self: UnsupportedOperations) -> NoReturn:
        raise self._refuse(f"{name}()", name)

    return refuse


for _symbol, _names in {
    "@": ("matmul", "rmatmul"),
    "//": ("floordiv", "rfloordiv"),
    "%": ("mod", "rmod"),
    "<": ("lt",),
    "<=": ("le",),
    ">": ("gt",),
    ">=": ("ge",),
    "&": ("and", "rand"),
    "|": ("or", "ror"),
    "^": ("xor", "rxor"),
    "~": ("invert",),
    "<<": ("lshift", "rlshift"),
    ">>": ("rshift", "rrshift"),
    "divmod": ("divmod", "rdivmod"),
}.items():
    for _name in _names:
        setattr(UnsupportedOperations, f"__{_name}__", _operation(_symbol))
for _name in ("float", "int", "complex", "index", "round"):
    setattr(UnsupportedOperations, f"__{_name}__", _conversion(_name))


def _operated(name: str, *operands: Any) -> Any:
    """An operator by the name of its method, where one operand is a value."""
    if isinstance(operands[0], UnsupportedOperations):
        return getattr(type(operands[0]), name)(*operands)
    return getattr(type(operands[1]), name.replace("__", "__r", 1))(operands[1], operands[0])
