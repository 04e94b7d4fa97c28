"""Train and test phase, random draws, and what is kept between batches on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.phase import Phase
from graphnet.testing.check import check
from graphnet.testing.checks.alone import alone, forward, ready
from graphnet.testing.subject import Subject

#: Passes that an average is taken over, and that running statistics may take to settle.
DRAWS, PASSES = 400, 3000


@check()
def phases(s: Subject) -> None:
    """The test phase draws nothing and moves no buffer; without random draws and buffers both phases are one."""
    for seed in (1, 2):
        runner = s.runner()
        s.run(s.values(0), runner)
        before = {name: np.array(array) for name, array in runner.buffers.items()}
        first = s.run(s.values(3), runner, phase=Phase.test, seed=seed)
        for name, array in runner.buffers.items():
            s.agree(array, before[name], f"the test phase moves the buffer {name!r}", 0.0)
        again = s.run(s.values(3), runner, phase=Phase.test, seed=seed + 50)
        s.all_agree(again, first, "two passes in the test phase", 0.0)
    if s.steady is Phase.train:
        alone(s)
        layer, values, found = ready(s), s.values(3), []
        for phase in Phase:
            layer.phase = phase
            found.append(forward(s, layer, values))
        for a, b in zip(*found, strict=True):
            s.agree(a, b, "its phases differ, though its rules do not ask for the phase", 0.0)


def _drawing(s: Subject) -> None:
    """Skip where the draws change nothing, as dropout that keeps everything."""
    from graphnet.testing.spies import arrays, spied

    runner, drawn = s.runner(), []

    def spy(path: str, layer: Any, rule: str, original: Any, given: Any, keywords: Any) -> Any:
        result = original(*given, **keywords)
        if rule == "draw":
            drawn.append(np.concatenate([array.ravel() for _, array in arrays(result)]))
        return result

    with spied(runner, spy):
        for seed in range(2):
            s.run(runner=runner, errors=False, seed=seed)
    changing = any(len(set(array.tolist())) > 1 for array in drawn) or not np.array_equal(drawn[0], drawn[-1])
    s.require(changing, "its draws are all alike")


@check("random")
def seeded(s: Subject) -> None:
    """The same seed gives the same draws, another seed others."""
    _drawing(s)
    first = s.run(s.values(3), seed=1)
    s.all_agree(s.run(s.values(3), seed=1), first, "two passes with one seed", 0.0)
    others = [s.run(s.values(3), seed=seed) for seed in (2, 3, 4, 5)]
    same = all(np.array_equal(array, first.outputs[name]) for other in others for name, array in other.outputs.items())
    s.expect(not same, "every seed gives the same output in the train phase", expected="draws that differ")


@check("random")
def draws_apart(s: Subject) -> None:
    """Two passes in the train phase draw anew."""
    _drawing(s)
    from graphnet.core import random

    runner, values = s.runner(), s.values(3)
    with random.using(np.random.default_rng(1)):
        found = [np.concatenate([y.ravel() for y in runner.forward(values).values()]) for _ in range(6)]
    s.expect(any(not np.array_equal(found[0], other) for other in found[1:]), "it draws the same numbers in every pass")


@check("random", "unbiased")
def unbiased(s: Subject) -> None:
    """Averaged over the draws, the train phase does what the test phase does."""
    runner = s.runner()
    values = {n: a if n in s.integer else np.abs(a) + 0.5 for n, a in s.values(3).items()}
    kept = [(layer, layer.buffer_values) for layer in runner.layers.values()]
    outputs = []
    for seed in range(DRAWS):
        for layer, buffers in kept:
            layer.store.replace_buffers(buffers)
        passed = s.run(values, runner, errors=False, seed=seed)
        outputs.append(np.concatenate([y.ravel() for y in passed.outputs.values()]))
    test = s.run(values, runner, phase=Phase.test, errors=False)
    expected = np.concatenate([y.ravel() for y in test.outputs.values()]).sum()
    sums = np.array(outputs).sum(axis=1)
    slack = 6 * sums.std() / np.sqrt(DRAWS) + 1e-9 * max(1.0, abs(expected))
    s.expect(
        abs(sums.mean() - expected) <= slack,
        "the draws do not average to the test phase",
        expected=f"{expected:.4g} in all, within {slack:.2g}",
        received=f"{sums.mean():.4g}",
    )


@check("buffers")
def buffers(s: Subject) -> None:
    """The train phase leaves buffers of the declared shapes, finite, and the same after the same batches."""
    runners = [s.runner(), s.runner()]
    for runner in runners:
        before = {name: array.shape for name, array in runner.buffers.items()}
        for seed in range(3):
            s.run(s.values(seed), runner)
        for name, array in runner.buffers.items():
            s.expect(array.shape == before.get(name, array.shape), f"the buffer {name!r} changes its shape")
            s.expect(np.isfinite(array).all(), f"the buffer {name!r} is not finite")
    _read(s)
    for name, array in runners[0].buffers.items():
        s.agree(runners[1].buffers[name], array, f"the buffer {name!r} after the same batches", 0.0)


def _read(s: Subject) -> None:
    """Something depends on the buffers: an output, or what they become."""
    found = []
    for factor, shift in ((1, 0.0), (1, 100.0), (0.01, 0.0)):
        arrays = []
        for phase in Phase:
            runner = s.runner()
            for layer in runner.layers.values():
                layer.store.replace_buffers(
                    {name: factor * array + shift for name, array in layer.buffer_values.items()}
                )
            arrays += [y.ravel() for y in s.run(s.values(3), runner, phase=phase, errors=False).outputs.values()]
        found.append(np.concatenate(arrays))
    read = not all(np.array_equal(found[0], other) for other in found[1:])
    s.expect(read, "no output depends on its buffers", expected="a test phase that reads them")


def _uneven(array: np.ndarray) -> np.ndarray:
    """Numbers whose mean and spread differ from place to place along the axes after the batch."""
    for axis in range(1, array.ndim):
        places = np.arange(array.shape[axis]).reshape(-1, *[1] * (array.ndim - axis - 1))
        array = array * (1 + 0.5 * places) + places
    return array + 1


@check("buffers", "statistics")
def statistics(s: Subject) -> None:
    """After many passes over one large batch, the test phase does with it what the train phase does."""
    s.require(s.batch is not None and not s.fixed, "there is no batch axis to vary")
    runner = s.runner()
    values = {n: a if n in s.integer else _uneven(a) for n, a in s.values(3, rows=256).items()}
    last = None
    for i in range(PASSES):
        train = s.run(values, runner, errors=False).outputs
        if i % 50 == 49:
            test = s.run(values, runner, phase=Phase.test, errors=False).outputs
            if last is not None and all(np.allclose(test[n], last[n], rtol=1e-7, atol=1e-9) for n in test):
                break
            last = test
    for name, array in test.items():
        s.agree(array, train[name], f"the test phase does not come to do what the train phase does: {name!r}", 0.02)
    fresh = s.runner()
    s.run(values, fresh, errors=False)
    moved = any(
        not np.array_equal(a, b) for a, b in zip(fresh.buffers.values(), s.runner().buffers.values(), strict=True)
    )
    s.expect(moved, "one pass in the train phase moves no buffer")
