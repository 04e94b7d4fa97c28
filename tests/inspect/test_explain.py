"""explain describes the program that is bound."""

import numpy as np
import pytest
from helpers.inspected_model import Branching, model
from helpers.random_models import Tanh

from graphnet import (
    Builder,
    Cell,
    FullyConnected,
    Runner,
    Scan,
    ShapeError,
    UnknownNameError,
    dense,
)
from graphnet.core.compile.pipeline import PASSES
from graphnet.core.run import backends
from graphnet.inspect.explain import explain


def test_every_pass_has_a_note():
    explanation = model().explain(batch=5, steps=7)
    scan, region = explanation.parts
    assert scan.path == "scan" and scan.kind == "Scan" and scan.reason is None
    assert {"trace", *PASSES} <= {name for name, _ in scan.notes}
    assert region.kind == "nodes" and region.path.startswith("first")
    text = str(explanation)
    for word in ("scan (Scan)", "concatenations and slices", "multiply-adds", "saved for every step", "back loop"):
        assert word in text


def test_calls_match_the_bound_program():
    graph = model()
    explanation = graph.explain(batch=5, steps=7).parts[0]
    runner = Runner(graph)
    runner.forward({"x": np.ones((7, 5, 3), "float32")})
    program = runner.last_pass.bound.steps[0].programs[True].program
    assert explanation.calls_forward + explanation.calls_backward == program.calls
    assert len(explanation.calls) == len(program.instructions)


def test_multiply_adds_match_hand_count():
    """Two gates of 4 units: products of (3 + 4 + 1) inputs in the loop, their errors back, and weight gradients."""
    explanation = model().explain(batch=2, steps=3).parts[0]
    assert explanation.loop == 2 * (8 * (3 + 4 + 1) + 8 * 4)
    assert explanation.outside == 2 * (8 * 3 + 8 * (3 + 4 + 1))


def test_buffer_sizes_match_the_workspace():
    graph = model()
    explanation = graph.explain(batch=5, steps=7).parts[0]
    runner = Runner(graph)
    runner.forward({"x": np.ones((7, 5, 3), "float32")})
    space = runner.last_pass.bound.steps[0].programs[True].executable().workspace
    assert sum(size for _, _, size in explanation.buffers) == sum(a.nbytes for a in space.arrays)


def test_uncompiled_scan_has_a_reason():
    explanation = model(Branching).explain()
    assert explanation.parts[0].reason is not None
    assert "scan/gate_branching" in explanation.parts[0].reason
    assert "not linear in a sum over the rows" in explanation.parts[0].reason
    assert "node by node" in str(explanation)


def test_passes_left_out_have_a_note():
    explanation = model().explain(passes=["hoist", "batch_calls"])
    assert ("factor", "left out") in explanation.parts[0].notes
    assert dict(explanation.parts[0].notes)["allocate"].startswith("left out")
    with pytest.raises(UnknownNameError, match="batch_calls"):
        model().explain(passes=["batch_call"])


def test_input_without_shape_is_refused():
    g = Builder("open")
    with pytest.raises(ShapeError, match="input 'x'.*Declare"):
        g.build(y=FullyConnected(3, 2)(g.input("x"))).explain()


def test_graph_is_unchanged():
    graph = model()
    graph.explain()
    assert not any(layer.params for layer in graph.layers().values() if layer.__class__ is Tanh)
    assert all(p.gradient is None for layer in graph.layers().values() for p in layer.params.values())


@pytest.mark.parametrize("nonfinite", [False, True])
def test_nonfinite_program_is_reported(nonfinite):
    cell = Cell("c", sequences="x", states={"h": 3})
    h = cell.h * (cell.x if nonfinite else 0.5) + cell.x
    g = Builder("m")
    graph = g.build(Scan(cell.build(output=h, h=h))(g.input("x", "time, batch, feature=3")))
    assert ("copies of valid steps; each state is copied at every step" in str(graph.explain())) is nonfinite


def test_backend_of_every_part_is_named(monkeypatch):
    builder = Builder("named")
    x = builder.input("x", "batch, feature=3")
    graph = builder.build(dense(dense(dense(x, 4), 4), 2))
    monkeypatch.setenv("GRAPHNET_BACKEND", "numpy")
    explanation = graph.explain()
    assert [part.backend for part in explanation.parts if part.reason is None] == ["numpy"]
    assert "compiled, runs on numpy" in str(explanation)
    assert explanation.to_dict()["parts"][0]["fallback"] is None


@pytest.mark.parametrize("installed", [True, False])
def test_faster_backend_that_is_not_installed_is_named_once(installed, monkeypatch):
    class Source:
        def find(self, name):
            return backends.NumpyBackend() if name == "native" else None

        def names(self):
            return ["native"]

        def automatic(self):
            return [("native", backends.NumpyBackend)]

    monkeypatch.setattr(backends, "_sources", [Source] if installed else [])
    g = Builder("small")
    explained = explain(g.build(y=dense(g.input("x", "batch, feature=3"), 2)))
    assert str(explained).count("graphnet-native") == (0 if installed else 1)
    assert explained.advice == (
        None if installed else "backend: numpy (faster with graphnet-native, 173 MB: see graphnet doctor)"
    )


def test_a_runner_is_explained_with_its_backend_and_passes():
    graph = model()
    parts = explain(Runner(graph, backend="numpy", passes=["hoist"]), batch=5, steps=7).parts
    assert {part.backend for part in parts} == {"numpy"}
    assert ("split", "left out") in parts[0].notes
    assert "runs node by node" in str(explain(Runner(graph, backend="reference")))
