"""Ragged batches: sequences whose rows differ in length."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.value import Value
from graphnet.core.run.runner import Runner
from graphnet.layers import FullyConnected
from graphnet.testing.buffers import Arrays
from graphnet.testing.case_inputs import free_axes
from graphnet.testing.check import check
from graphnet.testing.checks.traits import batch_axis, pick_like
from graphnet.testing.derivatives import check_derivatives
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.nonfinite_layers import Logarithm, Ratio
from graphnet.testing.passes import PassResult
from graphnet.testing.variants import accepted_steps, is_accepted

#: The name of the input by which output sequences are divided.
DIVISOR = "divisor_of_the_outputs"


@check("sequence", "ragged")
def ragged_rows(harness: Harness) -> None:
    """Each row of a ragged batch gives the results that it gives alone, in both passes; values beyond its end have no
    effect."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    steps = _steps(harness)
    for rows, seed in ((4, 0), (3, 1), (5, 2)):
        rng = np.random.default_rng(seed)
        lengths = np.append(rng.integers(1, steps + 1, rows - 2), [1, steps])
        rng.shuffle(lengths)
        values = harness.values(seed, rows=rows, steps=steps)
        padded = _with_large_padding(harness, values, lengths)
        for backend in ("reference", "numpy"):
            runner = harness.runner(provided=values, backend=backend)
            batch = harness.run(padded, runner, phase=harness.deterministic_phase, lengths=lengths)
            _compare_rows(harness, values, batch, lengths, backend)
    _check_after_dense(harness)


def _steps(harness: Harness) -> int:
    return accepted_steps(harness, max(harness.steps or 1, 4))


def _check_after_dense(harness: Harness) -> None:
    """After a dense layer, whose weight gradient shows any error returned beyond a row's end."""
    required = [n for n in harness.sequences if n not in harness.optional and n not in harness.integer]
    if len(required) != 1 or harness.shapes[required[0]].rank != 3 or harness.domain is not None:
        return
    name, steps = required[0], _steps(harness)
    values = {n: a for n, a in harness.values(4, rows=3, steps=steps).items() if n not in harness.optional}
    if set(values) != {name}:
        return
    lengths = np.array([2, steps, 1])
    batch = _run_after_dense(harness, name, values[name], lengths, True)
    gradient = batch.gradients["before/weights"]
    total = np.zeros_like(gradient)
    for row, length in enumerate(lengths):
        errors = {
            f"{port}_out": _output_row(harness, _output_name(harness, port), batch.errors[f"{port}_out"], row, length)
            for port in output_ports(harness)
        }
        alone = _run_after_dense(harness, name, values[name][:length, row : row + 1], None, errors)
        total += alone.gradients["before/weights"]
    what = "an error beyond a row's end reaches the layer before: the gradient of that layer"
    harness.assert_close(gradient, total, what)


def _run_after_dense(
    harness: Harness, name: str, sequence: np.ndarray, lengths: Any, errors: Arrays | bool
) -> PassResult:
    """Run the layer after a dense layer of the same width."""
    builder = Builder("behind")
    width = harness.shapes[name].size(-1) or 1
    raw = builder.input("raw", f"time, batch, feature={width}")
    before = builder.add(FullyConnected(width, width), raw, name="before")
    node = harness.add_node(builder, harness.make(), {name: before}, "node")
    graph = builder.build(**{f"{port}_out": node[port] for port in output_ports(harness)})
    runner = harness.prepare(Runner(graph, backend="reference"))
    phase = harness.deterministic_phase
    return harness.run({"raw": sequence}, runner, phase=phase, lengths=lengths, errors=errors)


@check("sequence", "ragged")
def empty_rows(harness: Harness) -> None:
    """A row without steps gives finite outputs, zeros in sequences and in errors, and changes no other row."""
    harness.require(not harness.fixed and harness.batch is not None, "the values of the inputs are fixed")
    steps = _steps(harness)
    for lengths in ([0, steps, 2], [1, 0, steps, 0]):
        kept = np.flatnonzero(lengths)
        values = harness.values(8, rows=len(lengths), steps=steps)
        padded = _with_large_padding(harness, values, np.array(lengths))
        for backend in ("reference", "numpy"):
            what = f"in a batch of lengths {lengths} (backend {backend!r})"
            batch = _run_with_empty_rows(harness, padded, np.array(lengths), backend, what)
            alone = _run_rows(harness, values, batch, np.array(lengths), kept, backend)
            for name, array in alone.outputs.items():
                actual = pick_like(batch.outputs[name], len(lengths), kept, batch_axis(harness, name))
                harness.assert_close(actual[: len(array)], array, f"{what}: output {name!r} of the rows with steps")
            for name, gradient in alone.gradients.items():
                harness.assert_close(batch.gradients[name], gradient, f"{what}: the gradient of {name!r}")


