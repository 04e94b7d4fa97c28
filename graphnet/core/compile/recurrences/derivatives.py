"""Whether the backward rule of a node is the derivative of its forward rule, which taking it apart assumes.

A layer that clips errors, or passes them on by another rule, computes the identity forward: such a node stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.operations import NO_OPERATIONS
from graphnet.core.phase import Phase

#: Rows that are compared, the step of the differences, and the relative difference that is accepted.
ROWS, STEP, TOLERANCE = 2, 1e-5, 1e-4
#: Sizes of the errors: one of a layer that clips is among them.
SIZES = (1.0, 1e6)


def pulls_derivative(layer: Layer, shapes: Sequence[Shape | None], phase: Phase) -> bool:
    """Whether ``pull`` returns the derivative of ``apply``: central differences along a direction for each input."""
    rng = np.random.default_rng(0)
    inputs = [None if s is None else rng.uniform(0.3, 1.3, (ROWS, *(n or 0 for n in s.sizes[1:]))) for s in shapes]
    arrays = {name: np.array(p.value, "float64") for name, p in layer.params.items()} | layer.constants()
    context = {
        "phase": phase,
        "lengths": None,
        "shapes": tuple(None if s is None else s.resized(0, ROWS) for s in shapes),
        "operations": NO_OPERATIONS,
    }
    available = {**arrays, **layer.buffer_values, **dict.fromkeys(layer.draws), **context}
    apply_with = signatures.keywords(type(layer).apply).pick(available)
    pull_with = signatures.keywords(type(layer).pull).pick({**arrays, "operations": NO_OPERATIONS})

    def outputs(*given: Any) -> list[Any]:
        output = layer.apply(*given, **apply_with)[0]
        return list(output) if isinstance(output, tuple) else [output]

    with np.errstate(all="ignore"):
        output, saved = layer.apply(*inputs, **apply_with)
        several = isinstance(output, tuple)
        errors = [rng.normal(size=y.shape) for y in (output if several else (output,))]
        for size in SIZES:
            scaled = [e * size for e in errors]
            pulled = layer.pull(saved, tuple(scaled) if several else scaled[0], **pull_with)
            pulled = pulled if isinstance(pulled, tuple) else (pulled,)
            if not all(_agrees(i, inputs, e, outputs, scaled, rng) for i, e in enumerate(pulled[: len(inputs)])):
                return False
    return True


def _agrees(i: int, inputs: list[Any], pulled: Any, outputs: Any, errors: list[Any], rng: np.random.Generator) -> bool:
    x = inputs[i]
    if x is None:
        return True
    direction = rng.normal(size=x.shape)
    moved = [[*inputs[:i], x + sign * STEP * direction, *inputs[i + 1 :]] for sign in (1, -1)]
    differences = zip(outputs(*moved[0]), outputs(*moved[1]), errors, strict=True)
    expected = sum(float(np.sum((up - down) * error)) for up, down, error in differences) / (2 * STEP)
    found = 0.0 if pulled is None else float(np.sum(pulled * direction))
    scale = sum(float(np.abs(error).sum()) for error in errors)
    return bool(abs(found - expected) <= TOLERANCE * scale)
