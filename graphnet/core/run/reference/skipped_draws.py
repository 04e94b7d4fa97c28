"""Random arrays of steps that do not run, because the rows that have numbers are computed by another process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.describe.layer import Layer


def skip_draws(
    steps: Iterable[Call | Loop],
    layers: Mapping[str, Layer],
    shapes: Shapes,
    generator: Callable[[], np.random.Generator],
    longest: int,
) -> None:
    """Draw what some steps of a plan draw in the train phase, those of cells ``longest`` times."""
    for step in steps:
        if isinstance(step, Loop):
            for _ in range(longest):
                skip_draws(step.cell.steps, layers, shapes.cells[step.path], generator, longest)
        elif layers[step.layer].draws:
            inputs = [None if i is None else shapes.slots[i] for i in step.inputs]
            collective.drawn(layers[step.layer], generator(), inputs)
