"""The rules are pure: they write to nothing, keep nothing, and do not mind how arrays lie in memory."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.testing.check import check
from graphnet.testing.spies import arrays, frozen, same, spied, written
from graphnet.testing.subject import Subject

#: What the positional arguments of the rules are called.
ARGUMENTS = {"apply": "an input", "pull": "the error or what was saved", "grad": "the error or what was saved"}


@check()
def arguments_untouched(s: Subject) -> None:
    """No rule writes to its inputs, weights, buffers, draws, errors, or to what apply saved."""

    def spy(path: str, layer: Layer, rule: str, original: Any, given: Any, keywords: Any) -> Any:
        if rule == "draw":
            return original(*given, **keywords)
        before, named = frozen(given), frozen(keywords)
        result = original(*given, **keywords)
        what = f"{rule} of {type(layer).__name__} writes to"
        s.expect(written(before) is None, f"{what} {ARGUMENTS.get(rule, 'what was saved')}: argument {written(before)}")
        s.expect(written(named) is None, f"{what} {written(named)}, which it was given by keyword")
        return result

    _pass(s, spy)


@check()
def repeatable(s: Subject) -> None:
    """The same arguments give the same result, however often and whatever was computed in between."""

    def spy(path: str, layer: Layer, rule: str, original: Any, given: Any, keywords: Any) -> Any:
        if rule == "draw":
            rng, *shapes = given
            first, second = copy.deepcopy(rng), copy.deepcopy(rng)
            s.expect(
                same(original(first, *shapes), original(second, *shapes)),
                f"draw of {type(layer).__name__} does not follow from the generator that it is given",
            )
            return original(*given, **keywords)
        results = [copy.deepcopy(original(*given, **keywords)) for _ in range(3)]
        for again in results[1:]:
            s.expect(
                same(results[0], again), f"{rule} of {type(layer).__name__} gives another result when called again"
            )
        return original(*given, **keywords)

    _pass(s, spy)


@check()
def outputs_kept(s: Subject) -> None:
    """What apply returned and saved stays as it was when the layer is used again."""
    kept: list[Any] = []

    def spy(path: str, layer: Layer, rule: str, original: Any, given: Any, keywords: Any) -> Any:
        result = original(*given, **keywords)
        if rule == "apply" and len(kept) < 50:
            kept.append((layer, frozen(result), frozen(given)))
        return result

    _pass(s, spy, passes=2)
    for layer, results, given in kept:
        touched = written(results) if written(given) is None else None
        s.expect(touched is None, f"{type(layer).__name__} overwrites what apply returned before: {touched}")


@check()
def layouts(s: Subject) -> None:
    """Arrays that do not lie contiguous in memory give the same results."""

    def spy(path: str, layer: Layer, rule: str, original: Any, given: Any, keywords: Any) -> Any:
        result = original(*given, **keywords)
        if rule in ("apply", "pull", "grad"):
            for way in (_spread, np.asfortranarray):
                moved = tuple(way(x) if isinstance(x, np.ndarray) and x.ndim else x for x in given)
                other = original(*moved, **keywords)
                pairs = zip(arrays(result), arrays(other), strict=False)
                for (place, a), (_, b) in pairs:
                    s.agree(b, a, f"{rule} of {type(layer).__name__} depends on how arrays lie in memory{place}", 1e-7)
        return result

    _pass(s, spy)


def _spread(array: np.ndarray) -> np.ndarray:
    """The same numbers with gaps between them."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _pass(s: Subject, spy: Any, passes: int = 1) -> None:
    runner = s.runner()
    with spied(runner, spy):
        for seed in range(passes):
            s.run(s.values(seed), runner)
