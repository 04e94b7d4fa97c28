"""Writing graphs in Python."""

import numpy as np
import pytest

from graphnet import Affine, Builder, Cell, FullyConnected, GraphError, Runner, Scan, ShapeError, Split, dense


def evaluated(build, x):
    g = Builder("m")
    return Runner(g.build(build(g.input("x", "batch, feature=2")))).forward({"x": x})["output"]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: x + x, lambda x: 2 * x),
        (lambda x: x * x - x, lambda x: x * x - x),
        (lambda x: 1 - x, lambda x: 1 - x),
        (lambda x: 2 * x + 3, lambda x: 2 * x + 3),
        (lambda x: x - 0.5, lambda x: x - 0.5),
        (lambda x: -x / 4, lambda x: -x / 4),
        (lambda x: 5 + x * 3, lambda x: 5 + 3 * x),
    ],
)
def test_operators(build, expected):
    x = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_allclose(evaluated(build, x), expected(x), rtol=1e-14)


def test_operators_refuse_what_is_no_number():
    g = Builder()
    x = g.input("x")
    for wrong in (lambda: x + "a", lambda: np.ones(3) * x, lambda: x * True, lambda: x / x, lambda: x / 0):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(GraphError, match="truth value"):
        bool(x)


def test_nodes_are_named_after_their_layer():
    g = Builder()
    x = g.input("x")
    FullyConnected(2, 2)(x)
    FullyConnected(2, 2)(x)
    assert list(g.nodes) == ["fully_connected", "fully_connected_2"]
    with pytest.raises(GraphError, match="name taken"):
        Affine()(x, name="fully_connected")


def test_several_outputs_by_port_and_in_order():
    g = Builder("m")
    parts = Split(2)(g.input("x", "batch, feature=4"))
    first, second = parts
    made = Runner(g.build(a=first, b=second, c=parts["part_1"]))
    found = made.forward({"x": [[1, 2, 3, 4]]})
    assert found["a"].tolist() == [[1, 2]]
    assert found["b"].tolist() == found["c"].tolist() == [[3, 4]]
    with pytest.raises(GraphError, match="no output 'part_2'"):
        parts["part_2"]


def test_values_of_another_graph_are_refused():
    a, b = Builder("a"), Builder("b")
    x, y = a.input("x"), b.input("y")
    with pytest.raises(GraphError, match="not a value of this graph"):
        x + y
    with pytest.raises(GraphError, match="not a value of this graph"):
        a.build(y)
    with pytest.raises(GraphError, match=r"called without a value.*forward\(array\)"):
        Affine()(np.ones(3))


def test_cells_name_their_roles():
    cell = Cell("c", sequences={"x": 3}, states=("h",), contexts="m")
    h = dense(cell.x + cell.m, 4) + cell.h
    made = cell.build(output=h, h=h)
    assert (made.sequences, made.states, made.contexts, made.emitted) == (("x",), ("h",), ("m",), ("output",))
    with pytest.raises(AttributeError, match="cell has no input 'q'"):
        cell.q


def test_a_cell_needs_the_next_value_of_each_state():
    cell = Cell("c", sequences="x", states=("h", "c"))
    with pytest.raises(GraphError, match="cell 'c': state 'c' has no next value"):
        cell.build(output=cell.x, h=cell.h)


def test_shapes_that_do_not_fit_are_told_before_anything_runs():
    g = Builder("m")
    made = g.build(FullyConnected(5, 3)(g.input("x", "batch, feature=4"), name="head"))
    with pytest.raises(ShapeError, match=r"head: .*expected \(batch, feature=5\), received \(batch, feature=4\)"):
        Runner(made)


def test_widths_of_states_follow_from_the_cell():
    cell = Cell("c", sequences="x", states="h")
    h = dense(cell.x, 7, name="in") + dense(cell.h, 7, name="back")
    g = Builder("m")
    scanned = Scan(cell.build(output=h, h=h))(g.input("x", "time, batch, feature=2"), name="scan")
    runner = Runner(g.build(scanned))
    runner.materialize()
    assert {n: p.value.shape for n, p in runner.parameters.items()} == {
        "scan/in/weights": (3, 7),
        "scan/back/weights": (8, 7),
    }
