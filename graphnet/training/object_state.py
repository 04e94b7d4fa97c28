"""The state of objects as plain data: read from their attributes, and put back into other objects of the same classes.

A checkpoint holds data, never code: no class is looked up by a name that a file gives. An object is restored *into*
the one that stands in its place after the constructors and ``on_start`` have run.
"""

from __future__ import annotations

import io
import logging
import math
import re
import threading
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.stateful import Stateful
from graphnet.core.errors import ConfigError, StateError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.optimizers import Optimizer
from graphnet.training import generators
from graphnet.training.callbacks.base import Callback
from graphnet.training.history import EpochRecord, History

#: Lists of at least this many numbers of one type are kept as arrays.
PACKED = 32
#: Objects inside objects; deeper ones are refused.
DEPTH = 12
#: Belong to the process, or are code: they stay those of the restored object.
RESOURCES = (
    type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, types.MappingProxyType,
    logging.Logger, logging.Handler, io.IOBase, threading.Thread, threading.Event, threading.Condition,
    threading.Semaphore, threading.local, type(threading.Lock()), type(threading.RLock()), weakref.ReferenceType,
    weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, re.Pattern, PurePath, np.dtype, np.ufunc,
    Graph, Layer, Runner, Parameter, Examples, Stream, History,
)  # fmt: skip
TRAINING = ("graphnet.training.trainer", "graphnet.training.config", "graphnet.models.")
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
    own, reads = _own_method(cls, "load_state"), _own_method(cls, "state")
    if reads or not own:
        return own
    raise ConfigError(
        "load_state without state",
        where=f"{type(thing).__module__}.{type(thing).__qualname__}",
        expected="both methods, or none",
        remedy=REMEDY,
    )


@lru_cache(1024)
def _own_method(cls: type, name: str) -> bool:
    """Whether a class or a base of it, other than graphnet's base classes, defines a method."""
    definer = next((base for base in cls.__mro__ if name in vars(base)), None)
    return definer not in (None, Optimizer, Callback, Stateful) and callable(vars(definer)[name])


