"""The delta of each layer, its own times those of the composite layers around it, and what a step changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from graphnet.core.describe.parameter import Parameter
from graphnet.core.describe.protocols import NestedGraph, WeightOwner
from graphnet.core.describe.weights import owners
from graphnet.core.errors import ConfigError

#: The layers from the outermost one to a primitive one, for each place where that is used.
Chains = Mapping[str, Sequence[tuple[WeightOwner, ...]]]


def checked(value: Any, where: str) -> float:
    """``value`` as a float, if it is one finite number of at least 0.

    Raises
    ------
    ConfigError
        Text, booleans, arrays with axes, NaN, infinity, negative numbers.
    """
    number = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    if isinstance(number, Real) and not isinstance(number, bool) and math.isfinite(number) and float(number) >= 0:
        return float(number)
    raise ConfigError(
        "individual_delta is not a number that can be used",
        where=where,
        expected="a finite number of at least 0",
        received=repr(value),
        remedy="Set delta to 1 for the optimizer's own learning rate, or to 0 to freeze the layer.",
    )


def chains(graph: NestedGraph, around: tuple[WeightOwner, ...] = ()) -> Chains:
    """The chains of each primitive layer of a graph, by the path of the layer's first use.

    Parameters
    ----------
    graph : Graph
    around : tuple of Layer
        The layers that the graph itself is in, outermost first.
    """
    paths: dict[int, str] = {}
    by_path: dict[str, list[tuple[WeightOwner, ...]]] = {}
    for path, chain in _walk(graph, around, ""):
        known = by_path.setdefault(paths.setdefault(id(chain[-1]), path), [])
        if not any(all(a is b for a, b in zip(chain, other, strict=False)) for other in known):
            known.append(chain)
    return by_path


def _walk(
    graph: NestedGraph, around: tuple[WeightOwner, ...], path: str
) -> Iterator[tuple[str, tuple[WeightOwner, ...]]]:
    for name in graph.order:
        layer = graph.nodes[name].layer
        inner = layer.subgraph
        if inner is None:
            yield f"{path}{name}", (*around, layer)
        else:
            yield from _walk(inner, (*around, layer), f"{path}{name}/")


def effective(by_path: Chains) -> dict[str, float]:
    """The present delta of each layer by path.

    Raises
    ------
    ConfigError
        If a layer is used in several places where the deltas around it differ: its gradient is one sum over all uses.
    """
    deltas = {}
    for path, uses in by_path.items():
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


class Steps:
    """What a step of the optimizers inside a layer goes through; looked up once for many steps.

    Parameters
    ----------
    layer : Layer
    """

    __slots__ = ("_chains", "_layer", "_owners")

    def __init__(self, layer: WeightOwner) -> None:
        self._layer, self._owners = layer, owners(layer)
        inner = layer.subgraph
        self._chains = None if inner is None else chains(inner, (layer,))

    def pending(self) -> Iterator[tuple[Parameter, float, str]]:
        """The parameters that a step changes now, with the delta and the place of each.

        Those have an optimizer and a gradient, and a delta above 0: a frozen layer keeps its weights and moments bit
        for bit, also with momentum or weight decay.

        Raises
        ------
        ConfigError
            If a shared layer has several deltas.
        """
        due = [
            (path, owner, parameter)
            for path, owner in self._owners.items()
            for parameter in owner.store.params.values()
            if parameter.optimizer is not None and parameter.gradient is not None
        ]
        if not due:
            return
        deltas = {"": self._layer.delta} if self._chains is None else effective(self._chains)
        for path, owner, parameter in due:
            if deltas[path]:
                yield parameter, deltas[path], repr(owner)


def pending(layer: WeightOwner) -> Iterator[tuple[Parameter, float, str]]:
    """The parameters inside a layer that a step changes: see :meth:`Steps.pending`."""
    return Steps(layer).pending()
