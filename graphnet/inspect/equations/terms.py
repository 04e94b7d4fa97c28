"""Terms: what a rule computes, as a directed acyclic graph of numpy's functions over named arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: What a name stands for.
INPUT, WEIGHT, DRAW, LINE = "input", "weight", "draw", "line"


@dataclass(frozen=True, eq=False, slots=True)
class Term:
    """A value.

    Attributes
    ----------
    op : str
        'name', 'number', 'array', the name of a ufunc, of a reduction, or of another function of numpy; 'getitem',
        'update' (an array in which a part was replaced), 'astype', 'full', and the names of graphnet's operations.
    args : tuple of Term
    options : mapping
        Everything else: an axis, a shape, an index. In nested options, an :class:`Arg` stands for an argument.
    shape : tuple of int
        At the sizes of the recording.
    kind : str
        The kind of the dtype, as numpy's ``dtype.kind``.
    """

    op: str
    args: tuple[Term, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    kind: str = "f"

    @property
    def is_leaf(self) -> bool:
        """Whether it has no arguments."""
        return not self.args

    def replaced(self, args: Iterable[Term]) -> Term:
        """The same operation on other arguments."""
        new = tuple(args)
        if all(a is b for a, b in zip(new, self.args, strict=True)):
            return self
        return Term(self.op, new, self.options, self.shape, self.kind)


@dataclass(frozen=True, slots=True)
class Arg:
    """The place of an argument in nested options."""

    number: int


def name(text: str, shape: tuple[int, ...] = (), role: str = INPUT, **options: Any) -> Term:
    """A named array; ``owner`` is the node whose weights it is, ``time`` 't' or 't-1'."""
    return Term("name", (), {"name": text, "role": role, **options}, shape)


def number(value: float) -> Term:
    """A number."""
    return Term("number", (), {"value": value}, (), "f" if isinstance(value, float) else "i")


def is_number(term: Term, value: float | None = None) -> bool:
    """Whether a term is a number, or this one."""
    return term.op == "number" and (value is None or term.options["value"] == value)


def walk(roots: Iterable[Term]) -> Iterator[Term]:
    """Every term that the roots are computed from, arguments first, each once."""
    seen: set[int] = set()
    stack: list[tuple[Term, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        term, done = stack.pop()
        if done:
            yield term
        elif id(term) not in seen:
            seen.add(id(term))
            stack.append((term, True))
            stack.extend((arg, False) for arg in reversed(term.args))


def rebuilt(roots: Iterable[Term], change: Any, known: dict[int, Term] | None = None) -> list[Term]:
    """The roots with ``change(term)`` in the place of each term, whose arguments have been changed before.

    ``known`` maps the ids of terms to their replacements; it is extended.
    """
    roots = list(roots)
    found: dict[int, Term] = {} if known is None else known
    for term in walk(roots):
        if id(term) not in found:
            found[id(term)] = change(term.replaced(found[id(arg)] for arg in term.args))
    return [found[id(root)] for root in roots]


def same(a: Term, b: Term) -> bool:
    """Whether two terms are the same computation of the same values."""
    if a is b:
        return True
    if a.op != b.op or a.shape != b.shape or len(a.args) != len(b.args) or a.op == "array":
        return False
    if a.op == "name" and a.options.get("unique") is not b.options.get("unique"):
        return False
    return dict(a.options) == dict(b.options) and all(same(x, y) for x, y in zip(a.args, b.args, strict=True))
