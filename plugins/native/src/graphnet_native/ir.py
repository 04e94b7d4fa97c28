"""A typed builder of LLVM IR text.

Values carry their type, so an operation on the wrong types fails here, with a message that names it, and not inside
LLVM. Loops are emitted in the form that code generation keeps: bottom-tested, with values carried from one iteration
to the next as phi nodes. No LLVM pass runs afterwards.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from typing import Protocol

from graphnet.core.records import record


@record
class Type:
    """A scalar type, or a vector of ``lanes`` of them.

    Attributes
    ----------
    scalar : {'float', 'double', 'i1', 'i8', 'i32', 'i64', 'ptr'}
    lanes : int
        0 for a scalar.
    """

    scalar: str
    lanes: int = 0

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.scalar}>" if self.lanes else self.scalar

    @property
    def mangled(self) -> str:
        """The type in the name of an intrinsic: ``v16f32``."""
        name = {"float": "f32", "double": "f64"}.get(self.scalar, self.scalar)
        return f"v{self.lanes}{name}" if self.lanes else name

    @property
    def bytes(self) -> int:
        """Bytes of one element in memory."""
        return {"float": 4, "double": 8, "i1": 1, "i8": 1, "i32": 4, "i64": 8, "ptr": 8}[self.scalar]

    def of(self, scalar: str) -> Type:
        """The same number of lanes of another scalar type."""
        return replace(self, scalar=scalar)


F32, F64 = Type("float"), Type("double")
I1, I8, I32, I64, PTR = Type("i1"), Type("i8"), Type("i32"), Type("i64"), Type("ptr")


#: The functions that a line of IR calls.
CALLED = re.compile(r"@([\w.]+)\(")


class IRError(TypeError):
    """An operation on values of the wrong types: a mistake of the emitter."""


@record
class Value:
    """The name of a value, or a literal, and its type.

    In code with bounds checks, a pointer also has the addresses of the first byte of its array and of the one after
    the last.
    """

    type: Type
    name: str
    bounds: tuple[Value, Value] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


def integer(number: int, kind: Type = I64) -> Value:
    """A literal."""
    return Value(kind, str(number))


def floating(number: float, kind: Type) -> Value:
    """A literal of a float type, exact to the bit."""
    if kind.scalar == "float":
        number = struct.unpack("<f", struct.pack("<f", number))[0] if abs(number) <= 3.4028234663852886e38 else number
    bits = struct.unpack("<Q", struct.pack("<d", number))[0]
    literal = f"0x{bits:016X}"
    if not kind.lanes:
        return Value(kind, literal)
    return Value(kind, "<" + ", ".join([f"{kind.scalar} {literal}"] * kind.lanes) + ">")


class Checks(Protocol):
    """Bounds checks: what :mod:`graphnet_native.bounds` adds to a module."""

    def parameters(self, parameters: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        """Return the parameters of a function with bounds, and the further ones that these bounds need."""

    def arguments(self, function: Function, args: Sequence[Value]) -> list[Value]:
        """Return the arguments for these further parameters of a function that is called inside ``function``."""

    def checked(self, function: Function, pointer: Value, kind: Type, access: str, mask: Value | None) -> Value:
        """Check an access, and return the pointer that it uses."""

    def text(self) -> list[str]:
        """Return what the module needs besides its functions."""


class Function:
    """Builds one function.

    Parameters
    ----------
    module : Module
    name : str
    parameters : sequence of Type
    internal : bool
        Not visible outside the module.
    table : bool
        It takes the table of addresses, which has the bounds of all arrays; other functions take the bounds of their
        pointers as further arguments if the module has bounds checks.
    """

    def __init__(
        self, module: Module, name: str, parameters: Sequence[Type], internal: bool = False, table: bool = False
    ) -> None:
        self.module, self.name, self.internal, self.table = module, name, internal, table
        self.parameters = [Value(kind, f"%a{i}") for i, kind in enumerate(parameters)]
        self.hidden: list[Value] = []
        if module.checks is not None and not table:
            self.parameters, self.hidden = module.checks.parameters(self.parameters)
        self.lines: list[str] = []
        self.first_lines: list[str] = []
        self.count = 0
        self.label = "entry"
        self.returned = False

    # ------------------------------------------------------------------ single operations
    def fresh(self) -> str:
        """A name that is not used yet."""
        self.count += 1
        return f"%v{self.count}"

    def emit(self, kind: Type, text: str) -> Value:
        """Add one instruction and return its value."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(kind, name)

    def at_start(self, emit: Callable[[], Value]) -> Value:
        """What ``emit`` computes from parameters, in front of everything else: known in every block."""
        lines, self.lines = self.lines, self.first_lines
        try:
            return emit()
        finally:
            self.lines = lines

    def binary(self, operation: str, a: Value, b: Value) -> Value:
        """``fadd``, ``add``, ``and``, … of two values of one type."""
        if a.type != b.type:
            raise IRError(f"{operation} of {a.type} and {b.type}")
        return self.emit(a.type, f"{operation} {a.type} {a.name}, {b.name}")

    def add(self, a: Value, b: Value | int) -> Value:
        """Integer sum; additions of 0 vanish."""
        b = integer(b, a.type) if isinstance(b, int) else b
        if b.name == "0":
            return a
        if a.name == "0":
            return b
        return self.binary("add", a, b)

    def mul(self, a: Value, b: Value | int) -> Value:
        """Integer product; products of two literals are computed here."""
        b = integer(b, a.type) if isinstance(b, int) else b
        if a.name.lstrip("-").isdigit() and b.name.lstrip("-").isdigit():
            return integer(int(a.name) * int(b.name), a.type)
        if a.name == "0" or b.name == "0":
            return integer(0, a.type)
        if b.name == "1":
            return a
        if a.name == "1":
            return b
        return self.binary("mul", a, b)

    def compare(self, operation: str, a: Value, b: Value) -> Value:
        """``icmp`` or ``fcmp``, as in ``compare("fcmp olt", a, b)``."""
        if a.type != b.type:
            raise IRError(f"{operation} of {a.type} and {b.type}")
        return self.emit(a.type.of("i1"), f"{operation} {a.type} {a.name}, {b.name}")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """``a`` where the condition holds, else ``b``."""
        if a.type != b.type or condition.type.scalar != "i1" or condition.type.lanes not in (0, a.type.lanes):
            raise IRError(f"select of {a.type} and {b.type} by {condition.type}")
        return self.emit(a.type, f"select {condition}, {a}, {b}")

    def convert(self, operation: str, a: Value, kind: Type) -> Value:
        """``fptosi``, ``zext``, ``bitcast``, …"""
        if a.type.lanes != kind.lanes:
            raise IRError(f"{operation} of {a.type} to {kind}")
        return self.emit(kind, f"{operation} {a} to {kind}")

    def call(self, name: str, kind: Type, *args: Value) -> Value:
        """Call an intrinsic or function that returns a value."""
        self.module.declare(name, kind, [a.type for a in args])
        return self.emit(kind, f"call {kind} @{name}({', '.join(map(str, args))})")

    def run(self, name: str, *args: Value) -> None:
        """Call a function that returns nothing."""
        called = self.module.functions.get(name)
        if called is not None and called.hidden:
            assert self.module.checks is not None
            args = (*args, *self.module.checks.arguments(self, args))
        self.module.declare(name, None, [a.type for a in args])
        self.lines.append(f"  call void @{name}({', '.join(map(str, args))})")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """``a * b + c``, rounded once where the processor has an instruction for it."""
        if not a.type == b.type == c.type:
            raise IRError(f"fma of {a.type}, {b.type} and {c.type}")
        name = "fma" if self.module.fused else "fmuladd"
        return self.call(f"llvm.{name}.{a.type.mangled}", a.type, a, b, c)

    # ------------------------------------------------------------------ memory
    def offset(self, pointer: Value, size: Value | int) -> Value:
        """A pointer that number of bytes further."""
        size = integer(size) if isinstance(size, int) else size
        if pointer.type != PTR or size.type != I64:
            raise IRError(f"offset of {pointer.type} by {size.type}")
        if size.name == "0":
            return pointer
        return replace(self.emit(PTR, f"getelementptr i8, {pointer}, {size}"), bounds=pointer.bounds)

    def load(self, kind: Type, pointer: Value) -> Value:
        """A value from memory, aligned to its elements."""
        if pointer.type != PTR:
            raise IRError(f"load from {pointer.type}")
        pointer = self.checked(pointer, kind, "read")
        return self.emit(kind, f"load {kind}, {pointer}, align {kind.bytes}")

    def store(self, value: Value, pointer: Value) -> None:
        """Write a value to memory."""
        if pointer.type != PTR:
            raise IRError(f"store to {pointer.type}")
        pointer = self.checked(pointer, value.type, "write")
        self.lines.append(f"  store {value}, {pointer}, align {value.type.bytes}")

    def prefetch(self, pointer: Value) -> None:
        """Bring the line of an address into the first cache; of any address, also outside arrays."""
        name = "llvm.prefetch.p0"
        self.module.declare_text(name, f"declare void @{name}(ptr, i32, i32, i32)")
        self.lines.append(f"  call void @{name}(ptr {pointer.name}, i32 0, i32 3, i32 1)")

    def load_masked(self, kind: Type, pointer: Value, mask: Value) -> Value:
        """The lanes that a mask selects; zeros elsewhere, from where nothing is read."""
        pointer = self.checked(pointer, kind, "read", mask)
        # Until LLVM 21 the alignment is an operand; since LLVM 22 it is an attribute of the pointer.
        name, align = f"llvm.masked.load.{kind.mangled}.p0", kind.bytes
        if self.module.alignment_operand:
            self.module.declare_text(name, f"declare {kind} @{name}(ptr, i32, {mask.type}, {kind})")
            address = f"ptr {pointer.name}, i32 {align}"
        else:
            self.module.declare_text(name, f"declare {kind} @{name}(ptr, {mask.type}, {kind})")
            address = f"ptr align {align} {pointer.name}"
        return self.emit(kind, f"call {kind} @{name}({address}, {mask}, {kind} zeroinitializer)")

    def store_masked(self, value: Value, pointer: Value, mask: Value) -> None:
        """Write the lanes that a mask selects."""
        pointer = self.checked(pointer, value.type, "write", mask)
        name, align = f"llvm.masked.store.{value.type.mangled}.p0", value.type.bytes
        if self.module.alignment_operand:
            self.module.declare_text(name, f"declare void @{name}({value.type}, ptr, i32, {mask.type})")
            address = f"ptr {pointer.name}, i32 {align}"
        else:
            self.module.declare_text(name, f"declare void @{name}({value.type}, ptr, {mask.type})")
            address = f"ptr align {align} {pointer.name}"
        self.lines.append(f"  call void @{name}({value}, {address}, {mask})")

    def checked(self, pointer: Value, kind: Type, access: str, mask: Value | None = None) -> Value:
        """The pointer, in a module with bounds checks after a check that the access is inside the pointer's array."""
        checks = self.module.checks
        return pointer if checks is None else checks.checked(self, pointer, kind, access, mask)

    # ------------------------------------------------------------------ vectors
    def splat(self, scalar: Value, lanes: int) -> Value:
        """A vector with one number in every lane; the scalar itself for no lanes."""
        if not lanes:
            return scalar
        kind = replace(scalar.type, lanes=lanes)
        one = self.emit(kind, f"insertelement {kind} poison, {scalar}, i64 0")
        return self.emit(kind, f"shufflevector {one}, {kind} poison, <{lanes} x i32> zeroinitializer")

    def first_lanes(self, count: Value, lanes: int) -> Value:
        """A mask of the first ``count`` lanes."""
        narrow = self.emit(I32, f"trunc {count} to i32")
        wide = self.splat(narrow, lanes)
        iota = Value(wide.type, "<" + ", ".join(f"i32 {i}" for i in range(lanes)) + ">")
        return self.compare("icmp ult", iota, wide)

    # ------------------------------------------------------------------ control
    def start_block(self, label: str) -> None:
        """Begin a block; the one before must have ended."""
        self.lines.append(f"{label}:")
        self.label = label

    def new_label(self, stem: str) -> str:
        """A label that is not used yet."""
        self.count += 1
        return f"{stem}{self.count}"

    def loop(
        self,
        start: Value,
        stop: Value,
        step: int,
        body: Callable[[Value, list[Value]], Sequence[Value] | None],
        carried: Sequence[Value] = (),
        sure: bool = False,
    ) -> list[Value]:
        """``for i in range(start, stop, step)``; returns the carried values after the last iteration.

        ``body(i, values)`` emits one iteration and returns the new carried values. ``sure`` says that there is at
        least one iteration. A negative step counts down while ``i > stop``.
        """
        body_label, exit_label = self.new_label("body"), self.new_label("exit")
        before = self.label
        relation = "icmp slt" if step > 0 else "icmp sgt"
        if sure:
            self.lines.append(f"  br label %{body_label}")
        else:
            enter = self.compare(relation, start, stop)
            self.lines.append(f"  br {enter}, label %{body_label}, label %{exit_label}")
        self.start_block(body_label)
        index = Value(start.type, self.fresh())
        inner = [replace(value, name=self.fresh()) for value in carried]
        position = len(self.lines)
        after = list(body(index, inner) or ())
        if [v.type for v in after] != [v.type for v in carried]:
            raise IRError(f"a loop carries {[str(v.type) for v in carried]} and returns {[str(v.type) for v in after]}")
        following = self.binary("add", index, integer(step, index.type))
        again = self.compare(relation, following, stop)
        end = self.label
        self.lines.append(f"  br {again}, label %{body_label}, label %{exit_label}")
        phis = [f"  {index.name} = phi {index.type} [ {start.name}, %{before} ], [ {following.name}, %{end} ]"]
        for value, first, last in zip(inner, carried, after, strict=True):
            phis.append(f"  {value.name} = phi {value.type} [ {first.name}, %{before} ], [ {last.name}, %{end} ]")
        self.lines[position:position] = phis
        self.start_block(exit_label)
        if sure:
            return after
        left = [
            self.emit(first.type, f"phi {first.type} [ {first.name}, %{before} ], [ {last.name}, %{end} ]")
            for first, last in zip(carried, after, strict=True)
        ]
        return [replace(value, bounds=first.bounds) for value, first in zip(left, carried, strict=True)]

    def when(self, condition: Value, body: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """Emit ``if condition: body() else: otherwise()``."""
        yes, no, end = self.new_label("yes"), self.new_label("no"), self.new_label("end")
        self.lines.append(f"  br {condition}, label %{yes}, label %{no if otherwise else end}")
        self.start_block(yes)
        body()
        self.lines.append(f"  br label %{end}")
        if otherwise:
            self.start_block(no)
            otherwise()
            self.lines.append(f"  br label %{end}")
        self.start_block(end)

    def text(self, internal: bool | None = None) -> str:
        """The function as text, with another visibility if it is given."""
        kind = "internal" if (self.internal if internal is None else internal) else "dso_local"
        parameters = ", ".join(map(str, (*self.parameters, *self.hidden)))
        head = f"define {kind} void @{self.name}({parameters}) #0 {{"
        return "\n".join([head, "entry:", *self.first_lines, *self.lines, "  ret void", "}"])


class Module:
    """Functions, and declarations of what they call.

    Parameters
    ----------
    vector_bytes : int
        The width of the vectors that code generation may use.
    llvm : int
        The version of LLVM that reads the text.
    fused : bool
        Whether the processor has an instruction for ``a * b + c``; without, LLVM would call the C library.
    checks : Checks, optional
        Adds bounds checks to every access.
    """

    def __init__(self, vector_bytes: int, llvm: int = 22, fused: bool = True, checks: Checks | None = None) -> None:
        self.vector_bytes, self.alignment_operand, self.fused = vector_bytes, llvm < 22, fused
        self.checks = checks
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, str] = {}

    def function(self, name: str, parameters: Sequence[Type], internal: bool = False, table: bool = False) -> Function:
        """Begin a function without a result; see :class:`Function`."""
        made = self.functions[name] = Function(self, name, parameters, internal, table)
        return made

    def declare(self, name: str, kind: Type | None, parameters: Sequence[Type]) -> None:
        """Declare a function that another module defines."""
        self.declare_text(name, f"declare {kind or 'void'} @{name}({', '.join(map(str, parameters))})")

    def declare_text(self, name: str, text: str) -> None:
        """Declare by the text of the declaration."""
        self.declarations.setdefault(name, text)

    def text(self) -> str:
        """The module as LLVM IR."""
        known = [text for name, text in self.declarations.items() if name not in self.functions]
        checks = [] if self.checks is None else self.checks.text()
        return "\n".join([*known, *checks, *(f.text() for f in self.functions.values()), self._attributes, ""])

    @property
    def _attributes(self) -> str:
        bits = self.vector_bytes * 8
        return f'attributes #0 = {{ nounwind "min-legal-vector-width"="{bits}" "prefer-vector-width"="{bits}" }}'

    def parts(self) -> tuple[str, list[str]]:
        """The module in parts that are compiled alone: its own functions, and each internal one that these call, with
        the ones that it calls in turn.
        """
        own = [f for f in self.functions.values() if not f.internal]
        roots = dict.fromkeys(callee for f in own for callee in self._callees(f))
        return self._part(own, own, self.declarations), [self._kernel(root) for root in roots]

    def _kernel(self, root: Function) -> str:
        functions = self._closure(root)
        called = dict.fromkeys(name for f in functions for line in f.lines for name in CALLED.findall(line))
        return self._part([root], functions, called)

    def _callees(self, function: Function) -> list[Function]:
        """The internal functions that a function calls."""
        known = (self.functions.get(name) for line in function.lines for name in CALLED.findall(line))
        return [f for f in dict.fromkeys(known) if f is not None and f.internal]

    def _closure(self, root: Function) -> list[Function]:
        """A function and all internal ones that it calls, directly or not."""
        found, waiting = {root: None}, [root]
        while waiting:
            for callee in self._callees(waiting.pop()):
                if callee not in found:
                    found[callee] = None
                    waiting.append(callee)
        return list(found)

    def _part(self, visible: Sequence[Function], functions: Sequence[Function], called: Iterable[str]) -> str:
        defined = {f.name for f in functions}
        known = [self.declarations[name] for name in called if name not in defined]
        texts = [f.text(f not in visible) for f in functions]
        return "\n".join([*known, *texts, self._attributes, ""])
