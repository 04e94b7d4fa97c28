"""Layers whose rules are random expressions in numpy.

``apply`` is an expression in the inputs, ``pull`` one that is linear in the error, ``grad`` a sum over the rows. The
result of ``pull`` need not be the derivative: both backends must compute what the rules say.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from graphnet import Layer
from graphnet.core.describe.parameter import Weight

#: Functions of one and of two operands that stay small, and are smooth almost everywhere.
UNARY = {
    "tanh": np.tanh,
    "sine": np.sin,
    "absolute": np.abs,
    "negative": np.negative,
    "exponential": lambda x: np.exp(-np.abs(x)),
    "inverse": lambda x: 1.0 / (1.5 + np.cos(x)),
    "root": lambda x: np.sqrt(0.5 + x * x),
    "logarithm": lambda x: np.log1p(np.abs(x)),
    "arctangent": np.arctan,
    "clipped": lambda x: np.clip(x, -1.0, 1.0),
    "same": lambda x: x,
}
BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * np.tanh(b),
    "largest": np.maximum,
    "least": np.minimum,
    "ratio": lambda a, b: a / (1.0 + b * b),
    "hypotenuse": np.hypot,
    "choice": lambda a, b: np.where(a > b, a, 2.0 * b),
    "both": lambda a, b: np.where((a > 0) & (b > 0), a * 0.5, b),
    "mask": lambda a, b: a * (b > 0.1),
}
#: Functions of all features.
ACROSS = {
    "total": lambda x: x.sum(axis=-1, keepdims=True),
    "mean": lambda x: np.mean(x, axis=-1, keepdims=True),
    "top": lambda x: x.max(axis=-1, keepdims=True),
    "turned": lambda x: np.concatenate([x[..., 1:], x[..., :1]], axis=-1) if x.shape[-1] > 1 else x,
    "doubled": lambda x: x + x.sum(axis=-1, keepdims=True),
}


class Random(Layer):
    """``size`` features in and out; ``inputs`` inputs; expressions as nested tuples."""

    size: int = 2
    inputs: int = 1
    forward_rule: Any = ("same", ("input", 0))
    pulls: Any = ()
    weighted: bool = False

    def parameters(self, *shapes):
        return {"scale": Weight((self.size,))} if self.weighted else {}

    def infer(self, *shapes):
        return shapes[0]

    def apply(self, *xs, **weights):
        y = value(self.forward_rule, xs) + 0.0 * xs[0]
        return (y * weights["scale"] if self.weighted else y), (xs, y)

    def pull(self, saved, error, **weights):
        xs, y = saved
        if self.weighted:
            error = error * weights["scale"]
        errors = tuple(error * value(rule, (*xs, y)) + value(("doubled", 0), (error,)) * 0.25 for rule in self.pulls)
        return errors if len(errors) > 1 else errors[0]

    def grad(self, saved, error):
        rows = (error * saved[1]).reshape(-1, self.size)
        return {"scale": rows.sum(axis=0)}


def value(rule: Any, xs: tuple[Any, ...]) -> Any:
    """Evaluate an expression on arrays or symbols."""
    if isinstance(rule, int):
        return xs[rule]
    kind, *args = rule
    if kind == "input":
        return xs[args[0]]
    operands = [value(a, xs) for a in args]
    return (UNARY.get(kind) or BINARY.get(kind) or ACROSS[kind])(*operands)


def expression(rng: random.Random, inputs: int, depth: int) -> Any:
    """A random expression."""
    if depth == 0 or rng.random() < 0.15:
        return rng.randrange(inputs)
    kind = rng.random()
    if kind < 0.4:
        return (rng.choice(list(UNARY)), expression(rng, inputs, depth - 1))
    if kind < 0.85:
        return (rng.choice(list(BINARY)), expression(rng, inputs, depth - 1), expression(rng, inputs, depth - 1))
    return (rng.choice(list(ACROSS)), expression(rng, inputs, depth - 1))


def settings(rng: random.Random, width: int, inputs: int) -> tuple[Any, ...]:
    """The fields of a random layer."""
    pulls = tuple(expression(rng, inputs + 1, rng.randint(0, 2)) for _ in range(inputs))
    return width, inputs, expression(rng, inputs, rng.randint(1, 4)), pulls, rng.random() < 0.4
