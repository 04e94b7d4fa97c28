"""Versions of distributions, and requirements on them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable

from graphnet.core.distribution import normalized

COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\d{1,9}(?:\.\d{1,9})*)\s*\Z", re.ASCII)
_COMPATIBLE = re.compile(r"~=\s*(\d+(?:\.\d+)*)\.\d+", re.ASCII)


def meets(version: str, requirement: str) -> bool:
    """Whether a version meets ``">=0.1, <2"``; only the release numbers are compared.

    Raises
    ------
    ValueError
        If the requirement is not of that form.

    Examples
    --------
    >>> meets("0.10.2", ">=0.9"), meets("1.0", "<1"), meets("1.0.0", "==1.0")
    (True, False, True)
    """
    clauses = [_CLAUSE.match(clause) for clause in requirement.split(",")]
    if None in clauses:
        raise ValueError(requirement)
    return all(COMPARISONS[c[1]](*_aligned(version, c[2])) for c in clauses if c)


def _aligned(a: str, b: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first, second = release(a), release(b)
    length = max(len(first), len(second))
    return first + (0,) * (length - len(first)), second + (0,) * (length - len(second))


def release(version: str) -> tuple[int, ...]:
    """Return the release numbers at the start of a version: ``(0, 2)`` for 0.2rc1.dev3."""
    match = re.match(r"v?((?:\d+\.)*\d+)", version.strip(), re.ASCII)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def required(requirements: Iterable[str], distribution: str) -> str:
    """Return the versions of another distribution that ``Requires-Dist`` requires, without extras; empty for any.

    Examples
    --------
    >>> required(["numpy>=2", "graphnet[test]>=0.1,<2", "graphnet>9; extra == 'new'"], "graphnet")
    '>=0.1,<2'
    """
    for text in requirements:
        requirement, _, marker = text.partition(";")
        match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*\(?([^)]*)\)?", requirement)
        if match and normalized(match[1]) == normalized(distribution) and "extra" not in marker:
            return match[2].strip()
    return ""


def unmet(version: str, requirement: str) -> bool:
    """Whether a version fails a requirement of package metadata; clauses that cannot be parsed count as met.

    Examples
    --------
    >>> unmet("0.1.0", ">=9"), unmet("1.4.2", "~=1.4"), unmet("2.0", "~=1.4"), unmet("0.1", "== 0.*")
    (True, False, True, False)
    """
    for clause in filter(None, (part.strip() for part in requirement.split(","))):
        compatible = _COMPATIBLE.match(clause)
        if compatible:
            stem = release(compatible[1])
            if release(version)[: len(stem)] != stem or not meets(version, f">={clause[2:].strip()}"):
                return True
            continue
        try:
            if not meets(version, clause):
                return True
        except ValueError:
            continue
    return False
