"""A pass completes without side effects; its results have the inferred shapes and the right dtypes."""

from __future__ import annotations

import random as standard
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphnet.core.compile import infer, lower
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import RuleError, ShapeError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.plugins.guard import guarded
from graphnet.testing.buffers import Arrays
from graphnet.testing.check import check
from graphnet.testing.failures import Fault, fault, short
from graphnet.testing.harness import DOMAINS, Harness
from graphnet.testing.nested_arrays import iter_arrays
from graphnet.testing.passes import PassResult
from graphnet.testing.rule_spy import spy_on_rules
from graphnet.testing.variants import is_accepted


@check()
def runs(harness: Harness) -> None:
    """A forward and backward pass completes in both phases, returns finite numbers, prints nothing, issues no warning,
    and does not change settings of the process."""
    if harness.case.domain is None and harness.domain is not None:
        _check_domain(harness)
    for phase in Phase:
        for provided in input_subsets(harness):
            values = harness.values(without=set(harness.names) - set(provided))
            result = _isolated_pass(harness, values, phase)
            for name, array in result.results():
                harness.expect(
                    np.isfinite(array).all(),
                    f"{name} is not finite in the {phase.name} phase",
                    expected="finite numbers; set the domain of the case if the layer is not defined everywhere",
                    received="NaN or infinity",
                )


#: What a docstring contains that names or implies a restricted domain.
RESTRICTED = re.compile(
    r"\b(ln|logs?|log[ep12]\w*|logarithm\w*|logits?|square root\w*|domain|positive|non-?negative|entropy)\b"
    r"|probabilit|sqrt|√|\ba(rc?)?(sin|cos|tanh)|tanh⁻¹"
    r"|x\s*[>≥]=?\s*-?[01]\b|[<≤]=?\s*x\b|above 0|[\[(]-?[01](\.0*)?, *1(\.0*)?[\])]",
    re.IGNORECASE,
)


def _check_domain(harness: Harness) -> None:
    """A layer whose case gives no domain is defined on all numbers, on the positive ones, or between -1 or 0 and 1;
    the values on which it is not finite are exactly the others, and its docstring says that it is restricted."""
    words = re.sub("([A-Z])", r" \1", harness.case.layer.__name__)
    harness.expect(
        RESTRICTED.search(f"{words}\n{harness.case.layer.__doc__ or ''}"),
        "the output is not finite for ordinary inputs, and the docstring names no domain",
        expected="finite numbers for inputs from a normal distribution; set the domain of the case, such as "
        "domain=(0.1, 5.0), if the layer is not defined everywhere",
        received="NaN or infinity",
    )
    inside, beyond = ((0.02, 2.0), [(-0.02, -0.01)])
    if harness.domain == DOMAINS[1]:
        inside, beyond = ((0.02, 0.98), [(1.01, 1.02), (-0.02, -0.01)])
    finite_inside = harness.is_finite(_uniform(harness, *inside))
    usual = finite_inside and not all(harness.is_finite(_uniform(harness, *interval)) for interval in beyond)
    harness.expect(
        usual,
        "the output is not finite for ordinary inputs",
        expected="finite numbers for inputs from a normal distribution; set the domain of the case if the layer is not "
        "defined everywhere",
        received="NaN or infinity",
    )


def _uniform(harness: Harness, low: float, high: float) -> Arrays:
    """Return values from an interval for all inputs that are drawn."""
    rng = np.random.default_rng(17)
    return {
        name: array if name in harness.integer or name in harness.fixed else rng.uniform(low, high, array.shape)
        for name, array in harness.values(5).items()
    }


def input_subsets(harness: Harness) -> list[list[str]]:
    """Return the sets of inputs to provide: all, and the required ones alone."""
    required = [name for name in harness.names if name not in harness.optional]
    return [list(harness.names), required] if harness.optional else [list(harness.names)]


@contextmanager
def _unusual_settings() -> Iterator[None]:
    """Set global generators and numpy's error state to values that no layer would set, so that any change shows."""
    np.random.seed(20_261_123)  # noqa: NPY002
    standard.seed(20_261_123)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    yield