class ObjectWriter:
    """Turns values and objects into JSON, with their arrays by name.

    Parameters
    ----------
    lenient : bool
        For objects that hold data: arrays, and whatever cannot be kept, are left out instead of refused.

    Attributes
    ----------
    arrays : dict of str to array
        Copies.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.arrays: dict[str, Array] = {}
        self._lenient = lenient
        self._seen: dict[int, str] = {}
        self._alive: list[Any] = []
        self._depth = 0

    def object(self, thing: Any, where: str) -> Any:
        """The state of one object: what its ``state()`` returns, or its attributes.

        Raises
        ------
        ConfigError
            If it cannot be kept; the message names the object and the attribute.
        """
        if id(thing) in self._seen:
            return {"same": self._seen[id(thing)]}
        self._remember(thing, where)
        kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
        if pair(thing):
            return {"object": kind, "state": self.value(thing.state(), f"{where}.state()")}
        return {"object": kind, "attributes": self.attributes(thing, where)}

    def attributes(self, thing: Any, where: str, without: Collection[str] = ()) -> dict[str, Any]:
        """The attributes of an object by name, without those that are resources."""
        written = {}
        for name, value in attributes_of(thing):
            if name not in without and not is_resource(value):
                seen = dict(self._seen) if self._lenient else {}
                try:
                    written[name] = self.value(value, f"{where}.{name}")
                except ConfigError:
                    if not self._lenient:
                        raise
                    self._seen = seen
            elif isinstance(value, types.FunctionType) and name not in without:
                found = dict(generators.of_function(value))
                if found:
                    inner = {n: self.value(g, f"{where}.{name}, {n}") for n, g in found.items()}
                    written[name] = {"function": inner}
        return written

    def value(self, value: Any, where: str) -> Any:
        """A value as JSON.

        Raises
        ------
        ConfigError
            If it cannot be kept.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, np.generic):
            return {"scalar": value.dtype.str, "bytes": value.tobytes().hex()}
        if type(value) is tuple:
            return {"tuple": self._items(value, where)}
        if isinstance(value, (complex, bytes, bytearray, frozenset, range, slice, datetime, timedelta, Enum)):
            return self._constant(value, where)
        self._depth += 1
        try:
            return self._referred(value, where)
        finally:
            self._depth -= 1

    # ------------------------------------------------------------------ inside
    def _remember(self, thing: Any, where: str) -> None:
        self._seen[id(thing)] = where
        self._alive.append(thing)

    def _referred(self, value: Any, where: str) -> Any:
        """A value that several others may refer to: it stays one object after restoring."""
        if id(value) in self._seen:
            return {"same": self._seen[id(value)]}
        if self._depth > DEPTH:
            raise self._refusal(value, where)
        if type(value) is np.ndarray:
            self._remember(value, where)
            return self._array(value, where)
        if generators.is_generator(value) and generators.known(value):
            self._remember(value, where)
            return {"generator": generators.written(value, lambda part: self._generator_part(part, where))}
        if type(value) in CONTAINERS:
            self._remember(value, where)
            return self._container(value, where)
        if isinstance(value, State):
            self._remember(value, where)
            return {"recurrent": self.value(value.arrays, where), "fresh": self.value(value.fresh, f"{where}.fresh")}
        if isinstance(value, EpochRecord):
            return {"record": ObjectWriter().value(dict(vars(value)), "")}
        if _has_attributes(value) and not pair_refused(value):
            return self.object(value, where)
        raise self._refusal(value, where)

    def _generator_part(self, part: Any, where: str) -> Any:
        """A part of a generator's state, whose arrays are never left out."""
        writer = ObjectWriter()
        written = writer.value(part, where)
        self.arrays.update(writer.arrays)
        return written

    def _array(self, value: Array, where: str) -> dict[str, Any]:
        if self._lenient or value.dtype.hasobject or value.dtype.names is not None:
            raise self._refusal(value, where)
        axes = layout(value)
        plain = np.array(value if axes is None else value.transpose(axes), order="C")
        tag: dict[str, Any] = {"array": where}
        if axes is not None:
            tag["axes"] = axes
        if plain.dtype.str not in STORED:
            tag |= {"dtype": plain.dtype.str, "shape": list(plain.shape)}
            plain = np.frombuffer(plain.tobytes(), np.uint8).copy()
        self.arrays[where] = plain
        return tag

    def _container(self, value: Any, where: str) -> Any:
        kind = type(value).__name__
        if isinstance(value, dict):
            if all(type(key) is str for key in value):
                items: Any = {key: self._item(item, f"{where}[{key!r}]") for key, item in value.items()}
                return {"dict": items} if kind == "dict" else {"dict": items, "kind": kind}
            pairs = [
                [self.value(key, f"{where}, key"), self._item(item, f"{where}[{key!r}]")] for key, item in value.items()
            ]
            return {"pairs": pairs, "kind": kind}
        if kind == "list":
            return {"list": self._items(value, where)}
        extra = {"length": value.maxlen} if isinstance(value, deque) else {}
        return {kind: self._items(value, where), **extra}

    def _items(self, values: Any, where: str) -> Any:
        """The items of a sequence or a set; many numbers as an array."""
        items = sorted(values, key=repr) if isinstance(values, (set, frozenset)) else list(values)
        packed = _packed(items) if len(items) >= PACKED else None
        if packed is not None:
            if self._lenient:
                raise self._refusal(values, where)
            self.arrays[where] = packed
            return {"numbers": where}
        return [self._item(item, f"{where}[{i}]") for i, item in enumerate(items)]

    def _item(self, item: Any, where: str) -> Any:
        """An item of a container. It must be data: a restored container may have no object to restore it into."""
        written = None if is_resource(item) else self.value(item, where)
        if is_resource(item) or (isinstance(written, dict) and "object" in written):
            raise self._refusal(item, where)
        return written

    def _constant(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, Enum):
            return {"enum": value.name}
        if type(value) is complex:
            return {"complex": [self.value(value.real, where), self.value(value.imag, where)]}
        if type(value) in (bytes, bytearray):
            return {type(value).__name__: value.hex()}
        if type(value) is frozenset:
            return {"frozenset": self._items(value, where)}
        if type(value) in (range, slice):
            return {type(value).__name__: [self.value(part, where) for part in (value.start, value.stop, value.step)]}
        if type(value) is datetime:
            return {"datetime": value.isoformat()}
        if type(value) is timedelta:
            return {"timedelta": [value.days, value.seconds, value.microseconds]}
        raise self._refusal(value, where)

    @staticmethod
    def _refusal(value: Any, where: str) -> ConfigError:
        return ConfigError(
            "a checkpoint cannot keep this object",
            where=where,
            expected="numbers, strings, arrays, random generators, and lists, tuples and dictionaries of these",
            received=f"{type(value).__module__}.{type(value).__qualname__}",
            remedy=REMEDY,
        )


