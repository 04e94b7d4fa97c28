"""Spies on the rules of the layers of a runner: every call passes through a function of the kit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.run.runner import Runner

#: Called instead of a rule: with the node's path, the layer, the rule's name, the rule, and its arguments.
Spy = Callable[[str, Layer, str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
RULES = ("apply", "pull", "grad", "update", "draw")


@contextmanager
def spied(runner: Runner, spy: Spy) -> Iterator[None]:
    """Send the calls of all rules through ``spy``; the runner must not have run yet."""
    for path, layer in runner.layers.items():
        for rule in RULES:
            object.__setattr__(layer, rule, _through(spy, path, layer, rule))
    try:
        yield
    finally:
        for layer in runner.layers.values():
            for rule in RULES:
                layer.__dict__.pop(rule, None)


def _through(spy: Spy, path: str, layer: Layer, rule: str) -> Callable[..., Any]:
    original = getattr(layer, rule)

    def call(*arguments: Any, **keywords: Any) -> Any:
        return spy(path, layer, rule, original, arguments, keywords)

    return call


def arrays(thing: Any, place: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array in a nest of tuples, lists and mappings, with where it is."""
    if isinstance(thing, np.ndarray):
        yield place, thing
    elif isinstance(thing, (tuple, list)):
        for i, part in enumerate(thing):
            yield from arrays(part, f"{place}[{i}]")
    elif isinstance(thing, dict):
        for name, part in thing.items():
            yield from arrays(part, f"{place}[{name!r}]" if place else str(name))


#: An array with its place, what it held, and whether it could be written to.
Frozen = tuple[str, np.ndarray, np.ndarray, bool]


def frozen(thing: Any) -> list[Frozen]:
    """Every array in a nest, with a copy of what it holds now."""
    return [(place, array, array.copy(), array.flags.writeable) for place, array in arrays(thing)]


def written(kept: list[Frozen]) -> str | None:
    """The place of the first array that is no longer what it was."""
    for place, array, before, writeable in kept:
        if array.flags.writeable != writeable or not np.array_equal(array, before, equal_nan=_float(array)):
            return place
    return None


def _float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f"


def same(a: Any, b: Any) -> bool:
    """Whether two nests hold equal arrays."""
    first, second = list(arrays(a)), list(arrays(b))
    return len(first) == len(second) and all(
        x.shape == y.shape and np.array_equal(x, y, equal_nan=_float(x) and _float(y))
        for (_, x), (_, y) in zip(first, second, strict=True)
    )


def snapshot(thing: Any) -> Any:
    """A nest with copies of its arrays."""
    return copy.deepcopy(thing)
