"""Vectors of numbers and truth values in memory, and loops over them."""

from __future__ import annotations

from collections.abc import Callable

from graphnet_native.ir import Function, Type, Value, integer


class Lanes:
    """Loads, stores and loops of one function.

    Parameters
    ----------
    f : Function
    dtype : Type
        Of the numbers.
    """

    def __init__(self, f: Function, dtype: Type) -> None:
        self.f, self.dtype = f, dtype
        self.lanes = f.module.vector_bytes // dtype.bytes
        self.vector = Type(dtype.scalar, self.lanes)

    def load(self, pointer: Value, mask: Value | None, boolean: bool = False) -> Value:
        """A vector of numbers or truth values."""
        kind = Type("i8", self.lanes) if boolean else self.vector
        value = self.f.load(kind, pointer) if mask is None else self.f.load_masked(kind, pointer, mask)
        return self.f.compare("icmp ne", value, Value(kind, "zeroinitializer")) if boolean else value

    def store(self, value: Value, pointer: Value, mask: Value | None) -> None:
        """Write a vector of numbers or truth values."""
        if value.type.scalar == "i1":
            value = self.f.convert("zext", value, value.type.of("i8"))
        if mask is None:
            self.f.store(value, pointer)
        else:
            self.f.store_masked(value, pointer, mask)

    def vectors(self, count: Value, body: Callable[[Value, Value | None], None]) -> None:
        """``body(first number, mask)`` for whole vectors, and once with a mask for the rest."""
        f = self.f
        if count.name.isdigit():
            self._known_vectors(int(count.name), body)
            return
        whole = f.binary("and", count, integer(-self.lanes))
        f.loop(integer(0), whole, self.lanes, lambda i, _: body(i, None))
        rest = f.binary("sub", count, whole)
        f.when(f.compare("icmp ne", rest, integer(0)), lambda: body(whole, f.first_lanes(rest, self.lanes)))

    def _known_vectors(self, count: int, body: Callable[[Value, Value | None], None]) -> None:
        """The same for a number of numbers that is known now."""
        f, whole = self.f, count // self.lanes * self.lanes
        if whole == self.lanes:
            body(integer(0), None)
        elif whole:
            f.loop(integer(0), integer(whole), self.lanes, lambda i, _: body(i, None), sure=True)
        if whole < count:
            body(integer(whole), f.first_lanes(integer(count - whole), self.lanes))
