"""A layer that computes an expression: a coefficient of a linear recurrence, or what is made of its read-outs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.compile.recurrences.expressions import Expression
from graphnet.core.describe.layer import Layer

#: One operation: its name, the places of its arguments among the values before it (a number stands for itself), and
#: what else it needs.
Operation = tuple[str, tuple[Any, ...], Any]


def _sum_to(error: Any, shape: tuple[int, ...]) -> Any:
    """An error summed over the axes along which its value was repeated."""
    if error.shape == shape:
        return error
    axes = tuple(i for i, (n, m) in enumerate(zip(error.shape, shape, strict=True)) if m == 1 and n != 1)
    return error.sum(axis=axes, keepdims=True) if axes else error


def _view(x: Any, attr: Any) -> Any:
    permutation, shape = attr
    if permutation != tuple(range(len(permutation))):
        x = x.transpose(permutation)
    return x.reshape((x.shape[0], *shape))


def _unview(error: Any, attr: Any, before: tuple[int, ...]) -> Any:
    permutation, _ = attr
    if permutation == tuple(range(len(permutation))):
        return error.reshape(before)
    inverse = tuple(permutation.index(i) for i in range(len(permutation)))
    return error.reshape(tuple(before[i] for i in permutation)).transpose(inverse)


#: What each operation computes.
FORWARD: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sqrt": np.sqrt,
    "square": np.square,
    "reciprocal": lambda a: 1.0 / a,
    "sin": np.sin,
    "cos": np.cos,
    "log1p": np.log1p,
    "expm1": np.expm1,
}
#: The errors of its arguments, from these, its value and the error of the value. Where two values are equal, the first
#: gets the error, as of the layers Maximum and Minimum.
BACKWARD: dict[str, Any] = {
    "add": lambda a, b, y, e: (e, e),
    "subtract": lambda a, b, y, e: (e, -e),
    "multiply": lambda a, b, y, e: (e * b, e * a),
    "divide": lambda a, b, y, e: (e / b, -(e / b) * y),
    "negative": lambda a, y, e: (-e,),
    "maximum": lambda a, b, y, e: (np.where(a >= b, e, 0.0), np.where(a >= b, 0.0, e)),
    "minimum": lambda a, b, y, e: (np.where(a <= b, e, 0.0), np.where(a <= b, 0.0, e)),
    "exp": lambda a, y, e: (e * y,),
    "log": lambda a, y, e: (e / a,),
    "tanh": lambda a, y, e: (e * (1 - y * y),),
    "sqrt": lambda a, y, e: (e / (2 * y),),
    "square": lambda a, y, e: (2 * a * e,),
    "reciprocal": lambda a, y, e: (-(e * y) * y,),
    "sin": lambda a, y, e: (e * np.cos(a),),
    "cos": lambda a, y, e: (-(e * np.sin(a)),),
    "log1p": lambda a, y, e: (e / (1 + a),),
    "expm1": lambda a, y, e: (e * (y + 1),),
}


class Derived(Layer):
    """The value of an expression.

    Parameters
    ----------
    operations : tuple of Operation
        In order; the last one is the result. Places count the inputs first.
    inputs : int
        The number of inputs, which have equal numbers of axes where they meet.
    """

    operations: tuple[Any, ...] = ()
    inputs: int = 1

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        values = list(inputs)
        for name, args, attr in self.operations:
            if name == "view":
                values.append(_view(values[args[0]], attr))
            elif name == "sum":
                values.append(values[args[0]].sum(axis=attr, keepdims=True))
            else:
                values.append(FORWARD[name](*(values[a] if isinstance(a, int) else a for a in args)))
        return values[-1], values

    def pull(self, values: Any, error: Any) -> Any:
        errors: list[Any] = [None] * (len(values) - 1) + [error]
        for place in range(len(values) - 1, self.inputs - 1, -1):
            own, (name, args, attr) = errors[place], self.operations[place - self.inputs]
            if own is None:
                continue
            for a, e in zip(args, self._pulled(name, args, attr, values, place, own), strict=True):
                if isinstance(a, int):
                    e = _sum_to(e, values[a].shape)
                    errors[a] = e if errors[a] is None else errors[a] + e
        return tuple(errors[: self.inputs])

    @staticmethod
    def _pulled(name: str, args: Any, attr: Any, values: Any, place: int, own: Any) -> tuple[Any, ...]:
        if name == "view":
            return (_unview(own, attr, values[args[0]].shape),)
        if name == "sum":
            return (own + np.zeros_like(values[args[0]]),)
        operands = [values[a] if isinstance(a, int) else a for a in args]
        return BACKWARD[name](*operands, values[place], own)  # type: ignore[no-any-return]


def derived(e: Expression) -> tuple[Derived, tuple[int, ...]]:
    """The layer that computes an expression, and the slots that are its inputs."""
    slots = tuple(sorted(e.reads))
    places: dict[Any, int] = {}
    operations: list[Operation] = []

    def place(value: Expression) -> Any:
        if value.op == "number":
            return value.attr
        if value.op == "slot":
            return slots.index(value.attr)
        if value not in places:
            args = tuple(place(a) for a in value.args)
            operations.append((value.op, args, value.attr))
            places[value] = len(slots) + len(operations) - 1
        return places[value]

    place(e)
    return Derived(tuple(operations), len(slots)), slots
