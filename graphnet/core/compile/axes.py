"""Names for the axes of inputs that nobody declared, as the layers that read them take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphnet.core.compile.infer import infer
from graphnet.core.compile.plan import Plan
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.errors import ShapeError


def named(plan: Plan, layers: Mapping[str, Layer], seen: Mapping[str, Shape], name: str) -> Shape:
    """The shape that was seen of one input, with names under which the graph accepts it as declared.

    Declared names stay. Others are those usual for the rank or, where a layer reads axis 0 as time, of sequences:
    ``(time, batch, …)`` for three axes or more, ``(time, feature)`` for two.
    """
    shape = seen[name]
    usual = replace(shape, declared=True)
    if shape.declared or accepts(plan, layers, {**seen, name: usual}) or shape.rank < 2:
        return usual
    names = (TIME, shape.names[1]) if shape.rank == 2 else (TIME, BATCH, *Shape.of(shape.sizes[1:]).names[1:])
    over_time = replace(usual, names=names)
    return over_time if accepts(plan, layers, {**seen, name: over_time}) else usual


def accepts(plan: Plan, layers: Mapping[str, Layer], inputs: Mapping[str, Shape]) -> bool:
    """Whether a plan takes inputs of these shapes and axis names."""
    try:
        infer(plan, layers, [inputs.get(name) for name in plan.inputs])
    except ShapeError:
        return False
    return True
