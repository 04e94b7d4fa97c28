"""Time and memory of a graph, node by node."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.arguments import explained
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.region import BoundRegion
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.steps import BoundSteps
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.runner import Runner
from graphnet.core.run.thread_policy import ThreadPolicy
from graphnet.inspect.costs import Cost, PartCost, Profile
from graphnet.inspect.sizes import input_shapes
from graphnet.inspect.target import graph_of


@explained
def profile(
    target: Any, *, batch: int = 32, steps: int = 50, dtype: str = "float32", repeat: int = 5, seed: int = 0
) -> Profile:
    """Time every node of a model or graph, in the train phase, on random inputs.

    Parameters
    ----------
    target : Model, Graph, Runner or composite layer
        A copy is run.
    batch, steps : int
        Sizes of axes that are not declared.
    dtype : {'float32', 'float64'}
    repeat : int
        The number of passes, of which medians are taken.
    seed : int

    Raises
    ------
    ConfigError, ShapeError
        If a number is out of range, or an input has no declared shape.
    """
    graph = graph_of(target, "profile")
    if repeat < 1 or batch < 1 or steps < 1:
        raise ConfigError(
            "batch, steps and repeat must be positive",
            where="profile",
            expected="integers of at least 1",
            received=(batch, steps, repeat),
        )
    passes: list[dict[str, Cost]] = []
    with random.using(np.random.default_rng(seed)):
        inputs = _inputs(graph, batch, steps, dtype, np.random.default_rng(seed))
        reference = Runner(copy.deepcopy(graph), backend="reference")
        _run(reference, inputs)
        _time(_bound_plan(reference), passes)
        for _ in range(repeat):
            passes.append({})
            _run(reference, inputs)
        forward, backward, parts = _compiled(graph, inputs, repeat)
    setting = f"train phase, batch {batch}, {steps} steps, {dtype}, medians of {repeat}"
    return Profile(setting, _medians(passes), forward, backward, parts)


def _inputs(graph: Graph, batch: int, steps: int, dtype: str, rng: np.random.Generator) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for (name, declared), shape in zip(graph.inputs.items(), input_shapes(graph, batch, steps), strict=True):
        if shape is None:
            continue
        sizes = [n or 1 for n in shape.sizes]
        inputs[name] = np.zeros(sizes, np.int64) if declared.integer else rng.normal(size=sizes).astype(dtype)
    return inputs


def _run(runner: Runner, inputs: dict[str, Any]) -> tuple[float, float]:
    """Run one forward and one backward pass; the seconds of each."""
    start = time.perf_counter()
    outputs = runner.forward(inputs)
    middle = time.perf_counter()
    runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
    return middle - start, time.perf_counter() - middle


def _compiled(graph: Graph, inputs: dict[str, Any], repeat: int) -> tuple[float, float, list[PartCost]]:
    """Seconds of the whole graph, and of its parts."""
    runner = Runner(copy.deepcopy(graph))
    _run(runner, inputs)
    seconds = np.array([_run(runner, inputs) for _ in range(repeat)])
    clocks = _clocked(_bound_plan(runner))
    found = []
    for _ in range(repeat):
        for clock in clocks:
            clock.seconds = [0.0, 0.0]
        _run(runner, inputs)
        found.append([clock.seconds for clock in clocks])
    medians = np.median(np.array(found), axis=0) if clocks else []
    parts = [PartCost(c.path, c.nodes, float(f), float(b)) for c, (f, b) in zip(clocks, medians, strict=True)]
    return float(np.median(seconds[:, 0])), float(np.median(seconds[:, 1])), parts


class _Clock:
    """Adds up the seconds of the calls of one bound step."""

    def __init__(self, step: Any) -> None:
        calls = step.calls if isinstance(step, BoundRegion) else ()
        self.path = step.checks.path if isinstance(step, BoundCall) else step.path
        self.nodes = tuple(call.checks.path for call in calls) or (self.path,)
        self.seconds = [0.0, 0.0]
        step.forward, step.backward = self._timed(step.forward, 0), self._timed(step.backward, 1)

    def _timed(self, function: Any, which: int) -> Any:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments)
            self.seconds[which] += time.perf_counter() - start
            return result

        return call


def _clocked(plan: Any) -> list[_Clock]:
    """Put a clock around every step of a compiled plan, which then runs step by step."""
    plan.kept, plan.direct = None, lambda keep: None
    return [_Clock(step) for step in plan.steps]


def _bound_plan(runner: Runner) -> Any:
    assert runner.last_pass is not None
    return runner.last_pass.bound


def _time(plan: BoundSteps, passes: list[dict[str, Cost]]) -> None:
    """Put a clock around every bound node, including those inside Scans."""
    for i, step in enumerate(plan.steps):
        if isinstance(step, BoundCall):
            plan.steps[i] = TimedCall(step, passes)
        elif isinstance(step, BoundLoop):
            _time(step.body, passes)


class TimedCall:
    """A bound node that adds the time of both its rules to the costs of the last pass."""

    def __init__(self, call: BoundCall, passes: list[dict[str, Cost]]) -> None:
        self.call, self.passes = call, passes
        self.path, self.layer = call.checks.path, type(call.layer).__name__

    @property
    def cost(self) -> Cost:
        """The cost of this node in the last pass."""
        return self.passes[-1].setdefault(self.path, Cost(self.path, self.layer))

    def start(self, run: RunContext) -> None:
        """As the node."""
        self.call.start(run)

    def policy(self, keep: bool) -> ThreadPolicy:
        """As the node."""
        return self.call.policy(keep)

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """As the node."""
        start = time.perf_counter()
        saved = self.call.forward(slots, run)
        seconds, cost = time.perf_counter() - start, self.cost
        cost.forward += seconds
        cost.calls += 1
        cost.output_bytes += sum(slots[slot].nbytes for slot in self.call.outputs)
        cost.saved_bytes += _bytes(saved)
        return saved

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """As the node."""
        start = time.perf_counter()
        self.call.backward(saved, errors, run, rows)
        self.cost.backward += time.perf_counter() - start


def _bytes(saved: Any) -> int:
    """Bytes of the arrays in nested containers."""
    if isinstance(saved, np.ndarray):
        return saved.nbytes
    if isinstance(saved, dict):
        saved = saved.values()
    return sum(map(_bytes, saved)) if isinstance(saved, (list, tuple, type({}.values()))) else 0


def _medians(passes: list[dict[str, Cost]]) -> list[Cost]:
    costs = []
    for path, last in passes[-1].items():
        forward = float(np.median([p[path].forward for p in passes]))
        backward = float(np.median([p[path].backward for p in passes]))
        costs.append(Cost(path, last.layer, forward, backward, last.calls, last.output_bytes, last.saved_bytes))
    return sorted(costs, key=lambda c: -(c.forward + c.backward))


__all__ = ["Cost", "Profile", "profile"]