def _isolated_pass(harness: Harness, values: Arrays, phase: Phase) -> PassResult:
    """Run one pass; raise a Fault if it fails, warns, prints or changes settings of the process."""
    notes: list[str] = []
    runner = harness.runner(provided=values)
    try:
        with guarded([]), _unusual_settings(), guarded(notes), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = harness.run(values, runner, phase=phase)
    except Fault:
        raise
    except Exception as error:
        raise fault(f"a pass in the {phase.name} phase fails: {type(error).__name__}: {short(error)}") from error
    effects = short("; ".join(notes).replace("when it loads", "when it runs"))
    harness.expect(not notes, f"a pass has side effects: {effects}")
    harness.expect(not warned, f"a pass issues a warning: {short(warned[0].message) if warned else ''}")
    return result


@check()
def shapes(harness: Harness) -> None:
    """The shapes that infer returns are those of the arrays that apply returns, for several sizes of batch and time."""
    for rows, steps in size_variants(harness):
        values = harness.values(rows=rows, steps=steps)
        runner = harness.runner(provided=values)
        inferred = _inferred(harness, harness.sized(rows, steps))
        outputs = harness.run(values, runner, errors=False).outputs
        for (name, array), shape in zip(outputs.items(), inferred, strict=True):
            harness.expect(
                shape is not None and shape.sizes == array.shape,
                f"infer returns another shape for {name!r} than apply",
                expected=shape,
                received=array.shape,
            )
    _check_wider_inputs(harness)


def _check_wider_inputs(harness: Harness) -> None:
    """With two more elements on the last axis, infer raises an error or agrees with apply."""
    if harness.fixed or harness.integer:
        return
    wider = {
        name: shape.resized(-1, (shape.sizes[-1] or 0) + 2) if shape.names[-1] not in (BATCH, TIME) else shape
        for name, shape in harness.shapes.items()
    }
    rng = np.random.default_rng(1)
    low, high = harness.domain or (0.5, 1.5)
    values = {name: rng.uniform(low, high, tuple(size or 1 for size in shape)) for name, shape in wider.items()}
    try:
        runner = Runner(harness.graph(harness.make(), sized=wider))
        harness.set_weights(runner)
        runner.forward(values)
    except RuleError as error:
        sizes = ", ".join(map(str, harness.shapes.values()))
        raise fault(f"infer is correct only for {sizes}: {short(error)}") from error
    except Exception:  # refused, or not computable: the check bad_input covers that
        return
    harness.comparisons += 1


def size_variants(harness: Harness) -> list[tuple[int | None, int | None]]:
    """Return numbers of rows and steps to test, the case's own first; None if there is no such axis."""
    if harness.fixed:
        return [(None, None)]
    rows = [None] if harness.batch is None else [harness.batch, 1, harness.batch + 2]
    steps = [None] if harness.steps is None else [harness.steps, *_other_steps(harness, harness.steps)]
    variants = [(rows[i % len(rows)], steps[j % len(steps)]) for i, j in ((0, 0), (1, 0), (0, 1), (2, 2))]
    return variants if harness.batch or harness.steps else variants[:1]


def _other_steps(harness: Harness, steps: int) -> tuple[int, int]:
    """Return two other numbers of steps; one that infer refuses is replaced, unless it refuses all others."""
    fewer, more = 1, steps + 2
    accepted = {n: n == steps or is_accepted(harness, harness.sized(steps=n)) for n in (fewer, more, steps - 1)}
    if not accepted[more] and accepted[fewer] and steps > 1:
        harness.note_untried(f"more than {steps} steps, which infer refuses")
        return fewer, max(steps - 1, 1)
    if not accepted[fewer] and accepted[more]:
        harness.note_untried("one step, which infer refuses")
        return more, more
    return fewer, more


def _inferred(harness: Harness, shapes: dict[str, Shape]) -> list[Shape | None]:
    """Return the inferred shapes of the outputs."""
    graph = harness.graph(free=False) if shapes == harness.shapes else harness.graph()
    plan = lower(graph)
    try:
        inferred = infer(plan, graph.layers(), [shapes[name] for name in graph.inputs])
    except ShapeError as error:
        raise fault(f"infer refuses {', '.join(map(str, shapes.values()))}: {short(error)}") from error
    except Exception as error:
        problem = f"infer raises {type(error).__name__}: {short(error)}"
        raise fault(problem, expected="shapes, or a ShapeError") from error
    return [inferred.slots[slot] for _, slot in plan.outputs]


