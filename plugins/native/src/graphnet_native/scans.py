"""Kernels of elementwise recurrences: lanes in registers, time inside.

A kernel runs over *units*, each some neighbouring lanes of one row for all steps. A table of addresses and integers has
the number of steps, the lanes of a row, the units of a row, the address of the offsets, and for each operand its
address at the first step and the bytes from one step to the next. The offsets say, for each row and operand, the bytes
from that address. In a pass backward the first step is the last one, and the bytes are negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphnet_native import team
from graphnet_native.functions import maximum
from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer

#: Vectors of a unit: enough that the products of one step do not wait for each other.
WIDE = 4
#: What an operand is: read or written at each step; the carried state, read at the beginning and written at the end; or
#: a sum over the steps, written at the end.
READ, WRITTEN, STATE, SUM = "read", "written", "state", "sum"


@dataclass(frozen=True, slots=True)
class Operand:
    """An array of a kernel.

    Attributes
    ----------
    name : str
    role : {READ, WRITTEN, STATE, SUM}
    single : bool
        One number for all lanes of a row; only of those that are read at each step.
    """

    name: str
    role: str
    single: bool = False


#: ``step(f, numbers read by name, carried states by name)`` returns what is written, added to sums, and carried on.
Step = Callable[[Function, Mapping[str, Value], Mapping[str, Value]], dict[str, Value]]
#: Where the operands begin in the table.
FIRST = 4


def kernel(module: Module, dtype: Type, lanes: int, operands: Sequence[Operand], step: Step) -> None:
    """Define ``scan(table, first unit, unit after the last)`` and its task for several threads."""
    body = module.function("scan_unit", [PTR, I64, I64, I64], internal=True)
    _unit(body, dtype, lanes, operands, step)
    f = module.function("scan", [PTR, I64, I64])
    table, first, last = f.parameters
    width, units = f.load(I64, f.offset(table, 8)), f.load(I64, f.offset(table, 16))

    def unit(number: Value, _: list[Value]) -> None:
        row = f.binary("udiv", number, units)
        start = f.mul(f.binary("sub", number, f.mul(row, units)), WIDE * lanes)
        f.run("scan_unit", table, row, start, f.binary("sub", width, start))

    f.loop(first, last, 1, unit)
    task = module.function("scan_task", [PTR, I64, I64, I64, *team.TASK_PARAMETERS])
    table, start, stop, _, _, worker, workers = task.parameters
    count = task.binary("sub", stop, start)
    parts = [task.binary("udiv", task.mul(count, w), workers) for w in (worker, task.add(worker, 1))]
    task.run("scan", table, *(task.add(start, part) for part in parts))


def _unit(f: Function, dtype: Type, lanes: int, operands: Sequence[Operand], step: Step) -> None:
    """Emit ``f(table, row, first lane, lanes left)``."""
    table, row, first, left = f.parameters
    size = dtype.bytes
    steps, offsets = f.load(I64, table), f.load(PTR, f.offset(table, 24))
    offsets = f.offset(offsets, f.mul(row, 8 * len(operands)))
    pointers, strides = [], []
    for i, operand in enumerate(operands):
        base = f.offset(f.load(PTR, f.offset(table, 8 * (FIRST + 2 * i))), f.load(I64, f.offset(offsets, 8 * i)))
        pointers.append(base if operand.single else f.offset(base, f.mul(first, size)))
        strides.append(f.load(I64, f.offset(table, 8 * (FIRST + 2 * i + 1))))

    def whole() -> None:
        _time(f, dtype, lanes, operands, step, pointers, strides, steps, WIDE, None)

    def rest() -> None:
        width = f.select(f.compare("icmp slt", left, integer(WIDE * lanes)), left, integer(WIDE * lanes))

        def vector(lane: Value, _: list[Value]) -> None:
            mask = f.first_lanes(f.binary("sub", width, lane), lanes)
            moved = f.mul(lane, size)
            here = [p if o.single else f.offset(p, moved) for p, o in zip(pointers, operands, strict=True)]
            _time(f, dtype, lanes, operands, step, here, strides, steps, 1, mask)

        f.loop(integer(0), width, lanes, vector)

    f.when(f.compare("icmp sge", left, integer(WIDE * lanes)), whole, rest)


def _time(
    f: Function, dtype: Type, lanes: int, operands: Sequence[Operand], step: Step, pointers: Sequence[Value],
    strides: Sequence[Value], steps: Value, vectors: int, mask: Value | None,
) -> None:  # fmt: skip
    """Emit all steps of some vectors."""
    kind, size = Type(dtype.scalar, lanes), dtype.bytes

    def load(pointer: Value, vector: int) -> Value:
        at = f.offset(pointer, vector * lanes * size)
        return f.load(kind, at) if mask is None else f.load_masked(kind, at, mask)

    def store(value: Value, pointer: Value, vector: int) -> None:
        at = f.offset(pointer, vector * lanes * size)
        if mask is None:
            f.store(value, at)
        else:
            f.store_masked(value, at, mask)

    moving = [i for i, o in enumerate(operands) if o.role in (READ, WRITTEN)]
    kept = [(i, v) for i, o in enumerate(operands) if o.role in (STATE, SUM) for v in range(vectors)]
    zero = Value(kind, "zeroinitializer")
    begin = [load(pointers[i], v) if operands[i].role == STATE else zero for i, v in kept]

    def one(_: Value, values: list[Value]) -> list[Value]:
        at = dict(zip(moving, values, strict=False))
        carried = dict(zip(kept, values[len(moving) :], strict=True))
        after: dict[tuple[int, int], Value] = {}
        single = {i: f.splat(f.load(dtype, at[i]), lanes) for i in moving if operands[i].single}
        for v in range(vectors):
            read = {
                operands[i].name: single[i] if operands[i].single else load(at[i], v)
                for i in moving
                if operands[i].role == READ
            }
            states = {operands[i].name: value for (i, w), value in carried.items() if w == v}
            found = step(f, read, states)
            for i, operand in enumerate(operands):
                if operand.role == WRITTEN:
                    store(found[operand.name], at[i], v)
                elif operand.role in (STATE, SUM):
                    after[i, v] = found[operand.name]
        following = [f.offset(at[i], strides[i]) for i in moving]
        return [*following, *(after[key] for key in kept)]

    values = f.loop(integer(0), steps, 1, one, [*(pointers[i] for i in moving), *begin])
    for (i, v), value in zip(kept, values[len(moving) :], strict=True):
        store(value, pointers[i], v)


# ---------------------------------------------------------------------- steps
def _plus(f: Function, a: Value, b: Value | None) -> Value:
    return a if b is None else f.binary("fadd", a, b)


def diagonal(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """``s = a ∘ s + b``."""
    s = f.fma(read["a"], states["s"], read["b"])
    return {"s": s, "after": s}


def diagonal_error(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """``e = e + ∂after;  ∂b = e;  ∂a = e ∘ before;  e = a ∘ e + ∂before``."""
    e = _plus(f, states["e"], read.get("after error"))
    found = {"b error": e}
    if "before" in read:
        if "a sum" in states:
            found["a sum"] = f.fma(e, read["before"], states["a sum"])
        else:
            found["a error"] = f.binary("fmul", e, read["before"])
    early = read.get("before error")
    return found | {"e": f.binary("fmul", read["a"], e) if early is None else f.fma(read["a"], e, early)}


def rotation(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """``x, y = re x - im y + b, re y + im x + c``."""
    re, im, x, y = read["re"], read["im"], states["x"], states["y"]
    minus = f.emit(im.type, f"fneg {im}")
    right, left = (f.binary("fmul", re, x), f.binary("fmul", re, y))
    right = f.fma(minus, y, _plus(f, right, read.get("b")))
    left = f.fma(im, x, _plus(f, left, read.get("c")))
    return {"x": right, "y": left, "x after": right, "y after": left}


def rotation_error(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """The same for errors: the transposed matrix."""
    re, im = read["re"], read["im"]
    d, e = _plus(f, states["d"], read.get("x error")), _plus(f, states["e"], read.get("y error"))
    found = {"b error": d, "c error": e}
    if "x before" in read:
        x, y = read["x before"], read["y before"]
        minus = f.emit(d.type, f"fneg {d}")
        if "re sum" in states:
            found["re sum"] = f.fma(d, x, f.fma(e, y, states["re sum"]))
            found["im sum"] = f.fma(e, x, f.fma(minus, y, states["im sum"]))
        else:
            found["re error"] = f.fma(d, x, f.binary("fmul", e, y))
            found["im error"] = f.fma(e, x, f.binary("fmul", minus, y))
    minus = f.emit(im.type, f"fneg {im}")
    first = f.fma(im, e, _plus(f, f.binary("fmul", re, d), read.get("x early")))
    second = f.fma(minus, d, _plus(f, f.binary("fmul", re, e), read.get("y early")))
    return found | {"d": first, "e": second}


def max_plus(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """``m = max(f + m, i)``."""
    m = maximum(f, f.binary("fadd", read["f"], states["m"]), read["i"])
    return {"m": m, "after": m}


def max_plus_error(f: Function, read: Mapping[str, Value], states: Mapping[str, Value]) -> dict[str, Value]:
    """The error to the larger one; to the carried state where they are equal."""
    e = _plus(f, states["e"], read.get("after error"))
    held = f.compare("fcmp oge", f.binary("fadd", read["f"], read["before"]), read["i"])
    zero = Value(e.type, "zeroinitializer")
    carried = f.select(held, e, zero)
    return {
        "f error": carried,
        "i error": f.select(held, zero, e),
        "e": _plus(f, carried, read.get("before error")),
    }


STEPS: dict[str, Any] = {
    "diagonal": diagonal,
    "diagonal error": diagonal_error,
    "rotation": rotation,
    "rotation error": rotation_error,
    "max plus": max_plus,
    "max plus error": max_plus_error,
}
