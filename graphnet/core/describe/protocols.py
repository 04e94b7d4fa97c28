"""What modules below ``layer`` and ``graph`` need of layers and graphs, as protocols: imports go one way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from graphnet.core.concurrency.claims import Keys
from graphnet.core.describe.store import Store
from graphnet.core.phase import Phase


class WeightOwner(Protocol):
    """A layer, as functions on weights see it."""

    @property
    def store(self) -> Store:
        """The arrays of this layer; those of layers inside it are theirs."""

    @property
    def delta(self) -> float:
        """The factor of the learning rate."""

    @property
    def subgraph(self) -> NestedGraph | None:
        """The graph inside; None for a primitive layer."""

    @property
    def declares_weights(self) -> bool:
        """Whether the layer's class has a rule for weights."""

    @property
    def declares_buffers(self) -> bool:
        """Whether the layer's class has a rule for buffers."""


class NestedNode(Protocol):
    """A node of a graph, as functions on weights see it."""

    @property
    def layer(self) -> WeightOwner:
        """The layer that the node applies."""


class NestedGraph(Protocol):
    """A graph, as functions on weights see it."""

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the nodes, in the order in which they run."""

    @property
    def nodes(self) -> Mapping[str, NestedNode]:
        """The nodes by name."""

    def layers(self) -> Mapping[str, WeightOwner]:
        """The primitive layers that are run, each once, by path."""


class GraphValue(Protocol):
    """A value of a graph that is being built: it adds a node for each layer that is called on it."""

    def apply_layer(self, layer: Any, values: tuple[Any, ...], name: str | None) -> Any:
        """Add a node that applies ``layer`` to ``values`` and return its first output."""


class LayerRunner(Protocol):
    """What runs a layer that is used alone: a :class:`graphnet.Runner`."""

    @property
    def graph(self) -> Any:
        """The graph that is run."""

    @property
    def keys(self) -> Keys:
        """What a claim on the arrays of the graph has as its keys."""

    @property
    def trained(self) -> bool:
        """Whether any weight array has an optimizer."""

    def forward(self, inputs: Mapping[str, Any], *, phase: Phase = Phase.train) -> dict[str, Any]:
        """Return the outputs by name."""

    def backward(self, errors: Mapping[str, Any]) -> dict[str, Any]:
        """Return the errors for the inputs by name."""

    def materialize(self) -> None:
        """Create the weights."""

    def snapshot(self) -> Any:
        """Return what a later ``forward`` changes; to be restored or released."""