@check()
def free_sizes(harness: Harness) -> None:
    """infer accepts shapes whose batch and time sizes are unknown, returns compatible shapes, and names axes
    correctly."""
    known_shapes = _inferred(harness, harness.shapes)
    opened = {}
    for name, shape in harness.shapes.items():
        for axis in (BATCH, TIME):
            shape = shape.resized(axis, None) if shape.has(axis) else shape
        opened[name] = shape
    for known, free in zip(known_shapes, _inferred(harness, opened), strict=True):
        harness.expect(
            known is not None and free is not None and free.fits(known),
            "infer returns an incompatible shape while the sizes of batch and time are unknown",
            expected=f"a shape compatible with {known}",
            received=free,
        )
    for axis, base in ((BATCH, harness.batch), (TIME, harness.steps)):
        if base is not None and not harness.fixed:
            larger = {BATCH: harness.sized(rows=base + 3), TIME: harness.sized(steps=base + 3)}[axis]
            if axis == TIME and _other_steps(harness, base)[1] <= base:
                continue
            for before, after in zip(known_shapes, _inferred(harness, larger), strict=True):
                assert before is not None
                assert after is not None
                grows = not before.has(axis) or before.size(axis) != after.size(axis)
                harness.expect(grows, f"an output axis named {axis} does not grow with the {axis}", received=before)


@check()
def dtypes(harness: Harness) -> None:
    """float64 stays float64 and, if the layer computes in float32, float32 stays float32: outputs, errors and
    gradients of every rule."""
    for dtype in ("float64", "float32") if "float32" in harness.capabilities else ("float64",):
        values = harness.values(dtype=dtype)
        runner = harness.runner(provided=values)

        def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any, dtype: str = dtype) -> Any:
            result = original(*arguments, **keywords)
            returned = result[0] if rule == "apply" else result
            for place, array in iter_arrays(returned) if rule in ("apply", "pull", "grad") else ():
                what = f"{rule} of {type(layer).__name__} returns the wrong dtype {place}".rstrip()
                right = array.dtype.kind != "f" or array.dtype == dtype
                harness.expect(right, what, expected=dtype, received=array.dtype)
            return result

        with spy_on_rules(runner, spy):
            result = harness.run(values, runner)
        for name, array in result.results():
            if not name.startswith("gradient"):
                right = array.dtype == dtype or array.dtype.kind != "f"
                harness.expect(right, f"{name} has the wrong dtype", expected=dtype, received=array.dtype)


@check("float32")
def float32(harness: Harness) -> None:
    """The results in float32 equal those in float64 to rounding error; around 10000 they are finite and have some
    correct digits."""
    for phase in Phase:
        values = harness.values(dtype="float32")
        double = {n: a.astype("float64") if a.dtype == "float32" else a for n, a in values.items()}
        single_result, double_result = harness.run(values, phase=phase), harness.run(double, phase=phase)
        harness.assert_same_results(single_result, double_result, f"in float32, {phase.name} phase", 3e-3)
    _check_large_mean(harness)


def _check_large_mean(harness: Harness) -> None:
    """Inputs far from zero, close to each other, give finite results in float32 that have some correct digits."""
    if harness.domain is not None or harness.fixed:
        return
    for phase in (Phase.test,) if "random" in harness.capabilities else Phase:
        values = {
            name: array if name in harness.integer else (array + 1e4).astype("float32")
            for name, array in harness.values(6).items()
        }
        double = {n: a.astype("float64") if a.dtype == "float32" else a for n, a in values.items()}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            errors = harness.errors(harness.run(double, phase=phase, errors=False).outputs)
            desired = dict(harness.run(double, phase=phase, errors=errors).results())
            single = {name: error.astype("float32") for name, error in errors.items()}
            actual = dict(harness.run(values, phase=phase, errors=single).results())
        for name, array in desired.items():
            size = np.abs(array).max(initial=0.0)
            if np.isfinite(array).all() and size < 1e30 and array.dtype.kind == "f":
                where = f"in float32, for inputs around 10000: {name}"
                harness.expect(
                    np.isfinite(actual[name]).all(), f"{where} has NaN or infinity", expected="as in float64"
                )
                if name.startswith("output"):
                    apart = np.abs(actual[name] - array).max(initial=0.0)
                    digits = apart <= max(0.5 * size, 1e-3)
                    harness.expect(digits, f"{where} has no correct digit", expected="as in float64")
