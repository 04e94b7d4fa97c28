"""What each node computes for an example over time, and the gradient that flows back to it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.graph import Graph
from graphnet.core.run.context import RunContext
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.runner import Runner
from graphnet.core.run.thread_policy import ThreadPolicy
from graphnet.models.pages.details import downsampled, heat
from graphnet.models.pages.example import first_row

#: The most units and the most steps of a picture, and the most norms of a curve.
SIDE, NORMS = 96, 2000


def record_data(graph: Graph, example: Any) -> dict[str, Any]:
    """Pictures, units by steps, and norms of gradients by step, by the path of the node.

    The graph runs node by node, in the train phase as its gradients do; the first row of the example is recorded. The
    gradient is that of the sum of all outputs.
    """
    inputs = first_row(graph, example, "report")
    runner = Runner(copy.deepcopy(graph), backend="reference")
    records: dict[str, _Record] = {}
    with random.using(np.random.default_rng(0)):
        outputs = runner.forward(inputs)
        assert runner.last_pass is not None
        _watch(runner.last_pass.bound, records)
        outputs = runner.forward(inputs)
        runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
    return {path: data for path, record in records.items() if (data := record.data())}


def _watch(plan: Any, records: dict[str, _Record]) -> None:
    """Put a recorder around every bound node, those inside Scans included."""
    for i, step in enumerate(plan.steps):
        if isinstance(step, BoundCall):
            plan.steps[i] = WatchedCall(step, records)
        elif isinstance(step, BoundLoop):
            _watch(step.body, records)


class _Record:
    """The outputs of one node at each of its calls, and the norms of the errors that reached it."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.errors: list[Any] = []

    def data(self) -> dict[str, Any]:
        """One row for each unit, one column for each step; norms in the order of the steps."""
        if len(self.values) > 1:
            matrix = np.stack([np.asarray(value, np.float64).ravel() for value in self.values], axis=1)
        else:
            only = np.asarray(self.values[0], np.float64)
            matrix = only.reshape(only.shape[0], -1).T if only.ndim == 3 else only.reshape(-1, 1)
        finite = matrix[np.isfinite(matrix)]
        if not finite.size:
            return {}
        low, high = float(finite.min()), float(finite.max())
        reach = max(abs(low), abs(high)) or 1.0
        saturated = float(np.mean((finite < 0.05) | (finite > 0.95))) if low >= 0 and high <= 1 else None
        return {
            "units": matrix.shape[0],
            "steps": matrix.shape[1],
            "low": float(f"{low:.4g}"),
            "high": float(f"{high:.4g}"),
            "saturated": saturated,
            "heat": heat(downsampled(matrix, SIDE), reach),
            "norms": [float(f"{norm:.4g}") if np.isfinite(norm) else None for norm in self._norms()[:NORMS]],
        }

    def _norms(self) -> list[float]:
        """The norm of the error at each step; the errors of the steps of a cell come last step first."""
        if len(self.errors) == 1 and np.ndim(self.errors[0]) == 3:
            return [float(np.linalg.norm(step)) for step in self.errors[0]]
        return [float(np.linalg.norm(error)) for error in reversed(self.errors)]


class WatchedCall:
    """A bound node that records what it computes and the errors that reach it."""

    def __init__(self, call: BoundCall, records: dict[str, _Record]) -> None:
        self.call, self.record = call, records.setdefault(call.checks.path, _Record())

    def start(self, run: RunContext) -> None:
        """As the node."""
        self.call.start(run)

    def policy(self, keep: bool) -> ThreadPolicy:
        """As the node."""
        return self.call.policy(keep)

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """As the node."""
        saved = self.call.forward(slots, run)
        self.record.values.append(np.array(slots[self.call.output]))
        return saved

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """As the node."""
        error = errors[self.call.output]
        if error is not None:
            self.record.errors.append(np.array(error, np.float64))
        self.call.backward(saved, errors, run, rows)
