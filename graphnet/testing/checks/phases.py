"""Train and test phase, random draws, and buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.layer import Layer
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import buffers as layer_buffers
from graphnet.testing.buffers import BufferSnapshot
from graphnet.testing.check import check
from graphnet.testing.checks.standalone import forward, initialized_layer, require_default_axes
from graphnet.testing.harness import Harness
from graphnet.testing.nested_arrays import iter_arrays
from graphnet.testing.rule_spy import spy_on_rules

#: The number of passes to average over, and the most that running statistics may need to converge.
DRAWS, PASSES = 400, 3000


@check()
def phases(harness: Harness) -> None:
    """The test phase draws nothing and changes no buffer; without draws and buffers both phases are equal."""
    for seed in (1, 2):
        runner = harness.runner()
        harness.run(harness.values(0), runner)
        before = {name: np.array(array) for name, array in runner.buffers.items()}
        first = harness.run(harness.values(3), runner, phase=Phase.test, seed=seed)
        for name, array in runner.buffers.items():
            harness.assert_close(array, before[name], f"the test phase changes the buffer {name!r}", 0.0)
        again = harness.run(harness.values(3), runner, phase=Phase.test, seed=seed + 50)
        harness.assert_same_results(again, first, "two passes in the test phase", 0.0)
    if harness.deterministic_phase is Phase.train:
        require_default_axes(harness)
        layer, values, outputs = initialized_layer(harness), harness.values(3), []
        for phase in Phase:
            layer.phase = phase
            outputs.append(forward(harness, layer, values))
        for a, b in zip(*outputs, strict=True):
            harness.assert_close(a, b, "its phases differ, although no rule has an argument 'phase'", 0.0)


def _require_varying_draws(harness: Harness) -> None:
    """Skip the check if the draws are constant, such as in dropout that keeps everything."""
    runner, draws = harness.runner(), []

    def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        if rule == "draw":
            draws.append(np.concatenate([array.ravel() for _, array in iter_arrays(result)]))
        return result

    with spy_on_rules(runner, spy):
        for seed in range(2):
            harness.run(runner=runner, errors=False, seed=seed)
    varying = any(len(set(array.tolist())) > 1 for array in draws) or not np.array_equal(draws[0], draws[-1])
    harness.require(varying, "its draws are constant")


@check("random")
def seeded(harness: Harness) -> None:
    """Equal seeds give equal draws, different seeds give different ones."""
    _require_varying_draws(harness)
    first = harness.run(harness.values(3), seed=1)
    harness.assert_same_results(harness.run(harness.values(3), seed=1), first, "two passes with the same seed", 0.0)
    others = [harness.run(harness.values(3), seed=seed) for seed in (2, 3, 4, 5)]
    same = all(np.array_equal(array, first.outputs[name]) for other in others for name, array in other.outputs.items())
    harness.expect(not same, "every seed gives the same output in the train phase", expected="different draws")


@check("random")
def fresh_draws(harness: Harness) -> None:
    """Each pass in the train phase uses new draws."""
    _require_varying_draws(harness)
    runner, values = harness.runner(), harness.values(3)
    with random.using(np.random.default_rng(1)):
        outputs = [np.concatenate([y.ravel() for y in runner.forward(values).values()]) for _ in range(6)]
    differ = any(not np.array_equal(outputs[0], other) for other in outputs[1:])
    harness.expect(differ, "every pass draws the same numbers")


@check("random", "unbiased")
def unbiased(harness: Harness) -> None:
    """The mean output over many draws in the train phase equals the output in the test phase."""
    runner = harness.runner()
    values = {n: a if n in harness.integer else np.abs(a) + 0.5 for n, a in harness.values(3).items()}
    snapshot = BufferSnapshot(runner.layers.values())
    outputs = []
    for seed in range(DRAWS):
        snapshot.restore()
        result = harness.run(values, runner, errors=False, seed=seed)
        outputs.append(np.concatenate([y.ravel() for y in result.outputs.values()]))
    test = harness.run(values, runner, phase=Phase.test, errors=False)
    expected = np.concatenate([y.ravel() for y in test.outputs.values()]).sum()
    sums = np.array(outputs).sum(axis=1)
    slack = 6 * sums.std() / np.sqrt(DRAWS) + 1e-9 * max(1.0, abs(expected))
    harness.expect(
        abs(sums.mean() - expected) <= slack,
        "the mean over the draws differs from the test phase",
        expected=f"a sum of {expected:.4g} ± {slack:.2g}",
        received=f"{sums.mean():.4g}",
    )


@check("buffers")
def buffers(harness: Harness) -> None:
    """After the train phase, buffers have their declared shapes, are finite, and are the same for the same batches."""
    runners = [harness.runner(), harness.runner()]
    for runner in runners:
        before = {name: array.shape for name, array in runner.buffers.items()}
        for seed in range(3):
            harness.run(harness.values(seed), runner)
        for name, array in runner.buffers.items():
            harness.expect(array.shape == before.get(name, array.shape), f"the shape of buffer {name!r} changes")
            harness.expect(np.isfinite(array).all(), f"the buffer {name!r} is not finite")
    _check_buffers_are_read(harness)
    for name, array in runners[0].buffers.items():
        harness.assert_close(runners[1].buffers[name], array, f"the buffer {name!r} after the same batches", 0.0)


def _check_buffers_are_read(harness: Harness) -> None:
    """Some output depends on the buffers, unless they only monitor: then both phases compute the same."""
    outputs = []
    for factor, shift in ((1, 0.0), (1, 100.0), (0.01, 0.0)):
        arrays = []
        for phase in Phase:
            runner = harness.runner()
            layer_buffers.transform(
                runner.layers.values(),
                lambda array, factor=factor, shift=shift: factor * array + shift,  # type: ignore[misc]
            )
            result = harness.run(harness.values(3), runner, phase=phase, errors=False)
            arrays += [y.ravel() for y in result.outputs.values()]
        outputs.append(np.concatenate(arrays))
    read = not all(np.array_equal(outputs[0], other) for other in outputs[1:])
    half = len(outputs[0]) // 2
    if not read and ("random" in harness.capabilities or np.array_equal(outputs[0][:half], outputs[0][half:])):
        return
    harness.expect(read, "no output depends on its buffers", expected="a test phase that reads them")


def _uneven(array: np.ndarray) -> np.ndarray:
    """Return an array whose mean and spread vary along the axes after the batch."""
    for axis in range(1, array.ndim):
        indices = np.arange(array.shape[axis]).reshape(-1, *[1] * (array.ndim - axis - 1))
        array = array * (1 + 0.5 * indices) + indices
    return array + 1


@check("buffers", "statistics")
def statistics(harness: Harness) -> None:
    """After many passes over one large batch, the test phase gives the same output for it as the train phase."""
    harness.require(harness.batch is not None and not harness.fixed, "there is no batch axis to vary")
    runner = harness.runner()
    values = {n: a if n in harness.integer else _uneven(a) for n, a in harness.values(3, rows=256).items()}
    last, history = None, []
    for i in range(PASSES):
        train = harness.run(values, runner, errors=False).outputs
        if i % 50 == 49:
            test = harness.run(values, runner, phase=Phase.test, errors=False).outputs
            if last is not None and all(np.allclose(test[n], last[n], rtol=1e-7, atol=1e-9) for n in test):
                break
            last = test
        if (i + 1) % (PASSES // 3) == 0:
            history.append([layer_buffers.current(layer) for layer in runner.layers.values()])
    else:
        _extrapolate(runner, history)
        test = harness.run(values, runner, phase=Phase.test, errors=False).outputs
    for name, array in test.items():
        what = f"the test phase does not converge to the train phase: output {name!r}"
        harness.assert_close(array, train[name], what, 0.02)
    trained = harness.runner()
    harness.run(values, trained, errors=False)
    pairs = zip(trained.buffers.values(), harness.runner().buffers.values(), strict=True)
    changed = any(not np.array_equal(a, b) for a, b in pairs)
    harness.expect(changed, "one pass in the train phase changes no buffer")
    _check_earlier_batches_count(harness)


def _extrapolate(runner: Runner, history: list[list[dict[str, np.ndarray]]]) -> None:
    """Set buffers that approach a limit geometrically, as with a momentum of 0.999, to that limit (Aitken's method)."""

    def limit(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        before, after = b - a, c - b
        approaching = (np.abs(after) < 0.9 * np.abs(before)) & (before * after > 0)
        with np.errstate(all="ignore"):
            return np.where(approaching, c + after**2 / (before - after), c).astype(c.dtype)

    for i, layer in enumerate(runner.layers.values()):
        first, second, third = (states[i] for states in history)
        layer.store.replace_buffers({name: limit(first[name], second[name], third[name]) for name in third})


def _check_earlier_batches_count(harness: Harness) -> None:
    """Every buffer that the test phase reads depends on more than the last batch, unless a share of 0 or 1 is set."""
    if any(isinstance(value, float) and value in (0.0, 1.0) for value in harness.case.config.values()):
        harness.note_untried("that earlier batches count, with a number that is 0 or 1 in the configuration")
        return
    after: list[dict[str, np.ndarray]] = []
    for seeds in ((1, 2), (2,)):
        runner = harness.runner()
        for seed in seeds:
            harness.run(harness.values(seed), runner, errors=False)
        after.append({name: np.array(array) for name, array in runner.buffers.items()})
    for name in after[0]:
        if np.array_equal(after[0][name], after[1][name]) and _is_read(harness, name):
            harness.expect(False, f"the buffer {name!r} depends on the last batch only", expected="a running statistic")
        harness.comparisons += 1


def _is_read(harness: Harness, name: str) -> bool:
    """Return whether the test phase reads a buffer and the train phase changes it."""
    runner = harness.runner()
    harness.run(harness.values(1), runner, errors=False)
    first = runner.buffers[name]
    before = harness.run(harness.values(3), runner, phase=Phase.test, errors=False).outputs
    layer_buffers.transform(
        runner.layers.values(), lambda array: array + 0.7 if array is first or np.shares_memory(array, first) else array
    )
    after = harness.run(harness.values(3), runner, phase=Phase.test, errors=False).outputs
    read = any(not np.array_equal(before[port], after[port]) for port in before)
    initial = harness.runner().buffers[name]
    return read and not np.array_equal(first, initial)
