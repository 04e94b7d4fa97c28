"""A list of layers as a chain: runs of graph layers in one Runner each, and everything else by its own protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphnet.core.concurrency.claims import Keys
from graphnet.core.describe import deltas, optimizer_step, weights
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.stateful import Stateful
from graphnet.core.describe.undo import Undo
from graphnet.core.phase import Phase
from graphnet.core.run.forward_backward import PassSnapshot
from graphnet.core.run.runner import Runner


def in_graph(layer: Any, layers: Sequence[Any] = ()) -> bool:
    """Whether a layer's rules are all there is to it: no ``forward`` or ``backward`` of its own, no state kept.

    A layer of graphnet's that could keep a state, keeps none now, and stands in the list more than once counts too:
    its own ``backward`` would know only its last place.
    """
    keeps = getattr(layer, "stateful_protocol", False)
    if keeps and isinstance(layer, Layer) and sum(other is layer for other in layers) > 1:
        return not getattr(layer, "memory", False)
    return (
        isinstance(layer, Layer)
        and not getattr(layer, "stateful_protocol", False)
        and type(layer).forward is Stateful.forward
        and type(layer).backward is Stateful.backward
        and not {"forward", "backward"} & vars(layer).keys()
    )


def chain_graph(layers: Sequence[Layer]) -> Graph:
    """The graph in which each layer reads the first output of the one before.

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


class Segment:
    """Neighbouring layers in one phase that run as one graph."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self.phase: Phase = layers[0].phase
        self._runner = Runner(chain_graph(self.layers))

    def forward(self, x: Any, *, keep: bool, input_errors: bool) -> Array:
        """The output: a copy, because whoever reads it may write to it."""
        output = self._runner.forward({"x": x}, phase=self.phase, keep=keep, input_errors=input_errors)["output"]
        return np.array(output)

    def remember(self) -> PassSnapshot:
        """Hold what a later ``forward`` changes."""
        return self._runner.remember()

    @property
    def keys(self) -> Keys:
        """What a claim on the arrays of these layers has as its keys."""
        return self._runner.keys

    def backward(self, error: Any) -> Array | None:
        """The error for the input; the gradients are the parameters' then."""
        return self._runner.backward({"output": error})["x"]

    def parameters(self) -> Iterator[Parameter]:
        """Every weight array."""
        return iter(self._runner.parameters.values())


class Own:
    """A layer that runs by its own ``forward`` and ``backward``, which also updates its weights."""

    def __init__(self, layer: Any) -> None:
        self.layers = (layer,)

    def forward(self, x: Any, *, keep: bool, input_errors: bool) -> Any:
        """The layer's output."""
        return self.layers[0].forward(x)

    @property
    def keys(self) -> Keys:
        """What a claim on the arrays of the layer has as its keys."""
        layer = self.layers[0]
        inside = weights.owners(layer).values() if isinstance(layer, Layer) else ()
        return weights.keys(inside, layer)

    def remember(self) -> Undo:
        """Hold what a later ``forward`` changes; of layers that are not graphnet's, nothing."""
        layer = self.layers[0]
        if not isinstance(layer, Layer):
            return Undo()
        return layer.remember()

    def backward(self, error: Any) -> Any:
        """The layer's error."""
        return self.layers[0].backward(error)

    def parameters(self) -> Iterator[Parameter]:
        """None: the layer sees to its weights itself."""
        return iter(())


class Chain:
    """The segments of a list of layers, and one update for all of them.

    Parameters
    ----------
    layers : sequence of layers
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = tuple(layers)  # held, so that no other object can get the id of one of them
        self.segments = list(_segments(layers))
        #: What a claim on the arrays of all layers has as its keys.
        self.keys: Keys = frozenset().union(*(segment.keys for segment in self.segments))

    def forward(self, x: Any, *, keep: bool = True) -> Any:
        """The output of the last layer; with ``keep``, what ``backward`` needs is kept."""
        for i, segment in enumerate(self.segments):
            x = segment.forward(x, keep=keep, input_errors=i > 0)
        return x

    def remember(self) -> Undo:
        """Hold what a later ``forward`` changes."""
        held = [segment.remember() for segment in self.segments]

        def restore() -> None:
            for each in held:
                each()

        def release() -> None:
            for each in held:
                each.release()

        return Undo(restore, release)

    def backward(self, error: Any) -> None:
        """Every gradient, then one step of every optimizer: all weights of graph layers change, or none."""
        gradients: dict[int, Array | None] = {}
        for segment in reversed(self.segments):
            error = segment.backward(error)
            for parameter in segment.parameters():
                before = gradients.get(id(parameter))
                gradients[id(parameter)] = parameter.gradient = _sum(before, parameter.gradient)
        optimizer_step.step(update for layer in self._graph_layers() for update in deltas.pending(layer))

    def _graph_layers(self) -> list[Layer]:
        """Each layer of a segment, once."""
        return list({id(la): la for s in self.segments if isinstance(s, Segment) for la in s.layers}.values())


def chain_key(layers: Sequence[Any]) -> tuple[Any, ...]:
    """What a chain depends on: the layers, their phases, and whether they run in a graph."""
    inside = [in_graph(layer, layers) for layer in layers]
    return tuple((id(la), la.phase if there else None, there) for la, there in zip(layers, inside, strict=True))


def _segments(layers: Sequence[Any]) -> Iterator[Segment | Own]:
    waiting: list[Layer] = []
    for layer in layers:
        if waiting and not (in_graph(layer, layers) and layer.phase is waiting[0].phase):
            yield Segment(waiting)
            waiting = []
        if in_graph(layer, layers):
            waiting.append(layer)
        else:
            yield Own(layer)
    if waiting:
        yield Segment(waiting)


def _sum(before: Array | None, gradient: Array | None) -> Array | None:
    """The gradient of weights that stand in several segments."""
    if before is None or gradient is None:
        return gradient
    return before + gradient
