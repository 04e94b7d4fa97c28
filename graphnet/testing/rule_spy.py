"""Interception of the rules of a runner's layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.run.runner import Runner

#: Called in place of a rule, with the layer, the rule's name, the rule, its positional and its keyword arguments.
Spy = Callable[[Layer, str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
RULES = ("apply", "pull", "grad", "update", "draw")


@contextmanager
def spy_on_rules(runner: Runner, spy: Spy) -> Iterator[None]:
    """Route every call of a rule through ``spy``; the runner must not have run yet."""
    for layer in runner.layers.values():
        for rule in RULES:
            object.__setattr__(layer, rule, _routed(spy, layer, rule))
    try:
        yield
    finally:
        for layer in runner.layers.values():
            for rule in RULES:
                layer.__dict__.pop(rule, None)


def _routed(spy: Spy, layer: Layer, rule: str) -> Callable[..., Any]:
    original = getattr(layer, rule)

    def call(*arguments: Any, **keywords: Any) -> Any:
        return spy(layer, rule, original, arguments, keywords)

    return call
