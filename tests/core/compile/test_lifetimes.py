"""Values that are read outside their lifetime: states that nothing reads, token shifts, joins, scalar weights."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from fuzz.layers import Scaled
from helpers.random_models import Tanh

from graphnet import Builder, Cell, Layer, Phase, Runner, Scan, Split, concatenate, dense
from graphnet.core.compile import pipeline
from graphnet.core.compile.pipeline import PASSES
from graphnet.core.compile.program import InvalidProgram
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import CompilerWarning
from graphnet.core.run.numpy_backend.packing import check_covered
from graphnet.core.run.reference.loop import BoundLoop
from graphnet_recurrent import Bidirectional
from graphnet_recurrent.cells import gru_cell


def unread_states():
    cell = Cell("c", sequences="x", states={"h": 2, "c": 2})
    o = dense(cell.x, 2)
    t = Tanh()(o)
    return cell.build(output=t, h=t, c=o)


def token_shift():
    cell = Cell("c", sequences="x", states={"c": 1, "b": 1})
    y = (cell.b * cell.x) * cell.c
    return cell.build(output=y, c=y, b=cell.x)


def swapped_parts():
    cell = Cell("c", sequences="x", states={"h": 4})
    a, b = Split((1, 3))(cell.x)
    return cell.build(output=cell.h, h=Tanh()(concatenate(b, a)))


def context_alone():
    cell = Cell("c", sequences="x", states={"h": 2}, contexts="k")
    return cell.build(output=Tanh()(dense(cell.k, 2)), h=cell.h)


def everything(graph, inputs, errors, **options):
    runner = Runner(graph, **options)
    runner.materialize()
    rng = np.random.default_rng(1)
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape)
    outputs = runner.forward(inputs)
    pulled = runner.backward({name: errors(y) for name, y in outputs.items()})
    return {**outputs, **pulled, **{name: p.gradient for name, p in runner.parameters.items()}}


def graph_of(cell, width, contexts=0):
    builder = Builder()
    x = builder.input("x", f"time, batch, feature={width}")
    rows = [builder.input("k", f"batch, feature={contexts}")] if contexts else []
    node = Scan(cell)(x, *[None] * len(cell.states), *rows, name="scan")
    return builder.build(**{port: node[port] for port in Scan(cell).output_ports()})


CELLS = {
    "unread states": (unread_states, 3, 0),
    "token shift": (token_shift, 1, 0),
    "swapped parts": (swapped_parts, 4, 0),
    "context alone": (context_alone, 2, 3),
}


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("name", CELLS)
def test_cell_equals_reference(name, steps, batch):
    make, width, contexts = CELLS[name]
    rng = np.random.default_rng(steps)
    inputs = {"x": rng.normal(size=(steps, batch, width))}
    inputs |= {"k": rng.normal(size=(batch, contexts))} if contexts else {}
    found = everything(graph_of(make(), width, contexts), inputs, np.cos)
    expected = everything(graph_of(make(), width, contexts), inputs, np.cos, backend="reference")
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-12, atol=1e-12, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(len(PASSES) + 1))
def test_token_shift_with_passes_left_out(count):
    inputs = {"x": np.arange(1.0, 5.0).reshape(2, 2, 1)}
    for chosen in combinations(PASSES, count):
        found = everything(graph_of(token_shift(), 1), inputs, np.ones_like, passes=chosen)
        expected = everything(graph_of(token_shift(), 1), inputs, np.ones_like, backend="reference")
        for key, array in expected.items():
            np.testing.assert_allclose(found[key], array, atol=1e-12, err_msg=f"{key} with {chosen}")


def test_token_shift_error_matches_hand_computation():
    builder = Builder()
    x = builder.input("x", "time, batch, feature=1")
    node = Scan(token_shift())(x, builder.input("c", "batch, feature=1"), None, name="scan")
    runner = Runner(builder.build(y=node["output"]))
    runner.forward({"x": np.arange(1.0, 5.0).reshape(2, 2, 1), "c": np.ones((2, 1))})
    # y_1 = 0 · x_1 · c = 0 and y_2 = x_1 · x_2 · y_1 = 0; both stay 0 however x moves, because c_1 = y_1 = 0.
    assert not runner.backward({"y": np.ones((2, 2, 1))})["x"].any()


def test_split_beside_a_scan_equals_reference():
    def graph():
        builder = Builder()
        x = builder.input("x", "time, batch, feature=4")
        a, b = Split((1, 3))(x)
        return builder.build(both=Bidirectional(gru_cell(4))(x), joined=concatenate(b, a))

    inputs = {"x": np.random.default_rng(0).normal(size=(3, 2, 4))}
    found = everything(graph(), inputs, np.cos)
    for key, array in everything(graph(), inputs, np.cos, backend="reference").items():
        np.testing.assert_allclose(found[key], array, rtol=1e-12, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("inside", [True, False])
def test_scalar_weight_has_a_scalar_gradient(inside):
    builder = Builder()
    x = builder.input("x", "time, batch, feature=3")
    if inside:
        cell = Cell("c", sequences="x", states={"h": 3})
        h = Tanh()(Scaled()(cell.x) + cell.h)
        x = Scan(cell.build(output=h, h=h))(x)["output"]
    value = Scaled()(Scaled()(Scaled()(x)))
    found = everything(builder.build(y=value), {"x": np.ones((2, 2, 3))}, np.cos)
    gradients = [array for name, array in found.items() if name.endswith("/scale")]
    assert len(gradients) == 3 + inside and all(g.shape == () for g in gradients)


class GateOfTwo(Layer):
    """tanh of two weighted inputs and a bias that is a separate array."""

    def parameters(self, *inputs):
        return {"w": Weight((2, 1)), "b": Weight((1,), kind="bias")}

    def apply(self, a, b_, *, w, b):
        y = np.tanh(a @ w[:1] + b_ @ w[1:] + b)
        return y, (a, b_, y)

    def pull(self, saved, error, *, w):
        e = error * (1 - saved[2] ** 2)
        return e @ w[:1].T, e @ w[1:].T

    def grad(self, saved, error):
        a, b_, y = saved
        e = error * (1 - y**2)
        return {"w": np.concatenate([a.T @ e, b_.T @ e], axis=0), "b": e.sum(0)}


def separated_weights():
    """Products whose weights are neighbours in one array, separated by a bias from another array."""
    cell = Cell("c", sequences={"x": 3}, states={"h": 1})
    first = dense(Tanh()(cell.h), 1)
    v = GateOfTwo()(first, cell.h)
    h = Tanh()(dense(concatenate(v, cell.h), 1)) * 0.7 + 0.3 * cell.h
    return cell.build(output=v * first, h=h)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("keep", [True, False])
def test_weights_around_a_bias_are_packed_separately(keep, batch):
    graph = graph_of(separated_weights(), 3)
    reference = Runner(graph, backend="reference")
    reference.materialize()
    rng = np.random.default_rng(0)
    for parameter in reference.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape)
    x = {"x": rng.normal(size=(4, batch, 3))}
    expected, found = reference.forward(x, keep=keep), Runner(graph).forward(x, keep=keep)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("columns", [[(0, 2), (1, 3)], [(0, 1), (2, 3)], [(0, 3), (2, 3)]])
def test_pack_with_gap_or_overlap_is_refused(columns):
    array = np.empty((2, 3))
    with pytest.raises(InvalidProgram, match="not filled once everywhere"):
        check_covered(array, [array[:, a:b] for a, b in columns])


# ---------------------------------------------------------------------- internal errors of the compiler
def test_verifier_finds_a_value_outside_its_lifetime(monkeypatch):
    monkeypatch.setattr(pipeline, "legalize", lambda trace, hoist: (trace, str))
    inputs = {"x": np.random.default_rng(0).normal(size=(3, 2, 3))}
    with pytest.warns(CompilerWarning, match="scan: the compiler failed: InvalidProgram: .*report this graph"):
        found = everything(graph_of(unread_states(), 3), inputs, np.cos)
    expected = everything(graph_of(unread_states(), 3), inputs, np.cos, backend="reference")
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("kind", [KeyError, InvalidProgram, RecursionError, AssertionError, ValueError])
def test_compiler_exception_falls_back(monkeypatch, kind):
    def failing(*arguments):
        raise kind("by design")

    monkeypatch.setattr(pipeline, "hoist", failing)
    builder = Builder()
    x = builder.input("x", "time, batch, feature=4")
    y = dense(dense(dense(Scan(swapped_parts())(x)["output"], 3), 3), 2)
    graph = builder.build(y=y)
    with pytest.warns(CompilerWarning) as caught:
        found = everything(graph, {"x": np.ones((3, 2, 4))}, np.cos)
    assert len(caught) == 2  # the Scan, and the region of three dense layers
    with pytest.warns(CompilerWarning):
        assert str(graph.explain()).count("the compiler failed") == 2
    monkeypatch.undo()
    for key, array in everything(graph, {"x": np.ones((3, 2, 4))}, np.cos).items():
        np.testing.assert_allclose(found[key], array, rtol=1e-12, atol=1e-12)


def test_memory_error_is_raised(monkeypatch):
    def failing(*arguments):
        raise MemoryError

    monkeypatch.setattr(pipeline, "hoist", failing)
    with pytest.raises(MemoryError):
        everything(graph_of(swapped_parts(), 4), {"x": np.ones((3, 2, 4))}, np.cos)


def test_buffer_of_wrong_size_is_refused(monkeypatch):
    monkeypatch.setenv("GRAPHNET_BACKEND", "numpy")
    from graphnet.core.run.numpy_backend.workspace import Workspace

    shape = Workspace._shape

    def shorter(self, number):
        found = shape(self, number)
        return found if len(found) < 3 or number else (1, *found[1:])

    monkeypatch.setattr(Workspace, "_shape", shorter)
    with pytest.warns(CompilerWarning, match="InvalidProgram"):
        everything(graph_of(swapped_parts(), 4), {"x": np.ones((3, 2, 4))}, np.cos)


# ---------------------------------------------------------------------- explain
def heads():
    cell = Cell("c", sequences={"x": "batch, head=2, key=3"}, states={"h": "batch, head=2, key=3"})
    h = Tanh()(cell.x + cell.h)
    return cell.build(output=h, h=h)


def test_scan_of_higher_rank_is_compiled():
    builder = Builder()
    graph = builder.build(y=Scan(heads())(builder.input("x", "time, batch, head=2, key=3"), name="scan")["output"])
    (part,) = graph.explain().parts
    assert part.path == "scan" and part.reason is None
    runner = Runner(graph)
    bound, _ = runner.bound([Shape.parse("time=4, batch=2, head=2, key=3")], "float64", Phase.train)
    assert not isinstance(bound.steps[0].program(True), BoundLoop)


def test_explain_uses_sizes_of_last_run():
    builder = Builder()
    graph = builder.build(y=Scan(unread_states())(builder.input("x", "time, batch, feature"))["output"])
    with pytest.raises(ValueError, match=r"input 'x': a size is not known.*run the graph once"):
        graph.explain()
    assert graph.explain(shapes={"x": (4, 2, 3)}).parts[0].reason is None
    Runner(graph).forward({"x": np.ones((3, 2, 5))})
    assert graph.explain().parts[0].reason is None
    with pytest.raises(ValueError, match="does not fit"):
        graph.explain(shapes={"x": (4, 5)})
    with pytest.raises(LookupError, match="unknown input"):
        graph.explain(shapes={"y": (4, 5)})


def test_successful_compilation_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything(graph_of(unread_states(), 3), {"x": np.ones((3, 2, 3))}, np.cos)
