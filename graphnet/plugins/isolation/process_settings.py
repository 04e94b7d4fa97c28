"""Settings that the operating system keeps for the process."""

from __future__ import annotations

import ctypes
import itertools
import locale
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from graphnet.plugins.isolation.setting import Setting

#: The mapping itself, which a plugin may replace by another object.
_ENVIRONMENT = os.environ
#: Signals whose treatment by the system is compared.
_INSPECTED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGPIPE", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGUSR2")


def _environment() -> dict[str, Any]:
    return {
        "mapping": id(os.environ),
        "class": {name: value for name, value in vars(type(_ENVIRONMENT)).items() if callable(value)},
        "values": dict(os.environ),
        "C": _c_environment(),
        "zone": _zone(),
    }


def _zone() -> tuple[Any, ...]:
    return time.tzname, time.timezone, time.altzone


def _c_environment() -> dict[str, str]:
    """What C code and child processes see; `os.putenv` and C code change it without `os.environ`."""
    if sys.platform != "linux":
        return {}
    entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found: dict[str, str] = {}
    for i in itertools.count() if entries else ():
        entry = entries[i]
        if entry is None:
            break
        name, _, value = os.fsdecode(entry).partition("=")
        found.setdefault(name, value)  # the first counts, as for getenv
    return found


def _set_environment(saved: dict[str, Any]) -> None:
    os.environ = _ENVIRONMENT  # noqa: B003  # the mapping that a plugin had replaced
    kind = type(_ENVIRONMENT)
    for name, value in list(vars(kind).items()):
        if callable(value) and name not in saved["class"]:
            delattr(kind, name)
    for name, value in saved["class"].items():
        if vars(kind).get(name) is not value:
            setattr(kind, name, value)
    values = saved["values"]
    for name in set(os.environ) - set(values):
        del os.environ[name]
    os.environ.update({name: value for name, value in values.items() if os.environ.get(name) != value})
    now = _c_environment()
    for name in set(now) - set(saved["C"]):
        os.unsetenv(name)
    for name, value in saved["C"].items():
        if now.get(name) != value:
            os.putenv(name, value)
    if _zone() != saved["zone"] and hasattr(time, "tzset"):
        time.tzset()


def _names(before: dict[str, Any], after: dict[str, Any]) -> str:
    pairs = [(before[key], after[key]) for key in ("values", "C")]
    changed = sorted({name for old, new in pairs for name in {**old, **new} if old.get(name) != new.get(name)})
    return ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")


def _umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):  # elsewhere, it can only be read by setting it
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


def _signals() -> dict[str, Any]:
    found: dict[str, Any] = {
        f"handler {number}": signal.getsignal(number) for number in signal.valid_signals() if _settable(number)
    }
    if hasattr(signal, "pthread_sigmask"):
        found["blocked"] = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if hasattr(signal, "getitimer"):
        found["alarm"] = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return {**found, **_dispositions()}


def _dispositions() -> dict[str, str]:
    """Whether the system ignores or catches a signal: C code may change that, and `signal.getsignal` does not see it.

    Signals of crashes are left out, because `faulthandler` handles them.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            masks = {line[:6]: int(line.split()[1], 16) for line in status if line.startswith(("SigIgn", "SigCgt"))}
    except (OSError, ValueError):
        return {}
    numbers = (getattr(signal, name) for name in _INSPECTED if hasattr(signal, name))
    return {f"system {n:d}": "".join(name for name, mask in masks.items() if mask >> (n - 1) & 1) for n in numbers}


def _settable(number: int) -> bool:
    return number not in (getattr(signal, "SIGKILL", None), getattr(signal, "SIGSTOP", None))


def _set_signals(saved: dict[str, Any]) -> None:
    if not saved.get("alarm", True):
        signal.setitimer(signal.ITIMER_REAL, 0)
    for key, handler in saved.items():
        name, _, number = key.partition(" ")
        if name == "handler" and handler is not None and signal.getsignal(int(number)) is not handler:
            signal.signal(int(number), handler)
    for key, treatment in _dispositions().items():
        handler = saved.get(key.replace("system", "handler"))
        if handler is not None and treatment != saved.get(key):
            signal.signal(int(key.partition(" ")[2]), handler)  # C code had set another one
    if "blocked" in saved:
        signal.pthread_sigmask(signal.SIG_SETMASK, saved["blocked"])


def _changed_signals(before: dict[str, Any], after: dict[str, Any]) -> str:
    keys = [key for key in before if before[key] != after.get(key)]
    return ", ".join(list(dict.fromkeys(_signal_name(key) for key in keys))[:3])


def _signal_name(key: str) -> str:
    name, _, number = key.partition(" ")
    try:
        return signal.Signals(int(number)).name if name in ("handler", "system") else key
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _limits() -> dict[int, int]:
    import resource

    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {getattr(resource, name): resource.getrlimit(getattr(resource, name))[0] for name in names}


def _set_limits(saved: dict[int, int]) -> None:
    import resource

    for which, soft in saved.items():
        current, hard = resource.getrlimit(which)
        if current != soft:
            resource.setrlimit(which, (soft, hard))


def _processors() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def _set_processors(saved: Iterable[int]) -> None:
    os.sched_setaffinity(0, saved)


def _locale() -> str:
    return locale.setlocale(locale.LC_ALL)


def _set_locale(saved: str) -> None:
    locale.setlocale(locale.LC_ALL, saved)


def hooks() -> dict[str, Any]:
    """The functions that Python calls for uncaught errors and for values at the prompt."""
    return {
        "sys.excepthook": sys.excepthook,
        "sys.unraisablehook": sys.unraisablehook,
        "sys.displayhook": sys.displayhook,
        "sys.breakpointhook": sys.breakpointhook,
        "threading.excepthook": threading.excepthook,
    }


def _set_hooks(saved: dict[str, Any]) -> None:
    for name, function in saved.items():
        module, _, attribute = name.partition(".")
        setattr(sys if module == "sys" else threading, attribute, function)


def _changed_keys(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(key for key in before if before[key] is not after.get(key))


def _set_folder(saved: str) -> None:
    os.chdir(saved)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "the environment",
        "`os.environ` and the environment of C code, with the time zone if `TZ` changed",
        _environment,
        _set_environment,
        detail=_names,
    ),
    Setting("the working directory", "`os.getcwd()`", os.getcwd, _set_folder),
    Setting("the file mode mask", "the umask", _umask, os.umask),
    Setting(
        "signal handlers",
        "handlers, also those that C code sets, blocked signals, and the alarm timer (handlers only if the main thread "
        "loads the plugins)",
        _signals,
        _set_signals,
        detail=_changed_signals,
    ),
    Setting("resource limits", "the soft limits of `resource`", _limits, _set_limits),
    Setting("the processors of the process", "`os.sched_getaffinity`", _processors, _set_processors),
    Setting("the locale", "`locale.setlocale`", _locale, _set_locale),
    Setting(
        "exception hooks",
        "`sys.excepthook`, `sys.unraisablehook`, `sys.displayhook`, `sys.breakpointhook`, `threading.excepthook`",
        hooks,
        _set_hooks,
        detail=_changed_keys,
    ),
)
