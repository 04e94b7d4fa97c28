"""Whether native code can run on this machine, at which level of features, and why not.

A machine (its features, LLVM's version and this distribution's source) that is seen for the first time is tried in a
child process; the result is kept with the compiled objects. The child runs while the first program is compiled:
:func:`begin` starts it, :func:`settle` waits for it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from graphnet.core.records import record
from graphnet_native import cache, engine, features

if TYPE_CHECKING:
    from graphnet_native.self_test import Trial


@record
class Status:
    """What ``graphnet doctor`` shows of native code.

    Attributes
    ----------
    available : bool
        Whether programs run as native code.
    reason : str
        Why not; or why the level is lower than the processor's. Empty if all is well.
    level : {'avx512', 'avx2', 'baseline'}
        The level of features that code is compiled for.
    features : tuple of str
        The processor features of the level, by LLVM's names.
    vector_bytes : int
        The width of vectors.
    compiler : str
        The versions of LLVM and llvmlite; empty if llvmlite is missing.
    cache : Path or None
        The folder of compiled objects, None without one.
    cache_problem : str
        Why objects are not kept, empty if they are.
    entries, bytes : int
        Files with objects, and their size.
    """

    available: bool
    reason: str
    level: str
    features: tuple[str, ...]
    vector_bytes: int
    compiler: str
    cache: Path | None
    cache_problem: str
    entries: int
    bytes: int


class _State:
    """What is known in this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settled: bool | None = None
        self.reason = ""
        self.trial: Trial | None = None
        self.warned: set[str] = set()


_state = _State()


def begin() -> None:
    """Start the trial of a machine that is seen for the first time, and return at once."""
    if _state.settled is not None or _state.trial is not None:
        return
    with _state.lock:
        if _state.settled is not None or _state.trial is not None:
            return
        reason = _missing()
        if reason:
            _decide(False, reason)
            return
        kept = _kept()
        if kept is None:
            _state.trial = _started()
        else:
            _accept(*kept)


def _started() -> Trial:
    from graphnet_native.self_test import Trial  # it imports what a machine that is known does not need

    return Trial(features.selected())


def settle() -> bool:
    """Whether native code can run; waits for a trial, and goes one level down where it fails."""
    if _state.settled is not None:
        return _state.settled
    with _state.lock:
        begin()
        while _state.settled is None:
            assert _state.trial is not None
            trial, _state.trial = _state.trial, None
            _judge(trial)
        return _state.settled


def _judge(trial: Trial) -> None:
    """Decide by the outcome of a trial, or start the trial of the next level."""
    from graphnet_native import self_test

    outcome = trial.outcome()
    level = trial.level.level
    if outcome.verdict == self_test.GOOD:
        _keep(level, _state.reason)
        _accept(level, _state.reason)
    elif outcome.verdict == self_test.UNKNOWN:
        _accept(level, outcome.reason)  # what the processor reports is nearly always right
    elif outcome.verdict == self_test.NONE:
        _decide(False, outcome.reason)  # may depend on how this process was started: not kept
    else:
        _state.reason = f"{outcome.reason} (level {level})"
        if features.lower():
            _state.trial = _started()
        else:
            _keep("", _state.reason)
            _decide(False, _state.reason)


def _missing() -> str:
    """Why nothing can be compiled in this process; empty if it can."""
    if not features.addresses_fit():
        return "it needs a process of 64 bits"
    try:
        binding = engine.binding()
        if not hasattr(binding, "create_lljit_compiler"):
            return "llvmlite is too old"
        engine.compiler()
    except Exception as error:  # a broken installation raises anything
        return f"llvmlite cannot be used: {type(error).__name__}: {error}"
    return ""


def _accept(level: str, reason: str) -> None:
    """Use a level, if memory may be executed in this process."""
    if not level:
        _decide(False, reason)
        return
    features.lower_to(level)
    try:
        engine.binding().check_jit_execution()
    except OSError as error:
        _decide(False, f"executable memory is forbidden: {error.strerror}")
        return
    _decide(True, reason)


def _decide(settled: bool, reason: str) -> None:
    _state.reason, _state.settled = reason, settled


def _key() -> str:
    flags = [each.flags for each in features.available()]
    return cache.key_of("machine", *flags, engine.compiler(), sys.platform, platform.machine(), cache.source_digest())


def _kept() -> tuple[str, str] | None:
    """The level of an earlier trial, "" for none, and the reason."""
    found = cache.read(_key())
    if not found:
        return None
    try:
        kept = json.loads(found[0])
        level, reason = str(kept["level"]), str(kept["reason"])
    except (ValueError, KeyError, TypeError):
        return None
    return (level, reason) if level in ("", *(each.level for each in features.available())) else None


def _keep(level: str, reason: str) -> None:
    cache.write(_key(), [json.dumps({"level": level, "reason": reason}).encode()])


def usable() -> bool:
    """:func:`settle`, with a warning where numpy has to run instead, once a process."""
    if settle():
        return True
    warn(f"native code is not available, numpy runs instead: {_state.reason}")
    return False


def found() -> str | None:
    """Why native code cannot run, if that is known by now; else None."""
    return _state.reason if _state.settled is False else None


def known_unusable() -> bool:
    """Whether it is known by now that native code cannot run, with a warning once a process."""
    return _state.settled is False and not usable()


def warn_about_cache() -> None:
    """A warning where compiled objects cannot be kept, once a process."""
    if cache.problem:
        warn(f"native code is compiled again in each process: {cache.problem}")


def warn(text: str) -> None:
    """Warn once a process."""
    from graphnet.core.errors import GraphnetWarning

    if text not in _state.warned:
        _state.warned.add(text)
        warnings.warn(text, GraphnetWarning, stacklevel=3)


def status() -> Status:
    """What is known of native code on this machine; tries a machine that is seen for the first time."""
    available = settle()
    level = features.selected()
    names = tuple(flag[1:] for flag in level.flags.split(",") if flag.startswith("+"))
    try:
        compiler = engine.compiler()
    except Exception:
        compiler = ""
    folder = cache.folder()
    entries, size = cache.usage()
    return Status(
        available=available,
        reason=_state.reason,
        level=level.level,
        features=names,
        vector_bytes=level.vector_bytes,
        compiler=compiler,
        cache=folder,
        cache_problem=cache.problem,
        entries=entries,
        bytes=size,
    )


def _after_fork() -> None:
    """In a forked child the lock may be another thread's, and a running trial is the parent's."""
    _state.lock, _state.trial = threading.RLock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
