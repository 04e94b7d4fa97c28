"""The plugins that a model needs, with versions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping

from graphnet.core.errors import ConfigError, PluginError, nearest
from graphnet.io.tree import Item
from graphnet.plugins import Entry, PluginManager

COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
#: The names that distributions may have, PEP 508.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
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
    first, second = _release(a), _release(b)
    length = max(len(first), len(second))
    return first + (0,) * (length - len(first)), second + (0,) * (length - len(second))


def _release(version: str) -> tuple[int, ...]:
    """The release numbers at the start of a version: ``(0, 2)`` for 0.2rc1.dev3."""
    found = re.match(r"v?((?:\d+\.)*\d+)", version.strip(), re.ASCII)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def check(item: Item | None, manager: PluginManager) -> dict[str, str]:
    """The requirements of a file, after checking that the loaded plugins meet them.

    Raises
    ------
    PluginError
        For a plugin that is missing, failed, or of another version; with what to install.
    ConfigError
        For a requirement that cannot be read.
    """
    needed = {} if item is None else item.mapping()
    for distribution, wanted in needed.items():
        requirement = wanted.text("a version requirement, such as '>=0.1'")
        if not NAME.fullmatch(distribution):
            raise ConfigError(
                "not the name of a distribution",
                where=str(wanted.place),
                expected="a name",
                received=repr(distribution),
            )
        try:
            meets("0", requirement)
        except ValueError:
            raise wanted.wrong("a version requirement, such as '>=0.1' or '>=0.1, <2'") from None
        _check_one(distribution, requirement, wanted, manager)
    return {name: wanted.value for name, wanted in needed.items()}


def _check_one(distribution: str, requirement: str, item: Item, manager: PluginManager) -> None:
    own = [plugin for plugin in manager.plugins if _plain(plugin.distribution) == _plain(distribution)]
    install = f"nstall it: pip install '{distribution}{''.join(requirement.split())}'."
    if not own:
        known = {plugin.distribution for plugin in manager.plugins}
        hint = nearest(distribution, sorted(known))
        raise PluginError(
            f"the model needs {distribution} {requirement}, which is not installed",
            where=str(item.place),
            remedy=f"{hint} If not, i{install}" if hint else f"I{install}",
        )
    broken = next((plugin for plugin in own if plugin.status != "loaded"), None)
    if broken is not None:
        raise PluginError(
            f"the model needs {distribution}, which is {broken.status}",
            where=str(item.place),
            received=broken.reason,
        )
    if not meets(own[0].version, requirement):
        raise PluginError(
            f"the model needs another version of {distribution}",
            where=str(item.place),
            expected=requirement,
            received=own[0].version,
            remedy=f"I{install}",
        )


def _plain(distribution: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def of(entries: Iterable[Entry]) -> Mapping[str, str]:
    """What a file that uses these entries requires: at least the installed versions, to the second number."""
    found = {"graphnet": _floor(_own_version(entries))} | {e.distribution: _floor(e.version) for e in entries}
    return {name: found[name] for name in sorted(found)}


def _own_version(entries: Iterable[Entry]) -> str:
    from importlib.metadata import PackageNotFoundError, version

    own = next((entry.version for entry in entries if entry.distribution == "graphnet"), None)
    try:
        return own or version("graphnet")
    except PackageNotFoundError:
        return "0"


def _floor(version: str) -> str:
    numbers = [str(number) for number in _release(version)[:2]]
    if not numbers:
        raise ConfigError("a plugin has no version number", expected="a version such as 0.1.0", received=version)
    return ">=" + ".".join(numbers)