def _run_with_empty_rows(harness: Harness, padded: Arrays, lengths: np.ndarray, backend: str, what: str) -> PassResult:
    """Run a batch with rows without steps, whose errors are zero; check what it returns for those rows."""
    empty, phase = np.flatnonzero(lengths == 0), harness.deterministic_phase
    try:
        outputs = harness.run(
            padded, harness.runner(provided=padded, backend=backend), phase=phase, lengths=lengths, errors=False
        ).outputs
        errors = harness.errors(outputs)
        for name, error in errors.items():
            if (axis := batch_axis(harness, name)) is not None:
                np.moveaxis(error, axis, 0)[empty] = 0.0
        runner = harness.runner(provided=padded, backend=backend)
        batch = harness.run(padded, runner, phase=phase, lengths=lengths, errors=errors)
    except Exception as error:
        raise fault(f"{what}, a row without steps fails: {type(error).__name__}: {short(error)}") from error
    for name, array in batch.results():
        harness.expect(np.isfinite(array).all(), f"{what}: {name} is not finite", expected="a result for an empty row")
    for name, array in batch.outputs.items():
        if _is_sequence(harness, name):
            zero = not array[:, empty].any()
            harness.expect(zero, f"{what}: output {name!r} of a row without steps is not zero")
    for name in harness.sequences:
        input_error = batch.input_errors[name]
        if input_error is not None:
            zero = not input_error[:, empty].any()
            harness.expect(zero, f"{what}: the error for {name!r} of a row without steps is not zero")
    return batch


def _run_rows(
    harness: Harness, values: Arrays, batch: PassResult, lengths: np.ndarray, kept: np.ndarray, backend: str
) -> PassResult:
    """Run some rows of a batch, with their errors."""
    picked, errors = {}, {}
    for name, array in values.items():
        shape = harness.shapes[name]
        varies = shape.has(BATCH) and shape.size(BATCH) != 1
        picked[name] = np.take(array, kept, axis=shape.axis(BATCH)) if varies else array
    for name, error in batch.errors.items():
        errors[name] = pick_like(error, len(lengths), kept, batch_axis(harness, name))
    runner = harness.runner(provided=values, backend=backend)
    return harness.run(picked, runner, phase=harness.deterministic_phase, lengths=lengths[kept], errors=errors)


@check("sequence")
def unread_lengths(harness: Harness) -> None:
    """A layer that does not ask for `lengths` gives each row of a ragged batch the results that it gives alone: it
    does not mix padding in."""
    harness.require("ragged" not in harness.capabilities, "it reads the lengths of the rows")
    harness.require("ragged" not in harness.case.disclaims, "the case disclaims ragged rows")
    harness.require(not harness.fixed and harness.batch is not None, "the values of the inputs are fixed")
    steps = _steps(harness)
    lengths = np.array([2, steps, 1, max(steps - 1, 1)])
    sizes = {int(length): harness.sized(rows=1, steps=int(length)) for length in lengths}
    refused = [length for length, shapes in sizes.items() if not is_accepted(harness, shapes)]
    harness.require(not refused, "infer refuses short sequences")
    values = harness.values(5, rows=len(lengths), steps=steps)
    phase = harness.deterministic_phase
    zeros = {n: _with_padding(a, lengths, 0) if n in harness.sequences else a for n, a in values.items()}
    batch = harness.run(zeros, harness.runner(provided=values), phase=phase, lengths=lengths)
    for row, length in enumerate(lengths):
        inputs = {n: _input_row(harness, n, a, row, int(length)) for n, a in values.items()}
        alone = harness.run(inputs, harness.runner(provided=inputs), phase=phase, errors=False)
        for name, array in alone.outputs.items():
            actual = _output_row(harness, name, batch.outputs[name], row, int(length))
            harness.require(actual.shape == array.shape, f"the shape of output {name!r} depends on the steps")
            harness.assert_close(
                actual,
                array,
                f"it mixes padding in, because it does not ask for `lengths` (disclaim 'ragged' if rows must have one "
                f"length): row {row} of length {length} in a batch of lengths {lengths.tolist()}: output {name!r}",
            )


def _with_padding(array: np.ndarray, lengths: np.ndarray, number: float) -> np.ndarray:
    """Return a copy with a number beyond the ends of the rows."""
    padded = array.copy()
    for row, length in enumerate(lengths):
        padded[length:, row] = number
    return padded


