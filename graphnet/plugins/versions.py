"""Versions of distributions, and requirements on them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Required:
    """The versions of a distribution that others require, and what could not be read.

    Attributes
    ----------
    versions : str
        Specifiers, separated by commas; empty for any version.
    invalid : tuple of str
        Lines that are not valid requirements (PEP 508), if they may be about the distribution.
    found : bool
        Whether any line requires the distribution.
    """

    versions: str
    invalid: tuple[str, ...]
    found: bool


def required(requirements: Iterable[str], *distributions: str) -> Required:
    """Return the versions of a distribution that the lines of ``Requires-Dist`` require together, without extras.

    Lines whose marker does not hold here, such as ``python_version < '3'``, do not count.

    Examples
    --------
    >>> lines = ["numpy>=2", "graphnet-x[test]>=0.1", "graphnet_x<2", "graphnet-x>9; extra == 'new'"]
    >>> required(lines, "Graphnet.X").versions
    '>=0.1,<2'
    """
    from packaging.requirements import InvalidRequirement, Requirement

    names = {normalized(name) for name in distributions}
    versions, invalid, found = [], [], False
    for line in requirements:
        match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        if match is None or normalized(match[1].rstrip("-_.")) not in names:
            continue
        try:
            requirement = Requirement(line)
            holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (InvalidRequirement, ArithmeticError, LookupError, ValueError):
            invalid.append(line)
            continue
        if holds:
            found = True
            versions += _specifiers(line, str(requirement.specifier))
    return Required(",".join(versions), tuple(invalid), found)


def _specifiers(line: str, sorted_text: str) -> list[str]:
    """The specifiers of a valid requirement in the order in which they are written, without spaces."""
    parts = [part for part in sorted_text.split(",") if part]
    return sorted(parts, key=lambda part: "".join(line.split()).find(part))


def accepts(specifiers: str, version: str) -> bool:
    """Whether a version meets specifiers of PEP 440; pre-releases count like any version.

    Examples
    --------
    >>> accepts(">=9", "0.1.0"), accepts("~=1.4", "1.4.2"), accepts("==0.*", "0.1"), accepts("", "3")
    (False, True, True, True)
    """
    from packaging.specifiers import SpecifierSet

    return bool(SpecifierSet(specifiers).contains(version, prereleases=True))
