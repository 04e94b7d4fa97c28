"""torch.nn.LSTM, torch.nn.RNN and torch.nn.GRU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from problems import Problem

from contenders.contender import Contender, Unavailable


def make(problem: Problem) -> Contender:
    if problem.kind not in ("LSTM", "RNN", "GRU"):
        raise Unavailable(f"no layer {problem.kind}")
    torch.set_num_threads(problem.threads)
    net = getattr(torch.nn, problem.kind)(problem.x.shape[2], problem.units, dtype=getattr(torch, problem.dtype))
    parameters = list(net.parameters())
    with torch.no_grad():
        for parameter, array in zip(parameters, _in(problem), strict=True):
            parameter.copy_(torch.tensor(np.ascontiguousarray(array)))
    x, error = torch.tensor(problem.x, requires_grad=True), torch.tensor(problem.error)

    def forward() -> Any:
        with torch.inference_mode():
            return net(x)[0]

    def step() -> Any:
        return torch.autograd.grad(net(x)[0], [x, *parameters], error)

    return Contender(forward, step, lambda arrays: _out(problem, *(array.numpy() for array in arrays)))


def _in(problem: Problem) -> list[np.ndarray]:
    """Return the weights in torch's layout: transposed, with two biases; only a GRU's candidate uses the second."""
    p = problem.weights
    second = np.zeros_like(p["b"][0])
    if problem.kind == "GRU":
        second[-problem.units :] = p["q"]
    return [p["w"].T, p["u"].T, p["b"][0], second]


def _out(problem: Problem, x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray, second: np.ndarray) -> Any:
    arrays = {"x": x, "w": w.T, "u": u.T, "b": b[None]}
    return arrays | ({"q": second[None, -problem.units :]} if problem.kind == "GRU" else {})
