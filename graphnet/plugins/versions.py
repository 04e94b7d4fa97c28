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
    names = {normalized(name) for name in distributions}
    versions, invalid, found = [], [], False
    for line in requirements:
        match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        if match is None or normalized(match[1].rstrip("-_.")) not in names:
            continue
        specifiers = _read(line)
        if specifiers is None:
            invalid.append(line)
        elif specifiers is not NOT_HERE:
            found = True
            versions += specifiers
    return Required(",".join(versions), tuple(invalid), found)


#: The specifiers of a requirement whose marker does not hold.
NOT_HERE: list[str] = []
#: A name and comparisons with release numbers: what most requirements are, and read without importing packaging.
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})*"
_COMPARISON = rf"(?:>=|<=|>|<|==|!=)\s*{_NUMBER}"
_LIST = rf"{_COMPARISON}(?:\s*,\s*{_COMPARISON})*"
_PLAIN_LIST = re.compile(_LIST)
_PLAIN = re.compile(rf"\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*({_LIST})\s*")


def _read(line: str) -> list[str] | None:
    """The specifiers of a requirement in the order in which they are written, without spaces; None if it is invalid."""
    plain = _PLAIN.fullmatch(line)
    if plain is not None:
        return list(dict.fromkeys("".join(plain[1].split()).split(",")))
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
        holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except (InvalidRequirement, ArithmeticError, LookupError, ValueError):
        return None
    if not holds:
        return NOT_HERE
    parts = [part for part in str(requirement.specifier).split(",") if part]
    return sorted(parts, key=lambda part: "".join(line.split()).find(part))


def accepts(specifiers: str, version: str) -> bool:
    """Whether a version meets specifiers of PEP 440; pre-releases count like any version.

    Examples
    --------
    >>> accepts(">=9", "0.1.0"), accepts("~=1.4", "1.4.2"), accepts("==0.*", "0.1"), accepts("", "3")
    (False, True, True, True)
    """
    if _PLAIN_LIST.fullmatch(specifiers) and re.fullmatch(_NUMBER, version):
        return meets(version, specifiers)
    from packaging.specifiers import SpecifierSet

    return bool(SpecifierSet(specifiers).contains(version, prereleases=True))
