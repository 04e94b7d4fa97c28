"""The compiler finds linear recurrences in drawn cells: classes, results and gradients against node by node."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from core.compile.linear_cells import CELLS, nearly, nearly_matrix
from fuzz import generate
from fuzz.compare import NotCompared, difference

import graphnet
from graphnet import Builder, Runner, Scan
from graphnet.core.compile.recurrences import split_cell
from graphnet.core.compile.recurrences.split import STEPS as EVERY_STEP
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.core.run.numpy_backend import split_policy
from graphnet.core.run.numpy_backend.split_scan import SplitScan
from graphnet.core.run.state import State

STEPS, BATCH = 6, 4


@pytest.fixture
def always(monkeypatch):
    """Scans are taken apart also where one loop would be faster."""
    monkeypatch.setattr(split_policy, "faster", lambda *_: True)


def graph_of(cell, reverse=False, bptt_length=None):
    """A Scan of the cell whose initial states and contexts are inputs, and whose final states are outputs."""
    b = Builder()
    x = b.input("x", "time, batch, feature=2")
    rest = [
        b.input(name, "batch, feature=2" if name in cell.contexts else cell.inputs[name].shape)
        for name in (*cell.states, *cell.contexts)
    ]
    outputs = Scan(cell, reverse=reverse, bptt_length=bptt_length)(x, *rest)
    return b.build(**dict(zip((*cell.emitted, *(f"{s}_last" for s in cell.states)), outputs, strict=True)))


def inputs_of(cell, rng, dtype="float64"):
    given = {"x": rng.normal(size=(STEPS, BATCH, 2))}
    for name in cell.states:
        sizes = cell.inputs[name].shape.sizes[1:]
        given[name] = rng.normal(size=(BATCH, *sizes))
    for name in cell.contexts:
        given[name] = rng.normal(size=(BATCH, 2))
    return {name: array.astype(dtype) for name, array in given.items()}


def everything(graph, given, backend, lengths=None, phase=Phase.train, state=None, **options):
    """Outputs, errors of inputs, gradients and final states of one pass."""
    runner = Runner(graph, backend=backend, **options)
    runner.materialize()
    outputs = runner.forward(given, phase=phase, lengths=lengths, state=state)
    rng = np.random.default_rng(5)
    errors = runner.backward({n: rng.normal(size=a.shape).astype(a.dtype) for n, a in sorted(outputs.items())})
    found = {**outputs, **{f"error {n}": e for n, e in errors.items() if e is not None}}
    for path, layer in graph.layers().items():
        found |= {f"{path} {name}": np.array(p.gradient) for name, p in layer.params.items()}
    if state is not None:
        found |= {f"state {name}": a for name, a in runner.state.arrays.items()}
    scans = [step for step in runner.last_pass.bound.steps if hasattr(step, "split")]
    return found, scans


def compare(graph, given, tolerance=1e-10, backend="numpy", **options):
    """Compare with the reference backend; returns what ran the Scan."""
    expected, _ = everything(graph, given, "reference", **options)
    found, scans = everything(graph, given, backend, **options)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        scale = 1 + np.abs(array).max(initial=0)
        np.testing.assert_allclose(found[name] / scale, array / scale, rtol=0, atol=tolerance, err_msg=name)
    return scans[0]


def verdicts(cell):
    """The classes that are found in a cell."""
    runner = Runner(graph_of(cell), backend="numpy")
    given = inputs_of(cell, np.random.default_rng(0))
    shapes = [Shape.of(given[name].shape) for name in runner.graph.inputs]
    _, shapes = runner.bound(shapes, "float64", Phase.train)
    step = runner.plan.steps[0]
    _, found, _ = split_cell(step, shapes.cells[step.path], runner.layers, Phase.train, "float64")
    return {", ".join(v.states): v for v in found}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_all_results_are_those_of_the_loop(name, reverse, ragged, always):
    graphnet.seed(3)
    cell = CELLS[name][0]()
    given = inputs_of(cell, np.random.default_rng(1))
    lengths = {"x": np.array([STEPS, 2, 0, 4])} if ragged else None
    scan = compare(graph_of(cell, reverse), given, lengths=lengths)
    assert isinstance(scan.program(True), SplitScan)


@pytest.mark.parametrize("name", CELLS)
def test_classes_are_found(name):
    make, classes = CELLS[name]
    assert {states: v.kind for states, v in verdicts(make()).items()} == classes


@pytest.mark.parametrize(
    "make", [*nearly().values(), *nearly_matrix().values()], ids=[*nearly(), *(f"matrix {n}" for n in nearly_matrix())]
)
def test_nearly_linear_cells_are_not_taken_for_linear_ones(make, always):
    graphnet.seed(3)
    cell = make()
    assert [v.kind for v in verdicts(cell).values()] == [None]
    scan = compare(graph_of(cell), inputs_of(cell, np.random.default_rng(1)))
    assert not isinstance(scan.program(True), SplitScan)


@pytest.mark.parametrize("name", ["several", "mlstm", "delta", "pair", "exponential"])
def test_states_that_are_carried(name, always):
    graphnet.seed(3)
    cell = CELLS[name][0]()
    graph, rng = graph_of(cell), np.random.default_rng(1)
    given = inputs_of(cell, rng)
    sizes = {f"scan/{s}": (BATCH, *cell.inputs[s].shape.sizes[1:]) for s in cell.states}
    state = State({name: rng.normal(size=size) for name, size in sizes.items()})
    state.reset([1])
    scan = compare(graph, given, state=state, lengths={"x": np.array([STEPS, 2, 0, 4])})
    assert isinstance(scan.program(True), SplitScan)


@pytest.mark.parametrize("name", ["several", "mlstm", "h + z(g - h)", "bonus"])
def test_truncated_gradients(name, always):
    graphnet.seed(3)
    cell = CELLS[name][0]()
    given = inputs_of(cell, np.random.default_rng(1))
    compare(graph_of(cell, bptt_length=2), given, lengths={"x": np.array([STEPS, 2, 0, 4])})
    compare(graph_of(cell), given, reach=3)


@pytest.mark.parametrize("name", ["(1 - z)h + zg", "stabiliser", "gated delta", "retention"])
def test_single_precision(name, always):
    graphnet.seed(3)
    cell = CELLS[name][0]()
    given = inputs_of(cell, np.random.default_rng(1), "float32")
    scan = compare(graph_of(cell), given, tolerance=2e-5)
    assert isinstance(scan.program(True), SplitScan)


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_cells_taken_apart(first, always):
    for seed in range(first, first + 10):
        trial = replace(generate.trial(seed, seed % 2 == 1), passes=None)
        with contextlib.suppress(NotCompared):
            assert difference(trial) is None, seed


def test_numbers_that_change_between_passes(always):
    """A bound plan that runs again reads new inputs and weights."""
    graphnet.seed(3)
    cell = CELLS["several"][0]()
    graph = graph_of(cell)
    runner, reference = Runner(graph, backend="numpy"), Runner(graph, backend="reference")
    for seed in range(3):
        given = inputs_of(cell, np.random.default_rng(seed))
        for layer in graph.layers().values():
            for parameter in layer.params.values():
                parameter.value = parameter.value * 1.1
        expected, found = reference.forward(given), runner.forward(given)
        for output, array in expected.items():
            np.testing.assert_allclose(found[output], array, atol=1e-11)


def test_outputs_may_be_changed_before_backward(always):
    graphnet.seed(3)
    cell = CELLS["shift"][0]()
    graph, given = graph_of(cell), inputs_of(cell, np.random.default_rng(1))
    found = []
    for backend in ("reference", "numpy"):
        runner = Runner(graph, backend=backend)
        outputs = runner.forward(given)
        for array in outputs.values():
            array *= 2
        runner.backward({"y": outputs["y"]})
        found.append([np.array(p.gradient) for layer in graph.layers().values() for p in layer.params.values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


def test_pass_can_be_left_out(always):
    cell = CELLS["retention"][0]()
    graph, given = graph_of(cell), inputs_of(cell, np.random.default_rng(1))
    _, (scan,) = everything(graph, given, "numpy")
    assert isinstance(scan.program(True), SplitScan)
    _, (scan,) = everything(graph, given, "numpy", passes=["hoist"])
    assert not isinstance(scan.program(True), SplitScan)


def test_one_step_runs_in_the_loop(always):
    cell = CELLS["retention"][0]()
    given = inputs_of(cell, np.random.default_rng(1))
    _, (scan,) = everything(graph_of(cell), given | {"x": given["x"][:1]}, "numpy")
    assert not isinstance(scan.program(True), SplitScan)


def test_explain_names_the_classes(always):
    text = str(graph_of(CELLS["several"][0]()).explain(batch=4, steps=6))
    assert "h: diagonal, s' = a * s + b" in text
    assert "r: not linear (concatenate: it concatenates the state with other values)" in text
    assert "its linear recurrences are computed for all steps" in text
    assert "recurrence    h: diagonal" in text


def test_explain_names_what_breaks_the_linearity():
    text = str(graph_of(nearly()["tanh"]()).explain(batch=4, steps=6))
    assert "h: not linear (tanh: it applies TanH to the state)" in text
    assert "taken apart" not in text


def test_explain_says_why_one_loop_runs():
    text = str(graph_of(CELLS["0.9h"][0]()).explain(batch=4, steps=6))
    assert "one loop, which is faster at these sizes" in text
    text = str(graph_of(CELLS["0.9h"][0](), bptt_length=3).explain(batch=4, steps=6))
    assert "one loop: gradients are truncated after 3 steps" in text


def test_what_is_read_besides_the_state_is_not_computed_as_a_matrix():
    """The bonus of the present step, Σ_k r (u k) v, is a number for each row times v."""
    runner = Runner(graph_of(CELLS["bonus"][0]()), backend="numpy")
    given = inputs_of(runner.graph.nodes["scan"].layer.cell, np.random.default_rng(0))
    shapes = [Shape.of(given[name].shape) for name in runner.graph.inputs]
    _, shapes = runner.bound(shapes, "float64", Phase.train)
    step = runner.plan.steps[0]
    cell, _, _ = split_cell(step, shapes.cells[step.path], runner.layers, Phase.train, "float64")
    matrix = given["S"].shape[1:]
    computed = [i for piece in cell.pieces for i in piece.outputs if cell.stages[i] == EVERY_STEP]
    assert computed
    assert not any(cell.shapes[i].sizes[1:] == matrix for i in computed)
