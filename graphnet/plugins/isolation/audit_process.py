"""The process that loads one plugin for an audit, without guarding it, and writes down what it changes.

python -m graphnet.plugins.isolation.audit_process REPORT DISTRIBUTION ENTRY
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphnet.plugins import PluginManager, discovery, hooks
from graphnet.plugins.isolation import imports, streams
from graphnet.plugins.isolation.code import MISSING, Change, Watch, top
from graphnet.plugins.isolation.setting import Snapshot, sentence
from graphnet.plugins.isolation.settings import SETTINGS
from graphnet.plugins.record import Plugin


def audit(point: discovery.PluginEntryPoint, packages: dict[str, str]) -> list[str]:
    """Load one plugin; return a sentence about everything that it changes in the process."""
    PluginManager().load(allow=())
    own = {name for name, owner in packages.items() if owner == point.distribution} | {top(point.module)}
    found: list[str] = []
    watch = Watch(packages, library=True)
    watch.record_all()
    settings, before, printed = Snapshot(SETTINGS), _process(), streams.Printed()
    moved: list[int] = []
    output, put_back = _redirect(moved)
    forks: list[int] = []
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_parent=lambda: forks.append(1))
    with streams.kept(printed, found), imports.recording(watch):
        found += _load(point)
    raw = put_back(output)
    found += [f"{sentence(*change)}" for change in settings.changes()]
    found += [_code(change) for change in watch.changes() if change.package not in own]
    found += _differences(before, _process())
    found += [f"it closes or redirects file descriptor {number}" for number in moved]
    if forks:
        found.append("it forks the process")
    if printed.text:
        found.append(f"it prints: {printed.text.splitlines()[0][:60]!r}")
    if raw.strip():
        found.append(f"C code, or another process that it starts, prints: {raw.strip().splitlines()[0][:60]!r}")
    return found


def _load(point: discovery.PluginEntryPoint) -> list[str]:
    """Import a plugin and call its hooks; return a sentence about a failure."""
    try:
        hooks.call(point.point.load(), Plugin(point.name, point.distribution, point.version))
    except BaseException as error:  # the audit goes on
        with suppress(Exception):
            return [f"it fails: {type(error).__name__}: {error}"]
        return [f"it fails: {type(error).__name__}"]
    return []


def _code(change: Change) -> str:
    verb = "deletes" if change.new is MISSING else "replaces"
    return f"it {verb} {change.what}"


def _process() -> dict[str, Any]:
    """What the process has: threads, open files, import hooks, functions that run at its end."""
    return {
        "threads": {each.ident: (each.name, each.daemon) for each in threading.enumerate()},
        "tasks": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0,
        "files": _files(),
        "hooks": [*sys.meta_path, *sys.path_hooks],
        "atexit": getattr(atexit, "_ncallbacks", int)(),
    }


def _files() -> dict[int, str]:
    folder = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
    found = {}
    for name in os.listdir(folder) if folder else ():
        with suppress(OSError):
            os.fstat(int(name))
            found[int(name)] = os.readlink(f"{folder}/{name}") if folder == "/proc/self/fd" else "a file"
    return found


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    started = [value for key, value in after["threads"].items() if key not in before["threads"]]
    found = [f"it leaves a thread running: {name}{'' if daemon else ', for which the process waits at its end'}"
             for name, daemon in started]  # fmt: skip
    native = after["tasks"] - before["tasks"] - len(started)
    if native > 0:
        found.append(f"C code leaves {native} threads running")
    opened = sorted(number for number in after["files"] if number not in before["files"])
    found += [f"it leaves file descriptor {number} open: {after['files'][number]}" for number in opened]
    closed = sorted(number for number in before["files"] if number not in after["files"])
    found += [f"it closes file descriptor {number}" for number in closed]
    found += [
        f"it adds an import hook: {type(hook).__name__ if not isinstance(hook, type) else hook.__name__}"
        for hook in after["hooks"]
        if not any(hook is other for other in before["hooks"])
    ]
    count = after["atexit"] - before["atexit"]
    if count > 0:
        found.append(f"it registers {count} function{'s' if count > 1 else ''} with atexit")
    return found


def _is_file(number: int, file: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(number), os.fstat(file))
    return False


def _redirect(moved: list[int]) -> tuple[int, Callable[[int], str]]:
    """Send descriptors 1 and 2 to a file; return it, and a function that restores them and returns its text.

    Descriptors that are found closed or redirected then are added to ``moved``.
    """
    file, name = tempfile.mkstemp()
    os.unlink(name)
    saved = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(file, number)

    def put_back(file: int) -> str:
        with suppress(Exception):
            ctypes.CDLL(None).fflush(None)  # what printf has kept
        moved.extend(number for number in (1, 2) if not _is_file(number, file))
        size = os.lseek(file, 0, os.SEEK_END)
        text = os.pread(file, min(size, streams.KEPT), 0).decode("utf-8", "replace")
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(file)
        return text

    return file, put_back


def main() -> None:
    """Audit the plugin that the arguments name, write the report, and end without waiting for threads."""
    report, distribution, entry = sys.argv[1:]
    end = os._exit
    points = discovery.installed()
    packages = {top(point.module): point.distribution for point in points}
    (point,) = (each for each in points if (each.distribution, each.name) == (distribution, entry))
    process = os.getpid()
    found = audit(point, packages)
    if os.getpid() != process:  # a child that the plugin forked and did not end
        end(0)
    Path(report).write_text(json.dumps(found), encoding="utf-8")
    end(0)


if __name__ == "__main__":
    main()
