"""A list of layers as segments: consecutive graph layers share one Runner, any other layer runs by its own methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from graphnet.core.concurrency.claims import Keys
from graphnet.core.describe import deltas, optimizer_step, weights
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.stateful import Stateful
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner


def runs_in_graph(layer: Any, layers: Sequence[Any] = ()) -> bool:
    """Whether a layer is defined by its rules only: it does not override ``forward`` or ``backward``, and has no state.

    A graphnet layer that can keep a state, but does not at present, and occurs in the list more than once also runs in
    a graph: its own ``backward`` would cover only its last use.
    """
    can_keep_state = getattr(layer, "stateful_protocol", False)
    if can_keep_state and isinstance(layer, Layer) and sum(other is layer for other in layers) > 1:
        return not getattr(layer, "memory", False)
    return (
        isinstance(layer, Layer)
        and not getattr(layer, "stateful_protocol", False)
        and type(layer).forward is Stateful.forward
        and type(layer).backward is Stateful.backward
        and not {"forward", "backward"} & vars(layer).keys()
    )


def chain_graph(layers: Sequence[Layer]) -> Graph:
    """The graph in which each layer reads the first output of the layer before it.

    Examples
    --------
    >>> from graphnet import Dropout, FullyConnected
    >>> chain_graph([FullyConnected(3, 4), Dropout(0.5)])
    Graph('network': x -> 2 nodes -> output)
    """
    builder = Builder("network")
    value = builder.input("x", integer=0 in layers[0].integer_inputs)
    for layer in layers:
        value = builder.add(layer, value)
    return builder.build(value)


class ForwardSnapshot(Protocol):
    """What a later ``forward`` may change; to be restored or, if it is not needed, released."""

    def restore(self) -> None:
        """Undo the changes."""

    def release(self) -> None:
        """Keep the changes."""


class GraphSegment:
    """Consecutive layers in one phase that run as one graph."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self.phase: Phase = layers[0].phase
        self._runner = Runner(chain_graph(self.layers))

    def forward(self, x: Any, *, keep: bool, input_errors: bool) -> Array:
        """The output; a copy, which the caller may write to."""
        output = self._runner.forward({"x": x}, phase=self.phase, keep=keep, input_errors=input_errors)["output"]
        return np.array(output)

    def snapshot(self) -> ForwardSnapshot:
        """What a later ``forward`` may change."""
        return self._runner.snapshot()

    @property
    def keys(self) -> Keys:
        """The keys of a claim on the arrays of these layers."""
        return self._runner.keys

    def backward(self, error: Any) -> Array | None:
        """The error for the input; sets the gradients of the parameters."""
        return self._runner.backward({"output": error})["x"]

    def parameters(self) -> Iterator[Parameter]:
        """All parameters."""
        return iter(self._runner.parameters.values())


class LayerSegment:
    """One layer that runs by its own ``forward`` and ``backward``, which also updates its weights."""

    def __init__(self, layer: Any) -> None:
        self.layers = (layer,)

    def forward(self, x: Any, *, keep: bool, input_errors: bool) -> Any:
        """The output of the layer."""
        return self.layers[0].forward(x)

    @property
    def keys(self) -> Keys:
        """The keys of a claim on the arrays of the layer."""
        layer = self.layers[0]
        owners = weights.owners(layer).values() if isinstance(layer, Layer) else ()
        return weights.keys(owners, layer)

    def snapshot(self) -> ForwardSnapshot:
        """What a later ``forward`` may change; nothing for a layer that is not a graphnet layer."""
        layer = self.layers[0]
        return layer.pass_snapshot() if isinstance(layer, Layer) else SnapshotList(())

    def backward(self, error: Any) -> Any:
        """The error for the input of the layer."""
        return self.layers[0].backward(error)

    def parameters(self) -> Iterator[Parameter]:
        """None: the layer updates its weights itself."""
        return iter(())


class SnapshotList:
    """Several snapshots as one."""

    def __init__(self, snapshots: Iterable[ForwardSnapshot]) -> None:
        self._snapshots = tuple(snapshots)

    def restore(self) -> None:
        """Restore all."""
        for snapshot in self._snapshots:
            snapshot.restore()

    def release(self) -> None:
        """Release all."""
        for snapshot in self._snapshots:
            snapshot.release()


class Chain:
    """The segments of a list of layers, with one update for all of them.

    Parameters
    ----------
    layers : sequence of layers
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = tuple(layers)  # referenced here, so that their ids are not reused
        self.segments = list(_segments(layers))
        #: The keys of a claim on the arrays of all layers.
        self.keys: Keys = frozenset().union(*(segment.keys for segment in self.segments))

    def forward(self, x: Any, *, keep: bool = True) -> Any:
        """The output of the last layer; with ``keep``, values for ``backward`` are saved."""
        for i, segment in enumerate(self.segments):
            x = segment.forward(x, keep=keep, input_errors=i > 0)
        return x

    def snapshot(self) -> ForwardSnapshot:
        """What a later ``forward`` may change."""
        return SnapshotList(segment.snapshot() for segment in self.segments)

    def backward(self, error: Any) -> None:
        """Compute all gradients, then make one optimizer step; after an error no weights of graph layers change."""
        gradients: dict[int, Array | None] = {}
        for segment in reversed(self.segments):
            error = segment.backward(error)
            for parameter in segment.parameters():
                total = _add(gradients.get(id(parameter)), parameter.gradient)
                gradients[id(parameter)] = parameter.gradient = total
        optimizer_step.step(update for layer in self._graph_layers() for update in deltas.pending(layer))

    def _graph_layers(self) -> list[Layer]:
        """Each layer of the graph segments, once."""
        segments = [segment for segment in self.segments if isinstance(segment, GraphSegment)]
        return list({id(layer): layer for segment in segments for layer in segment.layers}.values())


def chain_key(layers: Sequence[Any]) -> tuple[Any, ...]:
    """What a chain depends on: the layers, their phases, and whether they run in a graph."""
    in_graph = [runs_in_graph(layer, layers) for layer in layers]
    return tuple(
        (id(layer), layer.phase if inside else None, inside) for layer, inside in zip(layers, in_graph, strict=True)
    )


def _segments(layers: Sequence[Any]) -> Iterator[GraphSegment | LayerSegment]:
    pending: list[Layer] = []
    for layer in layers:
        if pending and not (runs_in_graph(layer, layers) and layer.phase is pending[0].phase):
            yield GraphSegment(pending)
            pending = []
        if runs_in_graph(layer, layers):
            pending.append(layer)
        else:
            yield LayerSegment(layer)
    if pending:
        yield GraphSegment(pending)


def _add(total: Array | None, gradient: Array | None) -> Array | None:
    """The sum of the gradients of weights that occur in several segments."""
    if total is None or gradient is None:
        return gradient
    return total + gradient
