"""One layer in two places, two layers of one class, one layer after another batch: nothing leaks."""

from __future__ import annotations

import copy

import numpy as np

from graphnet.core.describe.builder import Builder, Value
from graphnet.core.run.runner import Runner
from graphnet.testing.check import check, fault, short
from graphnet.testing.subject import Passed, Subject


@check()
def batches_apart(s: Subject) -> None:
    """A pass leaves nothing behind that the next one feels."""
    fresh = s.run(s.values(2), seed=4)
    runner = s.runner()
    kept = [(layer, layer.buffer_values) for layer in runner.layers.values()]
    more = None if s.fixed or s.batch is None else s.batch + 2
    for seed, rows in ((0, more), (1, None), (5, None)):
        s.run(s.values(seed, rows=rows), runner)
    for layer, buffers in kept:
        layer.store.replace_buffers(buffers)
    after = s.run(s.values(2), runner, seed=4)
    s.all_agree(after, fresh, "a pass depends on the passes before it")
    for _ in range(12):
        for layer, buffers in kept:
            layer.store.replace_buffers(buffers)
        again = s.run(s.values(2), runner, seed=4)
    s.all_agree(again, fresh, "a pass depends on how many there were before")
    _without_what_was_given(s)
    if "weights" in s.capabilities:
        changed = s.runner()
        kept = [(layer, layer.buffer_values) for layer in changed.layers.values()]
        s.run(s.values(2), changed, seed=4)
        s.with_weights(changed, seed=77)
        for layer, buffers in kept:
            layer.store.replace_buffers(buffers)
        expected = s.run(s.values(2), s.with_weights(s.runner(), seed=77), seed=4)
        s.all_agree(s.run(s.values(2), changed, seed=4), expected, "after a pass with other weights")


def _without_what_was_given(s: Subject) -> None:
    """An optional input that was given once is not remembered when it is left out."""
    if not s.optional:
        return
    needed = [name for name in s.names if name not in s.optional]
    values = s.values(2, without=s.optional)
    fresh = s.run(values, s.runner(provided=needed), phase=s.steady)
    layer = s.make()
    s.run(s.values(1), s.runner(layer), phase=s.steady)
    again = s.run(values, s.runner(layer, provided=needed), phase=s.steady)
    s.all_agree(again, fresh, "an optional input is remembered")


@check()
def two_places(s: Subject) -> None:
    """In two places of one graph a layer works as in each alone, and its gradients add up."""
    layer = s.make()
    single = s.graph(layer)
    builder = Builder("twice")
    outputs: dict[str, Value] = {}
    for place in ("first", "second"):
        given = {n: builder.input(f"{place}_{n}", i.shape, integer=i.integer) for n, i in single.inputs.items()}
        wanted = [given.get(n) for n in (s.names if s.ports.variadic else s.ports.names)]
        while wanted[-1] is None:
            wanted.pop()
        node = builder.add(layer, *wanted, name=place)
        outputs |= {
            f"{place}_{name}": node[port] for name, port in zip(single.outputs, layer.output_ports(), strict=True)
        }
    runner = s.filled(Runner(builder.build(**outputs), backend="reference")) if _sized(s) else None
    s.require(runner is not None, "the sizes of its weights are not declared")
    assert runner is not None
    values = {"first": s.values(1), "second": s.values(2)}
    both = s.run({f"{p}_{n}": a for p, arrays in values.items() for n, a in arrays.items()}, runner, phase=s.steady)
    alone = {}
    for place, arrays in values.items():
        errors = {n: both.errors[f"{place}_{n}"] for n in single.outputs}
        alone[place] = s.run(arrays, phase=s.steady, errors=errors)
        for kind, found, expected in (
            ("output", both.outputs, alone[place].outputs),
            ("error for", both.pulled, alone[place].pulled),
        ):
            for name, array in expected.items():
                if array is not None:
                    s.agree(
                        found[f"{place}_{name}"], array, f"in two places of one graph: {kind} {name!r} of the {place}"
                    )
    for name, gradient in both.gradients.items():
        inner = name.split("/", 1)[1] if "/" in name else name
        known = {n.split("/", 1)[1]: (a, alone["second"].gradients[n]) for n, a in alone["first"].gradients.items()}
        s.agree(gradient, sum(known[inner]), f"in two places of one graph: the gradient of {inner!r} is not the sum")


def _sized(s: Subject) -> bool:
    """Whether the declared sizes are enough to make the weights."""
    return s.runner().drawn


@check()
def two_layers(s: Subject) -> None:
    """Two layers of one class, used in turns, do not feel each other."""
    first, second = s.runner(), s.with_weights(s.runner(), seed=99)
    values, others = s.values(1), s.values(2)
    expected = s.run(values, s.runner(), phase=s.steady)
    outputs = s.run(values, first, phase=s.steady, errors=False).outputs
    s.run(others, second, phase=s.steady)
    pulled = first.backward(expected.errors)
    found = Passed(outputs, expected.errors, dict(pulled), {n: p.gradient for n, p in first.parameters.items()})  # type: ignore[misc]
    s.all_agree(found, expected, "after another layer of its class was used")


@check()
def copies(s: Subject) -> None:
    """A copy (copy.deepcopy) computes the same, and has weights of its own."""
    runner = s.runner()
    expected = s.run(runner=runner, phase=s.steady)
    layer = runner.graph.nodes[next(iter(runner.graph.nodes))].layer
    try:
        twin = copy.deepcopy(layer)
    except Exception as error:
        raise fault(f"copy.deepcopy fails: {type(error).__name__}: {short(error)}") from error
    other = Runner(s.graph(twin), backend="reference")
    found = s.run(runner=other, phase=s.steady)
    s.all_agree(found, expected, "a copy")
    for parameter in other.parameters.values():
        parameter.value = np.zeros_like(parameter.value)
    s.all_agree(s.run(runner=runner, phase=s.steady), expected, "after the weights of a copy changed")
