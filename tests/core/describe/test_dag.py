"""The networkx DAG of a graph: order, questions, parts of a graph."""

import copy
import pickle
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

from graphnet import Add, Affine, Builder, FullyConnected, Graph, GraphError, Runner, Split, dense
from graphnet.authoring import Input, Node, Ref


def diamond():
    g = Builder("diamond")
    x, z = g.input("x", "batch, feature=4"), g.input("z", "batch, feature=4")
    left, right = Affine(2.0)(x, name="left"), Affine(3.0)(z, name="right")
    top = Add()(left, right, name="top")
    return g.build(top=top, side=Affine()(left, name="side"))


def random_graph(rng, count):
    """Nodes in any order of definition; those with a larger number read those with a smaller one, or the inputs."""
    names = [f"n{i}" for i in range(count)]
    nodes = {}
    for i in rng.permutation(count):
        sources = rng.choice([f"n{j}" for j in range(i)] + ["x", "y"], rng.integers(1, 4))
        nodes[names[i]] = Node(names[i], Add(), tuple(Ref(str(source)) for source in sources))
    return {"x": Input(), "y": Input()}, nodes


def first_in_first_out(nodes):
    """Kahn's algorithm with a queue; ties in the order of definition."""
    waiting = {n: {r.source for r in node.inputs if r.source in nodes} for n, node in nodes.items()}
    readers = {n: [m for m in nodes if n in waiting[m]] for n in nodes}
    queue = [n for n, sources in waiting.items() if not sources]
    for name in queue:
        for reader in readers[name]:
            waiting[reader].discard(name)
            if not waiting[reader]:
                queue.append(reader)
    return tuple(queue)


@pytest.mark.parametrize("seed", range(20))
def test_order_ties_follow_definition(seed):
    rng = np.random.default_rng(seed)
    inputs, nodes = random_graph(rng, int(rng.integers(1, 40)))
    graph = Graph("g", inputs, nodes, {"out": Ref(next(iter(nodes)))})
    assert graph.order == first_in_first_out(nodes)


@pytest.mark.parametrize("seed", range(10))
def test_needed_equals_ancestors_of_outputs(seed):
    rng = np.random.default_rng(seed)
    inputs, nodes = random_graph(rng, 30)
    outputs = {f"out{i}": Ref(f"n{i}") for i in rng.integers(0, 30, 3)}
    graph = Graph("g", inputs, nodes, outputs)
    sources = {ref.source for ref in outputs.values()}
    expected = sources.union(*(nx.ancestors(graph.networkx, source) for source in sources)) - {"x", "y"}
    assert graph.needed == expected
    assert set(graph.pruned(outputs).nodes) == expected


def test_networkx_copy_cannot_change_graph():
    graph = diamond()
    digraph = graph.networkx
    digraph.nodes["left"]["kind"] = "changed"
    digraph.edges["x", "left"]["arguments"] = ()
    digraph.graph["outputs"].clear()
    digraph.adj["x"]._atlas.clear()
    assert graph.networkx.nodes["left"]["kind"] == "node"
    assert graph.networkx.edges["x", "left"]["arguments"] == ((None, 0),)
    assert graph.networkx.graph["outputs"] == graph.outputs
    assert list(graph.networkx.successors("x")) == ["left"]
    with pytest.raises(nx.NetworkXError, match="Frozen"):
        digraph.remove_node("left")


def test_generations_count_from_the_inputs():
    assert diamond().generations == (("x", "z"), ("left", "right"), ("side", "top"))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))])
def test_copies_of_a_graph_have_its_dag(copied):
    graph = diamond()
    again = copied(graph)
    assert again == graph
    assert nx.utils.graphs_equal(nx.DiGraph(again.networkx.edges), nx.DiGraph(graph.networkx.edges))


def test_pruned_keeps_what_outputs_need():
    graph = diamond()
    pruned = graph.pruned("side")
    assert (list(pruned.inputs), list(pruned.nodes), list(pruned.outputs)) == (["x"], ["left", "side"], ["side"])
    assert pruned.nodes["left"].layer is graph.nodes["left"].layer
    assert list(graph.pruned(["top", "right"]).outputs) == ["top", "right"]
    assert graph.pruned(["top", "side"]) == graph


def test_pruned_reads_ports():
    g = Builder("ports")
    Split(2)(g.input("x", "batch, feature=4"), name="halves")
    graph = g.build(dense(Split(2)(g.input("y", "batch, feature=4"), name="parts")["part_1"], 3, name="scores"))
    pruned = graph.pruned("parts.part_1")
    assert pruned.outputs == {"parts_part_1": Ref("parts", "part_1")}
    assert Runner(pruned).forward({"y": np.arange(4.0)[None]})["parts_part_1"].tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("sidde", r"graph 'diamond': unknown output or node 'sidde'; .*Did you mean 'side'"),
        ("side.second", r"node 'side' has no output 'second'"),
        ([], "the graph has no output"),
    ],
)
def test_pruned_refuses_unknown_outputs(outputs, message):
    with pytest.raises(GraphError, match=message):
        diamond().pruned(outputs)


def test_between_computes_the_part_alone():
    graph = diamond()
    part = graph.between("x", "top")
    assert (list(part.inputs), list(part.nodes), list(part.outputs)) == (["x", "right"], ["left", "top"], ["top"])
    assert part.inputs["x"] == graph.inputs["x"]
    values = {"x": np.ones((2, 4)), "z": np.full((2, 4), 5.0)}
    whole = Runner(graph).forward(values)["top"]
    assert np.array_equal(Runner(part).forward({"x": values["x"], "right": 3.0 * values["z"]})["top"], whole)


def test_between_names_read_ports():
    g = Builder("ports")
    first, second = Split(2)(g.input("x", "batch, feature=4"), name="parts")
    joined = Add()(Affine()(first, name="left"), second, name="joined")
    part = g.build(joined).between("left", "joined")
    assert list(part.inputs) == ["parts", "parts_part_1"]
    assert part.nodes["left"].inputs == (Ref("parts"),)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("lefft", "top", r"unknown input or node 'lefft'.*Did you mean 'left'"),
        ("left", "topp", r"unknown node 'topp'.*Did you mean 'top'"),
        ("left", "x", r"unknown node 'x'"),
        ("right", "side", r"nothing lies between 'right' and 'side'; expected a path from 'right' to 'side'$"),
        ("top", "left", r"nothing lies between 'top' and 'left'; .*The path is from 'left' to 'top': exchange them"),
    ],
)
def test_between_refuses_names_without_path(start, end, message):
    with pytest.raises(GraphError, match=message):
        diamond().between(start, end)


def test_networkx_is_imported_with_first_graph():
    program = (
        "import sys, graphnet; a = 'networkx' in sys.modules; g = graphnet.Builder();"
        "g.build(g.input('x') * 2.0); print(a, 'networkx' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["False", "True"]


def test_many_nodes_are_named_in_linear_time():
    g = Builder()
    value = g.input("x")
    for _ in range(3000):
        value = FullyConnected(2, 2)(value)
    assert value.ref.source == "fully_connected_3000"
    assert len(g.build(value).nodes) == 3000
