"""Loads each plugin in a process of its own, and reports what it changes there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from graphnet.plugins import discovery

MODULE = "graphnet.plugins.isolation.audit_process"
#: Seconds that a plugin may take.
TIMEOUT = 60.0


@dataclass
class Audit:
    """What one plugin changes.

    Attributes
    ----------
    name, distribution, version : str
        The entry point and its distribution.
    findings : list of str
        A sentence about each change; empty if there is none.
    seconds : float
        The time of its process.
    """

    name: str
    distribution: str
    version: str
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def audit(allow: Iterable[str] | None = None, timeout: float = TIMEOUT) -> Iterator[Audit]:
    """Audit the installed plugins that are allowed, one after the other.

    Parameters
    ----------
    allow : iterable of str, optional
        As for ``PluginManager.load``.
    timeout : float
        Seconds after which the process of a plugin is ended.
    """
    allowed = discovery.allowed(None if allow is None else ",".join(allow) or "none")
    for point in discovery.installed():
        if allowed.admits(point.name, point.distribution):
            yield _audit(point, timeout)


def _audit(point: discovery.PluginEntryPoint, timeout: float) -> Audit:
    result, started = Audit(point.name, point.distribution, point.version, list(point.notes)), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", MODULE, str(report), point.distribution, point.name]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        if report.exists():
            result.findings += json.loads(report.read_text(encoding="utf-8"))
        else:
            result.findings.append(_ended(code, timeout))
    result.seconds = time.perf_counter() - started
    return result


def _ended(code: int | None, timeout: float) -> str:
    """Say how the process of a plugin ended without a report."""
    if code is None:
        return f"it does not finish loading within {timeout:g} s"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"it ends the process when it loads ({name})"
    return f"it ends the process when it loads (exit code {code})"
