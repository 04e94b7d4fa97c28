"""What each node computes for an example over time, and the gradient that flows back to it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.graph import Graph
from graphnet.core.run.context import RunContext
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.runner import Runner
from graphnet.core.run.thread_policy import ThreadPolicy
from graphnet.inspect.equations.expansion import Rules
from graphnet.models.pages.details import downsampled, heat
from graphnet.models.pages.example import first_row

#: The most units and the most steps of a picture, and the most norms of a curve.
SIDE, NORMS = 96, 2000
#: A gate is saturated where it is nearer to an end of its range than this.
MARGIN = 0.05


def record_data(graph: Graph, example: Any, *, values: bool = True) -> dict[str, Any]:
    """Pictures, units by steps, saturation, and norms of gradients by step, by the path of the node.

    The graph runs node by node, in the train phase as its gradients do; the first row of the example is recorded. The
    gradient is that of the sum of all outputs; where this is constant, as with a softmax at the end, that of a sum with
    random factors. Without ``values``, there are only shares and norms: for all steps and units together, how many
    values of a gate are near the ends of its range.
    """
    inputs = first_row(graph, example, "report")
    runner = Runner(copy.deepcopy(graph), backend="reference")
    records: dict[str, _Record] = {}
    with random.using(np.random.default_rng(0)):
        outputs = runner.forward(inputs)
        assert runner.last_pass is not None
        _watch(runner.last_pass.bound, records, Rules())
        outputs = runner.forward(inputs)
        runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
        if _without_gradient(records.values()):
            for record in records.values():
                record.values, record.errors = [], []
            factors = np.random.default_rng(0)
            outputs = runner.forward(inputs)
            runner.backward({name: factors.normal(size=array.shape) for name, array in outputs.items()})
    return {path: data for path, record in records.items() if (data := record.data(values))}


def _watch(plan: Any, records: dict[str, _Record], rules: Rules) -> None:
    """Put a recorder around every bound node, those inside Scans included."""
    for i, step in enumerate(plan.steps):
        if isinstance(step, BoundCall):
            plan.steps[i] = WatchedCall(step, records, rules)
        elif isinstance(step, BoundLoop):
            _watch(step.body, records, rules)


def _without_gradient(records: Iterable[_Record]) -> bool:
    """Whether what flows back to most nodes is nothing but the rounding of zero."""
    norms = [max(record.norms(), default=0.0) for record in records]
    return bool(norms) and float(np.median(norms)) < 1e-12 * max(norms)


class _Record:
    """The outputs of one node at each of its calls, and the norms of the errors that reached it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values: list[Any] = []
        self.errors: list[Any] = []

    def data(self, values: bool) -> dict[str, Any]:
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
        norms = [float(f"{norm:.4g}") if np.isfinite(norm) else None for norm in self.norms()[:NORMS]]
        found = {"units": matrix.shape[0], "steps": matrix.shape[1], "saturated": None, "norms": norms}
        if values:
            found |= {"low": float(f"{low:.4g}"), "high": float(f"{high:.4g}")}
            found["heat"] = heat(downsampled(matrix, SIDE), reach)
        if self.kind:
            least = 0.0 if self.kind == "sigmoid" else -1.0
            below, above = float(np.mean(finite < least + MARGIN)), float(np.mean(finite > 1 - MARGIN))
            found |= {
                "gate": self.kind,
                "below": _share(below),
                "above": _share(above),
                "saturated": _share(below + above),
            }
        return found

    def norms(self) -> list[float]:
        """The norm of the error at each step; the errors of the steps of a cell come last step first."""
        if len(self.errors) == 1 and np.ndim(self.errors[0]) == 3:
            return [float(np.linalg.norm(step)) for step in self.errors[0]]
        return [float(np.linalg.norm(error)) for error in reversed(self.errors)]


def _share(value: float) -> float:
    return float(f"{value:.4g}")


def _gate(call: BoundCall, rules: Rules) -> str:
    """'sigmoid' or 'tanh' for a node that computes that, and so can saturate; else nothing."""
    layer = call.layer
    if layer.has_weights or len(call.inputs) != 1:
        return ""
    if "sigmoid" in type(layer).__name__.lower() and not type(layer).__name__.startswith("Log"):
        return "sigmoid"
    try:
        (output,) = rules.of(layer, call.input_shapes).outputs
    except (Untraceable, ValueError):
        return ""
    return output.op if output.op in ("sigmoid", "tanh") and output.args[0].op == "name" else ""


class WatchedCall:
    """A bound node that records what it computes and the errors that reach it."""

    def __init__(self, call: BoundCall, records: dict[str, _Record], rules: Rules) -> None:
        path = call.checks.path
        if path not in records:
            records[path] = _Record(_gate(call, rules))
        self.call, self.record = call, records[path]

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
