"""Passes go through, and what comes out has the sizes and dtypes that it must."""

from __future__ import annotations

import random as standard
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphnet.core.compile import infer, lower
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.errors import RuleError, ShapeError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.plugins.guard import guarded
from graphnet.testing.check import Fault, check, fault, short
from graphnet.testing.subject import Subject


@check()
def runs(s: Subject) -> None:
    """A pass forward and back goes through in both phases and is finite, prints nothing, warns of nothing, and leaves
    the settings of the process alone."""
    for phase in Phase:
        for provided in provisions(s):
            values = s.values(without=set(s.names) - set(provided))
            passed = _quiet_pass(s, values, phase)
            for name, array in passed.results():
                s.expect(
                    np.isfinite(array).all(),
                    f"{name} is not finite in the {phase.name} phase",
                    expected="finite numbers; give the case a domain if the layer is not defined everywhere",
                    received="NaN or infinity",
                )


def provisions(s: Subject) -> list[list[str]]:
    """Which inputs to give: all, and all but those that may be left out."""
    needed = [name for name in s.names if name not in s.optional]
    return [list(s.names)] if not s.optional else [list(s.names), needed]


@contextmanager
def _elsewhere() -> Iterator[None]:
    np.random.seed(20_261_123)  # noqa: NPY002
    standard.seed(20_261_123)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    yield


def _quiet_pass(s: Subject, values: Any, phase: Phase) -> Any:
    notes: list[str] = []
    runner = s.runner(provided=values)
    try:
        # Not a state that a layer would leave: a layer that seeds with 0 shall be seen.
        with guarded([]), _elsewhere(), guarded(notes), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            passed = s.run(values, runner, phase=phase)
    except Fault:
        raise
    except Exception as error:
        raise fault(f"a pass in the {phase.name} phase fails: {type(error).__name__}: {short(error)}") from error
    s.expect(not notes, "a pass leaves traces: " + short("; ".join(notes).replace("when it loads", "when it runs")))
    s.expect(not warned, f"a pass warns: {short(warned[0].message) if warned else ''}")
    return passed


@check()
def shapes(s: Subject) -> None:
    """The shapes that infer tells are those that apply returns, for several sizes of batch and time."""
    for rows, steps in sizes(s):
        values = s.values(rows=rows, steps=steps)
        runner = s.runner(provided=values)
        told = _inferred(s, s.sized(rows, steps))
        outputs = s.run(values, runner, errors=False).outputs
        for (name, array), shape in zip(outputs.items(), told, strict=True):
            s.expect(
                shape is not None and shape.sizes == array.shape,
                f"infer tells another shape for {name!r} than apply returns",
                expected=shape,
                received=array.shape,
            )
    _other_features(s)


def _other_features(s: Subject) -> None:
    """With two more numbers on the last axis: infer refuses them, or tells what apply returns."""
    if s.fixed or s.integer:
        return
    last = {name: shape for name, shape in s.shapes.items() if shape.names[-1] not in (BATCH, TIME)}
    given = {n: shape.resized(-1, (shape.sizes[-1] or 0) + 2) if n in last else shape for n, shape in s.shapes.items()}
    rng = np.random.default_rng(1)
    low, high = s.domain or (0.5, 1.5)
    values = {n: rng.uniform(low, high, tuple(size or 1 for size in shape)) for n, shape in given.items()}
    try:
        runner = Runner(s.graph(s.make(), sized=given))
        s.with_weights(runner)
        runner.forward(values)
    except RuleError as error:
        raise fault(f"infer is right for {', '.join(map(str, s.shapes.values()))} alone: {short(error)}") from error
    except Exception:  # refused, or not computable: the check bad_input looks at how
        return
    s.looked += 1


def sizes(s: Subject) -> list[tuple[int | None, int | None]]:
    """Numbers of rows and steps to try; None where there is no such axis."""
    if s.fixed:
        return [(None, None)]
    rows = [None] if s.batch is None else [s.batch, 1, s.batch + 2]
    steps = [None] if s.steps is None else [s.steps, 1, s.steps + 2]
    return [(rows[i % len(rows)], steps[j % len(steps)]) for i, j in ((0, 0), (1, 0), (0, 1), (2, 2))][
        : 4 if s.batch or s.steps else 1
    ]


def _inferred(s: Subject, given: dict[str, Shape]) -> list[Shape | None]:
    graph = s.graph(free=False) if given == s.shapes else s.graph()
    plan = lower(graph)
    try:
        found = infer(plan, graph.layers(), [given[name] for name in graph.inputs])
    except ShapeError as error:
        raise fault(f"infer refuses {', '.join(map(str, given.values()))}: {short(error)}") from error
    except Exception as error:
        raise fault(
            f"infer raises {type(error).__name__}: {short(error)}", expected="shapes, or a ShapeError"
        ) from error
    return [found.slots[slot] for _, slot in plan.outputs]


@check()
def free_sizes(s: Subject) -> None:
    """infer takes shapes whose batch and time are still free, tells what fits the known ones, and names axes
    rightly."""
    closed = _inferred(s, s.shapes)
    opened = {}
    for name, shape in s.shapes.items():
        for axis in (BATCH, TIME):
            shape = shape.resized(axis, None) if shape.has(axis) else shape
        opened[name] = shape
    for known, free in zip(closed, _inferred(s, opened), strict=True):
        s.expect(
            known is not None and free is not None and free.fits(known),
            "infer tells something else while batch and time are free",
            expected=f"what fits {known}",
            received=free,
        )
    for axis, base in ((BATCH, s.batch), (TIME, s.steps)):
        if base is not None and not s.fixed:
            more = {BATCH: s.sized(rows=base + 3), TIME: s.sized(steps=base + 3)}[axis]
            for before, after in zip(closed, _inferred(s, more), strict=True):
                assert before is not None
                assert after is not None
                moves = not before.has(axis) or before.size(axis) != after.size(axis)
                s.expect(moves, f"an axis named {axis} does not grow with the {axis}", received=before)


@check()
def dtypes(s: Subject) -> None:
    """float64 stays float64 and, where claimed, float32 stays float32: outputs, errors and gradients of every rule."""
    from graphnet.testing.spies import arrays, spied

    for dtype in ("float64", "float32") if "float32" in s.capabilities else ("float64",):
        values = s.values(dtype=dtype)
        runner = s.runner(provided=values)

        def spy(path: str, layer: Any, rule: str, original: Any, given: Any, keywords: Any, dtype: str = dtype) -> Any:
            result = original(*given, **keywords)
            returned = result[0] if rule == "apply" else result
            for place, array in arrays(returned) if rule in ("apply", "pull", "grad") else ():
                s.expect(
                    array.dtype.kind != "f" or array.dtype == dtype,
                    f"{rule} of {type(layer).__name__} returns another dtype {place}".rstrip(),
                    expected=dtype,
                    received=array.dtype,
                )
            return result

        with spied(runner, spy):
            passed = s.run(values, runner)
        for name, array in passed.results():
            if not name.startswith("gradient"):
                s.expect(
                    array.dtype == dtype or array.dtype.kind != "f",
                    f"{name} has another dtype",
                    expected=dtype,
                    received=array.dtype,
                )


@check("float32")
def float32(s: Subject) -> None:
    """What comes out in float32 is what comes out in float64, to rounding."""
    for phase in Phase:
        values = s.values(dtype="float32")
        double = {n: a.astype("float64") if a.dtype == "float32" else a for n, a in values.items()}
        found, expected = s.run(values, phase=phase), s.run(double, phase=phase)
        s.all_agree(found, expected, f"in float32, {phase.name} phase", 3e-3)
