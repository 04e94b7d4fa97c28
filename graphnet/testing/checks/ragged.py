"""Sequences whose rows differ in length."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.builder import Builder, Value
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import BATCH, TIME
from graphnet.core.run.runner import Runner
from graphnet.layers import FullyConnected
from graphnet.testing import derivatives
from graphnet.testing.check import check
from graphnet.testing.checks.traits import batch_axis
from graphnet.testing.fragile import Logarithm, Ratio
from graphnet.testing.subject import Arrays, Passed, Subject

#: The input that output sequences are divided by.
DIVISOR = "divisor_of_the_outputs"


@check("sequence", "ragged")
def ragged_rows(s: Subject) -> None:
    """Each row of a ragged batch comes out, forward and back, as if it were alone; what lies beyond its end changes
    nothing."""
    s.require(not s.fixed, "the values of the inputs are fixed")
    steps = max(s.steps or 1, 4)
    for rows, seed in ((4, 0), (3, 1), (5, 2)):
        rng = np.random.default_rng(seed)
        lengths = np.append(rng.integers(1, steps + 1, rows - 2), [1, steps])
        rng.shuffle(lengths)
        values = s.values(seed, rows=rows, steps=steps)
        for backend in ("reference", "numpy"):
            runner = s.runner(provided=values, backend=backend)
            whole = s.run(_spoilt(s, values, lengths), runner, phase=s.steady, lengths=lengths)
            _compare_rows(s, values, whole, lengths, backend)
    _before(s)


def _before(s: Subject) -> None:
    """Behind another layer with weights, whose gradient shows an error that comes back beyond a row's end."""
    names = [n for n in _sequences(s) if n not in s.optional and n not in s.integer]
    if len(names) != 1 or s.shapes[names[0]].rank != 3 or s.domain is not None:
        return
    name, steps = names[0], max(s.steps or 1, 4)
    lengths = np.array([2, steps, 1])

    def gradient(values: Arrays, lengths: Any, errors: Any) -> tuple[Passed, np.ndarray]:
        builder = Builder("behind")
        width = s.shapes[name].size(-1) or 1
        raw = builder.input("raw", f"time, batch, feature={width}")
        before = builder.add(FullyConnected(width, width), raw, name="before")
        wanted = [before if n == name else None for n in s.ports.names]
        while wanted[-1] is None:
            wanted.pop()
        node = builder.add(s.make(), *wanted, name="node")
        ports = node_ports(s)
        runner = s.filled(Runner(builder.build(**{f"{p}_out": node[p] for p in ports}), backend="reference"))
        passed = s.run(
            {"raw": values[name]}, runner, phase=s.steady, lengths=lengths, errors=True if errors is None else errors
        )
        return passed, passed.gradients["before/weights"]

    values = {n: a for n, a in s.values(4, rows=3, steps=steps).items() if n not in s.optional}
    if set(values) != {name}:
        return
    whole, found = gradient(values, lengths, None)
    total = np.zeros_like(found)
    for row, length in enumerate(lengths):
        errors = {}
        for port in node_ports(s):
            errors[f"{port}_out"] = _out(s, _named(s, port), whole.errors[f"{port}_out"], row, length)
        total += gradient({name: values[name][:length, row : row + 1]}, None, errors)[1]
    s.agree(found, total, "an error comes back beyond a row's end, into the layer before it: that one's gradient")


@check("sequence", "ragged")
def padded_rows(s: Subject) -> None:
    """Between a logarithm and a division, which are infinite beyond the rows' ends, each row comes out as if it were
    alone: nothing that arises there is multiplied by an error of zero."""
    s.require(not s.fixed, "the values of the inputs are fixed")
    steps = max(s.steps or 1, 4)
    lengths = np.array([2, steps, 1])
    values = s.values(6, rows=3, steps=steps)
    graph = _fragile(s, values)
    values = {n: np.exp(a) if n in _sequences(s) and n not in s.integer else a for n, a in values.items()}
    values[DIVISOR] = np.random.default_rng(7).uniform(0.5, 1.5, (steps, 3, 1))
    with np.errstate(all="ignore"):
        for backend in ("reference", "numpy"):
            runner = s.filled(Runner(graph, backend=backend))
            whole = s.run(values, runner, phase=s.steady, lengths=lengths)
            _compare_rows(s, values, whole, lengths, backend, s.filled(Runner(graph, backend="reference")))


