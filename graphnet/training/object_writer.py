"""The state of objects as plain data: numbers and strings as JSON, arrays by name."""

from __future__ import annotations

import math
import types
from collections import deque
from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError
from graphnet.core.run.state import State
from graphnet.training import generators
from graphnet.training.history import EpochRecord
from graphnet.training.object_kinds import (
    CONTAINERS,
    REMEDY,
    attributes_of,
    has_attributes,
    is_resource,
    layout,
    pair,
    read_once,
)

#: Immutable values, which are written as a whole.
CONSTANTS = (
    complex, bytes, bytearray, frozenset, range, slice, datetime, date, timedelta, Decimal, Fraction, Enum,
)  # fmt: skip
#: Lists of at least this many numbers of one type are kept as arrays.
PACKED = 32
#: Objects inside objects; deeper ones are refused.
DEPTH = 12
#: The dtypes of arrays that checkpoints store as they are.
STORED = frozenset(
    np.dtype(name).str for name in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)


class ObjectWriter:
    """Turns values and objects into JSON, with their arrays by name.

    Parameters
    ----------
    lenient : bool
        For objects that hold data: arrays, and whatever cannot be kept, are left out instead of refused.
    calling : bool
        Whether ``state()`` of objects is called; False only checks attributes, before training starts.

    Attributes
    ----------
    arrays : dict of str to array
        Copies.
    """

    def __init__(self, *, lenient: bool = False, calling: bool = True) -> None:
        self.calling = calling
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
            return {"object": kind, "state": self.value(thing.state() if self.calling else None, f"{where}.state()")}
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
        if isinstance(value, CONSTANTS):
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
            return {"record": _record(value)}
        if not generators.is_generator(value) and has_attributes(value) and not read_once(value):
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
        if type(value) in (datetime, date, Decimal, Fraction):
            text = value.isoformat() if isinstance(value, date) else str(value)
            return {type(value).__name__.lower(): text}
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


def _record(record: EpochRecord) -> dict[str, Any]:
    """The figures of an epoch; most are finite numbers, which need no other form."""
    writer = ObjectWriter()
    return {
        name: value if type(value) is float and math.isfinite(value) else writer.value(value, name)
        for name, value in vars(record).items()
    }


def _packed(items: list[Any]) -> Array | None:
    """Numbers of one type as an array; None for anything else."""
    kinds = set(map(type, items))
    if kinds not in ({float}, {int}):
        return None
    try:
        return np.array(items, np.float64 if kinds == {float} else np.int64)
    except OverflowError:
        return None
