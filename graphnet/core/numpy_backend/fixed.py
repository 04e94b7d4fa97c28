"""What a program makes of weights once a run (packs), and of sums once a backward pass (gradients)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core.compiler.operations import UFUNCS
from graphnet.core.compiler.program import Fixed, Pack, Program
from graphnet.core.parameter import Array


def index(spec: Sequence[Any]) -> tuple[Any, ...]:
    """A numpy index from its plain description."""
    found: list[Any] = []
    for item in spec:
        if isinstance(item, int):
            found.append(item)
        else:
            found.append(Ellipsis if item == ("...",) else None if item == ("new",) else slice(*item))
    return tuple(found)


def operation(fixed: Fixed) -> Callable[..., Any]:
    """The function that makes a fixed value, or a total, from its operands."""
    name, attr = fixed.name, fixed.attr
    if name in UFUNCS:
        return UFUNCS[name]
    if name == "part":
        where = index(attr)  # type: ignore[arg-type]
        return lambda a: a[where]
    table: dict[str, Callable[..., Any]] = {
        "transpose": lambda a: a.T,
        "reshape": lambda a: a.reshape(attr),
        "concatenate": lambda *parts: np.concatenate(parts, attr),
        "matmul": np.matmul,
        "sum": lambda a: a.sum(axis=attr[0], keepdims=attr[1]),  # type: ignore[index]
    }
    return table[name]


class Packs:
    """The packs of a program as arrays, filled anew from the weights of each run."""

    def __init__(self, program: Program, batch: int, dtype: str) -> None:
        self.program, self.dtype = program, np.dtype(dtype)
        self.functions = [None if f.name in ("weight", "constant") else operation(f) for f in program.fixed]
        self.arrays = [self._empty(pack, batch) for pack in program.packs]
        self.fills = self._fills(batch)

    def _empty(self, pack: Pack, batch: int) -> Array:
        shapes = [self.program.fixed[p].shape for p in pack.parts]
        if pack.form == "wide":
            return np.empty((sum(s[1] for s in shapes), shapes[0][0]), self.dtype)
        if pack.form == "deep":
            return np.empty((shapes[0][1], sum(s[0] for s in shapes)), self.dtype)
        return np.empty((sum(s[-1] if s else 1 for s in shapes), batch), self.dtype)

    def _fills(self, batch: int) -> list[tuple[int, float | None, bool, Array]]:
        """For each part of each pack: the fixed value, a factor to fill it with, whether to flip it, and where."""
        found = []
        for pack, array in zip(self.program.packs, self.arrays, strict=True):
            start = 0
            for part in pack.parts:
                shape = self.program.fixed[part].shape
                size = shape[1] if pack.form == "wide" else shape[0] if pack.form == "deep" else (shape or (1,))[-1]
                target = array[:, start : start + size] if pack.form == "deep" else array[start : start + size]
                value, factor = self._factored(part)
                found.append((value, factor, pack.form != "units", target))
                start += size
        return found

    def _factored(self, part: int) -> tuple[int, float | None]:
        """A part as another fixed value times a number, where it is that: one pass over it instead of two."""
        fixed = self.program.fixed[part]
        if fixed.name == "multiply":
            for a, b in (fixed.args, fixed.args[::-1]):
                if self.program.fixed[b].name == "constant" and self.program.fixed[a].shape == fixed.shape:
                    return a, float(self.program.fixed[b].attr)  # type: ignore[arg-type]
        return part, None

    def evaluate(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """All fixed values that something needs."""
        values: list[Any] = [None] * len(self.program.fixed)
        for i, fixed in enumerate(self.program.fixed):
            if not self.needed[i]:
                continue
            function = self.functions[i]
            if function is not None:
                values[i] = function(*[values[a] for a in fixed.args])
            elif fixed.name == "weight":
                path, name = fixed.attr  # type: ignore[misc]
                values[i] = arrays[path][name]
            else:
                values[i] = fixed.attr
        return values

    @property
    def needed(self) -> list[bool]:
        """Which fixed values are read, by packs or by gradients."""
        if not hasattr(self, "_needed"):
            found = [False] * len(self.program.fixed)
            for value, *_ in self.fills:
                found[value] = True
            for total in self.program.totals:
                if total.name == "fixed":
                    found[total.args[0]] = True
            for i in range(len(found) - 1, -1, -1):
                if found[i]:
                    for arg in self.program.fixed[i].args:
                        found[arg] = True
            self._needed = found
        return self._needed

    def fill(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Fill all packs; returns the fixed values."""
        values = self.evaluate(arrays)
        for value, factor, flip, target in self.fills:
            array = values[value]
            array = array.T if flip else np.reshape(array, (-1, 1))
            if factor is None:
                target[...] = array
            else:
                np.multiply(array, target.dtype.type(factor), target)
        return values


def gradients(program: Program, sums: Sequence[Array], fixed: Sequence[Any]) -> dict[tuple[str, str], Array]:
    """The gradients by layer and name, from the sums over rows and steps."""
    values: list[Any] = []
    for i, total in enumerate(program.totals):
        if total.name == "total":
            values.append(sums[i])
        elif total.name == "constant":
            values.append(total.attr)
        elif total.name == "fixed":
            values.append(fixed[total.args[0]])
        else:
            values.append(operation(total)(*[values[a] for a in total.args]))
    return {key: values[number] for key, number in program.gradients}
