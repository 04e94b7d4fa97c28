"""Import paths of modules that live elsewhere: second public names, and names of earlier releases.

An alias costs nothing until it is imported. ``import graphnet.datasets`` gives the module ``graphnet.data.datasets``
itself, so the classes behind both names are the same objects; a deprecated alias forwards to the module, with a
warning that names the new place.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from graphnet.core.errors import GraphnetDeprecationWarning


class Alias(NamedTuple):
    """The module that an import path stands for."""

    target: str
    deprecated: bool = False


class Aliases:
    """Finds modules by their aliases; an entry of ``sys.meta_path``.

    Parameters
    ----------
    table : mapping of str to Alias
        By import path. Submodules of an alias are found under its target.

    Examples
    --------
    >>> aliases = Aliases({"graphnet.datasets": Alias("graphnet.data.datasets")})
    >>> aliases.resolve("graphnet.datasets.stream")
    Alias(target='graphnet.data.datasets.stream', deprecated=False)
    """

    def __init__(self, table: Mapping[str, Alias]) -> None:
        self.table = dict(table)

    def resolve(self, name: str) -> Alias | None:
        """The target of an import path; None if it is neither an alias nor a submodule of one."""
        head, tail = name, ""
        while head not in self.table:
            head, dot, last = head.rpartition(".")
            if not dot:
                return None
            tail = f".{last}{tail}"
        alias = self.table[head]
        return alias._replace(target=alias.target + tail)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """The spec of an alias, for the import system; None for any other name."""
        alias = self.resolve(name)
        return None if alias is None else ModuleSpec(name, _Loader(alias))  # type: ignore[arg-type]


class _Loader:
    """Loads one alias: its target, or a module that forwards to it with a warning.

    It is a loader without the base class for loaders: importing ``importlib.abc`` takes 20 ms.
    """

    def __init__(self, alias: Alias) -> None:
        self.alias = alias
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.alias.target)
        self.spec = module.__spec__
        return _Forwarding(spec.name, module) if self.alias.deprecated else module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to execute; the import system has overwritten the spec of the target, which is restored."""
        if not self.alias.deprecated:
            module.__spec__ = self.spec


class _Forwarding(ModuleType):
    """A module under its deprecated name: every attribute is that of the target."""

    def __init__(self, name: str, target: ModuleType) -> None:
        super().__init__(name, target.__doc__)
        self._target = target
        if hasattr(target, "__path__"):
            self.__path__ = target.__path__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # asked for by tools that look at every module
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(self._target, name)
        warnings.warn(
            f"{self.__name__} has moved; import {name} from {self._target.__name__}",
            GraphnetDeprecationWarning,
            stacklevel=2,
        )
        return value

    def __dir__(self) -> list[str]:
        return dir(self._target)


def install(table: Mapping[str, Alias]) -> None:
    """Let the import system find the aliases of ``table``.

    They come first: a submodule of an alias would otherwise be loaded from the folder of the target a second time.
    """
    sys.meta_path.insert(0, Aliases(table))
