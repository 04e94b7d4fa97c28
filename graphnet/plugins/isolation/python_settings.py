"""Settings of the interpreter and of the standard library."""

from __future__ import annotations

import decimal
import gc
import os
import random
import sys
import threading
import warnings
from typing import Any

from graphnet.plugins.isolation.setting import Setting

#: The instance behind the functions of the module.
_INSTANCE: Any = random.getstate.__self__  # type: ignore[attr-defined]


def _random() -> tuple[Any, type]:
    return _INSTANCE.getstate(), type(_INSTANCE)


def _set_random(saved: tuple[Any, type]) -> None:
    _INSTANCE.__class__ = saved[1]
    _INSTANCE.setstate(saved[0])


def _search_path() -> dict[str, Any]:
    """The lists themselves and what they contain; a plugin may replace or change either."""
    lists = {f"sys.{name}": getattr(sys, name, None) for name in ("path", "meta_path", "path_hooks")}
    return {name: (each, list(each) if isinstance(each, list) else []) for name, each in lists.items()}


def _same_search_path(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return not _changed_search_path(before, after)


def _changed_search_path(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(name for name in before if not _kept(name, before[name], after[name]))


def _kept(name: str, before: tuple[list[Any], list[Any]], after: tuple[list[Any], list[Any]]) -> bool:
    """Whether a list is the same one with the same entries; an import hook may be added, anywhere."""
    if before[0] is not after[0]:
        return False
    if name == "sys.path":
        return before[1] == after[1]
    return [id(each) for each in after[1] if _among(each, before[1])] == [id(each) for each in before[1]]


def _among(thing: object, things: list[Any]) -> bool:
    return any(each is thing for each in things)


def _set_search_path(saved: dict[str, Any]) -> None:
    """Restore the entries in their order; what was added follows them, so that the plugin still finds its modules."""
    for name, (the_list, entries) in saved.items():
        present = getattr(sys, name.removeprefix("sys."), None)
        current = present if isinstance(present, list) else []
        setattr(sys, name.removeprefix("sys."), the_list)
        added = [each for each in current if not _among(each, entries) and (name != "sys.path" or each not in entries)]
        the_list[:] = [*entries, *added]


def _collector() -> dict[str, Any]:
    return {
        "enabled": gc.isenabled(),
        "threshold": gc.get_threshold(),
        "debug": gc.get_debug(),
        "frozen": gc.get_freeze_count() > 0,
        "callbacks": list(gc.callbacks),
    }


def _set_collector(saved: dict[str, Any]) -> None:
    (gc.enable if saved["enabled"] else gc.disable)()
    gc.set_threshold(*saved["threshold"])
    gc.set_debug(saved["debug"])
    gc.callbacks[:] = saved["callbacks"]
    if not saved["frozen"]:
        gc.unfreeze()


#: What calculations depend on; the flags of past operations are left out.
_DECIMAL = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _decimal() -> list[dict[str, Any]]:
    contexts = (decimal.getcontext(), decimal.DefaultContext)
    return [{**{name: getattr(c, name) for name in _DECIMAL}, "traps": dict(c.traps)} for c in contexts]


def _set_decimal(saved: list[dict[str, Any]]) -> None:
    for context, values in zip((decimal.getcontext(), decimal.DefaultContext), saved, strict=True):
        for name in _DECIMAL:
            setattr(context, name, values[name])
        for signal, trapped in values["traps"].items():
            context.traps[signal] = trapped


def _tracing() -> dict[str, Any]:
    return {
        "trace": sys.gettrace(),
        "profile": sys.getprofile(),
        "threads' trace": threading.gettrace(),
        "threads' profile": threading.getprofile(),
    }


def _set_tracing(saved: dict[str, Any]) -> None:
    sys.settrace(saved["trace"])
    sys.setprofile(saved["profile"])
    threading.settrace(saved["threads' trace"])
    threading.setprofile(saved["threads' profile"])


_ABSENT = object()


def _interpreter() -> dict[str, Any]:
    return {
        "switchinterval": sys.getswitchinterval(),
        "int_max_str_digits": sys.get_int_max_str_digits(),
        "dont_write_bytecode": sys.dont_write_bytecode,
        "pycache_prefix": sys.pycache_prefix,
        "tracebacklimit": getattr(sys, "tracebacklimit", _ABSENT),
        "argv": (sys.argv, list(sys.argv)),
    }


def _set_interpreter(saved: dict[str, Any]) -> None:
    sys.setswitchinterval(saved["switchinterval"])
    sys.set_int_max_str_digits(saved["int_max_str_digits"])
    sys.dont_write_bytecode = saved["dont_write_bytecode"]
    sys.pycache_prefix = saved["pycache_prefix"]
    if saved["tracebacklimit"] is not _ABSENT:
        sys.tracebacklimit = saved["tracebacklimit"]
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit
    sys.argv, words = saved["argv"]
    sys.argv[:] = words


def _changed_keys(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(key for key in before if before[key] != after[key])


def _library() -> dict[str, Any]:
    """Settings of modules that are already imported; nothing is imported to read them."""
    socket, multiprocessing, tempfile = map(sys.modules.get, ("socket", "multiprocessing", "tempfile"))
    return {
        "the timeout of sockets": socket.getdefaulttimeout() if socket else _ABSENT,
        "the folder for temporary files": _tempdir() if tempfile else _ABSENT,
        "the start method of multiprocessing": multiprocessing.get_start_method(True) if multiprocessing else _ABSENT,
    }


def _tempdir() -> Any:
    import tempfile

    # Its first use sets it to the default, which is not a change.
    folder: Any = tempfile.tempdir
    return None if folder is None or _default_tempdir(folder) else folder


def _default_tempdir(folder: Any) -> bool:
    import tempfile

    candidates: Any = getattr(tempfile, "_candidate_tempdir_list", list)
    return folder in map(os.path.abspath, candidates())


def _set_library(saved: dict[str, Any]) -> None:
    socket, multiprocessing, tempfile = map(sys.modules.get, ("socket", "multiprocessing", "tempfile"))
    timeout, folder, method = saved.values()
    if socket:
        socket.setdefaulttimeout(None if timeout is _ABSENT else timeout)
    if tempfile:
        tempfile.__dict__["tempdir"] = None if folder is _ABSENT else folder
    if multiprocessing:
        multiprocessing.set_start_method(None if method is _ABSENT else method, force=True)


def _same_library(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether all are equal; a module that has been imported meanwhile had the default, None."""
    return all(value == after[key] or (value is _ABSENT and after[key] is None) for key, value in before.items())


def _changed_library(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(key for key in before if not _same_library({key: before[key]}, after))


def _formatwarning() -> Any:
    return warnings.formatwarning


def _set_formatwarning(saved: Any) -> None:
    warnings.formatwarning = saved


SETTINGS: tuple[Setting, ...] = (
    Setting("Python's global random state", "`random.getstate()`", _random, _set_random),
    Setting(
        "the search path of modules",
        "`sys.path`, its entries and their order (what a plugin adds is moved to the end); entries of `sys.meta_path` "
        "and `sys.path_hooks` that it removes or moves",
        _search_path,
        _set_search_path,
        _same_search_path,
        _changed_search_path,
    ),
    Setting(
        "the garbage collector",
        "`gc`: whether it is enabled, thresholds, debugging flags, callbacks, frozen objects",
        _collector,
        _set_collector,
        detail=_changed_keys,
    ),
    Setting("the decimal context", "`decimal.getcontext()` and `decimal.DefaultContext`", _decimal, _set_decimal),
    Setting("trace functions", "`sys.settrace`, `sys.setprofile`, and those of threads", _tracing, _set_tracing),
    Setting(
        "settings of the interpreter",
        "`sys.argv`, the switch interval, the limit of digits, `tracebacklimit`, `dont_write_bytecode`, "
        "`pycache_prefix`",
        _interpreter,
        _set_interpreter,
        detail=_changed_keys,
    ),
    Setting(
        "settings of the standard library",
        "the timeout of sockets, the folder for temporary files, the start method of multiprocessing",
        _library,
        _set_library,
        _same_library,
        _changed_library,
    ),
    Setting("the format of warnings", "`warnings.formatwarning`", _formatwarning, _set_formatwarning),
)
