"""Records modules as soon as they have been executed, by a finder that stands first while plugins load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import Any

from graphnet.plugins.isolation.code import Watch

#: Loaders with a dictionary of their own for each module, so that one call of one loader can be replaced.
LOADERS = (SourceFileLoader, SourcelessFileLoader, ExtensionFileLoader)


class Recorder:
    """A finder of ``sys.meta_path`` that finds what the others find, and records what has been executed."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of the first other finder that has one; None for a module that is not watched."""
        if not self.watch.watches(name):
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                self._prepare(spec)
                return spec
        return None

    def _prepare(self, spec: ModuleSpec) -> None:
        loader = spec.loader
        if not isinstance(loader, LOADERS) or "exec_module" in vars(loader):
            return
        execute = loader.exec_module

        def executed(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            self.watch.record(module.__name__, module)

        loader.exec_module = executed  # type: ignore[method-assign]


@contextmanager
def recording(watch: Watch) -> Iterator[None]:
    """Record every watched module that is imported inside the block."""
    recorder = Recorder(watch)
    sys.meta_path.insert(0, recorder)
    try:
        yield
    finally:
        if recorder in sys.meta_path:
            sys.meta_path.remove(recorder)
