"""The checks of an installed distribution: its metadata, its imports, its layers and their cases."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from graphnet.core.distribution import NAME, canonical, normalized
from graphnet.core.errors import PluginError, unknown
from graphnet.plugins import Entry, Plugin, manager
from graphnet.plugins.installing import how_to_install
from graphnet.plugins.versions import required
from graphnet.testing.case import Case
from graphnet.testing.case_run import run
from graphnet.testing.failures import short
from graphnet.testing.guess import guess_case
from graphnet.testing.outcome import Outcome

#: Seconds that importing a plugin may take in addition to graphnet, and how often it is measured; the minimum counts.
BUDGET, TRIES = 0.5, 3


def check(distribution: str) -> Iterator[Outcome]:
    """Check an installed distribution; yield each outcome as soon as it is known.

    Raises
    ------
    PluginError
        If it is not installed, registers no plugin, or did not load.
    """
    plugins = _plugins(distribution)
    name = plugins[0].distribution
    entries = [entry for plugin in plugins for entry in plugin.entries]
    yield _outcome(name, "metadata", *_metadata(name))
    for plugin in plugins:
        yield _outcome(name, "loads quietly", not plugin.notes, f"{plugin.name}: {'; '.join(plugin.notes)}")
        if plugin.name != "builtin":
            yield _import_time(name, plugin)
    yield _outcome(name, "names free", *_names(entries))
    cases = list(_cases(entries))
    with_case = {case.layer for case in cases}
    lacking = [entry for entry in entries if entry.kind == "layers" and entry.object not in with_case]
    guessed = [(entry, guess_case(entry.object)) for entry in lacking]
    without = [entry.name for entry, case in guessed if case is None]
    yield _outcome(
        name,
        "every layer has a case",
        not without,
        f"without a case: {', '.join(without)}. Register a Case for each in graphnet_register_cases",
    )
    yield from run([*cases, *(case for _, case in guessed if case is not None)])


def _plugins(distribution: str) -> list[Plugin]:
    plugins = [plugin for plugin in manager().plugins if canonical(plugin.distribution) == canonical(distribution)]
    if not plugins:
        known = sorted({plugin.distribution for plugin in manager().plugins})
        raise unknown(
            "plugin",
            distribution,
            known,
            problem=f"no plugin of {distribution} is installed",
            remedy=f"Install it {how_to_install(distribution)}",
            error=PluginError,
        )
    broken = next((plugin for plugin in plugins if plugin.status != "loaded"), None)
    if broken is not None:
        raise PluginError(f"{distribution} is {broken.status}", where=broken.name, remedy=broken.reason)
    return plugins


def _outcome(name: str, check: str, passed: object, message: str) -> Outcome:
    return Outcome(name, check, "passed" if passed else "failed", "" if passed else message)


def _installed(name: str) -> metadata.Distribution | None:
    """Return the installed distribution of a name; None if a plugin object was registered without installation."""
    return next((d for d in metadata.distributions() if normalized(str(d.metadata["Name"])) == normalized(name)), None)


def _metadata(name: str) -> tuple[bool, str]:
    """Return whether the metadata that users and package indexes need is complete, and a message."""
    distribution = _installed(name)
    if distribution is None:
        return False, "the distribution is not installed"
    fields: Any = distribution.metadata
    lacking = [field for field in ("Summary", "Version", "Requires-Python") if not fields.get(field)]
    if not (fields.get("License-Expression") or fields.get("License") or "License ::" in str(fields)):
        lacking.append("License")
    if canonical(name) != NAME and not required(distribution.requires or [], NAME).versions:
        lacking.append(f"a dependency such as {NAME}>=0.1")
    if not re.search(r"\w", fields.get_payload() or fields.get("Description") or ""):  # type: ignore[arg-type]
        lacking.append("a README")
    return not lacking, f"missing metadata: {', '.join(lacking)}"


def _import_time(name: str, plugin: Plugin) -> Outcome:
    """Measure how long a new process takes to import the plugin's module after graphnet."""
    distribution = _installed(name)
    points = (
        [p for p in distribution.entry_points if p.group == "graphnet" and p.name == plugin.name]
        if distribution
        else []
    )
    if not points:
        return Outcome(name, "import time", "skipped", "it has no entry point")
    code = (
        "import time, graphnet, graphnet.plugins, importlib; start = time.perf_counter(); "
        f"importlib.import_module({points[0].module!r}); print(time.perf_counter() - start)"
    )
    seconds: list[float] = []
    start = time.monotonic()
    while len(seconds) < TRIES and time.monotonic() - start < 20:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            return Outcome(
                name, "import time", "failed", f"a new process cannot import it: {short(done.stderr[-300:])}"
            )
        seconds.append(float(done.stdout.split()[-1]))
        if seconds[-1] <= BUDGET:
            break
    return _outcome(
        name,
        "import time",
        min(seconds) <= BUDGET,
        f"importing {points[0].module} takes {min(seconds):.2f} s; expected at most {BUDGET} s. "
        "Import large packages inside the functions that need them",
    )


def _names(entries: list[Entry]) -> tuple[bool, str]:
    registry = manager().registry
    taken = [
        f"{entry.name} ({', '.join(sorted(e.origin for e in registry.entries(entry.kind) if e.name == entry.name))})"
        for entry in entries
        if entry.kind != "cases" and registry.short_name(entry) != entry.name
    ]
    return not taken, f"names that other distributions register as well: {'; '.join(taken)}"


def _cases(entries: list[Entry]) -> Iterator[Case]:
    for entry in entries:
        if entry.kind == "cases":
            cases = entry.object()
            if not isinstance(cases, (list, tuple)) or not all(isinstance(case, Case) for case in cases):
                raise PluginError(
                    f"{entry.name} returned an invalid value",
                    where=entry.id,
                    expected="a list of Case",
                    received=short(cases),
                )
            yield from cases
