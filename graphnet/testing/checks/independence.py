"""No state leaks: between passes, between the nodes that share a layer, between layers of one class, into copies."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product

import numpy as np

from graphnet.core.compile import infer, lower
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.value import Value
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import passes
from graphnet.testing.buffers import BufferSnapshot
from graphnet.testing.case_inputs import free_axes
from graphnet.testing.check import check
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.variants import more_axes, other_sizes


@check()
def batch_independence(harness: Harness) -> None:
    """The results of a pass do not depend on the passes before it."""
    fresh = harness.run(harness.values(2), seed=4)
    runner = harness.runner()
    buffers = BufferSnapshot(runner.layers.values())
    more = None if harness.fixed or harness.batch is None else harness.batch + 2
    for seed, rows in ((0, more), (1, None), (5, None)):
        harness.run(harness.values(seed, rows=rows), runner)
    buffers.restore()
    after = harness.run(harness.values(2), runner, seed=4)
    harness.assert_same_results(after, fresh, "the results depend on the passes before")
    for _ in range(12):
        buffers.restore()
        again = harness.run(harness.values(2), runner, seed=4)
    harness.assert_same_results(again, fresh, "the results depend on the number of passes before")
    _check_optional_inputs(harness)
    if "weights" in harness.capabilities:
        _check_changed_weights(harness)


def _check_optional_inputs(harness: Harness) -> None:
    """A pass without an optional input does not use its value from an earlier pass; each one has an effect."""
    if not harness.optional:
        return
    _check_optional_effects(harness)
    required = [name for name in harness.names if name not in harness.optional]
    values, phase = harness.values(2, without=harness.optional), harness.deterministic_phase
    fresh = harness.run(values, harness.runner(provided=required), phase=phase)
    layer = harness.make()
    harness.run(harness.values(1), harness.runner(layer), phase=phase)
    again = harness.run(values, harness.runner(layer, provided=required), phase=phase)
    harness.assert_same_results(again, fresh, "an optional input of an earlier pass is still used")


def _check_optional_effects(harness: Harness) -> None:
    """Other values of an optional input give another output, in one of the phases."""
    for name in harness.optional:
        if name in harness.fixed:
            continue
        differs = False
        for phase, seed, others in product(Phase, (21, 22), ("drawn", "positive")):
            values = harness.values(2)
            if others == "positive":  # another optional input may switch this one on
                values = {n: a if n in {*harness.fixed, *harness.integer} else 1 + np.abs(a) for n, a in values.items()}
            first = harness.run(values, phase=phase, errors=False).outputs
            values[name] = 1 - values[name] if name in harness.integer else harness.values(seed)[name]
            second = harness.run(values, phase=phase, errors=False).outputs
            differs = differs or any(not np.array_equal(first[port], second[port]) for port in first)
        harness.expect(differs, f"the optional input {name!r} has no effect on any output")


def _check_changed_weights(harness: Harness) -> None:
    """A pass uses the current weights, not those of an earlier pass."""
    runner = harness.runner()
    buffers = BufferSnapshot(runner.layers.values())
    harness.run(harness.values(2), runner, seed=4)
    harness.set_weights(runner, seed=77)
    buffers.restore()
    expected = harness.run(harness.values(2), harness.set_weights(harness.runner(), seed=77), seed=4)
    again = harness.run(harness.values(2), runner, seed=4)
    harness.assert_same_results(again, expected, "after a pass with other weights")


@check()
def infer_keeps_nothing(harness: Harness) -> None:
    """infer stores nothing in the layer: a pass computes the same after infer was called for other sizes."""
    larger = harness.sized(rows=(harness.batch or 0) + 3, steps=(harness.steps or 0) + 2)
    wider = [variant.shapes for variant in (*other_sizes(harness), *more_axes(harness))]
    harness.require(not harness.fixed, "the sizes of the inputs are fixed")
    phase, values = harness.deterministic_phase, harness.values(2)
    expected = harness.run(values, harness.runner(), phase=phase)
    runner = harness.runner()
    buffers = BufferSnapshot(runner.layers.values())
    for shapes in (larger, *wider):
        harness.run(values, runner, phase=phase)
        buffers.restore()
        graph = replace(
            runner.graph, inputs={n: replace(i, shape=free_axes(shapes[n])) for n, i in runner.graph.inputs.items()}
        )
        try:
            infer(lower(graph), graph.layers(), [shapes[name] for name in graph.inputs])
        except Exception:  # refused: the checks of infer report a wrong exception
            harness.comparisons += 1
        try:
            result = harness.run(values, runner, phase=phase)
        except Exception as error:
            raise fault(f"after infer for other sizes, a pass fails: {type(error).__name__}: {short(error)}") from error
        buffers.restore()
        harness.assert_same_results(result, expected, "after infer for other sizes", 0.0)


@check()
def shared_layer(harness: Harness) -> None:
    """A layer that is two nodes of one graph computes in each what it computes alone, and its gradients add up."""
    layer = harness.make()
    single = harness.graph(layer)
    builder = Builder("twice")
    outputs: dict[str, Value] = {}
    for place in ("first", "second"):
        inputs = {n: builder.input(f"{place}_{n}", i.shape, integer=i.integer) for n, i in single.inputs.items()}
        node = harness.add_node(builder, layer, inputs, place)
        ports = zip(single.outputs, layer.output_ports(), strict=True)
        outputs |= {f"{place}_{name}": node[port] for name, port in ports}
    harness.require(harness.runner().drawn, "the sizes of its weights are not declared")
    runner = harness.prepare(Runner(builder.build(**outputs), backend="reference"))
    values = {"first": harness.values(1), "second": harness.values(2)}
    phase = harness.deterministic_phase
    both = harness.run({f"{p}_{n}": a for p, arrays in values.items() for n, a in arrays.items()}, runner, phase=phase)
    alone = {}
    for place, arrays in values.items():
        errors = {n: both.errors[f"{place}_{n}"] for n in single.outputs}
        alone[place] = harness.run(arrays, phase=phase, errors=errors)
        for kind, actual, desired in (
            ("output", both.outputs, alone[place].outputs),
            ("error for", both.input_errors, alone[place].input_errors),
        ):
            for name, array in desired.items():
                if array is not None:
                    what = f"as two nodes of one graph: {kind} {name!r} of the {place}"
                    harness.assert_close(actual[f"{place}_{name}"], array, what)
    sums = {
        name.split("/", 1)[1]: array + alone["second"].gradients[name]
        for name, array in alone["first"].gradients.items()
    }
    for name, gradient in both.gradients.items():
        inner = name.split("/", 1)[1] if "/" in name else name
        what = f"as two nodes of one graph: the gradient of {inner!r} is not the sum"
        harness.assert_close(gradient, sums[inner], what)


@check()
def independent_layers(harness: Harness) -> None:
    """Two layers of one class, used alternately, do not affect each other."""
    first, second = harness.runner(), harness.set_weights(harness.runner(), seed=99)
    values, phase = harness.values(1), harness.deterministic_phase
    expected = harness.run(values, harness.runner(), phase=phase)
    outputs = harness.run(values, first, phase=phase, errors=False).outputs
    harness.run(harness.values(2), second, phase=phase)
    result = passes.backward(first, outputs, expected.errors)
    harness.assert_same_results(result, expected, "after another layer of its class was used")


@check()
def copies(harness: Harness) -> None:
    """A copy made by copy.deepcopy computes the same and has its own weights."""
    runner, phase = harness.runner(), harness.deterministic_phase
    expected = harness.run(runner=runner, phase=phase)
    layer = runner.graph.nodes[next(iter(runner.graph.nodes))].layer
    try:
        twin = copy.deepcopy(layer)
    except Exception as error:
        raise fault(f"copy.deepcopy fails: {type(error).__name__}: {short(error)}") from error
    other = Runner(harness.graph(twin), backend="reference")
    harness.assert_same_results(harness.run(runner=other, phase=phase), expected, "a copy")
    for parameter in other.parameters.values():
        parameter.value = np.zeros_like(parameter.value)
    after = harness.run(runner=runner, phase=phase)
    harness.assert_same_results(after, expected, "after the weights of a copy changed")
