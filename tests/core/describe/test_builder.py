"""Writing graphs in Python."""

import numpy as np
import pytest

from graphnet import (
    Affine,
    Builder,
    Cell,
    DtypeError,
    FullyConnected,
    Graph,
    GraphError,
    Model,
    Runner,
    Scan,
    Shape,
    ShapeError,
    Split,
    dense,
    load,
)
from graphnet.authoring import Input, Node, Ref, functional
from graphnet.inspect.summary import summary
from graphnet.io import model_text, parse_model


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


def test_operators_refuse_non_numbers():
    g = Builder()
    x = g.input("x")
    for wrong in (lambda: x + "a", lambda: [1.0] * x, lambda: x * True, lambda: x / None, lambda: x / 0):
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


def test_value_of_another_graph_raises():
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
    with pytest.raises(AttributeError, match="unknown input 'q'"):
        cell.q


def test_cell_without_next_value_raises():
    cell = Cell("c", sequences="x", states=("h", "c"))
    with pytest.raises(GraphError, match="cell 'c': state 'c' has no next value"):
        cell.build(output=cell.x, h=cell.h)


def test_shape_mismatch_raises_when_runner_is_made():
    g = Builder("m")
    made = g.build(FullyConnected(5, 3)(g.input("x", "batch, feature=4"), name="head"))
    with pytest.raises(ShapeError, match=r"head: .*expected \(batch, feature=5\), received \(batch, feature=4\)"):
        Runner(made)


def test_state_widths_are_inferred():
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


# ---------------------------------------------------------------------- outputs
def two_values():
    g = Builder("m")
    x = g.input("x", "batch, feature=2")
    return g, x + 1.0, x * 3.0


def test_unnamed_value_becomes_output():
    g, a, b = two_values()
    made = g.build(a, triple=b)
    assert list(made.outputs) == ["output", "triple"]
    found = Runner(made).forward({"x": [[1.0, 2.0]]})
    assert found["output"].tolist() == [[2, 3]] and found["triple"].tolist() == [[3, 6]]


@pytest.mark.parametrize(
    "build",
    [
        lambda g, a, b: g.build(a, output=b),
        lambda g, a, b: g.build(a, output=a),
        lambda g, a, b: g.build(a, b),
        lambda g, a, b: g.build(a, b, c=a),
    ],
)
def test_no_output_is_dropped(build):
    with pytest.raises(GraphError, match=r"graph 'm': two outputs have no name.*build\(scores=a, features=b\)"):
        build(*two_values())


@pytest.mark.parametrize("wrong", [None, 3, "add", [], ("a",)])
def test_output_not_a_value_raises(wrong):
    g, a, b = two_values()
    for build in (lambda: g.build(wrong), lambda: g.build(y=wrong), lambda: g.build((a, b)), lambda: g.build({"y": a})):
        with pytest.raises(GraphError, match="output '(output|y)': not a value of this graph"):
            build()


def test_outputs_may_share_values_and_names():
    g = Builder("m")
    x = g.input("x", "batch, feature=2")
    scores = Affine(2.0)(x, name="scores")
    other = Affine(3.0)(x, name="other")
    runner = Runner(g.build(scores, scores=other, again=scores, x=x, self=other))
    found = runner.forward({"x": [[1.0, 2.0]]})
    assert {name: array.tolist()[0] for name, array in found.items()} == {
        "output": [2, 4], "scores": [3, 6], "again": [2, 4], "x": [1, 2], "self": [3, 6],
    }  # fmt: skip
    pulled = runner.backward({"output": [[1.0, 0.0]], "again": [[0.0, 1.0]], "x": [[5.0, 5.0]]})
    assert pulled["x"].tolist() == [[7, 7]]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "1st", "naïve"])
def test_output_names_are_identifiers(name):
    g, a, _ = two_values()
    with pytest.raises(GraphError, match="not a name"):
        g.build(**{name: a})


# ---------------------------------------------------------------------- building again
def test_building_again_drops_unneeded_nodes():
    g = Builder("m")
    x, spare = g.input("x", "batch, feature=3"), g.input("spare")
    old = dense(dense(x, 4), 2)
    first = g.build(old)
    assert list(first.nodes) == ["fully_connected", "fully_connected_2"]
    again = g.build(dense(dense(x, 4), 2))  # the same cell of a notebook, run once more
    assert again == first
    assert list(again.inputs) == ["x", "spare"] and spare.ref.source == "spare"
    runner = Runner(again)
    runner.materialize()
    assert {name: p.value.shape for name, p in runner.parameters.items()} == {
        "fully_connected/weights": (4, 4),
        "fully_connected_2/weights": (5, 2),
    }
    assert not set(map(id, runner.layers.values())) & set(map(id, first.layers().values()))


def test_building_again_keeps_chosen_names():
    g = Builder("m")
    x = g.input("tanh", "batch, feature=3")
    Affine(1.0)(x)
    head = Affine(2.0)(x, name="affine_2")
    made = g.build(a=Affine(3.0)(x), b=head, c=Affine(4.0)(x))
    assert {name: node.layer.scale for name, node in made.nodes.items()} == {
        "affine_2": 2.0, "affine": 3.0, "affine_3": 4.0,
    }  # fmt: skip
    assert [str(ref) for ref in made.outputs.values()] == ["affine", "affine_2", "affine_3"]


