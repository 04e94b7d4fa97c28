"""The plugins that a model requires, with versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from graphnet.core.distribution import NAME as OWN
from graphnet.core.distribution import VERSION, canonical
from graphnet.core.errors import ConfigError, PluginError, did_you_mean
from graphnet.io.tree import Item
from graphnet.plugins import Entry, PluginManager
from graphnet.plugins.installing import how_to_install
from graphnet.plugins.registry import LOCAL
from graphnet.plugins.versions import meets, release

#: Valid names of distributions, by PEP 508.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)


def check(item: Item | None, manager: PluginManager) -> dict[str, str]:
    """Return the requirements of a file, after checking that the loaded plugins meet them.

    Raises
    ------
    PluginError
        For a plugin that is missing, failed, or of another version; the message says what to install.
    ConfigError
        For a requirement that is not valid.
    """
    needed = {} if item is None else item.mapping()
    for distribution, wanted in needed.items():
        requirement = wanted.text("a version requirement, such as '>=0.1'")
        if not NAME.fullmatch(distribution):
            raise ConfigError(
                "not a valid name of a distribution",
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
    own = [plugin for plugin in manager.plugins if canonical(plugin.distribution) == canonical(distribution)]
    install = f"nstall it {how_to_install(distribution, requirement=requirement)}."
    if not own:
        known = {plugin.distribution for plugin in manager.plugins}
        hint = did_you_mean(distribution, sorted(known))
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


def of(entries: Iterable[Entry]) -> Mapping[str, str]:
    """Return the requirements of a file with these entries: at least the installed versions, to the second number."""
    used = [entry for entry in entries if entry.distribution != LOCAL]
    versions = {OWN: _floor(VERSION)} | {e.distribution: _floor(e.version) for e in used}
    return {name: versions[name] for name in sorted(versions)}


def _floor(version: str) -> str:
    numbers = [str(number) for number in release(version)[:2]]
    if not numbers:
        raise ConfigError("a plugin has no version number", expected="a version such as 0.1.0", received=version)
    return ">=" + ".".join(numbers)
