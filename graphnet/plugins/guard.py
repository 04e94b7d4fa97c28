"""Restores settings of the process, and classes of other plugins, that a plugin changes while it loads."""

from __future__ import annotations

import contextlib
import io
import os
import random as standard
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.distribution import NAME
from graphnet.core.errors import GraphnetDeprecationWarning
from graphnet.core.run.runner import Runner
from graphnet.plugins.registry import Entry

#: Loading times in seconds from which a note says that the plugin is slow.
SLOW = 1.0


@contextmanager
def guarded(notes: list[str]) -> Iterator[None]:
    """Capture printed text and restore settings changed inside the block; each adds a sentence to ``notes``."""
    saved = {setting: read() for setting, (read, _) in SETTINGS.items()}
    printed = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(record=True) as raised,
        ):
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", GraphnetDeprecationWarning)
            before = [repr(entry) for entry in warnings.filters]
            yield
            if any(entry[0] == "error" and repr(entry) not in before for entry in warnings.filters):
                notes.append("it turns warnings into errors when it loads; the filters were restored")
    finally:
        notes += dict.fromkeys(f"it uses a deprecated name: {warning.message}" for warning in raised)
        text = printed.getvalue().strip()
        if text:
            notes.append(f"it prints when it loads: {text.splitlines()[0][:60]!r}; move that into a function")
        for setting, (read, write) in SETTINGS.items():
            if not _same(read(), saved[setting]):
                write(saved[setting])
                notes.append(f"it changes {setting} when it loads; the old value was restored")


def _same(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


def _set_environment(saved: dict[str, str]) -> None:
    for name in set(os.environ) - set(saved):
        del os.environ[name]
    os.environ.update(saved)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted
        return None


def _set_folder(saved: str | None) -> None:
    if saved is not None:
        os.chdir(saved)


def _numpy_random() -> Any:
    """The state of numpy's global generator, with its array as bytes, because the repr of an array is abbreviated."""
    name, keys, *rest = np.random.get_state()  # type: ignore[misc]  # noqa: NPY002
    return (name, bytes(keys), *rest)  # type: ignore[arg-type]


def _set_numpy_random(saved: Any) -> None:
    name, keys, *rest = saved
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002


def _set_hook(saved: Any) -> None:
    sys.excepthook = saved


#: The settings, in words, with functions to read and to restore each.
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "numpy's global random state": (_numpy_random, _set_numpy_random),
    "Python's global random state": (standard.getstate, standard.setstate),
    "graphnet's random state": (
        lambda: random.current().rng.bit_generator.state,
        lambda saved: setattr(random.current().rng.bit_generator, "state", saved),
    ),
    "numpy's print options": (np.get_printoptions, lambda saved: np.set_printoptions(**saved)),
    "numpy's error handling": (np.geterr, lambda saved: np.seterr(**saved)),
    "the working directory": (_folder, _set_folder),
    "the environment": (lambda: dict(os.environ), _set_environment),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.excepthook": (lambda: sys.excepthook, _set_hook),
}


class ClassSnapshot:
    """The attributes of the classes of graphnet and of the plugins loaded so far."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        owned = [(entry.id, entry.object) for entry in entries if isinstance(entry.object, type)]
        bases = [(NAME, base) for _, thing in owned for base in thing.__mro__ if _of_graphnet(base)]
        owners = {thing: owner for owner, thing in [*bases, *owned, (NAME, Runner)]}
        self.saved = {thing: (owner, dict(vars(thing))) for thing, owner in owners.items()}

    def restore(self) -> list[str]:
        """Restore the attributes that have changed, and return their names, as ``Class.attribute of owner``."""
        changed = []
        for thing, (owner, saved) in self.saved.items():
            current = dict(vars(thing))
            for name in {**saved, **current}:
                if name in _SET_BY_PYTHON or current.get(name, _MISSING) is saved.get(name, _MISSING):
                    continue
                changed.append(f"{thing.__name__}.{name} of {owner}")
                if name in saved:
                    setattr(thing, name, saved[name])
                else:
                    delattr(thing, name)
        return changed


_MISSING = object()
#: Attributes that Python itself sets at any time.
_SET_BY_PYTHON = {
    "__doc__",
    "__weakref__",
    "__dict__",
    "__annotations__",
    "__abstractmethods__",
    "_abc_impl",
    "__static_attributes__",
}


def _of_graphnet(base: type) -> bool:
    return base.__module__.startswith("graphnet.")
