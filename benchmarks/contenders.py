"""The same recurrent layer in several libraries: each takes weights, a sequence and an error, and gives gradients.

A contender is ``make(kind, weights, x, error) -> (step, forward)``: ``step()`` runs forward and backward and returns
the error for the input and the weight gradient, ``(features + units + 1, gates · units)`` in graphnet's row and column
order; ``forward()`` returns the outputs alone. Missing libraries raise ImportError.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphnet import Phase
from graphnet_recurrent import LSTM, RNN

Steps = tuple[Callable[[], tuple[np.ndarray, np.ndarray]], Callable[[], np.ndarray]]
GATES = {"RNN": 1, "LSTM": 4}


def ours(kind: str, weights: np.ndarray, x: np.ndarray, error: np.ndarray) -> Steps:
    """graphnet: the cell graph, no optimizer."""
    features, units = x.shape[2], weights.shape[1] // GATES[kind]
    layer = {"RNN": RNN, "LSTM": LSTM}[kind](features, units, None, dtype=x.dtype.name)
    layer.set_weights(weights)

    def step() -> tuple[np.ndarray, np.ndarray]:
        layer.forward(x)
        return layer.backward(error), layer.get_gradient_weights()

    def forward() -> np.ndarray:
        layer.phase = Phase.test
        return layer.forward(x)

    return step, forward


def torch_builtin(kind: str, weights: np.ndarray, x: np.ndarray, error: np.ndarray) -> Steps:
    """torch.nn.LSTM or torch.nn.RNN."""
    import torch

    features, units = x.shape[2], weights.shape[1] // GATES[kind]
    net = getattr(torch.nn, kind)(features, units)
    net = net.double() if x.dtype == np.float64 else net
    parts = (weights[:features].T, weights[features:-1].T, weights[-1], np.zeros_like(weights[-1]))
    with torch.no_grad():
        for parameter, array in zip(net.parameters(), parts, strict=True):
            parameter.copy_(torch.tensor(np.ascontiguousarray(array)))
    given, pulled = torch.tensor(x, requires_grad=True), torch.tensor(error)
    return _torch_steps(net, given, pulled, lambda: net(given)[0])


def torch_loop(kind: str, weights: np.ndarray, x: np.ndarray, error: np.ndarray) -> Steps:
    """A cell of one's own in torch, in a Python loop, the products of the input taken out of it."""
    import torch

    features, units = x.shape[2], weights.shape[1] // GATES[kind]
    net = torch.nn.ParameterList(
        torch.nn.Parameter(torch.tensor(np.ascontiguousarray(part)))
        for part in (weights[:features].T, weights[features:-1].T, weights[-1])
    )
    given, pulled = torch.tensor(x, requires_grad=True), torch.tensor(error)

    def run() -> torch.Tensor:
        w, u, b = net
        h = c = torch.zeros(x.shape[1], units, dtype=given.dtype)
        ys = []
        for z in (given @ w.T + b).unbind(0):
            if kind == "RNN":
                h = torch.tanh(z + h @ u.T)
            else:
                i, f, g, o = (z + h @ u.T).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys)

    return _torch_steps(net, given, pulled, run)


def _torch_steps(net: object, given: object, pulled: object, run: Callable[[], object]) -> Steps:
    import torch

    def step() -> tuple[np.ndarray, np.ndarray]:
        given.grad = None  # type: ignore[attr-defined]
        for parameter in net.parameters():  # type: ignore[attr-defined]
            parameter.grad = None
        run().backward(pulled)  # type: ignore[attr-defined]
        w, u, b = [p.grad.numpy() for p in net.parameters()][:3]  # type: ignore[attr-defined]
        return given.grad.numpy(), np.concatenate([w.T, u.T, b[None]])  # type: ignore[attr-defined]

    def forward() -> np.ndarray:
        with torch.no_grad():
            return run().numpy()  # type: ignore[attr-defined]

    return step, forward


CONTENDERS = {"graphnet": ours, "torch.nn": torch_builtin, "torch loop": torch_loop}
