"""The cell of a Scan as numbers: what each value is for random inputs, and which values are affine in others.

A gate of a cell is an activation of ``x @ W + h @ R + b``, however the cell computes it: by one layer for all gates,
by one each, or by one for the input and one for the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet import Add, Affine, Concatenate, FullyConnected, Layer, Multiply, Slice, Split, Subtract
from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.describe import signatures
from graphnet.core.describe.parameter import Array
from graphnet.core.operations import NO_OPERATIONS
from graphnet.core.phase import Phase
from graphnet_activations import ReLU
from graphnet_recurrent import Peephole, Sigmoid, TanH

#: Activations, by the names of ONNX.
ACTIVATIONS: dict[type[Layer], str] = {Sigmoid: "Sigmoid", TanH: "Tanh", ReLU: "Relu"}


@dataclass(frozen=True)
class Linear:
    """``Σ_s value_s @ terms[s] + bias``, over slots s of a plan."""

    terms: Mapping[int, Array]
    bias: Array

    def columns(self, chosen: Array) -> Linear:
        """Some of the outputs."""
        return Linear({slot: matrix[:, chosen] for slot, matrix in self.terms.items()}, self.bias[chosen])

    def times(self, factor: Any) -> Linear:
        """A multiple, perhaps another one for each output."""
        return Linear({slot: matrix * factor for slot, matrix in self.terms.items()}, self.bias * factor)

    def plus(self, other: Linear) -> Linear:
        """A sum."""
        terms = dict(self.terms)
        for slot, matrix in other.terms.items():
            terms[slot] = terms[slot] + matrix if slot in terms else matrix
        return Linear(terms, self.bias + other.bias)

    def through(self, matrix: Array) -> Linear:
        """A product with a matrix on the right."""
        return Linear({slot: inner @ matrix for slot, inner in self.terms.items()}, self.bias @ matrix)


def joined(parts: list[Linear]) -> Linear:
    """Several side by side."""
    widths = [len(part.bias) for part in parts]
    terms: dict[int, Array] = {}
    for number, part in enumerate(parts):
        before, after = sum(widths[:number]), sum(widths[number + 1 :])
        for slot, matrix in part.terms.items():
            wide = np.pad(matrix, ((0, 0), (before, after)))
            terms[slot] = terms[slot] + wide if slot in terms else wide
    return Linear(terms, np.concatenate([part.bias for part in parts]))


class CellValues:
    """The values of one step for random inputs.

    Attributes
    ----------
    values : list of array
        Of each slot.
    linear : dict of int to Linear
        Of each slot: in terms of the inputs of the cell, and of values that are not affine in others.
    activated : dict of int to (str, Linear)
        Slots that are an activation of something affine.
    products : dict of int to tuple of int
        The factors of slots that are products of two values.
    """

    def __init__(
        self, plan: Plan, shapes: Shapes, layers: Mapping[str, Layer], arrays: Mapping[str, Mapping[str, Array]],
        inputs: list[Array], constant: set[int],
    ) -> None:  # fmt: skip
        self.layers, self.arrays, self.shapes = layers, arrays, shapes
        self.values: list[Any] = [*inputs, *[None] * (plan.slot_count - len(inputs))]
        self.linear: dict[int, Linear] = {}
        self.activated: dict[int, tuple[str, Linear]] = {}
        self.products: dict[int, tuple[int, ...]] = {}
        for slot, value in enumerate(inputs):
            self.linear[slot] = Linear({}, value[0]) if slot in constant else self.symbol(slot)
        for step in plan.steps:
            if isinstance(step, Call):
                self.call(step)

    def symbol(self, slot: int) -> Linear:
        """A slot in terms of itself."""
        width = self.values[slot].shape[-1]
        return Linear({slot: np.eye(width)}, np.zeros(width))

    def call(self, step: Call) -> None:
        """Run one layer, and note what is known of its outputs."""
        layer = self.layers[step.layer]
        inputs = [None if slot is None else self.values[slot] for slot in step.inputs]
        available = {
            **dict.fromkeys(layer.draws), **self.arrays.get(step.layer, {}), "phase": Phase.test, "lengths": None,
            "shapes": tuple(None if slot is None else self.shapes.slots[slot] for slot in step.inputs),
            "operations": NO_OPERATIONS,
        }  # fmt: skip
        output, _ = layer.apply(*inputs, **signatures.keywords(type(layer).apply).pick(available))
        outputs = output if len(step.outputs) > 1 else (output,)
        for slot, value in zip(step.outputs, outputs, strict=True):
            self.values[slot] = value
            source = next((s for s, i in zip(step.inputs, inputs, strict=True) if value is i and s is not None), None)
            if source is not None:  # it returns its input
                self.same(slot, source)
                continue
            linear = self.derived(step, layer, slot)
            self.linear[slot] = self.symbol(slot) if linear is None else linear

    def same(self, slot: int, source: int) -> None:
        self.linear[slot] = self.linear[source]
        if source in self.activated:
            self.activated[slot] = self.activated[source]

    def derived(self, step: Call, layer: Any, slot: int) -> Linear | None:
        """An output in terms of others; None if it is not affine in them."""
        known = [self.linear[each] for each in step.inputs if each is not None]
        first = known[0] if known else None
        if first is None or len(known) < len(step.inputs):
            return None
        if type(layer) in ACTIVATIONS:
            self.activated[slot] = (ACTIVATIONS[type(layer)], first)
        elif type(layer) in (Split, Slice):
            return self.selected(step, layer, slot, first)
        elif type(layer) is Multiply and len(known) == 2:
            self.products[slot] = tuple(each for each in step.inputs if each is not None)
            a, b = known
            return a.times(b.bias) if not b.terms else b.times(a.bias) if not a.terms else None
        return _affine(layer, known, self.arrays.get(step.layer, {}))

    def selected(self, step: Call, layer: Any, slot: int, first: Linear) -> Linear:
        """Some columns of a value, which may be those of an activation."""
        numbers = np.arange(len(first.bias))[None]
        picked, _ = layer.apply(numbers)
        parts = picked if len(step.outputs) > 1 else (picked,)
        chosen = parts[step.outputs.index(slot)][0]
        source = step.inputs[0]
        if source in self.activated:
            kind, linear = self.activated[source]
            self.activated[slot] = (kind, linear.columns(chosen))
        return first.columns(chosen)


def _affine(layer: Any, known: list[Linear], arrays: Mapping[str, Array]) -> Linear | None:
    """What a layer computes of affine inputs, if that is affine too."""
    first, kind = known[0], type(layer)
    result: Linear | None = None
    if kind is FullyConnected:
        weights = arrays["weights"]
        result = first.through(weights if layer.bias is False else weights[:-1])
        result = result if layer.bias is False else Linear(result.terms, result.bias + weights[-1])
    elif kind is Concatenate:
        result = joined(known)
    elif kind in (Add, Subtract) and len({len(each.bias) for each in known}) == 1:
        result = first
        for other in known[1:]:
            result = result.plus(other if kind is Add else other.times(-1.0))
    elif kind is Affine:
        scaled = first.times(layer.scale)
        result = Linear(scaled.terms, scaled.bias + layer.shift)
    elif kind is Peephole:
        result = first.times(arrays["weights"])
    return result
