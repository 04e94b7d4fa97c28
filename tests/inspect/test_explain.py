"""explain and profile: what they say is what happens."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.random_models import Tanh

from graphnet import (
    Builder,
    Cell,
    ConfigError,
    FullyConnected,
    Layer,
    Runner,
    Scan,
    ShapeError,
    UnknownNameError,
    concatenate,
    dense,
)
from graphnet.cli.group import main
from graphnet.core.compile.pipeline import PASSES
from graphnet.inspect.profile import profile


class Branching(Layer):
    """Looks at its numbers."""

    def apply(self, x):
        y = x * 2 if x.sum() > 0 else x * 3
        return y, y / x

    def pull(self, slope, error):
        return error * slope


def gated(activation):
    c = Cell("gated", sequences="x", states={"h": 4})
    z = concatenate(c.x, c.h)
    gate, new = activation()(dense(z, 4, name="gate")), Tanh()(dense(z, 4, name="new"))
    h = gate * new + c.h
    return c.build(y=h, h=h)


def model(activation=Tanh):
    g = Builder("model")
    x = g.input("x", "time, batch, feature=3")
    y = Scan(gated(activation))(x, name="scan")
    return g.build(y=Tanh()(dense(Tanh()(dense(y, 2, name="first"), name="bent"), 2, name="last")))


def test_every_pass_has_a_line():
    told = model().explain(batch=5, steps=7)
    scan, region = told.parts
    assert scan.path == "scan" and scan.kind == "Scan" and scan.reason is None
    assert {"trace", *PASSES} <= {name for name, _ in scan.notes}
    assert region.kind == "nodes" and region.path.startswith("first")
    text = str(told)
    for word in ("scan (Scan)", "concatenations and slices", "multiply-adds", "saved for every step", "back loop"):
        assert word in text


def test_calls_are_those_of_the_loops():
    graph = model()
    told = graph.explain(batch=5, steps=7).parts[0]
    runner = Runner(graph)
    runner.forward({"x": np.ones((7, 5, 3), "float32")})
    program = runner._kept.last.bound.steps[0].programs[True].program
    assert told.calls_forward + told.calls_backward == program.calls
    assert len(told.calls) == len(program.instructions)


def test_multiply_adds_by_hand():
    """4 gates' units: two products of (3 + 4 + 1) inputs and 4 units in the loop, their errors back, weight sums."""
    told = model().explain(batch=2, steps=3).parts[0]
    assert told.loop == 2 * (8 * (3 + 4 + 1) + 8 * 4)
    assert told.outside == 2 * (8 * 3 + 8 * (3 + 4 + 1))


def test_buffers_add_up():
    graph = model()
    told = graph.explain(batch=5, steps=7).parts[0]
    runner = Runner(graph)
    runner.forward({"x": np.ones((7, 5, 3), "float32")})
    space = runner._kept.last.bound.steps[0].programs[True].executable().workspace
    assert sum(size for _, _, size in told.buffers) == sum(a.nbytes for a in space.arrays)


def test_what_is_left_alone_says_why():
    told = model(Branching).explain()
    assert told.parts[0].reason is not None
    assert "scan/gate_branching" in told.parts[0].reason
    assert "not linear in a sum over the rows" in told.parts[0].reason
    assert "node by node" in str(told)


def test_passes_left_out_are_told():
    told = model().explain(passes=["hoist", "batch_calls"])
    assert ("factor", "left out") in told.parts[0].notes
    assert dict(told.parts[0].notes)["allocate"].startswith("left out")
    with pytest.raises(UnknownNameError, match="batch_calls"):
        model().explain(passes=["batch_call"])


def test_an_input_without_a_shape():
    g = Builder("open")
    with pytest.raises(ShapeError, match="input 'x'.*Declare"):
        g.build(y=FullyConnected(3, 2)(g.input("x"))).explain()


def test_the_graph_is_not_touched():
    graph = model()
    graph.explain()
    profile(graph, batch=2, steps=3, repeat=1)
    assert not any(layer.params for layer in graph.layers().values() if layer.__class__ is Tanh)
    assert all(p.gradient is None for layer in graph.layers().values() for p in layer.params.values())


def test_profile_counts_every_node():
    found = profile(model(Branching), batch=2, steps=6, repeat=2)
    costs = {c.path: c for c in found.costs}
    assert costs["scan/gate"].calls == 6 and costs["first"].calls == 1
    assert costs["scan/gate"].made == 6 * 2 * 4 * 4
    assert all(c.forward > 0 and c.backward > 0 for c in found.costs)
    assert found.compiled_forward > 0
    with pytest.raises(ConfigError, match="repeat"):
        profile(model(), repeat=0)


FILE = """\
format: graphnet/1
name: small
inputs:
  x: batch, feature=3
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 3, output_size: 4}, inputs: x}
outputs: {scores: hidden}
"""


@pytest.mark.parametrize("command", ["explain", "profile"])
def test_commands(command, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(FILE)
    shown = CliRunner().invoke(main, [command, str(path)])
    assert shown.exit_code == 0, shown.output
    assert "hidden" in shown.output
    told = json.loads(CliRunner().invoke(main, [command, str(path), "--json"]).output)
    assert told["setting"].startswith("train phase, batch 32")
    assert CliRunner().invoke(main, [command, str(tmp_path / "none.yaml")]).exit_code == 2


@pytest.mark.parametrize("fragile", [False, True])
def test_delicate_programs_are_reported(fragile):
    cell = Cell("c", sequences="x", states={"h": 3})
    h = cell.h * (cell.x if fragile else 0.5) + cell.x
    g = Builder("m")
    graph = g.build(Scan(cell.build(output=h, h=h))(g.input("x", "time, batch, feature=3")))
    assert ("copies of valid steps; each state is copied at every step" in str(graph.explain())) is fragile
