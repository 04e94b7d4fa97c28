"""Other shapes of a case's inputs: more axes, other sizes of every axis except batch and time, long sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graphnet.core.compile import infer, lower
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import DataError, GraphnetError, RuleError, ShapeError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.buffers import Arrays
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.passes import forward

#: The sizes of added axes; they differ from each other and from most sizes of cases.
ADDED = (2, 3)
#: Steps of a long sequence: more than twice 64, and not a multiple of it.
LONG = 135
#: Outputs above this are too large for finite differences; so are derivatives above its square root.
MODERATE = 1e6


@dataclass(frozen=True)
class Variant:
    """Other shapes of the inputs.

    Attributes
    ----------
    shapes : dict of str to Shape
    what : str
        How they differ from the case's, for messages.
    """

    shapes: Mapping[str, Shape]
    what: str

    def __str__(self) -> str:
        listed = ", ".join(f"{name!r} {shape}" for name, shape in self.shapes.items())
        return f"with {self.what}: {listed}"


def more_axes(harness: Harness) -> Iterator[Variant]:
    """Yield shapes with one and with two more axes, after those of batch and time."""
    for count in (1, 2):
        shapes = dict(harness.shapes)
        for name, shape in shapes.items():
            if shape.has(BATCH) and shape.size(BATCH) != 1:
                shapes[name] = _inserted(shape, ADDED[:count])
        if shapes != harness.shapes:
            yield Variant(shapes, "one more axis" if count == 1 else "two more axes")


def _inserted(shape: Shape, sizes: tuple[int, ...]) -> Shape:
    """Return a shape with axes inserted after those of batch and time."""
    at = max(shape.axis(axis) for axis in (BATCH, TIME) if shape.has(axis)) + 1
    names = [f"more_{i}" for i in range(len(sizes))]
    return Shape(
        (*shape.names[:at], *names, *shape.names[at:]), (*shape.sizes[:at], *sizes, *shape.sizes[at:]), declared=False
    )


def other_sizes(harness: Harness) -> Iterator[Variant]:
    """Yield shapes with other sizes of each axis except batch and time; axes of one name and size vary together."""
    groups = {
        (name, size)
        for shape in harness.shapes.values()
        for name, size in zip(shape.names, shape.sizes, strict=True)
        if name not in (BATCH, TIME) and size
    }
    for name, size in sorted(groups):
        for other in sorted({1, 2, size + 1, size + 3} - {size}):
            shapes = {
                port: Shape(
                    shape.names,
                    tuple(
                        other if axis == (name, size) else axis[1]
                        for axis in zip(shape.names, shape.sizes, strict=True)
                    ),
                    shape.declared,
                )
                for port, shape in harness.shapes.items()
            }
            yield Variant(shapes, f"{other} instead of {size} on the axis {name}")


def long_sequence(harness: Harness) -> Variant:
    """Return shapes with a long sequence."""
    return Variant(harness.sized(rows=min(harness.batch or 1, 2), steps=LONG), f"{LONG} steps")


def is_accepted(harness: Harness, shapes: Mapping[str, Shape]) -> bool:
    """Return whether infer accepts some shapes, and no rule refuses them by a ShapeError or DataError of its own."""
    graph = harness.graph(sized=shapes)
    try:
        infer(lower(graph), graph.layers(), [shapes[name] for name in graph.inputs])
    except Exception:  # a wrong exception is reported by other checks
        return False
    return bool(harness.fixed) or not _is_refused_by_rule(harness, shapes)


def _is_refused_by_rule(harness: Harness, shapes: Mapping[str, Shape]) -> bool:
    """Return whether apply refuses some shapes by an error that names what it expects."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            forward(harness.sized_runner(shapes), harness.values(3, shapes=shapes), Phase.train)
    except (ShapeError, DataError):
        return True
    except Exception:  # reported by the checks that run it
        return False
    return False


def accepted_steps(harness: Harness, wanted: int) -> int:
    """Return ``wanted``, or the case's number of steps if infer refuses that many."""
    if harness.steps is None or wanted == harness.steps or is_accepted(harness, harness.sized(steps=wanted)):
        return wanted
    harness.note_untried(f"{wanted} steps, which infer refuses")
    return harness.steps


def bound(harness: Harness, variant: Variant) -> tuple[Runner, Arrays] | None:
    """Return a runner for a variant, with values for which a forward pass has moderate results.

    None if the variant is refused: by infer, or by an exception of a rule.

    Raises
    ------
    Fault
        If infer accepts the shapes, and returns others than apply.
    """
    values = harness.values(3, shapes=variant.shapes)
    try:
        outputs: Arrays = {}
        for phase in (Phase.test, Phase.train):
            runner = harness.sized_runner(variant.shapes)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outputs = forward(runner, values, phase)
    except Exception as error:
        if isinstance(error, RuleError) and "apply of" in str(error):
            raise fault(f"infer accepts other shapes than apply, {variant}: {short(error)}") from error
        refused = isinstance(error, GraphnetError) and not isinstance(error, RuleError)
        harness.note_untried(f"{variant.what}, {'which infer refuses' if refused else 'with which a rule fails'}")
        return None
    moderate = all(np.isfinite(y).all() and np.abs(y).max(initial=0.0) < MODERATE for y in outputs.values())
    return (harness.sized_runner(variant.shapes), values) if moderate else None