@check("sequence", "ragged")
def padded_rows(harness: Harness) -> None:
    """Between a logarithm and a division, which are not finite beyond the rows' ends, each row gives the results that
    it gives alone: no NaN or infinity is multiplied by an error of zero."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    steps = _steps(harness)
    lengths = np.array([2, steps, 1])
    values = harness.values(6, rows=3, steps=steps)
    graph = _nonfinite_graph(harness, values)
    values = {n: np.exp(a) if n in harness.sequences and n not in harness.integer else a for n, a in values.items()}
    values[DIVISOR] = np.random.default_rng(7).uniform(0.5, 1.5, (steps, 3, 1))
    with np.errstate(all="ignore"):
        for backend in ("reference", "numpy"):
            runner = harness.prepare(Runner(graph, backend=backend))
            batch = harness.run(values, runner, phase=harness.deterministic_phase, lengths=lengths)
            reference = harness.prepare(Runner(graph, backend="reference"))
            _compare_rows(harness, values, batch, lengths, backend, reference)


def _nonfinite_graph(harness: Harness, values: Arrays) -> Graph:
    """Return a graph that applies the layer to the logarithm of its sequences and divides its output sequences."""
    builder = Builder("fragile")
    inputs: dict[str, Value] = {}
    for name in values:
        inputs[name] = builder.input(name, free_axes(harness.shapes[name]), integer=name in harness.integer)
        if name in harness.sequences and name not in harness.integer:
            inputs[name] = builder.add(Logarithm(), inputs[name], name=f"logarithm_of_{name}")
    node = harness.add_node(builder, harness.make(), inputs, "checked_layer")
    divisor = builder.input(DIVISOR, "time, batch, feature=1")
    outputs = {}
    for port in output_ports(harness):
        name = _output_name(harness, port)
        sequence = _is_sequence(harness, name)
        outputs[name] = builder.add(Ratio(), node[port], divisor, name=f"{name}_ratio") if sequence else node[port]
    return builder.build(**outputs)


def output_ports(harness: Harness) -> tuple[str, ...]:
    """Return the outputs of the layer."""
    return harness.make().output_ports()


def _output_name(harness: Harness, port: str) -> str:
    """Return the name of an output in ``Harness.graph``."""
    return dict(zip(output_ports(harness), harness.graph().outputs, strict=True))[port]


def _with_large_padding(harness: Harness, values: Arrays, lengths: np.ndarray) -> Arrays:
    """Return the values with large numbers beyond the ends of the rows."""
    padded = dict(values)
    for name in harness.sequences:
        padded[name] = values[name].copy()
        for row, length in enumerate(lengths):
            if name not in harness.integer:
                padded[name][length:, row] = 1e3
    return padded


def _compare_rows(
    harness: Harness, values: Arrays, batch: PassResult, lengths: np.ndarray, backend: str, runner: Runner | None = None
) -> None:
    """Compare a ragged batch with its rows, each run alone by ``runner`` (by default, one of the layer itself)."""
    totals: Arrays = {}
    for row, length in enumerate(lengths):
        what = f"row {row} of length {length} in a batch of lengths {lengths.tolist()} (backend {backend!r})"
        inputs = {n: _input_row(harness, n, a, row, length) for n, a in values.items()}
        errors = {n: _output_row(harness, n, e, row, length) for n, e in batch.errors.items()}
        row_runner = runner or harness.runner(provided=inputs)
        alone = harness.run(inputs, row_runner, phase=harness.deterministic_phase, errors=errors)
        for name, array in alone.outputs.items():
            actual = _output_row(harness, name, batch.outputs[name], row, length)
            harness.assert_close(actual, array, f"{what}: output {name!r}")
        for name, desired in alone.input_errors.items():
            error = batch.input_errors[name]
            if desired is not None and error is not None:
                harness.assert_close(
                    _input_row(harness, name, error, row, length), desired, f"{what}: error for {name!r}"
                )
                if name in (*harness.sequences, DIVISOR) and length < len(error):
                    beyond = np.abs(error[length:, row]).max(initial=0.0)
                    harness.expect(beyond == 0, f"{what}: nonzero error beyond its end", expected=0, received=beyond)
        for name, gradient in alone.gradients.items():
            totals[name] = totals.get(name, 0.0) + gradient
    for name, total in totals.items():
        what = f"lengths {lengths.tolist()}: the gradient of {name!r} is not the sum over the rows"
        harness.assert_close(batch.gradients[name], total, what)


def _input_row(harness: Harness, name: str, array: np.ndarray, row: int, length: int) -> np.ndarray:
    """Return one row of an input, up to its end, as a batch of one."""
    if name == DIVISOR:
        return array[:length, row : row + 1]
    shape = harness.shapes[name]
    if not shape.has(BATCH) or shape.size(BATCH) == 1:
        return array
    picked = np.take(array, [row], axis=shape.axis(BATCH))
    return picked[:length] if name in harness.sequences else picked


def _output_row(harness: Harness, name: str, array: np.ndarray, row: int, length: int) -> np.ndarray:
    """Return one row of an output, up to its end if it is a sequence."""
    axis = batch_axis(harness, name)
    if axis is None:
        return array
    picked = np.take(array, [row], axis=axis)
    return picked[:length] if axis == 1 and _is_sequence(harness, name) else picked


def _is_sequence(harness: Harness, output: str) -> bool:
    shape = harness.outputs[output]
    return shape is not None and shape.names[:2] == (TIME, BATCH)


@check("derivative", "sequence", "ragged")
def ragged_derivatives(harness: Harness) -> None:
    """The derivatives for ragged batches."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    steps = _steps(harness)
    for lengths in ([steps, 1, 2], [2, steps, steps - 1, 3]):
        values = harness.values(3, rows=len(lengths), steps=steps)
        where = f"with rows of lengths {lengths}"
        check_derivatives(harness, values, lengths=np.array(lengths), where=where, elementwise=False)
