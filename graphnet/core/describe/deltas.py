"""The delta of each layer, its own times those of the composite layers around it, and what a step changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from graphnet.core.describe.parameter import Parameter
from graphnet.core.describe.weights import owners
from graphnet.core.errors import ConfigError

if TYPE_CHECKING:
    from graphnet.core.describe.graph import Graph
    from graphnet.core.describe.layer import Layer

#: The layers from the outermost one to a primitive one, for each place where that is used.
Chains = dict[str, list[tuple["Layer", ...]]]


def checked(value: Any, where: str) -> float:
    """``value`` as a float, if it is one finite number of at least 0.

    Raises
    ------
    ConfigError
        Text, booleans, arrays with axes, NaN, infinity, negative numbers.
    """
    found = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    if isinstance(found, Real) and not isinstance(found, bool) and math.isfinite(found) and float(found) >= 0:
        return float(found)
    raise ConfigError(
        "individual_delta is not a number that can be used",
        where=where,
        expected="a finite number of at least 0",
        received=repr(value),
        remedy="Set delta to 1 for the optimizer's own learning rate, or to 0 to freeze the layer.",
    )


def chains(graph: Graph, around: tuple[Layer, ...] = ()) -> Chains:
    """The chains of each primitive layer of a graph, by the path of the layer's first use.

    Parameters
    ----------
    graph : Graph
    around : tuple of Layer
        The layers that the graph itself is in, outermost first.
    """
    paths: dict[int, str] = {}
    found: Chains = {}
    for path, chain in _walk(graph, around, ""):
        known = found.setdefault(paths.setdefault(id(chain[-1]), path), [])
        if not any(all(a is b for a, b in zip(chain, other, strict=False)) for other in known):
            known.append(chain)
    return found


def _walk(graph: Graph, around: tuple[Layer, ...], path: str) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    from graphnet.core.describe.graph import subgraph

    for name in graph.order:
        layer = graph.nodes[name].layer
        inner = subgraph(layer)
        if inner is None:
            yield f"{path}{name}", (*around, layer)
        else:
            yield from _walk(inner, (*around, layer), f"{path}{name}/")


def effective(found: Mapping[str, list[tuple[Layer, ...]]]) -> dict[str, float]:
    """The present delta of each layer by path.

    Raises
    ------
    ConfigError
        If a layer is used in several places where the deltas around it differ: its gradient is one sum over all uses.
    """
    deltas = {}
    for path, uses in found.items():
        products = {math.prod(layer.delta for layer in chain) for chain in uses}
        if len(products) > 1:
            raise ConfigError(
                "a shared layer has several deltas",
                where=path,
                expected="one delta for all uses of the layer",
                received=", ".join(map(str, sorted(products))),
                remedy="Set the same delta on every composite layer that it is used in, or set it on the layer itself.",
            )
        deltas[path] = checked(products.pop(), path)
    return deltas


def pending(layer: Layer) -> Iterator[tuple[Parameter, float, str]]:
    """The parameters inside a layer that a step changes, with the delta and the place of each.

    Those have an optimizer and a gradient, and a delta above 0: a frozen layer keeps its weights and moments bit for
    bit, whatever momentum or weight decay would do to them.

    Raises
    ------
    ConfigError
        If a shared layer has several deltas.
    """
    from graphnet.core.describe.graph import subgraph

    due = [
        (path, owner, parameter)
        for path, owner in owners(layer).items()
        for parameter in owner._parameters.values()
        if parameter.optimizer is not None and parameter.gradient is not None
    ]
    inner = subgraph(layer) if due else None
    found = {"": layer.delta} if inner is None else effective(chains(inner, (layer,)))
    for path, owner, parameter in due:
        if found[path]:
            yield parameter, found[path], repr(owner)
