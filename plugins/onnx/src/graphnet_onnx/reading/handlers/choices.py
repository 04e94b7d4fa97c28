"""Where and If: with a condition that is known, one of two values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.pairs import pair
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Filled, Known, Term


@handles("Where")
def where(scope: Scope, node: NodeView) -> None:
    """One of two values, number by number."""
    condition, a, b = node.inputs
    if isinstance(condition, (Known, Filled)) and condition.array.dtype != object:
        truth = np.unique(condition.array.astype(bool))
        if len(truth) == 1:
            chosen, other = (a, b) if truth[0] else (b, a)
            if isinstance(chosen, Term) and _covers(chosen, (condition, other)):
                scope.set(node.outputs[0], chosen)
                return
            if isinstance(chosen, Term):
                zero = Known(np.zeros((1,) * max(len(_dims(v)) for v in (condition, other)), np.float32))
                scope.set(node.outputs[0], pair(scope, node, "Add", chosen, zero))
                return
    generic(scope, node)


def _dims(value: Any) -> tuple[Any, ...]:
    dims: tuple[Any, ...] = getattr(value, "dims", ())
    return dims


def _covers(value: Term, others: tuple[Any, ...]) -> bool:
    """Whether a value has the shape of the result."""
    mine = value.dims
    for other in others:
        dims = _dims(other)
        if len(dims) > len(mine) or any(n not in (1, m) for n, m in zip(dims[::-1], mine[::-1], strict=False)):
            return False
    return True


@handles("If")
def if_(scope: Scope, node: NodeView) -> None:
    """The branch of a condition that is known.

    Raises
    ------
    UnsupportedError
        If the condition depends on the inputs.
    """
    from graphnet_onnx.reading.convert import initializers, run
    from graphnet_onnx.reading.scope import count_uses

    condition = node.inputs[0]
    if not isinstance(condition, (Known, Filled)) or condition.array.dtype == object or condition.array.size != 1:
        raise scope.refused(node, "its condition depends on the inputs of the model", "a condition that the file fixes")
    branch = node.get("then_branch" if condition.array.reshape(-1)[0] else "else_branch")
    inner = Scope(scope.conversion, scope.builder, scope.opsets, scope.functions, parent=scope, depth=scope.depth + 1,
                  attributes=scope.attributes, reference=scope.reference)  # fmt: skip
    inner.uses, inner.readers = count_uses(branch.node, branch.output)
    initializers(inner, branch, node.place)
    run(inner, branch.node, node.place)
    for name, value in zip(node.outputs, branch.output, strict=False):
        scope.set(name, inner.get(value.name, node.place))
