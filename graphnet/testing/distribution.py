"""The checks of a whole distribution: its metadata, its imports, its layers and their cases."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any, get_args

from graphnet.core.errors import PluginError, unknown
from graphnet.io.fields import fields_of
from graphnet.plugins import Entry, Plugin, manager
from graphnet.plugins.versions import plain, required
from graphnet.testing.case import Case
from graphnet.testing.check import short
from graphnet.testing.report import Outcome, run

#: Seconds that importing a plugin may take, beyond graphnet itself; the best of some tries counts.
BUDGET, TRIES = 0.5, 3


def check(distribution: str) -> Iterator[Outcome]:
    """Check everything about an installed distribution; outcomes come as they are found.

    Raises
    ------
    PluginError
        If it is not installed, registers nothing, or did not load.
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
    known = {case.layer for case in cases}
    lacking = [entry for entry in entries if entry.kind == "layers" and entry.object not in known]
    guessed = [(entry, guess(entry.object)) for entry in lacking]
    without = [entry.name for entry, case in guessed if case is None]
    yield _outcome(
        name,
        "every layer has a case",
        not without,
        f"without a case: {', '.join(without)}. Register a Case for each in graphnet_register_cases",
    )
    yield from run([*cases, *(case for _, case in guessed if case is not None)])


def _plugins(distribution: str) -> list[Plugin]:
    found = [plugin for plugin in manager().plugins if plain(plugin.distribution) == plain(distribution)]
    if not found:
        known = sorted({plugin.distribution for plugin in manager().plugins})
        raise unknown(
            "plugin",
            distribution,
            known,
            problem=f"no plugin of {distribution} is installed",
            remedy=f"Install it: pip install {distribution}",
            error=PluginError,
        )
    broken = next((plugin for plugin in found if plugin.status != "loaded"), None)
    if broken is not None:
        raise PluginError(f"{distribution} is {broken.status}", where=broken.name, remedy=broken.reason)
    return found


def _outcome(name: str, check: str, good: object, told: str) -> Outcome:
    return Outcome(name, check, "passed" if good else "failed", "" if good else told)


def _installed(name: str) -> metadata.Distribution | None:
    """The installed distribution of a name, whatever its folder is called; None for one at hand, such as in a test."""
    return next((d for d in metadata.distributions() if plain(str(d.metadata["Name"])) == plain(name)), None)


def _metadata(name: str) -> tuple[bool, str]:
    """Whether the distribution says all that people and indexes want to know."""
    distribution = _installed(name)
    if distribution is None:
        return False, "it is not installed as a distribution"
    found: Any = distribution.metadata
    lacking = [field for field in ("Summary", "Version", "Requires-Python") if not found.get(field)]
    if not (found.get("License-Expression") or found.get("License") or "License ::" in str(found)):
        lacking.append("License")
    if plain(name) != "graphnet" and not required(distribution.requires or [], "graphnet"):
        lacking.append("a dependency such as graphnet>=0.1")
    if not re.search(r"\w", found.get_payload() or found.get("Description") or ""):  # type: ignore[arg-type]
        lacking.append("a README")
    return not lacking, f"its metadata lack: {', '.join(lacking)}"


def _import_time(name: str, plugin: Plugin) -> Outcome:
    """How long a fresh process takes to import the plugin's module, once it has graphnet."""
    distribution = _installed(name)
    points = (
        [p for p in distribution.entry_points if p.group == "graphnet" and p.name == plugin.name]
        if distribution
        else []
    )
    if not points:
        return Outcome(name, "import time", "skipped", "it has no entry point")
    code = (
        "import time, graphnet, graphnet.plugins, importlib; began = time.perf_counter(); "
        f"importlib.import_module({points[0].module!r}); print(time.perf_counter() - began)"
    )
    seconds: list[float] = []
    began = time.monotonic()
    while len(seconds) < TRIES and time.monotonic() - began < 20:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            return Outcome(
                name, "import time", "failed", f"a fresh process cannot import it: {short(done.stderr[-300:])}"
            )
        seconds.append(float(done.stdout.split()[-1]))
        if seconds[-1] <= BUDGET:
            break
    return _outcome(
        name,
        "import time",
        min(seconds) <= BUDGET,
        f"importing {points[0].module} takes {min(seconds):.2f} s; expected at most {BUDGET} s. "
        "Import what is large inside the functions that need it",
    )


def _names(entries: list[Entry]) -> tuple[bool, str]:
    registry = manager().registry
    taken = [
        f"{entry.name} ({', '.join(sorted(e.origin for e in registry.entries(entry.kind) if e.name == entry.name))})"
        for entry in entries
        if entry.kind != "cases" and registry.short_name(entry) != entry.name
    ]
    return not taken, f"names that others have too: {'; '.join(taken)}"


def _cases(entries: list[Entry]) -> Iterator[Case]:
    for entry in entries:
        if entry.kind == "cases":
            found = entry.object()
            if not isinstance(found, (list, tuple)) or not all(isinstance(case, Case) for case in found):
                raise PluginError(
                    f"{entry.name} returned no cases", where=entry.id, expected="a list of Case", received=short(found)
                )
            yield from found


#: What is tried for the arguments that a layer needs, by their types: whole numbers are sizes, most often of features.
GUESSES = {int: 3, float: 0.5, bool: False}
#: The inputs that are tried; the last axis of the first ones is as large as the sizes.
INPUTS = (
    "batch=4, feature=3",
    "time=5, batch=2, feature=3",
    "batch=3, channel=2, y=4, x=5",
    "batch=3, channel=2, x=5",
)


def guess(layer: Any) -> Case | None:
    """A case for a layer that has none: a configuration as far as its types tell one, with inputs that it takes."""
    needed = {name: field.type for name, field in fields_of(layer).items() if field.required}
    kinds = {name: next((k for k in (hint, *get_args(hint)) if k in GUESSES), None) for name, hint in needed.items()}
    if None in kinds.values():
        return None
    config = {name: GUESSES[kind] for name, kind in kinds.items() if kind is not None}
    for inputs in INPUTS:
        try:
            names = layer(**config).input_ports()
            count = max(1, sum(name not in names.optional for name in names.names))
            told = ", ".join(f"{name}={value!r}" for name, value in config.items())
            case = Case(layer, config, [inputs] * count, name=f"{layer.__name__}({told}) as guessed")
            if all(outcome.status == "passed" for outcome in _first(case)):
                return case
        except Exception:
            continue
    return None


def _first(case: Case) -> list[Outcome]:
    from graphnet.testing.report import Prepared

    return [Prepared(case).run("runs")]
