"""The kernels of large programs: one function for all calls of a form, which reads places and sizes from words.

``f(table, first step, step after the last, first step of the block, words)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphnet_native import packing, row_products, sums, transposition
from graphnet_native.calls import HEADER, Kind
from graphnet_native.elementwise import Unsupported
from graphnet_native.functions import apply, as_number
from graphnet_native.ir import F64, I8, I64, PTR, Function, Module, Value, integer
from graphnet_native.lanes import Lanes
from graphnet_native.products import Tiles

#: The function that runs a list of calls: ``f(table, first step, last, first of the block, section)``.
RUN = "run_calls"
KINDS = [PTR, I64, I64, I64, PTR]


def emit(module: Module, forms: Mapping[Any, int], panels: Tiles, calls: int) -> None:
    """Define the kernels of some forms, and what runs a list of calls.

    Parameters
    ----------
    module : Module
    forms : mapping
        See :attr:`graphnet_native.calls.Calls.forms`.
    panels : Tiles
        The panels of weights.
    calls : int
        The entry of the table that has the calls.
    """
    names = []
    for form, number in forms.items():
        name = f"call_{number}"
        _Kernel(module.function(name, KINDS), panels).build(*form)
        names.append(name)
    list_of = ", ".join(f"ptr @{name}" for name in names)
    module.declare_text("kernels", f"@kernels = internal constant [{len(names)} x ptr] [{list_of}]")
    _run(module, calls)


def _run(module: Module, calls: int) -> None:
    """Define the function that makes the calls of a section, one after the other."""
    f = module.function(RUN, [PTR, I64, I64, I64, I64])
    entries, start, stop, origin, section = f.parameters
    base = f.load(PTR, f.offset(entries, 8 * calls))
    header = f.offset(base, f.mul(section, 8 * HEADER))
    first, count = f.load(I64, header), f.load(I64, f.offset(header, 8))

    def call(_: Value, at: list[Value]) -> list[Value]:
        words = at[0]
        kernel = f.load(I64, words)
        place = f.emit(PTR, f"getelementptr ptr, ptr @kernels, {kernel}")
        function = f.load(PTR, place)
        arguments = ", ".join(map(str, (entries, start, stop, origin, f.offset(words, 16))))
        f.lines.append(f"  call void {function.name}({arguments})")
        return [f.offset(words, f.load(I64, f.offset(words, 8)))]

    f.loop(integer(0), count, 1, call, [f.offset(base, f.mul(first, 8))])


class _Kernel(Lanes):
    """Builds one kernel."""

    def __init__(self, f: Function, panels: Tiles) -> None:
        super().__init__(f, panels.dtype)
        self.entries, self.start, self.stop, self.origin, self._words = f.parameters
        self.module, self.size, self.panel = f.module, panels.dtype.bytes, panels.rows
        self._read = 0

    def build(self, name: str, *form: Any) -> None:
        """Emit the kernel of a form."""
        builders: dict[str, Callable[..., None]] = {
            "elementwise": self._elementwise,
            "dot": self._dot,
            "reduce": self._reduce,
            "gradient": self._gradient,
            "row sums": self._row_sums,
            "clear": self._clear,
            "write": self._write,
            "spread": self._spread,
            "copy": self._copy,
            "turn": self._turn,
        }
        builders[name](*form)

    # ------------------------------------------------------------------ words
    def word(self) -> Value:
        """The next word."""
        self._read += 1
        return self.f.load(I64, self.f.offset(self._words, 8 * (self._read - 1)))

    def pointer(self) -> Value:
        """The address in the entry that the next word names."""
        return self.f.load(PTR, self.f.offset(self.entries, self.word()))

    def number(self) -> Value:
        """The next word as a number of the program's type."""
        wide = self.f.convert("bitcast", self.word(), F64)
        return wide if self.dtype == F64 else self.f.convert("fptrunc", wide, self.dtype)

    def place(self) -> tuple[Value, Value]:
        """Where an operand is at the first step, and the bytes from step to step."""
        f = self.f
        base = f.offset(self.pointer(), self.word())
        step, block_step = self.word(), self.word()
        distance = f.binary("sub", f.mul(step, self.start), f.mul(block_step, self.origin))
        return f.offset(base, distance), step

    def count(self, timeless: bool) -> Value:
        """The number of steps."""
        return integer(1) if timeless else self.f.binary("sub", self.stop, self.start)

    # ------------------------------------------------------------------ instructions
    def _elementwise(self, name: str, target: Kind, timeless: bool, *kinds: Kind) -> None:
        f = self.f
        width, (output, output_step) = self.word(), self.place()
        constants: dict[int, Value] = {}
        places: dict[int, tuple[Value, Value]] = {}
        for i, kind in enumerate(kinds):
            if kind == "scalar":
                constants[i] = f.splat(self.number(), self.lanes)
            else:
                places[i] = self.place()

        steps = [output_step, *(each for _, each in places.values())]

        def step(_: Value, pointers: list[Value]) -> list[Value]:
            at = dict(zip(places, pointers[1:], strict=True))
            same = {i: self._one(at[i], kinds[i][0]) for i in places if kinds[i][1]}

            def numbers(first: Value, mask: Value | None) -> None:
                args = [
                    constants[i]
                    if i in constants
                    else same[i]
                    if i in same
                    else self.load(self._at(at[i], first, kind[0]), mask, kind[0])
                    for i, kind in enumerate(kinds)
                ]
                result = self._result(name, args, target[0])
                self.store(result, self._at(pointers[0], first, target[0]), mask)

            self.vectors(width, numbers)
            return [f.offset(pointer, step) for pointer, step in zip(pointers, steps, strict=True)]

        f.loop(integer(0), self.count(timeless), 1, step, [output, *(place for place, _ in places.values())])

    def _at(self, pointer: Value, first: Value, boolean: bool) -> Value:
        return self.f.offset(pointer, first if boolean else self.f.mul(first, self.size))

    def _one(self, pointer: Value, boolean: bool) -> Value:
        """One number, or truth value, in all lanes."""
        f = self.f
        if boolean:
            return f.splat(f.compare("icmp ne", f.load(I8, pointer), integer(0, I8)), self.lanes)
        return f.splat(f.load(self.dtype, pointer), self.lanes)

    def _result(self, name: str, args: Sequence[Value], boolean: bool) -> Value:
        """The result of an operation as its buffer holds it."""
        result = apply(self.f, name, args, self.dtype.scalar)
        if boolean and result.type.scalar != "i1":
            raise Unsupported(f"{name} gives numbers where truth values are stored")
        return result if boolean else as_number(self.f, result, self.dtype.scalar)

    def _dot(self, source: Kind, target: Kind, add: bool, timeless: bool) -> None:
        """A product of all steps with a pack."""
        f = self.f
        depth, units, line, pack = self.word(), self.word(), self.word(), self.pointer()
        (rows, rows_step), (there, there_step) = self.place(), self.place()
        name = row_products.row_product(self.module, self.dtype, self.lanes)
        # The weights are in one panel, as wide as the product.
        f.run(name, pack, integer(self.panel * self.size), line, rows, rows_step, integer(0), there, there_step,
              integer(0), self.count(timeless), integer(1), depth, units, integer(int(add)))  # fmt: skip

    def _reduce(self, name: str, source: Kind, target: Kind, timeless: bool) -> None:
        """A reduction over the units, one after the other."""
        f, size = self.f, 1 if source[0] else self.size
        units = self.word()
        (rows, rows_step), (there, there_step) = self.place(), self.place()

        def number(at: Value, u: Value) -> Value:
            at = f.offset(at, f.mul(u, size))
            if not source[0]:
                return f.load(self.dtype, at)
            return as_number(f, f.compare("icmp ne", f.load(I8, at), integer(0, I8)), self.dtype.scalar)

        def step(_: Value, at: list[Value]) -> list[Value]:
            def one(u: Value, v: list[Value]) -> list[Value]:
                return [apply(f, name, [v[0], number(at[0], u)], self.dtype.scalar)]

            (total,) = f.loop(integer(1), units, 1, one, [number(at[0], integer(0))])
            f.store(total, at[1])
            return [f.offset(at[0], rows_step), f.offset(at[1], there_step)]

        f.loop(integer(0), self.count(timeless), 1, step, [rows, there])

    # ------------------------------------------------------------------ sums and gradients
    def _gradient(self, left: Kind, right: Kind) -> None:
        f = self.f
        height, columns = self.word(), self.word()
        target = f.offset(self.pointer(), self.word())
        (a, a_step), (b, b_step) = self.place(), self.place()
        name = sums.single_gradient(self.module, self.dtype, self.lanes)
        f.run(name, a, a_step, b, b_step, target, f.mul(columns, self.size), self.count(False), height, columns)

    def _row_sums(self, right: Kind) -> None:
        f = self.f
        columns = self.word()
        target = f.offset(self.pointer(), self.word())
        rows, step = self.place()

        def body(first: Value, mask: Value | None) -> None:
            place, begin = self._at(target, first, False), self._at(rows, first, False)

            def one(_: Value, v: list[Value]) -> list[Value]:
                return [f.offset(v[0], step), f.binary("fadd", v[1], self.load(v[0], mask))]

            total = f.loop(integer(0), self.count(False), 1, one, [begin, self.load(place, mask)])
            self.store(total[1], place, mask)

        self.vectors(columns, body)

    def _clear(self) -> None:
        target, numbers = self.pointer(), self.word()
        zeros = Value(self.vector, "zeroinitializer")
        self.vectors(numbers, lambda i, mask: self.store(zeros, self._at(target, i, False), mask))

    def _write(self) -> None:
        """Copy rows of an accumulator to a gradient, if it is wanted."""
        f = self.f
        gradient, start, pitch = self.pointer(), self.word(), self.word()
        source, row = f.offset(self.pointer(), self.word()), self.word()
        rows, width = self.word(), self.word()

        def line(r: Value, at: list[Value]) -> list[Value]:
            a, b = at

            def numbers(i: Value, mask: Value | None) -> None:
                self.store(self.load(self._at(a, i, False), mask), self._at(b, i, False), mask)

            self.vectors(width, numbers)
            return [f.offset(a, row), f.offset(b, pitch)]

        def copy() -> None:
            f.loop(integer(0), rows, 1, line, [source, f.offset(gradient, start)])

        f.when(f.compare("icmp ne", f.emit(I64, f"ptrtoint {gradient} to i64"), integer(0)), copy)

    # ------------------------------------------------------------------ packs
    def _spread(self) -> None:
        f = self.f
        source, step = f.offset(self.pointer(), self.word()), self.word()
        target, units = f.offset(self.pointer(), self.word()), self.word()
        f.run(packing.spread(self.module, self.dtype), source, step, target, units, integer(1), self.number())

    def _copy(self) -> None:
        self._matrix(packing.copy(self.module, self.dtype))

    def _turn(self) -> None:
        self._matrix(transposition.transpose(self.module, self.dtype, scaled=True))

    def _matrix(self, name: str) -> None:
        """``f(source, row bytes, target, row bytes, rows, columns, factor)`` with all of it from words."""
        f = self.f
        source, row = f.offset(self.pointer(), self.word()), self.word()
        target, line = f.offset(self.pointer(), self.word()), self.word()
        f.run(name, source, row, target, line, self.word(), self.word(), self.number())
