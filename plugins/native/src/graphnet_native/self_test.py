"""A trial of a level of features in a child process, so that an illegal instruction ends the child and nothing else.

The child compiles small kernels of both dtypes, which use the instructions that programs use, runs them and compares
the numbers. What the processor and LLVM report has been wrong often enough: in virtual machines that hide features, and
where executable memory is forbidden.
"""

from __future__ import annotations

import ctypes
import math
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet_native import features, products
from graphnet_native.features import Features
from graphnet_native.functions import apply
from graphnet_native.ir import F32, F64, I64, PTR, Module, Type, Value, integer

#: Exit codes of the child.
PASSED, WRONG, FORBIDDEN = 0, 3, 4
#: Seconds after which a child has failed.
PATIENCE = 60.0
#: How an outcome is treated: the level is right; a lower one may be; none is, now; nothing is known.
GOOD, BAD, NONE, UNKNOWN = "good", "bad", "none", "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial showed: how it is treated, and why in words."""

    verdict: str
    reason: str = ""


class Trial:
    """A child process that tries a level; :meth:`outcome` waits for it."""

    def __init__(self, level: Features) -> None:
        self.level = level
        self.process: subprocess.Popen[str] | None = None
        self.failure = ""
        try:
            self.process = subprocess.Popen(
                command(level),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                close_fds=True,
            )
        except (OSError, ValueError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    def outcome(self) -> Outcome:
        """What the child showed; waits until it has ended."""
        if self.process is None:
            return Outcome(UNKNOWN, f"no process can be started: {self.failure}")
        try:
            text, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return Outcome(BAD, f"the self-test took more than {PATIENCE:.0f} s")
        except BaseException:  # an interrupt leaves no child behind
            self.process.kill()
            self.process.wait()
            raise
        return _judged(self.process.returncode, text.strip().splitlines()[-1:] or [""])


def _judged(code: int, last: list[str]) -> Outcome:
    if code == PASSED:
        return Outcome(GOOD)
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Outcome(BAD, f"the self-test was ended by {name}")
    if code == WRONG:
        return Outcome(BAD, f"the self-test computed wrong numbers: {last[0]}")
    if code == FORBIDDEN:
        return Outcome(NONE, last[0])
    return Outcome(UNKNOWN, f"the self-test could not run: {last[0]}")


def command(level: Features) -> list[str]:
    """The command of the child."""
    import llvmlite

    folders = [str(Path(module).parent.parent) for module in (__file__, llvmlite.__file__)]
    path = [*folders, *sys.path]
    values = (level.level, level.flags, level.vector_bytes, level.fused)
    code = f"import sys; sys.path[:] = {path!r}; from graphnet_native.self_test import main; main(*{values!r})"
    return [sys.executable or "python", "-S", "-c", code]


# ---------------------------------------------------------------------- in the child
def main(level: str, flags: str, vector_bytes: int, fused: bool) -> None:
    """Try a level, and end the process with the result."""
    import llvmlite.binding as llvm

    try:
        llvm.check_jit_execution()
    except OSError as error:
        print(f"executable memory is forbidden: {error.strerror}")
        sys.exit(FORBIDDEN)
    features.force(Features(level, flags, vector_bytes, fused))
    wrong = [text for dtype in (F32, F64) for text in trial(dtype, vector_bytes, fused)]
    if wrong:
        print("; ".join(wrong))
        sys.exit(WRONG)
    sys.exit(PASSED)


def trial(dtype: Type, vector_bytes: int, fused: bool) -> list[str]:
    """Run the kernels of a dtype; returns what is wrong."""
    from graphnet_native.engine import Engine, version

    module = Module(vector_bytes, version(), fused)
    tiles = products.tiles(dtype, vector_bytes, 5)
    _elementwise(module, dtype, vector_bytes // dtype.bytes)
    packing = products.pack(module, tiles)
    kinds = [PTR, PTR, I64, PTR, *[I64] * 8]
    multiply = module.function("multiply", kinds)
    multiply.run(products.product(module, tiles), *multiply.parameters)
    engine = Engine(module.text())
    number = ctypes.c_float if dtype == F32 else ctypes.c_double
    return [*_check_elementwise(engine, number, dtype.bytes), *_check_product(engine, number, tiles, packing)]


def _elementwise(module: Module, dtype: Type, lanes: int) -> None:
    """``f(x, y, n)``: ``y = tanh(x) + log(exp(x) + 1)``, ``-y`` where ``x < 0``; the last vector is masked."""
    f = module.function("elementwise", [PTR, PTR, I64])
    source, target, count = f.parameters
    kind = Type(dtype.scalar, lanes)

    def vector(first: Value, _: list[Value]) -> None:
        at = f.mul(first, dtype.bytes)
        mask = f.first_lanes(f.binary("sub", count, first), lanes)
        x = f.load_masked(kind, f.offset(source, at), mask)
        one = f.splat(Value(dtype, "1.0"), lanes)
        scalar = dtype.scalar
        soft = apply(f, "log", [f.fma(apply(f, "exp", [x], scalar), one, one)], scalar)
        y = f.binary("fadd", apply(f, "tanh", [x], scalar), soft)
        negative = f.compare("fcmp olt", x, Value(kind, "zeroinitializer"))
        y = f.select(negative, f.emit(kind, f"fneg {y}"), y)
        f.store_masked(y, f.offset(target, at), mask)

    f.loop(integer(0), count, lanes, vector)


def _check_elementwise(engine: Any, number: Any, size: int) -> list[str]:
    count = 37
    x = (number * count)(*[(i - 18) / 4 for i in range(count)])
    y = (number * (count + 1))(*[7.0] * (count + 1))
    kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    ctypes.CFUNCTYPE(None, *kinds)(engine.address("elementwise"))(ctypes.addressof(x), ctypes.addressof(y), count)
    tolerance = 1e-5 if size == 4 else 1e-12
    for i in range(count):
        expected = math.tanh(x[i]) + math.log(math.exp(x[i]) + 1)
        expected = -expected if x[i] < 0 else expected
        if not abs(y[i] - expected) <= tolerance * max(1.0, abs(expected)):
            return [f"{size * 8}-bit functions at {x[i]}: expected {expected}, received {y[i]}"]
    return [] if y[count] == 7.0 else [f"{size * 8}-bit functions write beyond the end"]


def _check_product(engine: Any, number: Any, tiles: Any, packing: str) -> list[str]:
    rows, depth, columns = 7, 9, 5
    a = (number * (rows * depth))(*[(3 * i) % 11 - 5 for i in range(rows * depth)])
    b = (number * (depth * columns))(*[(5 * i) % 13 - 6 for i in range(depth * columns)])
    c = (number * (rows * columns))()
    panels = -(-rows // tiles.rows)
    packed = (number * (panels * tiles.rows * depth))()
    size, address = tiles.size, ctypes.addressof
    pointer, integers = ctypes.c_void_p, ctypes.c_int64
    pack = ctypes.CFUNCTYPE(None, pointer, pointer, *[integers] * 5)(engine.address(packing))
    pack(address(a), address(packed), rows, depth, depth * size, size, tiles.rows * depth * size)
    multiply = ctypes.CFUNCTYPE(None, pointer, pointer, integers, pointer, *[integers] * 8)(engine.address("multiply"))
    row = columns * size
    multiply(address(packed), address(b), row, address(c), row, rows, depth, columns, 0, 1, 0, 0)
    for i in range(rows):
        for j in range(columns):
            expected = sum(a[i * depth + k] * b[k * columns + j] for k in range(depth))
            if c[i * columns + j] != expected:
                return [f"{size * 8}-bit product: expected {expected}, received {c[i * columns + j]}"]
    return []
