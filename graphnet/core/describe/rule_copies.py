"""Rules of a layer, run with another numpy: copies of its methods, and of the functions that they call.

A rule is recorded by calling it with objects in the place of arrays. What numpy's protocols do not reach, such as
``np.zeros`` and ``np.asarray``, is reached by copies of the functions, in which the name of the module numpy stands for
another object. Nothing outside these copies changes.
"""

from __future__ import annotations

from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

#: Functions of numpy that may be imported by name: they make arrays from something else.
MAKERS = (
    *("zeros", "ones", "empty", "full", "arange", "linspace", "eye"),
    *("asarray", "array", "ascontiguousarray", "asanyarray"),
)
#: Modules whose functions are not copied.
KEPT = ("numpy", "graphnet.core.")


class RuleCopies:
    """A layer whose methods are copies that compute with another numpy.

    Parameters
    ----------
    layer : Layer
    copies : FunctionCopies
    """

    def __init__(self, layer: Any, copies: FunctionCopies) -> None:
        self.__dict__["_layer"] = layer
        self.__dict__["_copies"] = copies

    def __getattr__(self, name: str) -> Any:
        layer, copies = self.__dict__["_layer"], self.__dict__["_copies"]
        for kind in type(layer).__mro__:
            found = vars(kind).get(name)
            if isinstance(found, FunctionType) and not found.__module__.startswith("graphnet.core."):
                return MethodType(copies.of(found), self)
            if isinstance(found, staticmethod) and isinstance(found.__func__, FunctionType):
                return copies.of(found.__func__)
            if found is not None:
                break
        return getattr(layer, name)


class FunctionCopies:
    """Copies of functions whose global names stand for another numpy.

    Parameters
    ----------
    numpy : object
        What the name of the module numpy stands for.
    """

    def __init__(self, numpy: Any) -> None:
        self.numpy = numpy
        self.known: dict[FunctionType, FunctionType] = {}
        self.globals: dict[int, dict[str, Any]] = {}

    def of(self, function: FunctionType) -> FunctionType:
        """The copy of a function."""
        if function not in self.known:
            names = self.names(function)
            copied = FunctionType(
                function.__code__, names, function.__name__, function.__defaults__, function.__closure__
            )
            copied.__kwdefaults__ = function.__kwdefaults__
            self.known[function] = copied
        return self.known[function]

    def names(self, function: FunctionType) -> dict[str, Any]:
        """The global names of a function's module."""
        own = function.__globals__
        if id(own) not in self.globals:
            copied = self.globals[id(own)] = dict(own)
            for name, value in own.items():
                copied[name] = self.replaced(value)
        return self.globals[id(own)]

    def replaced(self, value: Any) -> Any:
        """What a global name stands for in the copies."""
        if isinstance(value, ModuleType) and value is np:
            return self.numpy
        if isinstance(value, FunctionType) and not value.__module__.startswith(KEPT):
            return _Late(self, value)
        name = str(getattr(value, "__name__", ""))
        if name in MAKERS and value is getattr(np, name):
            return getattr(self.numpy, name)
        return value


class _Late:
    """A function that is copied when it is called, because functions call each other in circles."""

    def __init__(self, copies: FunctionCopies, function: FunctionType) -> None:
        self.copies, self.function = copies, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.copies.of(self.function)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)
