"""Puts back the state of objects.

A checkpoint holds data, never code: no class is looked up by a name that a file gives. An object is restored *into*
the one that stands in its place after the constructors and ``on_start`` have run.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import StateError
from graphnet.core.run.state import State
from graphnet.training import generators
from graphnet.training.history import EpochRecord
from graphnet.training.object_kinds import is_slot


class ObjectReader:
    """Puts back what an ObjectWriter has written.

    Parameters
    ----------
    arrays : mapping of str to array
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays
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
            if hasattr(thing, "__dict__") and not is_slot(type(thing), name):
                vars(thing)[name] = restored
            else:
                object.__setattr__(thing, name, restored)

    def value(self, written: Any, existing: Any, where: str) -> Any:
        """The value; lists, dictionaries, generators and objects that exist already are changed, and returned."""
        if not isinstance(written, Mapping):
            return written
        if not written:
            raise ValueError(f"{where or 'a value'} is an empty mapping")
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
            return EpochRecord(**{name: ObjectReader({}).value(value, None, name) for name, value in content.items()})
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
        if kind in ("datetime", "date"):
            return (datetime if kind == "datetime" else date).fromisoformat(content)
        if kind in ("decimal", "fraction"):
            return (Decimal if kind == "decimal" else Fraction)(content)
        if kind == "timedelta":
            return timedelta(*content)
        raise StateError("an unknown kind of value in a checkpoint", received=kind)

    def _array(self, name: str, written: Mapping[str, Any]) -> Array:
        array = np.array(self.arrays[name])
        if "dtype" in written:
            array = np.frombuffer(array.tobytes(), np.dtype(written["dtype"])).reshape(written["shape"]).copy()
        return array if "axes" not in written else array.transpose(np.argsort(written["axes"]))

    def _items(self, content: Any, existing: Any, where: str) -> list[Any]:
        if isinstance(content, Mapping):
            numbers: list[Any] = self.arrays[content["numbers"]].tolist()
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
