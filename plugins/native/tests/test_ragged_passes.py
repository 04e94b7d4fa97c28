"""Scans whose rows end early, as one call a direction, give what the reference backend gives."""

from __future__ import annotations

import numpy as np
import pytest
from small_layers import Rectify, Tanh
from test_backend import TOLERANCE

import graphnet
from graphnet import Builder, Cell, FullyConnected, Runner, Scan, concatenate
from graphnet.core.run.numpy_backend import scan_program, shared_executables, whole_scan

LENGTHS = [[7, 2, 0, 4, 1], [0, 0, 0, 0, 3], [7, 7, 6, 7, 7], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]


def cell(units, dtype):
    """A cell with two states that is finite for all finite numbers."""
    inside = Cell("gated", sequences="x", states={"h": units, "c": units})
    both = concatenate(inside.x, inside.h)
    gate = Tanh()(FullyConnected(None, units, dtype=dtype)(both))
    c = Tanh()(gate * inside.c + FullyConnected(None, units, dtype=dtype)(both))
    h = Rectify()(c) * gate
    return inside.build(output=h + c, h=h, c=c)


def graph(dtype, reverse):
    """Two outputs: the sequence, and a final state; an input for an initial state."""
    builder = Builder("ragged")
    x, start = builder.input("x", "time, batch, feature=3"), builder.input("start", "batch, feature=6")
    sequence, h, _ = Scan(cell(6, dtype), reverse=reverse)(x, start)
    return builder.build(sequence=sequence, last=h)


def run(backend, dtype, reverse, lengths, errors_of):
    """All results of two passes, the second one with other lengths."""
    graphnet.seed(0)
    runner = Runner(graph(dtype, reverse), backend=backend)
    runner.materialize()
    rng = np.random.default_rng(8)
    for parameter in runner.parameters.values():
        parameter.value = rng.uniform(-0.5, 0.5, parameter.value.shape).astype("float32").astype(dtype)
    results = {}
    for number, rows in enumerate((lengths, lengths[::-1])):
        inputs = {
            "x": rng.normal(size=(7, 5, 3)).astype("float32").astype(dtype),
            "start": rng.normal(size=(5, 6)).astype("float32").astype(dtype),
        }
        outputs = runner.forward(inputs, lengths={"x": rows})
        errors = {n: rng.normal(size=y.shape).astype("float32").astype(dtype) for n, y in outputs.items()}
        pulled = runner.backward({name: errors[name] for name in errors_of})
        results |= {f"{number} {name}": array for name, array in outputs.items()}
        results |= {f"{number} error {name}": array for name, array in pulled.items()}
        results |= {f"{number} gradient {name}": p.gradient for name, p in runner.parameters.items()}
    return results


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("errors_of", [("sequence",), ("last",), ("sequence", "last")])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_agrees_with_reference(lengths, errors_of, reverse, dtype):
    expected = run("reference", "float64", reverse, lengths, errors_of)
    found = run("native", dtype, reverse, lengths, errors_of)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        scale = max(1.0, np.abs(expected[name]).max())
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name)


@pytest.mark.parametrize("reverse", [False, True])
def test_same_bits_as_block_by_block(reverse, monkeypatch):
    found = run("native", "float32", reverse, LENGTHS[0], ("sequence",))
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "1")  # code with bounds checks has no whole passes
    checked = run("native", "float32", reverse, LENGTHS[0], ("sequence",))
    for name, array in found.items():
        np.testing.assert_array_equal(checked[name], array, err_msg=name)


def test_states_are_carried_from_pass_to_pass():
    rng, results = np.random.default_rng(4), []
    weights, passes = {}, [rng.normal(size=(6, 4, 3)) for _ in range(3)]
    for backend in ("reference", "native"):
        builder = Builder("carried")
        runner = Runner(
            builder.build(y=Scan(cell(5, "float64"))(builder.input("x", "time, batch, feature=3"))), backend=backend
        )
        runner.materialize()
        for name, parameter in runner.parameters.items():
            parameter.value = weights.setdefault(name, parameter.value)
        found, state = [], {}
        for x, lengths in zip(passes, ([6, 0, 3, 1], [0, 0, 6, 2], [6, 6, 6, 6]), strict=True):
            found.append(runner.forward({"x": x}, lengths=lengths, state=state)["y"])
            state = runner.state
            found.append(runner.backward({"y": np.cos(found[-1])})["x"])
        results.append([*found, *(state.arrays[name] for name in sorted(state.arrays))])
    for expected, array in zip(*results, strict=True):
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-9)


def test_ragged_rows_take_one_call_a_direction(monkeypatch):
    calls = []
    for name in ("forward", "backward"):
        original = getattr(whole_scan, name)
        monkeypatch.setattr(whole_scan, name, lambda *a, n=name, f=original: (calls.append(n), f(*a))[1])
    run("native", "float32", False, LENGTHS[0], ("sequence",))
    assert calls == ["forward", "backward"] * 2


def passes(runner, lengths_of, restore=False):
    """Outputs, errors and gradients of passes of several numbers of steps; with ``restore`` each goes back late."""
    rng, results = np.random.default_rng(2), []
    for lengths in lengths_of:
        x = rng.normal(size=(max(lengths), len(lengths), 3)).astype("float32")
        y = runner.forward({"x": x}, lengths=lengths)["y"]
        if restore:  # another pass in between, which must not use the memory of this one
            snapshot = runner.snapshot()
            runner.forward({"x": x[1:]}, lengths=[max(n - 1, 0) for n in lengths])
            snapshot.restore()
        pulled = runner.backward({"y": rng.normal(size=y.shape).astype("float32")})["x"]
        results += [y, pulled, *(parameter.gradient for parameter in runner.parameters.values())]
    return results


def test_passes_of_several_numbers_of_steps_share_memory(monkeypatch):
    builder = Builder("shared")
    graph = builder.build(y=Scan(cell(7, "float32"))(builder.input("x", "time, batch, feature=3")))
    graphnet.seed(1)
    runner = Runner(graph, backend="native")
    runner.materialize()
    lengths_of = [[4, 2, 3], [9, 1, 0], [6, 6, 2], [9, 9, 1], [2, 1, 1], [90, 3, 70]]
    made, original = [], scan_program.ScanProgram.made
    monkeypatch.setattr(
        scan_program.ScanProgram, "made", lambda self, steps: made.append(steps) or original(self, steps)
    )
    shared = passes(runner, lengths_of)
    (found,) = runner._binder._executables.values()
    assert len(found._idle) <= shared_executables.KEPT
    made.clear()
    between = passes(runner, lengths_of[:5], restore=True)
    assert len(made) <= 5  # the executables of new bindings, which are never used, and at most one to share
    monkeypatch.setattr(scan_program.ScanProgram, "lease", lambda self: None)
    alone = passes(Runner(graph, backend="native"), lengths_of)
    for a, b in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(between, alone, strict=False):
        np.testing.assert_array_equal(a, b)
