"""graphnet: the cell graph in a Scan, run by a Runner on the backend that runs where none is named."""

from __future__ import annotations

from typing import Any

import numpy as np
from cells import scanned
from problems import LAYOUT, Problem, common_order, node_weights

from contenders.contender import Contender
from graphnet import Phase, Runner


def make(problem: Problem, backend: str | None = None) -> Contender:
    runner = Runner(scanned(problem.kind, problem.x.shape[2], problem.units, problem.dtype), backend=backend)
    runner.materialize()
    parameters = {node: runner.parameters[f"scan/{node}/weights"] for node in LAYOUT[problem.kind]}
    for node, array in node_weights(problem).items():
        parameters[node].value = array.reshape(parameters[node].value.shape)
    x, error = {"x": problem.x}, {"output": problem.error}

    def forward() -> np.ndarray:
        return runner.forward(x, phase=Phase.test, keep=False)["output"]

    def step() -> Any:
        runner.forward(x)
        return runner.backward(error)

    def read(errors: Any) -> dict[str, np.ndarray]:
        gradients = {node: np.asarray(parameter.gradient) for node, parameter in parameters.items()}
        return {"x": errors["x"], **common_order(problem, gradients)}

    return Contender(forward, step, read)
