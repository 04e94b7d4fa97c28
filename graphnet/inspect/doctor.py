"""What this installation runs on, and what would make it faster: ``graphnet doctor``."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from graphnet.core.concurrency.blas_threads import allowed_threads
from graphnet.core.run import backend_choice, backends
from graphnet.io.versions import versions
from graphnet.plugins import manager
from graphnet.plugins.installing import how_to_install, owners_note

#: Environment variables that decide backends, threads and plugins.
SETTINGS = (
    "GRAPHNET_BACKEND",
    "GRAPHNET_PLUGINS",
    "GRAPHNET_CACHE",
    "GRAPHNET_NATIVE_FEATURES",
    "GRAPHNET_NATIVE_DEBUG",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_CORETYPE",
)
#: The distribution with the fastest backend, and the backend's name.
FASTEST = ("graphnet-native", "native")
#: Kernels of OpenBLAS without vectors of 256 bits.
SLOW_KERNELS = ("prescott", "core2", "nehalem", "generic", "penryn", "atom")


@dataclass(frozen=True)
class BackendReport:
    """One backend: its name, whether it is the one that runs where none is named, why it cannot run, and details."""

    name: str
    default: bool
    reason: str | None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` finds; ``print`` it, or read its fields.

    Attributes
    ----------
    default : str
        The backend that runs where none is named.
    backends : tuple of BackendReport
    processor : str
    threads : dict
        The threads that a pass may have, cores, cores of this process, and variables.
    versions : dict
        As ``versions.json`` of a run, with BLAS libraries, and plugins.
    settings : dict
        The environment variables that are set.
    problems : tuple of str
        What is broken: a plugin that cannot be loaded, a name that does not exist.
    advice : tuple of str
        What would be faster.
    """

    default: str
    backends: tuple[BackendReport, ...]
    processor: str
    threads: dict[str, Any]
    versions: dict[str, Any]
    settings: dict[str, str]
    problems: tuple[str, ...]
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"graphnet {self.versions['graphnet']}, Python {self.versions['python']}, {self.versions['platform']}"]
        lines += ["", "backends"]
        for each in self.backends:
            state = "available" if each.reason is None else f"unavailable: {each.reason}"
            lines.append(f"  {each.name:<12} {state}{', runs where none is named' if each.default else ''}")
            lines += [f"    {name:<16} {_shown(value)}" for name, value in each.details.items()]
        lines += ["", "machine", f"  {'processor':<16} {self.processor}"]
        lines += [f"  {name.replace('_', ' '):<16} {_shown(value)}" for name, value in self.threads.items()]
        lines += ["", "libraries"]
        lines += [f"  {name:<16} {version or 'not installed'}" for name, version in self.versions["packages"].items()]
        lines += [
            f"  {library.get('internal_api', 'BLAS'):<16} {_library(library)}" for library in self.versions["blas"]
        ]
        lines += ["", "plugins"]
        lines += [
            f"  {p['name']:<16} {p['distribution']} {p['version']}: {p['status']}" for p in self.versions["plugins"]
        ]
        if self.settings:
            lines += ["", "settings", *(f"  {name}={value}" for name, value in self.settings.items())]
        lines += ["", "problems", *(f"  {text}" for text in self.problems or ("none",))]
        lines += ["", "what would be faster", *(f"  {text}" for text in self.advice or ("nothing that is known",))]
        return "\n".join(lines)


def diagnose() -> Diagnosis:
    """Examine this installation and this machine; runs no model and changes nothing but caches.

    Whatever fails becomes an entry of ``problems``; nothing is raised.
    """
    problems: list[str] = []
    found = _attempt(problems, "the backends", _backends, ("numpy", ()))
    default, reports = found
    threads = _attempt(problems, "the threads", _threads, {})
    known = _attempt(problems, "the versions", versions, _NOTHING)
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    problems += _attempt(problems, "the plugins", _plugin_problems, [])
    owners = _attempt(problems, "the distributions", _owners, "")
    problems += [owners] if owners and not any(owners in each for each in problems) else []
    named = settings.get("GRAPHNET_BACKEND")
    if named and named not in {report.name for report in reports}:
        problems.append(f"GRAPHNET_BACKEND={named} names no backend; known: {', '.join(r.name for r in reports)}")
    advice = _advice(default, reports, known, threads, settings)
    return Diagnosis(default, reports, _processor(), threads, known, settings, tuple(problems), tuple(advice))


_NOTHING: dict[str, Any] = {
    "graphnet": None,
    "python": platform.python_version(),
    "platform": platform.platform(),
    "packages": {},
    "plugins": [],
    "blas": [],
}


