"""A random graph of many small nodes, described once and built in graphnet and in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet import Builder, Concatenate, Graph, Runner, Value, dense
from graphnet_recurrent import sigmoid, tanh

FEATURES = 12
WIDTHS = (8, 16)
#: The probability of each kind of node.
KINDS = {"dense": 0.4, "tanh": 0.2, "sigmoid": 0.15, "add": 0.15, "multiply": 0.1}


@dataclass(frozen=True)
class Node:
    """One node: its kind, the indices of the values that it reads (0 is the input), and its width."""

    kind: str
    reads: tuple[int, ...]
    width: int


def drawn(count: int, seed: int = 0) -> list[Node]:
    """Return ``count`` nodes; each reads uniformly drawn earlier ones, so the longest path grows logarithmically."""
    rng = np.random.default_rng(seed)
    widths, nodes = [FEATURES], []
    for kind in rng.choice(list(KINDS), size=count, p=list(KINDS.values())):
        first = int(rng.integers(len(widths)))
        reads, width = (first,), widths[first]
        if kind == "dense":
            width = int(rng.integers(WIDTHS[0], WIDTHS[1] + 1))
        elif kind in ("add", "multiply"):
            reads = (first, int(rng.choice(np.flatnonzero(np.array(widths) == width))))
        nodes.append(Node(str(kind), reads, width))
        widths.append(width)
    return nodes


def leaves(nodes: list[Node]) -> list[int]:
    """Return the values that no node reads; concatenated they are the output."""
    read = {number for node in nodes for number in node.reads}
    return [number for number in range(1, len(nodes) + 1) if number not in read]


def graph(nodes: list[Node], dtype: str = "float32") -> Graph:
    """Return the graph in graphnet; node i of the list is named ``n`` and i + 1."""
    makers: dict[str, Callable[..., Value]] = {
        "dense": lambda node, name, x: dense(x, node.width, dtype=dtype, name=name),
        "tanh": lambda node, name, x: tanh(x, name=name),
        "sigmoid": lambda node, name, x: sigmoid(x, name=name),
        "add": lambda node, name, x, y: x + y,
        "multiply": lambda node, name, x, y: x * y,
    }
    g = Builder("random")
    values = [g.input("x", f"batch, feature={FEATURES}")]
    for i, node in enumerate(nodes, start=1):
        values.append(makers[node.kind](node, f"n{i}", *(values[k] for k in node.reads)))
    return g.build(Concatenate()(*(values[k] for k in leaves(nodes)), name="leaves"))


def filled(runner: Runner, seed: int = 0) -> dict[str, np.ndarray]:
    """Set weights that preserve the scale of the values; return them by node name."""
    rng = np.random.default_rng(seed)
    runner.materialize()
    weights = {}
    for path, parameter in runner.parameters.items():
        rows = len(parameter.value) - 1
        parameter.value = (rng.normal(size=parameter.value.shape) / np.sqrt(rows)).astype(parameter.value.dtype)
        weights[path.removesuffix("/weights")] = parameter.value
    return weights


def in_torch(nodes: list[Node], weights: dict[str, np.ndarray]) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Return torch's parameters ``(weights, bias)`` by node, and the graph as an eager function of the input."""
    import torch

    parameters = {
        name: (torch.tensor(array[:-1], requires_grad=True), torch.tensor(array[-1], requires_grad=True))
        for name, array in weights.items()
    }
    elementwise = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "add": torch.add, "multiply": torch.mul}
    ends = leaves(nodes)

    def run(x: Any) -> Any:
        values = [x]
        for i, node in enumerate(nodes, start=1):
            inputs = [values[k] for k in node.reads]
            if node.kind == "dense":
                w, b = parameters[f"n{i}"]
                values.append(torch.addmm(b, inputs[0], w))
            else:
                values.append(elementwise[node.kind](*inputs))
        return torch.cat([values[k] for k in ends], dim=1)

    return parameters, run
