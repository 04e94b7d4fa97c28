"""Bounds checks for every access of compiled code: the debug mode of the backend, ``GRAPHNET_NATIVE_DEBUG=1``.

Each pointer carries the address range of the array that it was made from: in the table of addresses every entry has
one, and a function gets those of its pointers as further arguments. An access outside is made to a spare place
instead, so the process does not crash; the first one is recorded, and ends in a :class:`BoundsError` when the call
returns.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import replace

from graphnet.core.errors import GraphnetError
from graphnet_native.ir import I64, PTR, Function, IRError, Type, Value, integer

#: The environment variable that switches the checks on for what is compiled from then on.
VARIABLE = "GRAPHNET_NATIVE_DEBUG"
#: Numbers in the record of a violation: 1, address, bytes, first and last address of the array, step, access.
RECORD = 7
#: Of the exported function that copies the record to an address and clears it.
READ = "read_violation"

_TEXT = f"""
@violation = internal global [{RECORD} x i64] zeroinitializer, align 8
@spare = internal global [512 x i8] zeroinitializer, align 64
define internal ptr @checked(ptr %p, i64 %bytes, i64 %first, i64 %last, i64 %site, i64 %access) {{
entry:
  %start = ptrtoint ptr %p to i64
  %end = add i64 %start, %bytes
  %after = icmp uge i64 %start, %first
  %before = icmp ule i64 %end, %last
  %both = and i1 %after, %before
  %nothing = icmp eq i64 %bytes, 0
  %inside = or i1 %both, %nothing
  br i1 %inside, label %good, label %bad
good:
  ret ptr %p
bad:
  %seen = load i64, ptr @violation
  %new = icmp eq i64 %seen, 0
  br i1 %new, label %record, label %done
record:
  store i64 1, ptr @violation
  store i64 %start, ptr getelementptr (i64, ptr @violation, i64 1)
  store i64 %bytes, ptr getelementptr (i64, ptr @violation, i64 2)
  store i64 %first, ptr getelementptr (i64, ptr @violation, i64 3)
  store i64 %last, ptr getelementptr (i64, ptr @violation, i64 4)
  store i64 %site, ptr getelementptr (i64, ptr @violation, i64 5)
  store i64 %access, ptr getelementptr (i64, ptr @violation, i64 6)
  br label %done
done:
  ret ptr @spare
}}
define dso_local void @{READ}(ptr %to) {{
entry:
  %record = load [{RECORD} x i64], ptr @violation
  store [{RECORD} x i64] %record, ptr %to
  store i64 0, ptr @violation
  ret void
}}"""


def enabled() -> bool:
    """Whether code that is compiled now checks its accesses."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


class BoundsError(GraphnetError, RuntimeError):
    """Compiled code has accessed memory outside the array that it was working in: a bug of the native backend."""


class BoundsChecks:
    """The checks of one module; see :class:`graphnet_native.ir.Checks`.

    Attributes
    ----------
    site : str
        The step of the program that is being emitted: paths of nodes.
    """

    def __init__(self) -> None:
        self.site = ""
        self._sites: dict[str, int] = {}
        self._accesses: dict[str, int] = {}

    def parameters(self, parameters: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        """The pointers with bounds; the bounds and the number of the step as further parameters."""
        bounded: list[Value] = []
        hidden: list[Value] = []
        for parameter in parameters:
            if parameter.type == PTR:
                bounds = (Value(I64, f"{parameter.name}.first"), Value(I64, f"{parameter.name}.last"))
                hidden += bounds
                parameter = replace(parameter, bounds=bounds)
            bounded.append(parameter)
        return bounded, [*hidden, Value(I64, "%site")]

    def arguments(self, function: Function, args: Sequence[Value]) -> list[Value]:
        """The bounds of the pointers among ``args``, and the number of the step."""
        hidden = [bound for value in args if value.type == PTR for bound in self._bounds(function, value)]
        return [*hidden, self._site(function)]

    def _site(self, function: Function) -> Value:
        if function.hidden:
            return function.hidden[-1]
        return integer(self._sites.setdefault(self.site, len(self._sites)))

    @staticmethod
    def _bounds(function: Function, pointer: Value) -> tuple[Value, Value]:
        if pointer.bounds is None:
            raise IRError(f"a pointer without bounds in {function.name}")
        return pointer.bounds

    def checked(self, function: Function, pointer: Value, kind: Type, access: str, mask: Value | None) -> Value:
        """Check one access; the lanes that a mask selects are the first ones."""
        first, last = self._bounds(function, pointer)
        size = integer(kind.bytes * max(1, kind.lanes))
        if mask is not None:
            lanes = mask.type.lanes
            bits = Type(f"i{lanes}")
            whole = function.emit(bits, f"bitcast {mask} to {bits}")
            function.module.declare(f"llvm.ctpop.{bits}", bits, [bits])
            count = function.emit(bits, f"call {bits} @llvm.ctpop.{bits}({whole})")
            size = function.mul(function.emit(I64, f"zext {count} to i64"), kind.bytes)
        number = self._accesses.setdefault(f"{access} in {function.name}", len(self._accesses))
        arguments = ", ".join(map(str, (pointer, size, first, last, self._site(function), integer(number))))
        return replace(function.emit(PTR, f"call ptr @checked({arguments})"), bounds=pointer.bounds)

    def text(self) -> list[str]:
        """The function that checks, and the one that reads the record."""
        return [_TEXT]

    def raise_violation(self, read: int) -> None:
        """Raise an error if an access was outside its array since the last call.

        Parameters
        ----------
        read : int
            The address of the function ``read_violation``.

        Raises
        ------
        BoundsError
        """
        record = (ctypes.c_int64 * RECORD)()
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(read)(ctypes.addressof(record))
        found, address, size, first, last, site, access = record
        if found:
            raise BoundsError(
                f"native code accessed memory outside its array ({list(self._accesses)[access]})",
                where=list(self._sites)[site] if site >= 0 else "packing of weights",
                expected=f"{size} bytes inside an array of {last - first} bytes",
                received=f"bytes {address - first} to {address - first + size}",
                remedy="Please report this graph to graphnet; backend='numpy' runs it meanwhile.",
            )
