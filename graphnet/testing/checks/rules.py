"""Purity of the rules: they modify no argument, keep no state, and accept any memory layout."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.testing.check import check
from graphnet.testing.harness import Harness
from graphnet.testing.nested_arrays import equal, first_modified, iter_arrays, record
from graphnet.testing.rule_spy import Spy, spy_on_rules

#: The positional arguments of the rules, for messages.
ARGUMENTS = {"apply": "an input", "pull": "the error or a saved value", "grad": "the error or a saved value"}


@check()
def arguments_unmodified(harness: Harness) -> None:
    """No rule writes to its inputs, weights, buffers, draws or errors, or to the values that apply saved."""

    def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any) -> Any:
        if rule == "draw":
            return original(*arguments, **keywords)
        positional, named = record(arguments), record(keywords)
        result = original(*arguments, **keywords)
        what = f"{rule} of {type(layer).__name__} writes to"
        place = first_modified(positional)
        harness.expect(place is None, f"{what} {ARGUMENTS.get(rule, 'a saved value')}: argument {place}")
        place = first_modified(named)
        harness.expect(place is None, f"{what} its keyword argument {place}")
        return result

    _run_spied(harness, spy)


@check()
def repeatable(harness: Harness) -> None:
    """Equal arguments give equal results in every call, whatever was computed in between."""

    def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any) -> Any:
        if rule == "draw":
            rng, *shapes = arguments
            first, second = copy.deepcopy(rng), copy.deepcopy(rng)
            harness.expect(
                equal(original(first, *shapes), original(second, *shapes)),
                f"draw of {type(layer).__name__} does not depend only on the generator that it receives",
            )
            return original(*arguments, **keywords)
        results = [copy.deepcopy(original(*arguments, **keywords)) for _ in range(3)]
        for again in results[1:]:
            same = equal(results[0], again)
            harness.expect(same, f"{rule} of {type(layer).__name__} returns another result when called again")
        return original(*arguments, **keywords)

    _run_spied(harness, spy)


@check()
def outputs_not_reused(harness: Harness) -> None:
    """The arrays that apply returned and saved do not change when the layer is used again."""
    calls: list[Any] = []

    def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        if rule == "apply" and len(calls) < 50:
            calls.append((layer, record(result), record(arguments)))
        return result

    _run_spied(harness, spy, passes=2)
    for layer, results, arguments in calls:
        place = first_modified(results) if first_modified(arguments) is None else None
        harness.expect(place is None, f"{type(layer).__name__} overwrites an array that apply returned: {place}")


@check()
def layouts(harness: Harness) -> None:
    """Arrays that are not contiguous give the same results."""

    def spy(layer: Layer, rule: str, original: Any, arguments: Any, keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        if rule in ("apply", "pull", "grad"):
            for copied in (_strided, np.asfortranarray):
                moved = tuple(copied(x) if isinstance(x, np.ndarray) and x.ndim else x for x in arguments)
                other = original(*moved, **keywords)
                for (place, a), (_, b) in zip(iter_arrays(result), iter_arrays(other), strict=False):
                    what = f"{rule} of {type(layer).__name__} depends on the memory layout of its arguments{place}"
                    harness.assert_close(b, a, what, 1e-7)
        return result

    _run_spied(harness, spy)


def _strided(array: np.ndarray) -> np.ndarray:
    """Return a copy with gaps between the elements."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _run_spied(harness: Harness, spy: Spy, passes: int = 1) -> None:
    runner = harness.runner()
    with spy_on_rules(runner, spy):
        for seed in range(passes):
            harness.run(harness.values(seed), runner)
