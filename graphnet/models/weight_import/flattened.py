"""Dense layers that read flattened images."""

from __future__ import annotations

from graphnet.core.compile import infer
from graphnet.core.compile.plan import Call
from graphnet.core.describe.axes import TIME
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.runner import Runner
from graphnet.layers import Flatten


def flattened_images(runner: Runner) -> dict[str, tuple[int, ...]]:
    """``(channel, y, x)`` of the flattened image that a node reads, by the path of the node.

    Layers between Flatten and the node that keep the shape, such as activations and Dropout, change nothing.
    """
    plan, layers = runner.plan, runner.layers
    slots = infer(plan, layers, plan.declared).slots
    images: dict[int, tuple[int, ...]] = {}  # by slot
    found: dict[str, tuple[int, ...]] = {}
    for step in plan.steps:
        if not isinstance(step, Call) or len(step.inputs) != 1 or step.inputs[0] is None:
            continue
        source, target = step.inputs[0], step.outputs[0]
        if isinstance(layers[step.layer], Flatten):
            image = _image(slots[source])
            if len(image) > 1:
                images[target] = image
        elif source in images:
            found[step.path] = images[source]
            if slots[target] == slots[source]:
                images[target] = images[source]
    return found


def _image(shape: Shape | None) -> tuple[int, ...]:
    """The sizes that Flatten joins; empty if they are not known."""
    if shape is None:
        return ()
    sizes = shape.sizes[2 if shape.names[0] == TIME else 1 :]
    return () if None in sizes else tuple(size for size in sizes if size is not None)
