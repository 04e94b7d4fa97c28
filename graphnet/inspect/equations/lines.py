"""Lines: which terms of an equation have a name of their own, and which are written inside another one."""

from __future__ import annotations

import string
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphnet.inspect.equations.terms import WEIGHT, Term, walk

#: The size of a term from which on it has a line, if it is used twice, is the result of a node, or in any case.
TWICE, NODE, LONG = 3, 14, 18
#: The most lines of a rule without nodes; a longer one is not an equation that somebody reads.
MOST_LINES = 16


@dataclass(frozen=True)
class Line:
    """One line: what it defines, and the term.

    Attributes
    ----------
    targets : tuple of str
        The names, as of inputs: outputs, states and nodes. Several are the same value.
    term : Term
    time : str
        't' in the equations of a cell.
    """

    targets: tuple[str, ...]
    term: Term
    time: str = ""


def lines(
    outputs: Sequence[tuple[str, Term]],
    labels: Mapping[int, tuple[str, Term]],
    time: str = "",
    also: Iterable[Term] = (),
) -> list[Line]:
    """The lines that define some outputs.

    Parameters
    ----------
    outputs : sequence of (str, Term)
    labels : mapping of int to (str, Term)
        The names of the results of nodes, by the id of the term, in the order of the nodes.
    time : str
    also : iterable of Term
        Terms, such as conditions, that use others.
    """
    roots = [term for _, term in outputs]
    reached = {id(term) for term in walk([*roots, *also])}
    results = [term for _, term in labels.values() if id(term) in reached]
    order = list(walk([*results, *roots, *also]))
    named = _named(order, roots, labels)
    targets: dict[int, list[str]] = {}
    for text, term in outputs:
        targets.setdefault(id(term), []).append(text)
    taken = {text for text, _ in outputs} | {text for text, _ in labels.values()}
    taken |= {str(term.options["name"]) for term in order if term.op == "name"}
    letters = _letters(taken)
    found = []
    for term in order:
        if id(term) in targets:
            found.append(Line(tuple(targets[id(term)]), term, time))
        elif id(term) in named:
            text = labels[id(term)][0] if id(term) in labels else next(letters)
            found.append(Line((text,), term, time))
    return found


def _letters(taken: set[str]) -> Iterator[str]:
    number = 1
    while True:
        for letter in string.ascii_lowercase:
            text = letter if number == 1 else f"{letter}{number}"
            if letter not in "ekloijcuvxyt" and text not in taken:
                yield text
        number += 1


def _named(order: Sequence[Term], roots: Sequence[Term], labels: Container[int]) -> set[int]:
    """The ids of the terms that have a line."""
    users: dict[int, list[Term]] = {}
    for term in order:
        for arg in term.args:
            users.setdefault(id(arg), []).append(term)
    ends = {id(root) for root in roots}
    size: dict[int, int] = {}
    weighted: dict[int, bool] = {}
    named: set[int] = set()
    for term in order:
        key = id(term)
        if term.is_leaf:
            size[key] = 1
            weighted[key] = term.options.get("role") == WEIGHT
            continue
        size[key] = 1 + sum(1 if id(arg) in named else size[id(arg)] for arg in term.args)
        weighted[key] = any(weighted[id(arg)] and id(arg) not in named for arg in term.args)
        readers = users.get(key, [])
        alone = len(readers) == 1 and len(readers[0].args) == 1 and size[key] <= LONG
        if key in ends or (not alone and _is_line(key, size[key], len(readers), weighted[key], labels)):
            named.add(key)
    return named


def _is_line(key: int, size: int, readers: int, weighted: bool, labels: Container[int]) -> bool:
    if readers > 1 and size > TWICE:
        return True
    if key in labels:
        return size > NODE or (weighted and size > TWICE)
    return size > LONG
