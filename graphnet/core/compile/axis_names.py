"""Name the axes of inputs whose shape is not declared, by what the layers that read them accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphnet.core.compile.infer import infer
from graphnet.core.compile.plan import Plan
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError


def name_axes(plan: Plan, layers: Mapping[str, Layer], seen: Mapping[str, Shape], name: str) -> Shape:
    """Return the shape last seen of the input ``name``, with axis names that could have been declared for it.

    Declared names are kept. Otherwise the default names for the rank are tried first; where a layer reads axis 0 as
    time, the names are those of sequences: ``(time, batch, …)`` for three or more axes, ``(time, feature)`` for two.
    """
    shape = seen[name]
    default = replace(shape, declared=True)
    if shape.declared or accepts_shapes(plan, layers, {**seen, name: default}) or shape.rank < 2:
        return default
    names = (TIME, shape.names[1]) if shape.rank == 2 else (TIME, BATCH, *Shape.of(shape.sizes[1:]).names[1:])
    sequence = replace(default, names=names)
    return sequence if accepts_shapes(plan, layers, {**seen, name: sequence}) else default


def accepts_shapes(plan: Plan, layers: Mapping[str, Layer], inputs: Mapping[str, Shape]) -> bool:
    """Return whether shape inference succeeds for inputs of these shapes and axis names."""
    try:
        infer(plan, layers, [inputs.get(name) for name in plan.inputs])
    except ShapeError:
        return False
    return True
