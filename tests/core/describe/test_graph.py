"""Graphs: what they hold, and every way in which one can be wrong."""

import networkx as nx
import pytest

from graphnet import Add, Affine, Builder, FullyConnected, Graph, GraphError
from graphnet.authoring import Input, Node, Ref, Subgraph


def node(name, layer, *inputs):
    return Node(name, layer, tuple(None if i is None else Ref.parse(i) for i in inputs))


def graph(*nodes, inputs=("x",), outputs=None):
    outputs = {"y": nodes[-1].name} if outputs is None else outputs
    return Graph(
        "g", {n: Input() for n in inputs}, {n.name: n for n in nodes}, {k: Ref.parse(v) for k, v in outputs.items()}
    )


def test_order_is_topological():
    made = graph(node("c", Add(), "b", "a"), node("b", Affine(2.0), "a"), node("a", Affine(3.0), "x"))
    assert made.order == ("a", "b", "c")


def test_cycle_raises_with_its_path():
    with pytest.raises(
        GraphError, match=r"graph 'g': has a cycle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"
    ):
        graph(node("a", Add(), "x", "c"), node("b", Affine(), "a"), node("c", Affine(), "b"))


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([node("a", Affine(), "z")], None, r"node 'a': reads 'z', which does not exist; expected one of x, a"),
        ([node("alpha", Affine(), "x"), node("b", Affine(), "alpa")], None, r"Did you mean 'alpha'\?"),
        ([node("a", Affine(), "x", "x")], None, r"wrong number of inputs for Affine; expected x, received x, x"),
        ([node("a", Affine(), None)], None, "an input is missing; expected x"),
        ([node("a", Affine(), "x")], {}, "the graph has no output"),
        ([node("a", Affine(), "x")], {"y": "nope"}, r"output 'y': reads 'nope'"),
        ([node("a", Affine(), "x")], {"y": "a.second"}, r"node 'a' has no output 'second'; expected output"),
        ([node("x", Affine(), "x")], None, "name used for an input and for a node"),
        ([node("a/b", Affine(), "x")], None, "not a name; expected letters, digits and _"),
        ([node("1a", Affine(), "x")], None, "not a name"),
    ],
)
def test_invalid_graph_raises(nodes, outputs, message):
    with pytest.raises(GraphError, match=message):
        graph(*nodes, outputs=outputs)


def test_networkx_edge_lists_both_arguments():
    made = graph(node("double", Add(), "x", "x"))
    drawn = made.networkx
    assert isinstance(drawn, nx.DiGraph)
    assert drawn.edges["x", "double"]["arguments"] == ((None, 0), (None, 1))
    assert drawn.nodes["double"]["layer"] is made.nodes["double"].layer
    with pytest.raises(nx.NetworkXError):
        drawn.add_node("other")


def two(shared):
    g = Builder("m")
    dense = FullyConnected(3, 3)
    x = g.input("x", "batch, feature=3")
    first = dense(x, name="first")
    return g.build((dense if shared else FullyConnected(3, 3))(first, name="second"))


def test_graph_equality_compares_structure_and_sharing():
    assert two(True) == two(True)
    assert two(False) == two(False)
    assert two(True) != two(False)
    assert hash(two(True)) == hash(two(True))
    a, b = graph(node("a", Affine(2.0), "x")), graph(node("a", Affine(3.0), "x"))
    assert a != b
    assert a != "a"


def test_layers_lists_shared_layer_once():
    inner = Builder("inner")
    dense = FullyConnected(3, 3)
    nested = Subgraph(inner.build(dense(inner.input("x"), name="deep")))
    g = Builder("outer")
    first = nested(g.input("x"), name="encoder")
    made = g.build(dense(first, name="again"))
    assert list(made.layers()) == ["encoder/deep"]
    assert [path for path, _ in made.walk()] == ["encoder", "encoder/deep", "again"]
