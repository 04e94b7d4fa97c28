"""A custom cell in torch: a Python loop over time, with the input product hoisted out of the loop."""

from __future__ import annotations

from typing import Any

import torch
from problems import Problem

from contenders.contender import Contender
from contenders.equations import STATES, STEPS, Functions

BY = Functions(torch.sigmoid, torch.tanh, lambda z, n: z.chunk(n, -1))


def make(problem: Problem) -> Contender:
    torch.set_num_threads(problem.threads)
    p = {name: torch.tensor(array, requires_grad=True) for name, array in problem.weights.items()}
    x, error = torch.tensor(problem.x, requires_grad=True), torch.tensor(problem.error)
    cell, zeros = STEPS[problem.kind], torch.zeros_like(error[0])

    def run() -> Any:
        state, ys = (zeros,) * STATES[problem.kind], []
        for z in (x @ p["w"] + p["b"]).unbind(0):
            state = cell(z, state, p, BY)
            ys.append(state[0])
        return torch.stack(ys)

    def forward() -> Any:
        with torch.inference_mode():
            return run()

    def step() -> Any:
        return torch.autograd.grad(run(), [x, *p.values()], error)

    return Contender(forward, step, lambda arrays: dict(zip(["x", *p], (a.numpy() for a in arrays), strict=True)))
