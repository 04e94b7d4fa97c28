"""The checks of a graph under construction: names, references, numbers of inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.errors import GraphError, unknown

#: Graphs inside each other.
MAX_DEPTH = 128
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class GraphChecks:
    """The inputs, nodes and outputs of one graph, and the checks of them.

    Parameters
    ----------
    where : str
        The place that errors name.
    """

    def __init__(
        self, where: str, inputs: Mapping[str, Input], nodes: Mapping[str, Node], outputs: Mapping[str, Ref]
    ) -> None:
        self.where, self.inputs, self.nodes, self.outputs = where, inputs, nodes, outputs

    def check_names(self) -> None:
        """Raise a GraphError for a name that is not an identifier or is used twice, and for a graph without output."""
        for kind, names in (("inputs", self.inputs), ("nodes", self.nodes), ("outputs", self.outputs)):
            for name in names:
                if not isinstance(name, str) or not NAME.match(name):
                    raise GraphError(
                        "not a name",
                        where=self.where,
                        expected="letters, digits and _, not a digit first",
                        received=repr(name),
                        key_path=(kind, name),
                    )
        for name in self.inputs.keys() & self.nodes.keys():
            raise GraphError(
                "name used for an input and for a node",
                where=self.where,
                received=repr(name),
                key_path=("nodes", name),
            )
        if not self.outputs:
            raise GraphError("the graph has no output", where=self.where, expected="at least one named output")

    def checked_depth(self, inner: list[int]) -> int:
        """Return the number of graphs inside each other, of which the nodes' layers have ``inner``.

        Raises
        ------
        GraphError
            If there are more than ``MAX_DEPTH``: functions that visit nested graphs call themselves for each level.
        """
        depth = 1 + max(inner, default=0)
        if depth > MAX_DEPTH:
            raise GraphError(
                "graphs are nested too deeply",
                where=self.where,
                expected=f"at most {MAX_DEPTH} inside each other",
                received=depth,
                remedy="Put the nodes of some of them into one graph.",
            )
        return depth

    def check_axes(self) -> None:
        """Raise a ShapeError for an input that is declared with two axes of one name."""
        for name, declared in self.inputs.items():
            if declared.shape is not None:
                declared.shape.check_distinct(f"{self.where}, input {name!r}")

    def checked_nodes(self) -> dict[str, Node]:
        """Return the nodes, after checking that their inputs exist and that their layers take as many."""
        return {name: self._checked(name, node) for name, node in self.nodes.items()}

    def checked_outputs(self) -> dict[str, Ref]:
        """Return the outputs, after checking that they exist."""
        return {name: self._resolved(ref, "outputs", name) for name, ref in self.outputs.items()}

    def _place(self, kind: str, name: str) -> str:
        return f"{self.where}, {kind[:-1]} {name!r}"

    def _checked(self, name: str, node: Node) -> Node:
        ports = node.layer.input_ports()
        if not ports.accepts(len(node.inputs)):
            raise GraphError(
                f"wrong number of inputs for {type(node.layer).__name__}",
                where=self._place("nodes", name),
                expected=str(ports),
                received=", ".join(map(str, node.inputs)) or "none",
                key_path=("nodes", name),
            )
        for i, ref in enumerate(node.inputs):
            if ref is None and (i >= len(ports.names) or ports.names[i] not in ports.optional):
                raise GraphError(
                    "an input is missing",
                    where=self._place("nodes", name),
                    expected=ports.names[min(i, len(ports.names) - 1)],
                    received="nothing",
                    key_path=("nodes", name),
                )
        refs = tuple([None if ref is None else self._resolved(ref, "nodes", name) for ref in node.inputs])
        return node if refs == node.inputs else Node(node.name, node.layer, refs)

    def _resolved(self, ref: Ref, kind: str, name: str) -> Ref:
        """Return ``ref``, after checking that it names something; without its port where that is the first one."""
        if ref.source in self.nodes:
            if ref.port is None:
                return ref
            ports = self.nodes[ref.source].layer.output_ports()
            if ref.port not in ports:
                raise unknown(
                    "output",
                    ref.port,
                    ports,
                    where=self._place(kind, name),
                    problem=f"node {ref.source!r} has no output {ref.port!r}",
                    key_path=(kind, name),
                    error=GraphError,
                )
            return Ref(ref.source) if ref.port == ports[0] else ref
        if ref.source not in self.inputs or ref.port is not None:
            raise unknown(
                "node",
                ref.source,
                [*self.inputs, *self.nodes],
                where=self._place(kind, name),
                problem=f"reads {str(ref)!r}, which does not exist",
                key_path=(kind, name),
                error=GraphError,
            )
        return ref
