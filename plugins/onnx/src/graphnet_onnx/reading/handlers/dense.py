"""Matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Affine, FullyConnected
from graphnet.layers import MatrixProduct
from graphnet_onnx.reading import broadcasting, layout
from graphnet_onnx.reading.handlers.pairs import pair
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Known, Term, new_atom


def floats(array: np.ndarray) -> np.ndarray:
    """Weights in a dtype that graphnet has."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def weight_name(known: Any, node: NodeView) -> str:
    """A name for a layer: that of its weights, if they are called ``name.weight``; else that of the node."""
    name: str = known.name if isinstance(known, Known) else ""
    for ending in (".weight", "/weight", "_weight", ".kernel", "/kernel", "/weights"):
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending)
    return node.name or (node.outputs[0] if node.outputs else "")


def dense(scope: Scope, term: Term, weights: np.ndarray, bias: np.ndarray | None, name: str) -> Term:
    """``y = x · weights + bias`` on the last axis of a value."""
    term = layout.with_last(term, -1, scope.move)
    rows, columns = weights.shape
    layer = FullyConnected(rows, columns, bias=bias is not None, dtype=floats(weights).dtype.name)
    parts = [floats(weights)] if bias is None else [floats(weights), floats(bias).reshape(1, -1)]
    layer.set_weights(np.ascontiguousarray(np.concatenate(parts)))
    value = scope.apply(layer, term.value, name=name)
    atom = new_atom()
    sizes = dict(term.sizes) | {atom: columns}
    return replace(term, value=value, sizes=sizes, axes=(*term.axes[:-1], (atom,)), groups=(*term.groups[:-1], (atom,)))


@handles("MatMul")
def matmul(scope: Scope, node: NodeView) -> None:
    """A dense layer where one side is constant, a bias that is added next included; else a product of two values."""
    a, b = node.inputs[0], node.inputs[1]
    if isinstance(a, Term) and isinstance(b, Known) and b.array.ndim in (1, 2) and a.groups:
        weights = b.array if b.array.ndim == 2 else b.array[:, None]
        bias, after = _bias(scope, node, weights.shape[1]) if b.array.ndim == 2 else (None, None)
        _check(scope, node, a, weights.shape[0])
        result = dense(scope, a, weights, bias, weight_name(b, node))
        if b.array.ndim == 1:
            result = layout.squeezed(result, [len(result.groups) - 1])
        scope.set(node.outputs[0], result)
        if after is not None:
            scope.set(after.output[0], result)
            scope.done.add(after.output[0])
        layer = scope.builder.nodes[result.value.ref.source].layer
        scope.note(node, f"{result.value.ref.source}: {layer!r}")
        return
    if isinstance(a, Known) and isinstance(b, Term) and a.array.ndim == 2 and len(b.groups) >= 2:
        order = [*range(len(b.groups) - 2), len(b.groups) - 1, len(b.groups) - 2]
        result = dense(scope, layout.transposed(b, order), a.array.T, None, weight_name(a, node))
        scope.set(node.outputs[0], layout.transposed(result, order))
        scope.note(node, f"{result.value.ref.source}: FullyConnected")
        return
    _of_values(scope, node)


def _check(scope: Scope, node: NodeView, term: Term, rows: int) -> None:
    if scope.conversion.value(term.dims[-1]) not in (None, rows) or not rows:
        raise scope.refused(node, "the sizes do not fit", f"a value whose last axis has size {rows}")


def _bias(scope: Scope, node: NodeView, columns: int) -> tuple[np.ndarray | None, Any]:
    """The bias that is added to a product and to nothing else, and the node that adds it."""
    readers = scope.readers.get(node.outputs[0], [])
    if len(readers) != 1 or readers[0] is None or readers[0].op_type != "Add" or len(readers[0].input) != 2:
        return None, None
    other = next((name for name in readers[0].input if name != node.outputs[0]), "")
    known = scope.env.get(other)
    if other not in scope.env and scope.parent is not None:
        known = scope.constant(other)
    if not isinstance(known, Known) or known.array.dtype.kind != "f":
        return None, None
    fits = known.array.size == columns and known.array.shape[-1:] == (columns,) and known.array.ndim <= 2
    return (known.array, readers[0]) if fits else (None, None)