def _fragile(s: Subject, values: Arrays) -> Graph:
    """The layer behind a logarithm of each of its sequences, its output sequences divided by another input."""
    builder = Builder("fragile")
    given: dict[str, Value] = {}
    for name in values:
        shape = s.shapes[name]
        for axis in (BATCH, TIME):
            shape = shape.resized(axis, None) if shape.has(axis) and shape.size(axis) != 1 else shape
        given[name] = builder.input(name, shape, integer=name in s.integer)
        if name in _sequences(s) and name not in s.integer:
            given[name] = builder.add(Logarithm(), given[name], name=f"logarithm_of_{name}")
    wanted = [given.get(name) for name in (s.names if s.ports.variadic else s.ports.names)]
    while wanted and wanted[-1] is None:
        wanted.pop()
    node = builder.add(s.make(), *wanted, name="checked_layer")
    divisor = builder.input(DIVISOR, "time, batch, feature=1")
    outputs = {_named(s, port): node[port] for port in node_ports(s)}
    return builder.build(
        **{n: builder.add(Ratio(), y, divisor, name=f"{n}_ratio") if _timed(s, n) else y for n, y in outputs.items()}
    )


def node_ports(s: Subject) -> tuple[str, ...]:
    """The outputs of the layer."""
    return s.make().output_ports()


def _named(s: Subject, port: str) -> str:
    """The name of an output of ``Subject.graph``."""
    return dict(zip(node_ports(s), s.graph().outputs, strict=True))[port]


def _sequences(s: Subject) -> list[str]:
    return [name for name, shape in s.shapes.items() if shape.names[:2] == (TIME, BATCH)]


def _spoilt(s: Subject, values: Arrays, lengths: np.ndarray) -> Arrays:
    """The same sequences with large numbers beyond the ends of their rows."""
    found = dict(values)
    for name in _sequences(s):
        found[name] = values[name].copy()
        for row, length in enumerate(lengths):
            if name not in s.integer:
                found[name][length:, row] = 1e3
    return found


def _compare_rows(
    s: Subject, values: Arrays, whole: Passed, lengths: np.ndarray, backend: str, runner: Runner | None = None
) -> None:
    """Compare a ragged batch with its rows one by one, run by ``runner`` (None: one over the layer itself)."""
    totals: Arrays = {}
    for row, length in enumerate(lengths):
        what = f"row {row} of length {length} in a batch of lengths {lengths.tolist()} (backend {backend!r})"
        given = {n: _row(s, n, a, row, length) for n, a in values.items()}
        errors = {n: _out(s, n, e, row, length) for n, e in whole.errors.items()}
        alone = s.run(given, runner or s.runner(provided=given), phase=s.steady, errors=errors)
        for name, array in alone.outputs.items():
            s.agree(_out(s, name, whole.outputs[name], row, length), array, f"{what}: output {name!r}")
        for name, back in alone.pulled.items():
            full = whole.pulled[name]
            if back is not None and full is not None:
                s.agree(_row(s, name, full, row, length), back, f"{what}: error for {name!r}")
                if name in (*_sequences(s), DIVISOR) and length < len(full):
                    beyond = np.abs(full[length:, row]).max(initial=0.0)
                    s.expect(beyond == 0, f"{what}: an error comes back beyond its end", expected=0, received=beyond)
        for name, gradient in alone.gradients.items():
            totals[name] = totals.get(name, 0.0) + gradient
    for name, total in totals.items():
        s.agree(
            whole.gradients[name],
            total,
            f"lengths {lengths.tolist()}: the gradient of {name!r} is not the sum over the rows alone",
        )


def _row(s: Subject, name: str, array: np.ndarray, row: int, length: int) -> np.ndarray:
    """One row of an input, up to its end, as a batch of one."""
    if name == DIVISOR:
        return array[:length, row : row + 1]
    shape = s.shapes[name]
    if not shape.has(BATCH) or shape.size(BATCH) == 1:
        return array
    axis = shape.axis(BATCH)
    picked = np.take(array, [row], axis=axis)
    return picked[:length] if name in _sequences(s) else picked


def _out(s: Subject, name: str, array: np.ndarray, row: int, length: int) -> np.ndarray:
    """One row of an output; its valid steps, where it is a sequence."""
    axis = batch_axis(s, name)
    if axis is None:
        return array
    picked = np.take(array, [row], axis=axis)
    return picked[:length] if axis == 1 and _timed(s, name) else picked


def _timed(s: Subject, output: str) -> bool:
    shape = s.outputs[output]
    return shape is not None and shape.names[:2] == (TIME, BATCH)


@check("derivative", "sequence", "ragged")
def ragged_derivatives(s: Subject) -> None:
    """The derivatives with rows of different length."""
    s.require(not s.fixed, "the values of the inputs are fixed")
    steps = max(s.steps or 1, 4)
    for lengths in ([steps, 1, 2], [2, steps, steps - 1, 3]):
        values = s.values(3, rows=len(lengths), steps=steps)
        where = f"with rows of lengths {lengths}"
        s.looked += derivatives.check(s, values, lengths=np.array(lengths), where=where, full=False)