def _packed(items: list[Any]) -> Array | None:
    """Numbers of one type as an array; None for anything else."""
    kinds = set(map(type, items))
    if kinds not in ({float}, {int}):
        return None
    try:
        return np.array(items, np.float64 if kinds == {float} else np.int64)
    except OverflowError:
        return None


#: The dtypes of arrays that checkpoints store as they are.
STORED = frozenset(
    np.dtype(name).str for name in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)


class ObjectReader:
    """Puts back what an ObjectWriter has written.

    Parameters
    ----------
    arrays : mapping of str to array
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._made: dict[str, Any] = {}

    def object(self, written: Mapping[str, Any], thing: Any, where: str) -> Any:
        """Put a state into an object of the same class.

        Raises
        ------
        StateError
            If it belongs to an object of another class.
        """
        if "same" in written:
            return self._made.get(written["same"], thing)
        kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
        if written["object"] != kind:
            raise StateError("the state of another object", where=where, expected=written["object"], received=kind)
        self._made[where] = thing
        if "state" in written:
            thing.load_state(self.value(written["state"], None, f"{where}.state()"))
        else:
            self.attributes(written["attributes"], thing, where)
        return thing

    def attributes(self, written: Mapping[str, Any], thing: Any, where: str) -> None:
        """Put attributes into an object, past the checks of its class."""
        for name, value in written.items():
            existing = vars(thing).get(name) if hasattr(thing, "__dict__") else getattr(thing, name, None)
            restored = self.value(value, existing, f"{where}.{name}")
            if hasattr(thing, "__dict__") and not _is_slot(type(thing), name):
                vars(thing)[name] = restored
            else:
                object.__setattr__(thing, name, restored)

    def value(self, written: Any, existing: Any, where: str) -> Any:
        """The value; lists, dictionaries, generators and objects that exist already are changed, and returned."""
        if not isinstance(written, Mapping):
            return written
        kind = next(iter(written))
        content = written[kind]
        if kind == "same":
            return self._made[content]
        if kind == "object":
            return self.object(written, existing, where)
        made = self._value(kind, content, written, existing, where)
        if kind in ("array", "generator"):
            self._made[where] = made
        return made

    # ------------------------------------------------------------------ inside
    def _value(self, kind: str, content: Any, written: Mapping[str, Any], existing: Any, where: str) -> Any:
        if kind in ("list", "set", "deque", "dict", "pairs", "tuple", "frozenset"):
            return self._container(kind, content, written, existing, where)
        if kind == "array":
            return self._array(content, written)
        if kind == "generator":
            return generators.restored(content, existing, lambda part: self.value(part, None, f"{where}, state"))
        if kind == "function":
            found = dict(generators.of_function(existing))
            for name, value in content.items():
                if name in found:
                    self.value(value, found[name], f"{where}, {name}")
            return existing
        if kind == "recurrent":
            state = State()
            state.arrays = self.value(content, None, where)
            state.fresh = self.value(written["fresh"], None, f"{where}.fresh")
            self._made[where] = state
            return state
        if kind == "record":
            return EpochRecord(**ObjectReader({}).value(content, None, ""))
        if kind == "enum":
            return type(existing)[content] if isinstance(existing, Enum) else existing
        return self._constant(kind, content, written)

    def _constant(self, kind: str, content: Any, written: Mapping[str, Any]) -> Any:
        if kind == "float":
            return float(content)
        if kind == "scalar":
            return np.frombuffer(bytes.fromhex(written["bytes"]), np.dtype(content))[0]
        if kind == "complex":
            real, imaginary = (self.value(part, None, "") for part in content)
            return complex(real, imaginary)
        if kind in ("bytes", "bytearray"):
            return (bytes if kind == "bytes" else bytearray).fromhex(content)
        if kind in ("range", "slice"):
            return (range if kind == "range" else slice)(*content)
        if kind == "datetime":
            return datetime.fromisoformat(content)
        if kind == "timedelta":
            return timedelta(*content)
        raise StateError("an unknown kind of value in a checkpoint", received=kind)

    def _array(self, name: str, written: Mapping[str, Any]) -> Array:
        array = np.array(self._arrays[name])
        if "dtype" in written:
            array = np.frombuffer(array.tobytes(), np.dtype(written["dtype"])).reshape(written["shape"]).copy()
        return array if "axes" not in written else array.transpose(np.argsort(written["axes"]))

    def _items(self, content: Any, existing: Any, where: str) -> list[Any]:
        if isinstance(content, Mapping):
            numbers: list[Any] = self._arrays[content["numbers"]].tolist()
            return numbers
        present = list(existing) if isinstance(existing, (list, tuple, deque)) else []
        present += [None] * (len(content) - len(present))
        return [self.value(item, present[i], f"{where}[{i}]") for i, item in enumerate(content)]

    def _container(self, kind: str, content: Any, written: Mapping[str, Any], existing: Any, where: str) -> Any:
        if kind == "tuple":
            return tuple(self._items(content, existing, where))
        if kind == "frozenset":
            return frozenset(self._items(content, None, where))
        if kind in ("dict", "pairs"):
            return self._mapping(kind, content, written.get("kind", "dict"), existing, where)
        if kind == "deque":
            same = type(existing) is deque and existing.maxlen == written["length"]
            made: Any = existing if same else deque(maxlen=written["length"])
        else:
            cls = list if kind == "list" else set
            made = existing if type(existing) is cls else cls()
        self._made[where] = made
        items = self._items(content, made, where)
        made.clear()
        (made.update if kind == "set" else made.extend)(items)
        return made

    def _mapping(self, kind: str, content: Any, name: str, existing: Any, where: str) -> Any:
        cls = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter, "defaultdict": defaultdict}[name]
        made: Any = existing if type(existing) is cls else cls()
        self._made[where] = made
        present = dict(made)
        items = content.items() if kind == "dict" else [(self.value(k, None, f"{where}, key"), v) for k, v in content]
        restored = {key: self.value(item, present.get(key), f"{where}[{key!r}]") for key, item in items}
        made.clear()
        made.update(restored)
        return made


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


def is_resource(value: Any) -> bool:
    """Whether a value belongs to the process or is code, so that a checkpoint leaves it as it is."""
    if type(value) in (list, tuple, set, dict):  # all of them, as the callables that a constructor was given
        items = value.values() if isinstance(value, dict) else value
        return len(value) > 0 and all(map(is_resource, items))
    cls: Any = type(value)
    return _is_resource_class(cls)


@lru_cache(1024)
def _is_resource_class(cls: type) -> bool:
    """Whether the instances of a class are resources; a Trainer or a Model cannot be imported here."""
    return issubclass(cls, RESOURCES) or any(base.__module__.startswith(TRAINING) for base in cls.__mro__)


def pair_refused(value: Any) -> bool:
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


def _is_slot(cls: Any, name: str) -> bool:
    return name in _slots(cls)


def _has_attributes(value: Any) -> bool:
    """Whether an object is an instance of a class that is written in Python: its attributes are its state."""
    cls: Any = type(value)
    known = hasattr(value, "__dict__") or bool(_slots(cls))
    return known and not isinstance(value, (BaseException, type, *CONTAINERS, tuple, str, int, float))