def _of_values(scope: Scope, node: NodeView) -> None:
    """The product of two values."""
    a, b = scope.term(node, 0), scope.term(node, 1)
    if min(len(a.groups), len(b.groups)) < 2:
        raise scope.refused(node, "one factor is a vector that differs from row to row")
    rank = max(len(a.groups), len(b.groups))
    a, b = (layout.unsqueezed(t, range(rank - len(t.groups))) for t in (a, b))
    a, b = (layout.demoted(t, scope.move) for t in (a, b))
    apart = broadcasting.separated([a, b])
    counts = [1] * rank
    if apart is not None:
        (a, b), counts = apart
        rank = len(a.groups)
    parts = []
    for term in (a, b):
        moved, inner = layout.canonical(term, scope.move)
        if len(inner) < 2 or inner[-2:] != [rank - 2, rank - 1]:
            raise layout.mixed_rows("a matrix product over the axis of the batch")
        parts.append((moved, inner))
    (a, inner), (b, inner_b) = parts
    if inner != inner_b:
        raise layout.mixed_rows("each row of one value would be multiplied by each row of another")
    value = scope.apply(MatrixProduct(), a.value, b.value, name=node.name)
    sizes = dict(a.sizes)
    axes, groups = [a.axes[0]], list(a.groups)
    for position, axis in enumerate(inner):
        if axis == rank - 2:
            chosen = a
        elif axis == rank - 1:
            chosen = b
        else:
            chosen = a if a.size(a.groups[axis]) != 1 else b
        fresh = {atom: atom if chosen is a else new_atom() for atom in chosen.axes[1 + position]}
        sizes |= {new: chosen.sizes[old] for old, new in fresh.items()}
        groups[axis] = tuple(fresh.values())
        axes.append(groups[axis])
    result = Term(value, tuple(axes), tuple(groups), sizes, 1, a.dtype)
    scope.set(node.outputs[0], broadcasting.together(result, counts))
    scope.note(node, "MatrixProduct()")


@handles("Gemm")
def gemm(scope: Scope, node: NodeView) -> None:
    """``alpha · x · w + beta · c``."""
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    weights, c = node.inputs[1], node.inputs[2] if node.has(2) else None
    term = scope.term(node, 0)
    if node.get("transA"):
        term = layout.transposed(term, (1, 0))
    if not isinstance(weights, Known) or weights.array.ndim != 2 or len(term.groups) != 2:
        raise scope.refused(node, "its second input is not a constant matrix", "weights that the file holds")
    matrix = floats(weights.array.T if node.get("transB") else weights.array)
    matrix = matrix if alpha == 1.0 else (matrix * matrix.dtype.type(alpha))
    _check(scope, node, term, matrix.shape[0])
    bias = None
    if isinstance(c, Known) and c.array.size in (1, matrix.shape[1]) and c.array.shape[:-1] in ((), (1,)):
        bias = np.broadcast_to(floats(c.array).reshape(-1), matrix.shape[1]) * floats(c.array).dtype.type(beta)
        c = None
    result = dense(scope, term, matrix, bias, weight_name(weights, node))
    layer = scope.builder.nodes[result.value.ref.source].layer
    if c is not None:
        if isinstance(c, Term) and beta != 1.0:
            c = c.at(scope.apply(Affine(beta), c.value))
        elif isinstance(c, Known):
            c = Known(c.array * c.array.dtype.type(beta), c.name, c.parameter)
        result = pair(scope, replace(node, name=""), "Add", result, c)
    scope.set(node.outputs[0], result)
    scope.note(node, f"{result.value.ref.source}: {layer!r}")
