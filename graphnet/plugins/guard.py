"""What the loading of one plugin must not change for everybody else: kept, put back, and told."""

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
from graphnet.core.errors import GraphnetDeprecationWarning
from graphnet.core.run.runner import Runner
from graphnet.plugins.registry import Entry

#: Seconds after which a plugin is called slow.
SLOW = 1.0


@contextmanager
def guarded(notes: list[str]) -> Iterator[None]:
    """Swallow what is printed and put back what is changed inside the block; ``notes`` say what it was."""
    kept = {what: read() for what, (read, _) in SETTINGS.items()}
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
                notes.append("it turns warnings into errors when it loads; that was put back")
    finally:
        notes += dict.fromkeys(f"it uses a deprecated name: {warning.message}" for warning in raised)
        text = printed.getvalue().strip()
        if text:
            notes.append(f"it prints when it loads: {text.splitlines()[0][:60]!r}; move that into a function")
        for what, (read, write) in SETTINGS.items():
            if not _same(read(), kept[what]):
                write(kept[what])
                notes.append(f"it changes {what} when it loads; that was put back")


def _same(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


def _set_environment(kept: dict[str, str]) -> None:
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted
        return None


def _set_folder(kept: str | None) -> None:
    if kept is not None:
        os.chdir(kept)


def _numpy_random() -> Any:
    """The state of numpy's global generator, with its array as bytes: the repr of an array is shortened."""
    name, keys, *rest = np.random.get_state()  # type: ignore[misc]  # noqa: NPY002
    return (name, bytes(keys), *rest)  # type: ignore[arg-type]


def _set_numpy_random(kept: Any) -> None:
    name, keys, *rest = kept
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002


def _set_hook(kept: Any) -> None:
    sys.excepthook = kept


#: What is kept, in words, and how it is read and put back.
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "numpy's global random state": (_numpy_random, _set_numpy_random),
    "Python's global random state": (standard.getstate, standard.setstate),
    "graphnet's random state": (
        lambda: random.current().rng.bit_generator.state,
        lambda kept: setattr(random.current().rng.bit_generator, "state", kept),
    ),
    "numpy's print options": (np.get_printoptions, lambda kept: np.set_printoptions(**kept)),
    "numpy's error handling": (np.geterr, lambda kept: np.seterr(**kept)),
    "the working directory": (_folder, _set_folder),
    "the environment": (lambda: dict(os.environ), _set_environment),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "sys.excepthook": (lambda: sys.excepthook, _set_hook),
}


class Intact:
    """The attributes of classes that belong to others, as they are now."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        owned = [(entry.id, entry.object) for entry in entries if isinstance(entry.object, type)]
        bases = [("graphnet", base) for _, thing in owned for base in thing.__mro__ if _ours(base)]
        found = {thing: owner for owner, thing in [*bases, *owned, ("graphnet", Runner)]}
        self.kept = {thing: (owner, dict(vars(thing))) for thing, owner in found.items()}

    def restore(self) -> list[str]:
        """Put back what has been changed since; returns what it was, as ``owner: Class.attribute``."""
        changed = []
        for thing, (owner, kept) in self.kept.items():
            now = dict(vars(thing))
            for name in [
                n for n in {**kept, **now} if n not in _MOVING and now.get(n, _NONE) is not kept.get(n, _NONE)
            ]:
                changed.append(f"{thing.__name__}.{name} of {owner}")
                if name in kept:
                    setattr(thing, name, kept[name])
                else:
                    delattr(thing, name)
        return changed


_NONE = object()
#: Attributes that Python itself fills in when it likes.
_MOVING = {
    "__doc__",
    "__weakref__",
    "__dict__",
    "__annotations__",
    "__abstractmethods__",
    "_abc_impl",
    "__static_attributes__",
}


def _ours(base: type) -> bool:
    return base.__module__.startswith("graphnet.")
