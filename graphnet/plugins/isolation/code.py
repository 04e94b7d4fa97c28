"""Code that a plugin replaces: functions, classes and submodules in modules, attributes of classes, code of functions.

A watch records the modules of the standard library, of numpy, of packages that graphnet uses, of graphnet and of all
plugins, and the classes of the last two. A module that is imported while plugins load is recorded as soon as it has
been executed, before the importing plugin can change it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import is_
from types import CodeType, FunctionType, ModuleType
from typing import Any

#: Packages that graphnet uses. The classes of the first are recorded too, because the host calls them.
USED = ("pluggy", "networkx", "yaml", "click", "packaging")
#: The value of what does not exist.
MISSING = object()
#: Modules of the standard library whose names change in ordinary use.
CHANGING = frozenset({"distutils", "__main__", "sys", "site"})
#: Names that belong to settings, which are restored by other means.
OF_SETTINGS = {
    "warnings": frozenset({"showwarning", "_showwarnmsg_impl", "_showwarnmsg", "formatwarning"}),
    "logging": frozenset({"_loggerClass", "_logRecordFactory", "lastResort"}),
    "threading": frozenset({"excepthook", "_trace_hook", "_profile_hook"}),
    "os": frozenset({"environ"}),
}
#: Attributes of classes that Python itself sets at any time.
SET_BY_PYTHON = frozenset(
    {
        "__doc__",
        "__weakref__",
        "__dict__",
        "__annotations__",
        "__annotations_cache__",
        "__annotate__",
        "__annotate_func__",
        "__abstractmethods__",
        "_abc_impl",
        "__static_attributes__",
        "__slotnames__",
        "__type_params__",
        "__non_callable_proto_members__",
    }
)
#: Modules whose constants are recorded too.
WITH_CONSTANTS = frozenset({"numpy", "math", "cmath", "builtins"})
_WATCHED = frozenset({"numpy", *USED}) | (sys.stdlib_module_names - CHANGING)
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), tuple, frozenset)
#: Of a function: its owner, code, defaults and defaults of keywords.
_Function = tuple[str, CodeType, tuple[Any, ...] | None, dict[str, Any] | None]


def top(name: str) -> str:
    """Return the first part of a module's name."""
    return name.partition(".")[0]


@dataclass(frozen=True)
class Change:
    """Something that was replaced, added to a class, or deleted.

    Attributes
    ----------
    what : str
        Such as ``numpy.tanh`` or ``TanH.apply of graphnet-recurrent``.
    package : str
        The first part of the name of the module that it belongs to.
    new : object
        The value found; MISSING if it was deleted.
    undo : callable
        Restores the old value.
    """

    what: str
    package: str
    new: Any
    undo: Callable[[], object]