def test_graphs_of_one_builder_share_layers():
    g = Builder("m")
    code = dense(g.input("x", "batch, feature=3"), 2)
    encoder, whole = g.build(code), g.build(dense(code, 3))
    assert list(encoder.nodes) == ["fully_connected"]
    assert encoder.nodes["fully_connected"].layer is whole.nodes["fully_connected"].layer


def test_cell_built_again_is_equal():
    def step(cell):
        first, second = Split(2)(dense(cell.x, 4))
        h = first * cell.h + second
        return cell.build(output=h, h=h)

    cell = Cell("c", sequences={"x": 3}, states={"h": 2})
    first = step(cell)
    assert step(cell) == first
    assert list(first.nodes) == ["fully_connected", "split", "multiply", "add"]


def graph_with_a_dead_node():
    x = Input(Shape.parse("batch, feature=3"))
    layers = {"dead": FullyConnected(None, 9), "live": FullyConnected(3, 2)}
    nodes = {name: Node(name, layer, (Ref("x"),)) for name, layer in layers.items()}
    return Graph("m", {"x": x}, nodes, {"y": Ref("live")})


def test_dead_nodes_have_no_weights():
    made = graph_with_a_dead_node()
    assert made.needed == {"live"} and list(made.layers()) == ["live"]
    runner = Runner(made)
    assert runner.drawn and list(runner.parameters) == ["live/weights"]
    assert "unused" in str(summary(made)) and "total: 8 parameters\n" in str(summary(made)) + "\n"


def test_model_file_has_no_dead_nodes(tmp_path):
    g = Builder("m")
    x = g.input("x", "batch, feature=3")
    g.build(dense(x, 50))
    model = Model(g.build(dense(x, 2)))
    model.save(tmp_path / "run")
    assert "50" not in (tmp_path / "run" / "model.yaml").read_text()
    found = load(tmp_path / "run")
    assert found.graph == model.graph and list(found.runner.parameters) == ["fully_connected/weights"]


def test_dead_nodes_in_a_model_file_are_read_and_not_saved(tmp_path):
    text = model_text(graph_with_a_dead_node())
    found = parse_model(text).graph
    assert found == graph_with_a_dead_node() and list(found.layers()) == ["live"]
    Model(found).save(tmp_path / "run")
    assert list(load(tmp_path / "run").runner.parameters) == ["live/weights"]


# ---------------------------------------------------------------------- names in cells
@pytest.mark.parametrize(
    "name",
    ["name", "input", "inputs", "nodes", "add", "build", "roles", "values", "__class__", "__getitem__", "_stems"],
)
@pytest.mark.parametrize("role", ["sequences", "states", "contexts"])
def test_cell_input_named_like_attribute_raises(name, role):
    with pytest.raises(GraphError, match=rf"cell 'c': an input cannot be called '{name}'.* Call it '{name}_'"):
        Cell("c", **{role: {name: 2}})


def test_cell_inputs_are_items():
    cell = Cell("c", sequences={"x": 2}, states={"class": 2, "h": 2}, contexts="lambda")
    h = cell["x"] + cell["class"] + cell["lambda"]
    assert cell["h"] is cell.h
    made = cell.build(h=h, **{"class": cell["x"], "output": h})
    assert made.states == ("class", "h")
    with pytest.raises(GraphError, match="cell 'c': unknown input 'clas'.*Did you mean 'class'"):
        cell["clas"]
    assert not hasattr(cell, "clas")


@pytest.mark.parametrize("roles", [{"states": {"h", "c"}}, {"states": ["h", "h"]}, {"sequences": "h", "states": "h"}])
def test_cell_names_unordered_or_equal_raise(roles):
    with pytest.raises(GraphError, match="no order|twice|name taken"):
        Cell("c", **roles)


@pytest.mark.parametrize("width", [0, -1, 2.5, True, "batch=x", (2,)])
def test_cell_width_invalid_raises(width):
    with pytest.raises(ShapeError):
        Cell("c", states={"h": width})
    assert str(Cell("c", states={"h": np.int64(3)}).inputs["h"].shape) == "(batch, feature=3)"


def test_cell_dtype_reaches_functional_layers():
    cell = Cell("c", sequences="x", states={"h": 3}, dtype="float32")
    gate = dense(cell.x, 3, name="gate", bias=-1.0)
    h = gate + dense(cell.h, 3, name="other", dtype="float64")
    graph = cell.build(output=h, h=h)
    assert repr(graph.nodes["gate"].layer) == (
        "FullyConnected(input_size=None, output_size=3, bias=-1.0, dtype='float32')"
    )
    assert graph.nodes["other"].layer.dtype == "float64"


def test_builder_dtype_invalid_raises():
    with pytest.raises(DtypeError, match="graph 'm': unsupported dtype; .* received int32"):
        Builder("m", dtype="int32")


def test_functional_with_dtype_parameter_gets_builder_dtype():
    seen = []

    def make(dtype="float64"):
        seen.append(dtype)
        return Affine()

    functional(make, "made")(Builder(dtype="float32").input("x"))
    assert seen == ["float32"]


def test_weightless_layers_are_named_after_their_input():
    g = Builder()
    hidden = FullyConnected(2, 2)(g.input("x"), name="hidden")
    first, second = Affine()(hidden), Affine()(hidden)
    dense(Affine()(first + second), 2)
    assert list(g.nodes)[1:] == ["hidden_affine", "hidden_affine_2", "add", "affine", "fully_connected"]
