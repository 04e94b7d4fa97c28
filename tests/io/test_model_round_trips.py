"""Random structures there and back: graphs and Scans in each other to any depth, anything shared with anything."""

import types

import numpy as np
import pytest

from graphnet import Add, Builder, Cell, Dropout, FullyConnected, Layer, Reshape, Scan, Split
from graphnet.authoring import Subgraph
from graphnet.io import model_text, parse_model
from graphnet.plugins import PluginManager, hookimpl, using

pytestmark = pytest.mark.slow


class Blend(Layer):
    """x · scale, plus y and z where they are given."""

    scale: float = 1.0

    def apply(self, x, y=None, z=None):
        return sum((v for v in (y, z) if v is not None), x * self.scale), (y is None, z is None)

    def pull(self, left_out, error):
        return (error * self.scale, *(None if gone else error for gone in left_out))


@pytest.fixture(scope="module")
def loaded():
    module = types.ModuleType("test_plugin")
    module.graphnet_register_layers = hookimpl(lambda register: register(Blend))
    module.graphnet_register_layers.__name__ = "graphnet_register_layers"
    manager = PluginManager()
    manager.load(allow=())
    assert manager.register(module, name="tests", version="1.0").status == "loaded"
    return manager


@pytest.fixture(autouse=True)
def plugins(loaded):
    with using(loaded.copy()):
        yield


class Structure:
    """A random graph; what it computes does not matter, so shapes are left open."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.made = {kind: [] for kind in ("blend", "dense", "split", "plain", "nested", "scan")}

    def layer(self, kind, depth):
        """A new layer of a kind, or one that already stands somewhere, perhaps in another graph."""
        known = self.made[kind]
        if known and self.rng.random() < 0.35:
            return known[self.rng.integers(len(known))]
        make = {
            "blend": lambda: Blend(float(self.rng.normal())),
            "dense": lambda: FullyConnected(None, int(self.rng.integers(1, 5)), dtype=str(self.rng.choice(["float32", "float64"]))),
            "split": lambda: Split(int(self.rng.integers(2, 4))),
            "plain": lambda: [Dropout(0.25), Add(), Reshape((2, 3))][self.rng.integers(3)],
            "nested": lambda: Subgraph(self.fill(Builder(self.name()), depth - 1)),
            "scan": lambda: self.scan(depth),
        }  # fmt: skip
        made = make[kind]()
        self.made[kind].append(made)
        return made

    def name(self):
        return str(self.rng.choice(["inner", "on", "null", "a name: with #", "é"]))

    def scan(self, depth):
        cell = Cell("cell", sequences=("x", "y"), states={"h": None, "c": 3}, contexts="no")
        return Scan(
            self.fill(cell, depth - 1),
            reverse=bool(self.rng.integers(2)),
            bptt_length=[None, 4][self.rng.integers(2)],
        )

    def fill(self, builder, depth):
        """Nodes and outputs for a graph or a cell."""
        if isinstance(builder, Cell):
            values = list(builder.values.values())
        else:
            values = [builder.input("x")]
            spare = builder.input("spare", "time, batch, feature", optional=True)  # only for what may be left out
            values.append(Blend()(values[0], spare, name="with_spare"))
        kinds = ["blend", "dense", "split", "plain"] + (["nested", "scan", "scan"] if depth else [])
        outputs = {}
        for i in range(self.rng.integers(2, 6)):
            layer = self.layer(str(self.rng.choice(kinds)), depth)
            made = layer(*self.inputs(layer, values), name=f"{['n', 'yes', 'node'][i % 3]}_{i}" if i else "true")
            outputs[f"of_{i}"] = made  # or the node would be left out
            values.extend(made)
        states = {"h": values[-1], "c": values[-2]} if isinstance(builder, Cell) else {}
        return builder.build(values[self.rng.integers(len(values))], **outputs, **states)

    def inputs(self, layer, values):
        ports = layer.input_ports()
        optional = [name in ports.optional for name in ports.names]
        found = [None if o and self.rng.random() < 0.5 else values[self.rng.integers(len(values))] for o in optional]
        extra = int(self.rng.integers(3)) if ports.variadic else 0
        return found + [values[self.rng.integers(len(values))] for _ in range(extra)]


@pytest.mark.parametrize("seed", range(40))
def test_random_structure_round_trip(seed):
    graph = Structure(seed).fill(Builder("random"), depth=3)
    text = model_text(graph)
    found = parse_model(text).graph
    assert found == graph
    assert model_text(found) == text
    # Not only equal: the same layers are shared by the same paths.
    assert list(found.layers()) == list(graph.layers())
    first, second = ([id(layer) for _, layer in g.walk()] for g in (graph, found))
    assert [first.index(i) for i in first] == [second.index(i) for i in second]


def test_random_structures_cover_all_features():
    texts = [model_text(Structure(seed).fill(Builder("random"), depth=3)) for seed in range(40)]
    assert sum("shares:" in text for text in texts) > 20
    assert sum("null" in text for text in texts) > 20
    paths = [p for seed in range(40) for p, _ in Structure(seed).fill(Builder("random"), depth=3).walk()]
    assert max(path.count("/") for path in paths) >= 3
    deep = [text for text in texts if "          scan:" in text]
    assert len(deep) > 5
