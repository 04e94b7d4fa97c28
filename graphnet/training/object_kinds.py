"""Which objects and values have a state that a checkpoint keeps, and which belong to the process or are code."""

from __future__ import annotations

import io
import logging
import random
import re
import threading
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from functools import lru_cache, partial
from operator import attrgetter, itemgetter, methodcaller
from pathlib import PurePath
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.stateful import Stateful
from graphnet.core.errors import ConfigError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.optimizers import Optimizer
from graphnet.training.callbacks.base import Callback
from graphnet.training.history import History

#: Belong to the process, or are code: they stay those of the restored object.
RESOURCES = (
    type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, types.MappingProxyType,
    logging.Logger, logging.Handler, io.IOBase, threading.Thread, threading.Event, threading.Condition,
    threading.Semaphore, threading.local, type(threading.Lock()), type(threading.RLock()), weakref.ReferenceType,
    weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, re.Pattern, PurePath, np.dtype, np.ufunc,
    partial, itemgetter, attrgetter, methodcaller, random.SystemRandom,
    Graph, Layer, Runner, Parameter, Examples, Stream, History,
)  # fmt: skip
#: The flag of classes that are not written in C.
HEAP_TYPE = 1 << 9
#: Modules whose objects are resources too, and which cannot be imported here.
TRAINING = ("graphnet.training.trainer", "graphnet.training.config", "graphnet.models.")
#: Their items are kept, and they are changed in place when they are restored.
CONTAINERS = (list, dict, set, deque, OrderedDict, defaultdict, Counter)
REMEDY = (
    "Give its class two methods: state(), which returns what a checkpoint keeps (numbers, strings, arrays, random "
    "generators, and lists, tuples and dictionaries of these), and load_state(state), which puts it back."
)


def pair(thing: Any) -> bool:
    """Whether the class of an object has methods ``state()`` and ``load_state(state)`` of its own.

    Those of graphnet's base classes do not count: attributes are then read, which includes those of subclasses.

    Raises
    ------
    ConfigError
        If it has one of the two only.
    """
    cls: Any = type(thing)
    reads, puts = _own_method(cls, "state"), _own_method(cls, "load_state")
    if reads == puts or (reads and not issubclass(cls, Callback)):
        return puts
    raise ConfigError(
        "state without load_state" if reads else "load_state without state",
        where=f"{type(thing).__module__}.{type(thing).__qualname__}",
        expected="both methods, or none",
        remedy=REMEDY,
    )


@lru_cache(1024)
def _own_method(cls: type, name: str) -> bool:
    """Whether a class or a base of it, other than graphnet's base classes, defines a method."""
    definer = next((base for base in cls.__mro__ if name in vars(base)), None)
    return definer not in (None, Optimizer, Callback, Stateful) and callable(vars(definer)[name])


def layout(array: Array) -> list[int] | None:
    """The order of the axes in memory; None for C order, which needs no note. Products may depend on it in rounding.

    Examples
    --------
    >>> layout(np.zeros((2, 3))), layout(np.zeros((2, 3)).T)
    (None, [1, 0])
    """
    if array.flags.c_contiguous or array.ndim < 2:
        return None
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    return None if axes == list(range(array.ndim)) else axes


def is_resource(value: Any, depth: int = 3) -> bool:
    """Whether a value belongs to the process or is code, so that a checkpoint leaves it as it is."""
    if depth and type(value) in (list, tuple, set, dict):  # all of them, as the callables that a constructor was given
        items = value.values() if isinstance(value, dict) else value
        return len(value) > 0 and all(is_resource(item, depth - 1) for item in items)
    cls: Any = type(value)
    return _is_resource_class(cls)


@lru_cache(1024)
def _is_resource_class(cls: type) -> bool:
    """Whether the instances of a class are resources; a Trainer or a Model cannot be imported here."""
    return issubclass(cls, RESOURCES) or any(base.__module__.startswith(TRAINING) for base in cls.__mro__)


def read_once(value: Any) -> bool:
    """Whether an object reads itself once only, so that its attributes do not say where it is."""
    return isinstance(value, (Iterator, np.ndarray)) and not pair(value)


def attributes_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object by name, those in ``__slots__`` included."""
    yield from dict(vars(thing) if hasattr(thing, "__dict__") else {}).items()
    cls: Any = type(thing)
    for name in _slots(cls):
        if hasattr(thing, name):
            yield name, getattr(thing, name)


@lru_cache(1024)
def _slots(cls: type) -> tuple[str, ...]:
    return tuple(_slot_names(cls))


def _slot_names(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else tuple(names):
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if name[:2] == "__" and name[-2:] != "__" else name


def is_slot(cls: Any, name: str) -> bool:
    """Whether an attribute is declared in ``__slots__``."""
    return name in _slots(cls)


def has_attributes(value: Any) -> bool:
    """Whether an object is an instance of a class that is written in Python: its attributes are its state.

    Those of a class with a base that is written in C have a state elsewhere: subclasses of dict, random.Random, arrays.
    """
    cls: Any = type(value)
    if not hasattr(value, "__dict__") and not _slots(cls):
        return False
    return cls is types.SimpleNamespace or all(base.__flags__ & HEAP_TYPE for base in cls.__mro__[:-1])