class Watch:
    """The code of watched packages as it was when it was recorded.

    Parameters
    ----------
    packages : iterable of str
        The names of packages whose classes are recorded as well: graphnet and those of plugins.
    library : bool
        Whether the classes of the standard library and of numpy are recorded too, which takes longer.
    """

    def __init__(self, packages: Iterable[str], library: bool = False) -> None:
        self.packages, self.library = frozenset({"graphnet", *packages}), library
        self.modules: dict[str, ModuleType] = {}
        self._names: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._classes: dict[type, tuple[str, dict[str, Any], tuple[type, ...]]] = {}
        self._functions: dict[FunctionType, _Function] = {}

    def watches(self, name: str) -> bool:
        """Whether a module belongs to what is recorded."""
        first = top(name)
        return first in self.packages or first in _WATCHED

    def record_all(self) -> None:
        """Record the modules that have been imported and are not recorded yet."""
        for name, module in list(sys.modules.items()):
            if name not in self.modules and isinstance(module, ModuleType) and self.watches(name):
                if getattr(getattr(module, "__spec__", None), "_initializing", False):
                    continue  # it is recorded when it has been executed
                self.record(name, module)

    def record(self, name: str, module: ModuleType) -> None:
        """Record one module, with its classes if its package is among those whose classes are recorded."""
        self.modules[name] = module
        namespace = vars(module)
        self._names[name] = namespace, dict(namespace)
        if top(name) in self.packages or top(name) == USED[0] or self.library:
            for value in list(namespace.values()):
                if getattr(value, "__module__", None) != name:
                    continue
                if isinstance(value, type):
                    self.add_class(value, name)
                elif isinstance(value, FunctionType):
                    self._function(value, name)

    def add_class(self, thing: type, owner: str) -> None:
        """Record the attributes and the bases of a class; ``owner`` is its module, or the id of what is registered."""
        attributes = dict(vars(thing))
        self._classes[thing] = (owner, attributes, thing.__bases__)
        for value in attributes.values():
            if isinstance(value, FunctionType):
                self._function(value, owner)
            elif isinstance(value, (classmethod, staticmethod, property)):
                function = value.fget if isinstance(value, property) else value.__func__
                if isinstance(function, FunctionType):
                    self._function(function, owner)

    def _function(self, function: FunctionType, owner: str) -> None:
        keywords = function.__kwdefaults__
        kept = None if keywords is None else dict(keywords)
        self._functions[function] = (owner, function.__code__, function.__defaults__, kept)

    def changes(self) -> list[Change]:
        """Return what differs from the record."""
        return [
            *self._changed_entries(),
            *self._planted_entries(),
            *self._changed_names(),
            *self._covered_names(),
            *self._changed_classes(),
            *self._changed_functions(),
        ]

    def _changed_entries(self) -> Iterator[Change]:
        for name, module in self.modules.items():
            current = sys.modules.get(name, MISSING)
            if current is not module:
                yield Change(f"sys.modules[{name!r}]", top(name), current, _setter(sys.modules, name, module))

    def _planted_entries(self) -> Iterator[Change]:
        """Entries of ``sys.modules`` that no import has made, in place of a module that is not imported yet."""
        for name, module in list(sys.modules.items()):
            if name in self.modules or not self.watches(name) or ("." in name and top(name) not in self.packages):
                continue
            if module is None or (isinstance(module, ModuleType) and getattr(module, "__spec__", None) is None):
                yield Change(f"sys.modules[{name!r}]", top(name), module, _remover(sys.modules, name))

    def _covered_names(self) -> Iterator[Change]:
        """Names that were added to a module and hide what its ``__getattr__`` returns."""
        for module, (namespace, saved) in self._names.items():
            if isinstance(saved.get("__getattr__"), FunctionType) and len(namespace) > len(saved):
                for key in sorted(namespace.keys() - saved.keys()):
                    value = namespace[key]
                    if not _imported(value) and _hides(saved["__getattr__"], key, value):
                        yield Change(f"{module}.{key}", top(module), value, _remover(namespace, key))

    def _changed_names(self) -> Iterator[Change]:
        for module, (namespace, saved) in self._names.items():
            if saved.keys() <= namespace.keys() and all(map(is_, map(namespace.get, saved), saved.values())):
                continue  # of most modules nothing is replaced, and this is faster than the loop below
            for key, value in saved.items():
                current = namespace.get(key, MISSING)
                if current is not value and _matters(module, key, value, current):
                    yield Change(f"{module}.{key}", top(module), current, _setter(namespace, key, value))

    def _changed_classes(self) -> Iterator[Change]:
        for thing, (owner, saved, bases) in self._classes.items():
            current, package = vars(thing), top(str(thing.__module__))
            where = f"of {owner}" if "/" in owner else f"of {top(owner)}"
            if thing.__bases__ != bases:
                yield Change(f"{thing.__name__}.__bases__ {where}", package, thing.__bases__, _bases(thing, bases))
            for name in list(saved) if len(current) == len(saved) else {**saved, **current}:
                value, old = current.get(name, MISSING), saved.get(name, MISSING)
                if value is not old and name not in SET_BY_PYTHON:
                    yield Change(f"{thing.__name__}.{name} {where}", package, value, _attribute(thing, name, old))

    def _changed_functions(self) -> Iterator[Change]:
        for function, (owner, code, defaults, keywords) in self._functions.items():
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or not _same_values(function.__kwdefaults__, keywords)
            ):
                package = top(function.__module__ or owner)
                undo = _recode(function, code, defaults, keywords)
                yield Change(f"the code of {function.__qualname__} of {package}", package, function, undo)

    def renew(self, packages: Iterable[str]) -> None:
        """Record some packages as they are now."""
        gone = frozenset(packages)
        self.modules = {name: module for name, module in self.modules.items() if top(name) not in gone}
        self._names = {name: each for name, each in self._names.items() if top(name) not in gone}
        self._classes = {thing: each for thing, each in self._classes.items() if top(str(thing.__module__)) not in gone}
        self._functions = {f: each for f, each in self._functions.items() if top(f.__module__ or each[0]) not in gone}
        self.record_all()


def _matters(module: str, key: str, old: Any, new: Any) -> bool:
    """Whether a name of a module that has another value was code, or a constant of a module of numbers."""
    if callable(old) or isinstance(old, ModuleType):
        return key not in OF_SETTINGS.get(module, ())
    constant = (key.isupper() or not key.startswith("_")) and isinstance(old, _CONSTANTS)
    return constant and (module in WITH_CONSTANTS or top(module) == "graphnet") and not _equal(old, new)


def _imported(value: Any) -> bool:
    """Whether a value is an imported module, which the import system adds to its parent."""
    return isinstance(value, ModuleType) and sys.modules.get(value.__name__) is value


def _hides(lazy: FunctionType, key: str, value: Any) -> bool:
    """Whether a module-level ``__getattr__`` returns something else for a name; it may also have stored the value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lazy(key) is not value
    except Exception:  # usually AttributeError: it does not know the name
        return False


def _equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:  # a value of a plugin
        return False


def _same_values(a: dict[str, Any] | None, b: dict[str, Any] | None) -> bool:
    """Whether two mappings have the same objects."""
    if a is None or b is None:
        return a is b
    return a.keys() == b.keys() and all(a[key] is b[key] for key in a)


def _recode(function: FunctionType, code: Any, defaults: Any, keywords: Any) -> Callable[[], None]:
    def undo() -> None:
        function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keywords

    return undo


def _setter(namespace: dict[str, Any], key: str, value: Any) -> Callable[[], None]:
    return lambda: namespace.__setitem__(key, value)


def _remover(namespace: dict[str, Any], key: str) -> Callable[[], object]:
    return lambda: namespace.pop(key, None)


def _bases(thing: type, bases: tuple[type, ...]) -> Callable[[], None]:
    return lambda: setattr(thing, "__bases__", bases)


def _attribute(thing: type, name: str, value: Any) -> Callable[[], None]:
    return lambda: delattr(thing, name) if value is MISSING else setattr(thing, name, value)
