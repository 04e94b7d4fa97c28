"""Operators without a layer of graphnet: :class:`OnnxOperator`, after a trial that shows what it does with the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import FileError, GraphnetError
from graphnet.layers import LearnedArray
from graphnet.layers.array_field import LARGEST
from graphnet_onnx.layers import OnnxOperator
from graphnet_onnx.operators import supported
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.trial import Trial, axes_of
from graphnet_onnx.reading.values import Filled, Known, Term, new_atom

#: Operators that draw numbers, or read nothing of the rows.
REFUSED = frozenset(
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Loop"]
)


def generic(scope: Scope, node: NodeView) -> None:
    """Add an OnnxOperator for each output that is read.

    Raises
    ------
    UnsupportedError
        If the table of operators does not have it, or its inputs are not known where they must be.
    MixedRowsError
        If it combines rows of the batch.
    """
    if not supported(node.op, node.domain) or node.op in REFUSED:
        raise scope.refused(node, "graphnet has no layer and no function for it")
    values = list(node.inputs)
    if not any(isinstance(value, Term) for value in values):
        raise scope.refused(node, "no input is a value of the graph")
    terms: dict[int, Term] = {}
    for index, value in enumerate(values):
        if isinstance(value, Filled):
            value = Known(value.array) if node.op in ("Where", "Equal", "Less", "Greater") else None
            if value is None:
                raise scope.refused(node, f"input {index} is repeated along an axis whose size is not known")
            values[index] = value
        if isinstance(value, Term):
            terms[index] = value
        elif value is not None and not isinstance(value, Known):
            raise scope.refused(node, f"input {index} depends on sizes that are not known")
    whole_rows = all(t.rows == 2 for t in terms.values())
    attempts = [terms, {i: layout.demoted(t, scope.move) for i, t in terms.items()}] if whole_rows else []
    if not attempts:
        attempts = [{i: layout.demoted(t, scope.move) for i, t in terms.items()}]
    error: GraphnetError | None = None
    for attempt in attempts:
        try:
            _add(scope, node, values, attempt)
            return
        except (layout.MixedRowsError, FileError) as caught:
            error = error or caught
    assert error is not None
    raise error


def _add(scope: Scope, node: NodeView, values: list[Any], terms: dict[int, Term]) -> None:
    arranged = {i: layout.canonical(t, scope.move)[0] for i, t in terms.items()}
    trial = Trial(scope, node, values, arranged)
    found = trial.run()
    entries, inputs = _entries(scope, node, values, arranged)
    first = next(iter(arranged.values()))
    for number, (name, result) in enumerate(zip(node.outputs, found, strict=False)):
        if not name or (name not in scope.readers and number):
            continue
        sizes = tuple(n if isinstance(n, int) else -1 for n in result.sizes)
        layer = OnnxOperator(node.op, node.opset, entries, result.rows, sizes, _attributes(node), output=number,
                             domain=node.domain)  # fmt: skip
        value = scope.apply(layer, *inputs, name=node.name or name)
        atoms = [new_atom() for _ in result.sizes]
        axes = (*first.axes[: len(result.rows)], *[(atom,) for atom in atoms])
        groups: list[Any] = [None] * (len(result.rows) + len(atoms))
        for row, axis in enumerate(result.rows):
            groups[axis] = first.axes[row]
        rest = iter(atoms)
        groups = [group if group is not None else (next(rest),) for group in groups]
        known = {atom: first.sizes[atom] for atom in first.row_atoms} | dict(zip(atoms, result.sizes, strict=True))
        made = Term(value, axes, tuple(groups), known, len(result.rows), result.dtype)
        scope.set(name, layout.with_inner(made, scope.move))
        scope.note(node, f"{value.ref.source}: OnnxOperator({node.op!r})")


def _entries(
    scope: Scope, node: NodeView, values: list[Any], terms: dict[int, Term]
) -> tuple[tuple[Any, ...], list[Any]]:
    """The description of the inputs, and the values among them."""
    entries: list[Any] = []
    inputs: list[Any] = []
    like = next(iter(terms.values())).value
    for index, value in enumerate(values):
        if value is None:
            entries.append(None)
        elif index in terms:
            term = terms[index]
            inner = [term.size(axis) for axis in term.axes[term.rows :]]
            sizes = tuple(n if isinstance(n, int) else -1 for n in inner)
            entries.append(("value", term.dtype.name, axes_of(term), sizes))
            inputs.append(terms[index].value)
        else:
            array = value.array
            if array.size <= LARGEST // 16 or array.dtype.kind != "f":
                if array.size > LARGEST:
                    raise scope.refused(node, f"input {index} has {array.size:,} integers")
                entries.append(as_entry(array))
                continue
            flat = np.ascontiguousarray(
                array.reshape(-1).astype(np.float64 if array.dtype == np.float64 else np.float32)
            )
            layer = LearnedArray(flat.shape, initial=0.0, dtype=flat.dtype.name, trainable=False)  # type: ignore[call-arg]
            layer.set_weights(flat)
            entries.append(("shared", array.dtype.name, array.shape))
            inputs.append(scope.apply(layer, like, name=value.name))
    return tuple(entries), inputs


def as_entry(array: np.ndarray) -> tuple[Any, ...]:
    """An array as plain values, for a field of a layer."""
    return ("array", array.dtype.name, tuple(array.shape), tuple(array.reshape(-1).tolist()))


def _attributes(node: NodeView) -> tuple[Any, ...]:
    pairs = []
    for name, value in node.attributes.items():
        if isinstance(value, np.ndarray):
            value = as_entry(value)
        elif isinstance(value, list):
            value = tuple(value)
        elif not isinstance(value, (int, float, str)):
            continue
        pairs.append((name, value))
    return tuple(pairs)
