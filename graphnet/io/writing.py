"""Writing graphs as model files; equal graphs give equal text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml

from graphnet.core.arguments import explained
from graphnet.core.describe.composite import Subgraph
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.graph_argument import require_graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.errors import GraphError, GraphnetError
from graphnet.io import atomic, requirements
from graphnet.io.model_file import FORMAT
from graphnet.io.objects import written
from graphnet.io.reading import ROLES
from graphnet.io.yaml_events import Block, Flow, events
from graphnet.plugins import Entry, manager
from graphnet.training.config import require_config

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig


@explained
def write_model(path: str | os.PathLike[str], graph: Graph, training: TrainingConfig | None = None) -> None:
    """Write a model file atomically.

    Raises
    ------
    PluginError
        If a layer's class is not registered.
    GraphError
        If layers are shared in a way that a file cannot represent.
    FileError
        If the file cannot be written.
    """
    atomic.write(path, model_text(graph, training).encode("utf-8"))


def model_text(graph: Graph, training: TrainingConfig | None = None) -> str:
    """Return the text of a model file, from which ``parse_model`` reads an equal graph and configuration."""
    graph, training = (
        require_graph(graph, "write_model"),
        None if training is None else require_config(training, "write_model"),
    )
    writer = _Writer()
    body = writer.graph(graph, "")
    more = {} if training is None else {"training": writer.training(training)}
    plugins = Flow(requirements.of(writer.used))
    whole = {"format": FORMAT, "name": graph.name, "plugins": plugins, **body, **more}
    return yaml.emit(events(whole), allow_unicode=True, width=110)


def unsavable(graph: Graph, training: TrainingConfig) -> list[GraphnetError]:
    """Why a file cannot represent a model: an error for each node and each setting with such a reason."""
    finder = _Finder()
    finder.graph(graph, "")
    finder.training(training)
    return finder.found


def _holds_cells(value: Any) -> bool:
    """Whether the value of a field is a cell, or several."""
    return isinstance(value, CellGraph) or (
        isinstance(value, tuple) and bool(value) and all(isinstance(part, CellGraph) for part in value)
    )


def _frozen(layer: Layer) -> dict[str, Any]:
    """The key of a nested graph or Scan whose weights are frozen."""
    return {"trainable": False} if layer.config().get("trainable") is False else {}


class _Writer:
    """Writes one file; holds the first path of each layer, and the registry entries that are used."""

    def __init__(self) -> None:
        self.registry = manager().registry
        self.used: list[Entry] = []
        self.first: dict[int, str] = {}

    def graph(self, graph: Graph, path: str) -> dict[str, Any]:
        return {
            "inputs": {name: self.input(declared) for name, declared in graph.inputs.items()},
            "nodes": {name: self.node(node, f"{path}{name}") for name, node in graph.nodes.items()},
            "outputs": {name: str(ref) for name, ref in graph.outputs.items()},
        }

    @staticmethod
    def input(declared: Input) -> Any:
        shape = None if declared.shape is None else str(declared.shape)[1:-1]
        flags = {flag: True for flag in ("optional", "integer") if getattr(declared, flag)}
        if not flags:
            return shape
        return Flow({**({} if shape is None else {"shape": shape}), **flags})

    def node(self, node: Node, path: str) -> dict[str, Any]:
        refs = [None if ref is None else str(ref) for ref in node.inputs]
        inputs = refs[0] if len(refs) == 1 else refs
        return {**self.layer(node.layer, node.name, path), "inputs": inputs}

    def layer(self, layer: Layer, name: str, path: str) -> dict[str, Any]:
        if id(layer) in self.first:
            return {"shares": self.first[id(layer)]}
        self.first[id(layer)] = path
        if isinstance(layer, Scan):
            return {"scan": self.scan(layer, name, path), **_frozen(layer)}
        if isinstance(layer, Subgraph):
            return {"graph": self.nested(layer.graph, name, path), **_frozen(layer)}
        entry = self.registry.entry_of(type(layer))
        self.used.append(entry)
        values = layer.config()
        config = {field: self.value(value, f"{path}/{field}") for field, value in values.items()}
        self.inner(layer, path)
        flow = config if any(map(_holds_cells, values.values())) else Flow(config)
        return {"layer": self.registry.short_name(entry), **({"with": flow} if config else {})}

    def value(self, value: Any, path: str) -> Any:
        """Write one field of a layer; cells are written as in a Scan."""
        if isinstance(value, CellGraph):
            return self.cell(value, path.rpartition("/")[2], path)
        if _holds_cells(value):
            return Block(self.value(part, f"{path}_{i}") for i, part in enumerate(value))
        return written(value, self.registry, self.used)

    def inner(self, layer: Layer, path: str) -> None:
        """Record the layers inside a composite, which later nodes can share.

        Raises
        ------
        GraphError
            If one of them has been written before.
        """
        inner = subgraph(layer)
        if inner is None:
            return
        for inner_path, inner_layer in inner.walk(f"{path}/"):
            if not self.first.setdefault(id(inner_layer), inner_path).startswith(f"{path}/"):
                raise GraphError(
                    "a composite layer shares a layer that is written before it, which a file cannot represent",
                    where=inner_path,
                    received=f"the layer of {self.first[id(inner_layer)]}",
                    remedy="Write the composite as a nested graph.",
                )

    def nested(self, graph: Graph, name: str, path: str) -> dict[str, Any]:
        return {**({} if graph.name == name else {"name": graph.name}), **self.graph(graph, f"{path}/")}

    def scan(self, scan: Scan, name: str, path: str) -> dict[str, Any]:
        options = {key: getattr(scan, key) for key in ("reverse", "bptt_length") if getattr(scan, key)}
        return {"cell": self.cell(scan.cell, name, path), **options}

    def cell(self, cell: CellGraph, name: str, path: str) -> dict[str, Any]:
        roles = {role: list(getattr(cell, role)) for role in ROLES if getattr(cell, role)}
        named = {} if cell.name == name else {"name": cell.name}
        return {**named, **roles, **self.graph(cell, f"{path}/")}

    def training(self, config: TrainingConfig) -> dict[str, Any]:
        plain = {name: written(value, self.registry, self.used) for name, value in config.config().items()}
        return {name: self.line(value) for name, value in plain.items()}

    @staticmethod
    def line(value: Any) -> Any:
        return Flow(value) if isinstance(value, dict) else value


class _Finder(_Writer):
    """Goes over a graph and a configuration as a writer does, and collects what cannot be written."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[GraphnetError] = []

    def layer(self, layer: Layer, name: str, path: str) -> dict[str, Any]:
        try:
            return super().layer(layer, name, path)
        except Exception as error:  # of a layer's own class
            self.found.append(_explained(error).at(f"node {path!r}").about(path))
            return {}

    def training(self, config: TrainingConfig) -> dict[str, Any]:
        for name, value in config.config().items():
            try:
                written(value, self.registry, self.used)
            except Exception as error:
                self.found.append(_explained(error).at(f"setting {name!r}"))
        return {}


def _explained(error: Exception) -> GraphnetError:
    if isinstance(error, GraphnetError):
        return error
    return GraphError(f"cannot be written to a file: {type(error).__name__}: {error}")