def _attempt(problems: list[str], what: str, find: Callable[[], Any], otherwise: Any) -> Any:
    """What ``find`` returns; a failure becomes a problem."""
    try:
        return find()
    except Exception as error:
        problems.append(f"{what} cannot be examined: {type(error).__name__}: {error}")
        return otherwise


def _backends() -> tuple[str, tuple[BackendReport, ...]]:
    """The default, and every backend."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = os.environ.get(backend_choice.VARIABLE)
        reports = []
        for name in backends.names():
            made = backends.find(name)
            reason, details = backend_choice.unavailable(made), {}
            if reason is None:
                details = dict(getattr(made, "details", dict)())
                reason = details.pop("reason", None) or None
            reports.append((name, reason, details))
        default = named or backend_choice.default()
        if any(name == default and reason for name, reason, _ in reports):
            default = backend_choice.FALLBACK
    return default, tuple(BackendReport(name, name == default, reason, rest) for name, reason, rest in reports)


def _threads() -> dict[str, Any]:
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {"threads_of_a_pass": allowed_threads(), "cores": os.cpu_count(), "cores_of_process": affinity}


def _owners() -> str:
    """A sentence about other distributions that own the package; empty if there is none."""
    return owners_note(thorough=True)


def _plugin_problems() -> list[str]:
    found = []
    for plugin in manager().plugins:
        if plugin.status == "failed":
            found.append(f"plugin {plugin.name} of {plugin.distribution} failed: {plugin.reason}")
        found += [f"plugin {plugin.name} of {plugin.distribution}: {note}" for note in plugin.notes]
    return found


def _advice(
    default: str,
    reports: tuple[BackendReport, ...],
    known: dict[str, Any],
    threads: dict[str, Any],
    settings: dict[str, str],
) -> list[str]:
    """What would be faster, in sentences."""
    advice = []
    distribution, name = FASTEST
    report = next((each for each in reports if each.name == name), None)
    if report is None:
        advice.append(f"install {distribution} (173 MB): native code for every program; {how_to_install(distribution)}")
    elif report.reason is not None:
        advice.append(f"make the backend {name!r} available: {report.reason}")
    elif default != name and "GRAPHNET_BACKEND" in settings:
        advice.append(f"the backend {name!r} is available and {default!r} runs, because GRAPHNET_BACKEND names it")
    if settings.get("GRAPHNET_NATIVE_DEBUG", "0") != "0":
        advice.append("GRAPHNET_NATIVE_DEBUG is set: every access of native code is checked; unset it")
    if report is not None and report.details.get("cache_problem"):
        advice.append(f"native code is compiled in each process: {report.details['cache_problem']}")
    for library in known["blas"]:
        kernel = str(library.get("architecture", "")).lower()
        if kernel in SLOW_KERNELS:
            advice.append(f"BLAS uses the kernels {kernel!r}, which are slow on processors with AVX2")
    if "OPENBLAS_CORETYPE" in settings and not settings["OPENBLAS_CORETYPE"].lower().startswith("skylakex"):
        limit = settings["OPENBLAS_CORETYPE"]
        advice.append(f"OPENBLAS_CORETYPE={limit} limits BLAS to the kernels {limit!r}; unset, it chooses by processor")
    if report is not None and "GRAPHNET_NATIVE_FEATURES" in settings:
        level = settings["GRAPHNET_NATIVE_FEATURES"]
        advice.append(f"GRAPHNET_NATIVE_FEATURES={level} limits native code to that level")
    cores, used = threads.get("cores_of_process") or threads.get("cores"), threads.get("threads_of_a_pass")
    if cores and used and used < cores:
        advice.append(
            f"large models may use {cores} cores; {used} {'is' if used == 1 else 'are'} allowed (docs/threads.md)"
        )
    return advice


def _processor() -> str:
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def _library(library: dict[str, Any]) -> str:
    parts = [str(library[key]) for key in ("version", "architecture") if library.get(key)]
    return ", ".join([*parts, f"{library.get('num_threads', '?')} threads"])


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def backend_line(name: str) -> str:
    """A backend as a line of text: its name, with the installation that would be faster if it is not installed.

    Examples
    --------
    >>> backend_line("reference")
    'reference'
    """
    distribution, fastest = FASTEST
    if name != backend_choice.FALLBACK or any(known == fastest for known, _ in backends.automatic()):
        return name
    return f"{name} (faster with {distribution}, 173 MB: see graphnet doctor)"
