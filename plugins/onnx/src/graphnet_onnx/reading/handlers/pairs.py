"""Elementwise operations of two values: of the graph, numbers, and arrays of the file."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Add, Affine, Divide, Layer, Maximum, Minimum, Multiply, Power, ScalarPower, Subtract
from graphnet_onnx.layers import AxisSize
from graphnet_onnx.reading import broadcasting, layout
from graphnet_onnx.reading.dims import Dim
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import as_term, spread
from graphnet_onnx.reading.values import Filled, Known, Sizes, Term, new_atom

#: The layers of operators of two values.
PAIRS: dict[str, type[Layer]] = {
    "Add": Add, "Sub": Subtract, "Mul": Multiply, "Div": Divide, "Pow": Power, "Max": Maximum, "Min": Minimum,
    "Sum": Add,
}  # fmt: skip


def pair(scope: Scope, node: NodeView, op: str, a: Any, b: Any) -> Term:
    """An elementwise operation of two values, at least one of which is a Term."""
    a, b = (_simple(scope, node, value) for value in (a, b))
    if isinstance(a, Term) and isinstance(b, Term):
        return terms(scope, node, PAIRS[op](), a, b)
    term, known, first = (a, b, False) if isinstance(a, Term) else (b, a, True)
    if not isinstance(term, Term) or not isinstance(known, Known):
        raise scope.refused(node, "its inputs are not numbers")
    array = known.array
    if array.size == 1 and not (known.parameter and array.ndim) and np.isfinite(array).all():
        layers = with_number(op, float(array.reshape(-1)[0]), first)
        if layers is not None:
            term = _ranked(term, array.ndim)
            for layer in layers:
                term = term.at(scope.apply(layer, term.value, name=node.name if layer is layers[-1] else ""))
            return term
    return with_array(scope, node, op, term, known, first)


def _simple(scope: Scope, node: NodeView, value: Any) -> Any:
    """A filled array as numbers that broadcast, unless it is repeated along an axis that the other value lacks."""
    if isinstance(value, Filled) and value.array.dtype == object and value.array.size == 1:
        return as_number(scope, node, Sizes(value.array))
    if isinstance(value, Filled):
        others = [other for other in node.inputs if isinstance(other, Term)]
        for other in others:
            dims = (*[1] * (len(value.dims) - len(other.dims)), *other.dims)[-len(value.dims) :]
            if all(m in (1, n) for m, n in zip(value.dims, dims, strict=True)):
                return Known(value.array)
        return as_term(scope, value)
    return as_number(scope, node, value) if isinstance(value, Sizes) else value


def as_number(scope: Scope, node: NodeView, value: Sizes) -> Known | Term:
    """The size of an axis as a value of the graph.

    Raises
    ------
    UnsupportedError
        If it is not the size of an axis of an input.
    """
    size = value.array.reshape(-1)[0] if value.array.size == 1 else None
    known = scope.conversion.value(size) if size is not None else None
    if known is not None:
        return Known(np.full(value.array.shape, known, np.float32))
    found = scope.conversion.located.get(size.symbols[0]) if isinstance(size, Dim) and len(size.symbols) == 1 else None
    if found is None or scope.capture is not None:
        raise scope.refused(node, "a size of an axis is used as a number", "the size of an axis of an input")
    term, atom = found
    axis = next(i for i, atoms in enumerate(term.axes) if atom in atoms)
    count = scope.apply(AxisSize(axis), term.value)
    assert isinstance(size, Dim)
    if size.factor != 1:
        count = scope.apply(Affine(float(size.factor)), count)
    one = new_atom()
    groups = tuple(() for _ in value.array.shape)
    return Term(count, ((term.batch,), (one,)), groups, {term.batch: term.sizes[term.batch], one: 1})


def _ranked(term: Term, rank: int) -> Term:
    """With at least ``rank`` ONNX axes."""
    return layout.unsqueezed(term, range(rank - len(term.groups))) if rank > len(term.groups) else term


def with_number(op: str, number: float, first: bool) -> tuple[Layer, ...] | None:
    """The layers for an operation with one number, which is the first operand or the second."""
    if op in ("Add", "Sum"):
        return (Affine(1.0, number),)
    if op == "Mul":
        return (Affine(number),)
    if op == "Sub":
        return (Affine(-1.0, number),) if first else (Affine(1.0, -number),)
    if op == "Div":
        if first:
            return (ScalarPower(-1), Affine(number))
        return (Affine(1.0 / number),) if number != 0 and math.isfinite(1.0 / number) and _exact(number) else None
    if op == "Pow" and not first:
        return (ScalarPower(int(number) if number == int(number) else number),)
    return None


def _exact(number: float) -> bool:
    """Whether a product with the reciprocal is as exact as a division: the number is a power of two."""
    return abs(math.frexp(number)[0]) == 0.5


def with_array(scope: Scope, node: NodeView, op: str, term: Term, known: Known, first: bool) -> Term:
    """An operation with an array that is the same for each row."""
    array = known.array
    term = _ranked(term, array.ndim)
    inner = broadcasting.array_for(term, array)
    if inner is None and term.rows == 2:
        term = layout.demoted(term, scope.move)
        inner = broadcasting.array_for(term, array)
    if inner is None:
        term, _ = layout.canonical(term, scope.move)
        array = array.reshape((1,) * (len(term.groups) - array.ndim) + array.shape)
        rows = [i for i in range(len(term.groups)) if term.is_rows(i)]
        if any(array.shape[i] != 1 for i in rows):
            raise layout.mixed_rows("a constant differs from row to row")
        inner = array.reshape([n for i, n in enumerate(array.shape) if i not in rows])
        sizes = dict(term.sizes)
        groups = list(term.groups)
        axes = list(term.axes[: term.rows])
        for i, n in enumerate(array.shape):
            if i not in rows:
                if n != 1 and term.size(groups[i]) == 1:
                    groups[i] = (new_atom(),)
                    sizes[groups[i][0]] = int(n)
                axes.append(groups[i])
        result = replace(term, groups=tuple(groups), sizes=sizes, axes=tuple(axes))
    else:
        result = term
    other = spread(scope, inner, term.value, parameter=known.parameter, name=_array_name(known))
    values = (other, term.value) if first else (term.value, other)
    return result.at(scope.apply(PAIRS[op](), *values, name=node.name))


def _array_name(known: Known) -> str:
    return known.name if known.parameter else ""


def terms(scope: Scope, node: NodeView, layer: Layer, a: Term, b: Term) -> Term:
    """An operation of two values."""
    a, b, result = broadcasting.aligned(a, b, scope.move)
    dtype = np.result_type(a.dtype, b.dtype) if a.dtype.kind == b.dtype.kind else a.dtype
    return result.at(scope.apply(layer, a.value, b.value, name=node.name), dtype=dtype)
