"""How many multiply-adds and elementwise operations a rule has, from what was recorded of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from graphnet.inspect.equations.operations import WINDOWED, WINDOWED_ERROR, WINDOWED_GRADIENT
from graphnet.inspect.equations.recording import Rule
from graphnet.inspect.equations.simplify import row_products
from graphnet.inspect.equations.terms import Term, rebuilt, walk

#: Products with the sizes of their first operand's last axis as the number of terms.
PRODUCTS = ("matmul", "matvec", "vecdot", "dot", "inner")
#: Functions that move numbers, or say something about shapes, and compute nothing.
MOVES = frozenset(
    (
        "name", "number", "array", "getitem", "update", "full", "reshape", "transpose", "swapaxes", "moveaxis",
        "expand_dims", "squeeze", "concatenate", "stack", "broadcast_to", "astype", "tile", "repeat", "flip",
        "roll", "take", "pad", "split", "copy", "part", "sliding_window_view", "ravel", "diagonal",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """Multiply-adds of products, and operations on single numbers besides these."""

    multiply_adds: int = 0
    elementwise: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.multiply_adds + other.multiply_adds, self.elementwise + other.elementwise)

    def times(self, count: int) -> Work:
        """That of several calls."""
        return Work(self.multiply_adds * count, self.elementwise * count)


def forward(rule: Rule) -> Work:
    """The work of ``apply``."""
    return work(rule.outputs)


def backward(rule: Rule, *, gradients: bool, errors: bool) -> Work:
    """The work of ``grad`` and of ``pull``, without what ``apply`` has computed and saved."""
    roots = (*(rule.gradients if gradients else ()), *(rule.errors if errors else ()))
    return work(roots, rule.outputs)


def work(roots: Iterable[Term], known: Iterable[Term] = ()) -> Work:
    """The work of computing some terms, where others are known."""
    whole = [*known]
    both = rebuilt([*whole, *roots], lambda term: row_products(term) or term)
    before = {id(term) for term in walk(both[: len(whole)])}
    found = Work()
    for term in walk(both[len(whole) :]):
        if id(term) not in before:
            found += _of(term)
    return found


def _of(term: Term) -> Work:
    size = math.prod(term.shape)
    if term.op in PRODUCTS or term.op == "vecmat":
        operand = term.args[0].shape
        return Work(size * (operand[-1] if operand else 1), 0)
    if term.op == "outer":
        return Work(size, 0)
    if term.op == "einsum":
        return Work(_letters(term), 0)
    if term.op in (WINDOWED, WINDOWED_ERROR, WINDOWED_GRADIENT):
        return _windowed(term)
    if term.op in MOVES:
        return Work()
    read = max((math.prod(arg.shape) for arg in term.args), default=0)
    ufunc = isinstance(getattr(np, term.op, None), np.ufunc) or term.op == "where"
    return Work(0, size if ufunc else max(size, read))


def _windowed(term: Term) -> Work:
    """Positions times cells of the window times channels, for each output."""
    if term.op == WINDOWED:
        weights, size = term.args[1].shape, math.prod(term.shape)
        return Work(size * math.prod(weights[1:]), size)
    if term.op == WINDOWED_ERROR:
        errors, weights = (arg.shape for arg in term.args)
        return Work(math.prod(errors) * math.prod(weights[1:]), 0)
    errors = term.args[1].shape
    return Work(math.prod(errors) * math.prod(term.shape[1:]), 0)


def _letters(term: Term) -> int:
    """The product of the sizes of all letters of an einsum, once for each product of two operands."""
    subscripts = next((each for each in term.options["positional"] if isinstance(each, str)), "")
    inputs = subscripts.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, arg in zip(inputs, term.args, strict=False):
        plain = letters.replace("...", "")
        lead = arg.shape[: len(arg.shape) - len(plain)]
        sizes |= {f".{len(lead) - i}": n for i, n in enumerate(lead)}
        tail = arg.shape[len(lead) :]
        sizes |= {letter: max(n, sizes.get(letter, 1)) for letter, n in zip(plain, tail, strict=True)}
    return math.prod(sizes.values()) * max(1, len(term.args) - 1)
