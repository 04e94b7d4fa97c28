"""Constructing graphs and layers from the tree of a model file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from graphnet.core.describe.composite import Composite, Subgraph
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphError, GraphnetError, RuleError, unknown
from graphnet.core.run.runner import Runner
from graphnet.io.objects import construct
from graphnet.io.tree import Item, Place
from graphnet.plugins import Registry

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig

TOP = ("format", "name", "plugins", "inputs", "nodes", "outputs", "training")
GRAPH = ("name", "inputs", "nodes", "outputs")
ROLES = ("sequences", "states", "contexts")
WHAT = ("layer", "shares", "graph", "scan")


class Reader:
    """Reads one file; holds the layers and places read so far, by node path."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.layers: dict[str, Layer] = {}
        self.places: dict[str, Place] = {}

    # ------------------------------------------------------------------ graphs
    def graph(self, item: Item, name: str, path: str, keys: tuple[str, ...] = (), roles: bool = False) -> Graph:
        """Construct a graph, or with ``roles`` a cell, from the mapping that describes it."""
        parts = item.mapping((*TOP, *keys) if not path else (*GRAPH, *keys), required=("inputs", "nodes", "outputs"))
        name = parts["name"].text("a name") if "name" in parts else name
        inputs = {n: self.input(i) for n, i in parts["inputs"].mapping().items()}
        nodes = {n: self.node(n, i, f"{path}{n}") for n, i in parts["nodes"].mapping().items()}
        outputs = {n: Ref.parse(i.text("node or node.port")) for n, i in parts["outputs"].mapping().items()}
        try:
            if not roles:
                return Graph(name, inputs, nodes, outputs)
            named = {role: tuple(parts[role].texts()) if role in parts else () for role in ROLES}
            return CellGraph(name, inputs, nodes, outputs, **named)
        except GraphnetError as error:
            raise error.at(str(item.find(error.key_path).place)) from None

    def input(self, item: Item) -> Input:
        """Read an input: ``time, batch, feature=12``, or a mapping with further keys."""
        if item.value is None:
            return Input()
        if isinstance(item.value, str):
            return Input(self.shape(item))
        parts = item.mapping(("shape", "optional", "integer"))
        flags = {}
        for flag in ("optional", "integer"):
            if flag in parts:
                if not isinstance(parts[flag].value, bool):
                    raise parts[flag].wrong("true or false")
                flags[flag] = parts[flag].value
        return Input(self.shape(parts["shape"]) if "shape" in parts else None, **flags)

    @staticmethod
    def shape(item: Item) -> Shape:
        try:
            return Shape.parse(item.text("axes, such as 'time, batch, feature=12'"))
        except GraphnetError as error:
            raise error.at(str(item.place)) from None

    # ------------------------------------------------------------------ nodes
    def node(self, name: str, item: Item, path: str) -> Node:
        parts = item.mapping((*WHAT, "with", "trainable", "inputs"), required=("inputs",))
        what = [key for key in WHAT if key in parts]
        if len(what) != 1:
            raise ConfigError(
                "a node must have exactly one of several keys",
                where=str(item.place),
                expected="exactly one of " + ", ".join(WHAT),
                received=", ".join(what) or "none of them",
            )
        if "with" in parts and what != ["layer"]:
            raise ConfigError("'with' configures a layer", where=str(parts["with"].place), received=what[0])
        if "trainable" in parts and what[0] not in ("graph", "scan"):
            place = str(parts["trainable"].place)
            raise ConfigError("'trainable' of a layer belongs into 'with'", where=place, received=what[0])
        self.places[path] = item.place
        layer = self.layer(what[0], parts, name, path)
        if "trainable" in parts:
            if not isinstance(parts["trainable"].value, bool):
                raise parts["trainable"].wrong("true or false")
            layer.trainable = parts["trainable"].value
        self.remember(layer, path, item.place)
        return Node(name, layer, self.references(parts["inputs"], layer))

    def layer(self, what: str, parts: dict[str, Item], name: str, path: str) -> Layer:
        item = parts[what]
        if what == "layer":
            return self.registered(item, parts.get("with") or Item(None, item.place), path)
        if what == "graph":
            return Subgraph(self.graph(item, name, f"{path}/"))
        if what == "scan":
            return self.scan(item, name, path)
        shared = self.layers.get(item.text("the path of a node"))
        if shared is None:
            raise unknown(
                "node",
                item.value,
                self.layers,
                where=str(item.place),
                problem=f"shares the layer of {item.value!r}, which is not defined above",
                expected="the path of a node above",
                error=GraphError,
            )
        return shared

    def registered(self, item: Item, config: Item, path: str) -> Layer:
        try:
            entry = self.registry.get("layers", item.text("the name of a layer"))
        except GraphnetError as error:
            raise error.at(str(item.place)) from None
        if entry.object in (Scan, Subgraph, Composite):
            raise item.wrong("a layer that a file can configure")

        def cell(part: Item) -> CellGraph:
            field = part.place.path.rpartition(".with.")[2]
            name = re.sub(r"\W+", "_", field).strip("_")
            graph = self.graph(part, name, f"{path}/{name}/", ROLES, roles=True)
            assert isinstance(graph, CellGraph)
            return graph

        layer = construct(config, entry.object, self.registry, f"layer {entry.name}", cell)
        if not isinstance(layer, Layer):
            raise RuleError("the class did not return a layer", where=str(item.place), received=repr(layer))
        return layer

    def scan(self, item: Item, name: str, path: str) -> Scan:
        parts = item.mapping(("cell", "reverse", "bptt_length"), required=("cell",))
        cell = self.graph(parts["cell"], name, f"{path}/", ROLES, roles=True)
        options: dict[str, Any] = {key: parts[key].value for key in ("reverse", "bptt_length") if key in parts}
        if not isinstance(options.get("reverse", False), bool):
            raise parts["reverse"].wrong("true or false")
        try:
            return Scan(cell, **options)  # type: ignore[arg-type]
        except GraphnetError as error:
            raise error.at(str(parts.get("bptt_length", item).place)) from None

    def remember(self, layer: Layer, path: str, place: Place) -> None:
        """Record a layer, and the layers inside it, so that later nodes can share them."""
        self.layers[path] = layer
        inner = subgraph(layer)
        if inner is not None:
            for inner_path, inner_layer in inner.walk(f"{path}/"):
                self.layers.setdefault(inner_path, inner_layer)
                self.places.setdefault(inner_path, place)

    def references(self, item: Item, layer: Layer) -> tuple[Ref | None, ...]:
        """Read the inputs of a node: one reference, a list in order, or a mapping by port."""
        if not isinstance(item.value, dict):
            return tuple(self.reference(part) for part in item.items())
        ports = layer.input_ports().names
        refs = item.mapping(ports)
        last = max((ports.index(name) for name in refs), default=-1)
        return tuple(self.reference(refs[name]) if name in refs else None for name in ports[: last + 1])

    @staticmethod
    def reference(item: Item) -> Ref | None:
        return None if item.value is None else Ref.parse(item.text("node or node.port"))

    # ------------------------------------------------------------------ the rest
    def check_shapes(self, graph: Graph) -> Runner:
        """Compile the graph, and return its runner; an error has the place of the node that it is about.

        Raises
        ------
        GraphnetError
        """
        try:
            return Runner(graph)
        except GraphnetError as error:
            path = error.subject or ""
            while path and path not in self.places:
                path = path.rpartition("/")[0]
            raise (error.at(str(self.places[path])) if path else error) from None
        except Exception as error:  # a rule of any layer
            raise RuleError(
                f"a layer's rule failed: {type(error).__name__}: {error}", where=f"graph {graph.name!r}"
            ) from error

    def training(self, item: Item | None, graph: Graph) -> TrainingConfig | None:
        if item is None:
            return None
        if isinstance(item.value, dict) and "loss" in item.value:
            self.check_loss(item.value["loss"], graph)
        from graphnet.training.config import TrainingConfig

        config: TrainingConfig = construct(item, TrainingConfig, self.registry, "training")
        return config

    def is_loss(self, name: str) -> bool:
        try:
            return self.registry.get("losses", name) is not None
        except GraphnetError:
            return False

    def check_loss(self, item: Item, graph: Graph) -> None:
        """Check the keys of a mapping, which are outputs of the graph; or a single one, which can be that of a loss.

        Raises
        ------
        ConfigError
        """
        keys = item.value if isinstance(item.value, dict) else {}
        losses = [entry.name for entry in self.registry.entries("losses")]
        for key, value in keys.items():
            if key in graph.outputs or (len(keys) == 1 and self.is_loss(key)):
                continue
            known = [*graph.outputs, *sorted(losses)] if len(keys) == 1 else list(graph.outputs)
            what = "output or loss" if len(keys) == 1 else "output"
            remedy = (
                f"A loss with settings is one mapping in another: {{{key}: {{field: value}}}}."
                if self.is_loss(key)
                else None
            )
            raise unknown(what, key, known, where=str(value.place), remedy=remedy, error=ConfigError)
