"""A list of layers as a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.compile import infer
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.composite import Subgraph
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError
from graphnet.core.run.runner import Runner

#: The axes of an input that is not declared are the first of these that the layers accept.
_LIKELY_AXES = ("batch, feature", "time, batch", "time, batch, feature")


@explained
def Sequential(
    *layers: Layer | Graph | Iterable[Layer | Graph] | Mapping[str, Layer | Graph],
    shape: str | Shape | None = None,
    name: str = "sequential",
) -> Graph:
    """Return the graph in which each layer reads the first output of the layer before it.

    The result is an ordinary :class:`~graphnet.Graph` with the input ``x`` and the output ``output``: for ``Model``,
    ``Runner`` and model files, or as a layer of another ``Sequential``. For several inputs or branches use ``Builder``.

    Parameters
    ----------
    *layers : Layer or Graph
        In order; or one iterable of them; or one mapping, whose keys are the names of the nodes. Other nodes are named
        after the class of their layer. A layer that occurs twice has one set of weights.
    shape : str or Shape, optional
        The axes of the input, with the sizes that are known: ``"batch, feature=4"``. By default axes are declared only
        for layers that need a sequence: ``(time, batch, feature)``, or ``(time, batch)`` before an Embedding.
    name : str
        The name of the graph.

    Raises
    ------
    ConfigError
        If there is no layer, or an item is not a layer.
    GraphError
        If a layer needs more than one input.
    ShapeError
        If ``shape`` is not a list of distinct axes.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Dropout, FullyConnected, Model, Sequential
    >>> graph = Sequential(FullyConnected(4, 8), Dropout(0.5), FullyConnected(8, 3), shape="batch, feature=4")
    >>> graph
    Graph('sequential': x -> 3 nodes -> output)
    >>> Model(graph).predict(np.ones((6, 4))).shape
    (6, 3)
    >>> list(Sequential({"hidden": FullyConnected(4, 8), "scores": FullyConnected(8, 3)}).nodes)
    ['hidden', 'scores']
    """
    items = _items(layers)
    chain = _chain(items, shape, name)
    if shape is None and (axes := _sequence_axes(items, chain)) is not None:
        return _chain(items, axes, name)
    return chain


def _items(given: tuple[Any, ...]) -> list[tuple[str | None, Layer]]:
    """Return the layers, each with the name of its node or None."""
    items: Iterable[tuple[str | None, Any]]
    if len(given) == 1 and isinstance(given[0], Mapping):
        items = given[0].items()
    elif len(given) == 1 and isinstance(given[0], Iterable):
        items = ((None, layer) for layer in given[0])
    else:
        items = ((None, layer) for layer in given)
    checked = [(name, _layer(layer, position)) for position, (name, layer) in enumerate(items)]
    if not checked:
        raise ConfigError("there are no layers", where="Sequential", expected="at least one layer", received="none")
    return checked


def _layer(item: Any, position: int) -> Layer:
    if isinstance(item, Layer):
        return item
    if isinstance(item, Graph):
        return Subgraph(item)
    is_class = isinstance(item, type) and issubclass(item, Layer)
    raise ConfigError(
        "not a layer",
        where=f"Sequential, position {position}",
        expected="a Layer or a Graph",
        received=f"the class {item.__name__}" if is_class else repr(item),
        remedy=f"Make a layer of the class: {item.__name__}(…)." if is_class else None,
    )


def _chain(items: list[tuple[str | None, Layer]], shape: str | Shape | None, name: str) -> Graph:
    builder = Builder(name)
    value = builder.input("x", shape, integer=0 in items[0][1].integer_inputs)
    for node, layer in items:
        value = builder.add(layer, value, name=node)
    return builder.build(value)


def _sequence_axes(items: list[tuple[str | None, Layer]], chain: Graph) -> Shape | None:
    """Return the axes of the input if the layers accept only a sequence, else None."""
    runner = Runner(chain)
    for text in _LIKELY_AXES:
        axes = Shape.parse(text)
        try:
            infer(runner.plan, runner.layers, [axes])
        except GraphnetError:
            continue
        return axes if axes.has("time") else None
    return None
