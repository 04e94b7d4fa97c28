"""Kernels of recurrences of a matrix state with a decay of its own for each key and value, as in Mamba.

A *unit* is one vector of values of one row, for all steps and some keys, whose states stay in registers. The pass
forward keeps the state before each chunk of steps; the pass backward computes those inside the chunk again, with the
decays, in memory of its worker that stays in the first-level cache.

A table of addresses and integers has the steps, the values, the units of a row, the address of the offsets, the steps
of a chunk, the address of the memory of workers and the bytes for each, and for each operand its address, the bytes
from one step (or chunk) to the next, and those from one key (for the sums over values: one unit) to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnet_native import team
from graphnet_native.functions import exp
from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer

#: How the decay is given: ``exp(rate ∘ scale)``, with a rate for all keys; as its logarithm; itself.
PRODUCT, LOGS, VALUES = "product", "logs", "values"
#: Where the operands begin in the table, and the integers of each.
FIRST, EACH = 7, 3


@dataclass(frozen=True, slots=True)
class Spec:
    """What a kernel computes.

    Attributes
    ----------
    keys : int
        At most one for each register that holds a state.
    reads : tuple of bool
        For each read-out, whether it is of the state before the step.
    mode : {PRODUCT, LOGS, VALUES}
    single : bool
        Whether all values have one rate.
    decay : bool
        Whether the error of the decay is wanted; of a pass backward.
    """

    keys: int
    reads: tuple[bool, ...]
    mode: str
    single: bool = False
    decay: bool = True

    def forward(self) -> list[str]:
        """The operands of the pass forward."""
        return [*self._read(), *(f"output {i}" for i in range(len(self.reads))), "state", "states"]

    def backward(self) -> list[str]:
        """The operands of the pass backward."""
        found = [*self._read(), *(f"output {i} error" for i in range(len(self.reads))), "state", "states"]
        found += ["keys error", "values error", *(f"query {i} error" for i in range(len(self.reads)))]
        if self.decay:
            found += ["decay error", *(["scale error"] if self.mode == PRODUCT else [])]
        return found

    def _read(self) -> list[str]:
        scale = ["scale"] if self.mode == PRODUCT else []
        return ["decay", *scale, "keys", "values", *(f"query {i}" for i in range(len(self.reads)))]


def kernel(module: Module, dtype: Type, lanes: int, spec: Spec, back: bool) -> None:
    """Define ``scan(table, first unit, unit after the last)`` and its task for several threads."""
    for masked in (False, True):
        f = module.function(f"matrix_unit_{'rest' if masked else 'full'}", [PTR, I64, I64, I64, PTR], internal=True)
        unit = _Unit(f, dtype, lanes, spec, spec.backward() if back else spec.forward(), masked)
        if back:
            unit.backward()
        else:
            unit.forward()
    f = module.function("scan_units", [PTR, I64, I64, I64], internal=True)
    table, first, last, worker = f.parameters
    width, units = f.load(I64, f.offset(table, 8)), f.load(I64, f.offset(table, 16))
    scratch = f.offset(f.load(PTR, f.offset(table, 40)), f.mul(f.load(I64, f.offset(table, 48)), worker))

    def one(number: Value, _: list[Value]) -> None:
        row = f.binary("udiv", number, units)
        vector = f.binary("sub", number, f.mul(row, units))
        left = f.binary("sub", width, f.mul(vector, lanes))
        f.when(
            f.compare("icmp sge", left, integer(lanes)),
            lambda: f.run("matrix_unit_full", table, row, vector, left, scratch),
            lambda: f.run("matrix_unit_rest", table, row, vector, left, scratch),
        )

    f.loop(first, last, 1, one)
    alone = module.function("scan", [PTR, I64, I64])
    alone.run("scan_units", *alone.parameters, integer(0))
    task = module.function("scan_task", [PTR, I64, I64, I64, *team.TASK_PARAMETERS])
    table, start, stop, _, _, worker, workers = task.parameters
    count = task.binary("sub", stop, start)
    parts = [task.binary("udiv", task.mul(count, w), workers) for w in (worker, task.add(worker, 1))]
    task.run("scan_units", table, *(task.add(start, part) for part in parts), worker)


class _Unit:
    """Emits the code of one unit: ``f(table, row, vector, values left, memory)``."""

    def __init__(self, f: Function, dtype: Type, lanes: int, spec: Spec, names: Sequence[str], masked: bool) -> None:
        self.f, self.dtype, self.lanes, self.spec = f, dtype, lanes, spec
        self.kind, self.line = Type(dtype.scalar, lanes), lanes * dtype.bytes
        table, row, vector, left, self.memory = f.parameters
        self.mask = f.first_lanes(left, lanes) if masked else None
        self.steps, self.chunk = f.load(I64, table), f.load(I64, f.offset(table, 32))
        offsets = f.offset(f.load(PTR, f.offset(table, 24)), f.mul(row, 8 * len(names)))
        moved = f.mul(vector, self.line)
        self.bases: dict[str, Value] = {}
        self.strides: dict[str, Value] = {}
        self.inner: dict[str, Value] = {}
        for i, name in enumerate(names):
            base, stride, inner = (
                f.load(kind, f.offset(table, 8 * (FIRST + EACH * i + j))) for j, kind in enumerate((PTR, I64, I64))
            )
            base = f.offset(base, f.load(I64, f.offset(offsets, 8 * i)))
            if name in ("keys error",) or (name.startswith("query") and name.endswith("error")):
                base = f.offset(base, f.mul(vector, inner))
            elif name != "keys" and not name.startswith("query") and not (name == "decay" and spec.single):
                base = f.offset(base, moved)
            self.bases[name], self.strides[name], self.inner[name] = base, stride, inner

    # ------------------------------------------------------------------ access
    def load(self, pointer: Value) -> Value:
        f = self.f
        return f.load(self.kind, pointer) if self.mask is None else f.load_masked(self.kind, pointer, self.mask)

    def store(self, value: Value, pointer: Value) -> None:
        if self.mask is None:
            self.f.store(value, pointer)
        else:
            self.f.store_masked(value, pointer, self.mask)

    def at(self, name: str, step: Value) -> Value:
        """The address of an operand at a step or chunk."""
        return self.f.offset(self.bases[name], self.f.mul(self.strides[name], step))

    def key(self, name: str, base: Value, number: int) -> Value:
        """The address of the values of a key."""
        return self.f.offset(base, self.f.mul(self.inner[name], number))

    def splat(self, base: Value, number: int) -> Value:
        """One number of a vector of keys in all lanes."""
        return self.f.splat(self.f.load(self.dtype, self.f.offset(base, number * self.dtype.bytes)), self.lanes)

    def local(self, base: Value, number: int) -> Value:
        """A vector in the memory of the worker."""
        return self.f.offset(base, number * self.line)

    def rate(self, step: Value) -> Value | None:
        """The rate of all keys at a step; None in other modes."""
        if self.spec.mode != PRODUCT:
            return None
        at = self.at("decay", step)
        return self.splat(at, 0) if self.spec.single else self.load(at)

    def decay(self, step: Value, rate: Value | None, number: int) -> Value:
        """The decay of a key at a step."""
        f = self.f
        if rate is not None:
            return exp(f, f.binary("fmul", rate, self.load(self.key("scale", self.bases["scale"], number))))
        given = self.load(self.key("decay", self.at("decay", step), number))
        return exp(f, given) if self.spec.mode == LOGS else given

    def chunks(self) -> Value:
        """The number of chunks."""
        f = self.f
        return f.binary("udiv", f.add(self.steps, f.binary("sub", self.chunk, integer(1))), self.chunk)

    def limits(self, chunk: Value) -> tuple[Value, Value]:
        """The first step of a chunk and the one after its last."""
        f = self.f
        first = f.mul(chunk, self.chunk)
        last = f.add(first, self.chunk)
        return first, f.select(f.compare("icmp slt", last, self.steps), last, self.steps)

    def product(self, query: Value, states: Sequence[Value]) -> Value:
        """``Σ_n q_n s_n``."""
        f = self.f
        total = f.binary("fmul", self.splat(query, 0), states[0])
        for n in range(1, self.spec.keys):
            total = f.fma(self.splat(query, n), states[n], total)
        return total

    # ------------------------------------------------------------------ forward
    def forward(self) -> None:
        """All steps: the read-outs, the states before chunks, and the last state."""
        f, keys = self.f, range(self.spec.keys)

        def step(t: Value, states: list[Value]) -> list[Value]:
            self._outputs(t, states, True)
            rate, key = self.rate(t), self.at("keys", t)
            value = self.load(self.at("values", t))
            after = []
            for n in keys:
                added = f.binary("fmul", self.splat(key, n), value)
                after.append(f.fma(self.decay(t, rate, n), states[n], added))
            self._outputs(t, after, False)
            return after

        def chunk(c: Value, states: list[Value]) -> list[Value]:
            target = self.at("states", c)
            for n in keys:
                self.store(states[n], self.key("states", target, n))
            return f.loop(*self.limits(c), 1, step, states, sure=True)

        begin = [self.load(self.key("state", self.bases["state"], n)) for n in keys]
        last = f.loop(integer(0), self.chunks(), 1, chunk, begin)
        for n in keys:
            self.store(last[n], self.key("state", self.bases["state"], n))

    def _outputs(self, t: Value, states: Sequence[Value], before: bool) -> None:
        for i, early in enumerate(self.spec.reads):
            if early == before:
                self.store(self.product(self.at(f"query {i}", t), states), self.at(f"output {i}", t))

    # ------------------------------------------------------------------ backward
    def backward(self) -> None:
        """All steps: the errors of everything."""
        f, keys = self.f, range(self.spec.keys)
        chunks = self.chunks()
        begin = [self.load(self.key("state", self.bases["state"], n)) for n in keys]

        def chunk(number: Value, errors: list[Value]) -> list[Value]:
            first, last = self.limits(f.binary("sub", f.binary("sub", chunks, number), integer(1)))
            self._again(f.binary("udiv", first, self.chunk), first, last)
            return f.loop(f.binary("sub", last, integer(1)), f.binary("sub", first, integer(1)), -1,
                          lambda t, e: self._back(t, first, e), errors, sure=True)  # fmt: skip

        errors = f.loop(integer(0), chunks, 1, chunk, begin)
        for n in keys:
            self.store(errors[n], self.key("state", self.bases["state"], n))

    def _places(self, t: Value, first: Value) -> tuple[Value, Value]:
        """Where the states before a step are in the memory of the worker, and the decays of the step."""
        f, width = self.f, self.spec.keys * self.line
        states = f.offset(self.memory, f.mul(f.binary("sub", t, first), 2 * width))
        return states, f.offset(states, width)

    def _again(self, chunk: Value, first: Value, last: Value) -> None:
        """The states before all steps of a chunk and after it, and the decays."""
        f, keys = self.f, range(self.spec.keys)
        source = self.at("states", chunk)

        def step(t: Value, states: list[Value]) -> list[Value]:
            rate, key = self.rate(t), self.at("keys", t)
            value = self.load(self.at("values", t))
            before, decays = self._places(t, first)
            after = []
            for n in keys:
                decay = self.decay(t, rate, n)
                f.store(states[n], self.local(before, n))
                f.store(decay, self.local(decays, n))
                after.append(f.fma(decay, states[n], f.binary("fmul", self.splat(key, n), value)))
            return after

        begin = [self.load(self.key("states", source, n)) for n in keys]
        states = f.loop(first, last, 1, step, begin, sure=True)
        target, _ = self._places(last, first)
        for n in keys:
            f.store(states[n], self.local(target, n))

    def _back(self, t: Value, first: Value, errors: list[Value]) -> list[Value]:
        """One step: the errors of its arguments; returns those of the states before it."""
        f, spec, keys = self.f, self.spec, range(self.spec.keys)
        errors = list(errors)
        before, decays = self._places(t, first)
        after, _ = self._places(f.add(t, 1), first)
        self._reads(t, after, errors, False)
        value, key = self.load(self.at("values", t)), self.at("keys", t)
        self.store(self.product(key, errors), self.at("values error", t))
        self.sums([f.binary("fmul", error, value) for error in errors], self.at("keys error", t))
        rate = self.rate(t)
        total = Value(self.kind, "zeroinitializer")
        for n in keys:
            decay = f.load(self.kind, self.local(decays, n))
            scaled = f.binary("fmul", errors[n], decay)
            if spec.decay:
                state = f.load(self.kind, self.local(before, n))
                grown = f.binary("fmul", errors[n] if spec.mode == VALUES else scaled, state)
                if rate is None:
                    self.store(grown, self.key("decay error", self.at("decay error", t), n))
                else:
                    total = f.fma(grown, self.load(self.key("scale", self.bases["scale"], n)), total)
                    place = self.key("scale error", self.bases["scale error"], n)
                    self.store(f.fma(grown, rate, self.load(place)), place)
            errors[n] = scaled
        if spec.decay and rate is not None:
            self.store(total, self.at("decay error", t))
        self._reads(t, before, errors, True)
        return errors

    def _reads(self, t: Value, states: Value, errors: list[Value], before: bool) -> None:
        """The errors of queries from the states that they read; adds to those of the states."""
        f = self.f
        for i, early in enumerate(self.spec.reads):
            if early != before:
                continue
            error, query = self.load(self.at(f"output {i} error", t)), self.at(f"query {i}", t)
            found = []
            for n in range(self.spec.keys):
                found.append(f.binary("fmul", f.load(self.kind, self.local(states, n)), error))
                errors[n] = f.fma(self.splat(query, n), error, errors[n])
            self.sums(found, self.at(f"query {i} error", t))

    def sums(self, vectors: Sequence[Value], target: Value) -> None:
        """Store the sum of the lanes of each vector."""
        f, lanes = self.f, self.lanes
        for first in range(0, len(vectors), lanes):
            some = list(vectors[first : first + lanes])
            count = len(some)
            some += [Value(self.kind, "zeroinitializer")] * (lanes - count)
            half = lanes // 2
            while half:
                some = [self._folded(some[i], some[i + half], half) for i in range(half)]
                half //= 2
            place = f.offset(target, first * self.dtype.bytes)
            if count == lanes:
                f.store(some[0], place)
            else:
                f.store_masked(some[0], place, f.first_lanes(integer(count), lanes))

    def _folded(self, a: Value, b: Value, half: int) -> Value:
        """In each block of ``2 half`` lanes, the sum of the halves of the block of a, then that of b."""
        blocks = range(0, self.lanes, 2 * half)

        def shuffled(start: int) -> Value:
            order = [v * self.lanes + block + start + i for block in blocks for v in (0, 1) for i in range(half)]
            mask = ", ".join(f"i32 {i}" for i in order)
            text = f"shufflevector {a}, {b}, <{self.lanes} x i32> <{mask}>"
            return self.f.emit(self.kind, text)

        return self.f.binary("fadd", shuffled(0), shuffled(half))
