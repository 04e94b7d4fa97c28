"""Where the time of a graph goes, node by node, and what each node makes and keeps."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError
from graphnet.core.run.context import RunContext
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.steps import BoundSteps
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.runner import Runner
from graphnet.inspect.sizes import input_shapes


@dataclass
class Cost:
    """One node, in a forward pass and a backward pass: seconds, calls, and bytes that it made and kept."""

    path: str
    layer: str
    forward: float = 0.0
    backward: float = 0.0
    calls: int = 0
    made: int = 0
    kept: int = 0


@dataclass
class Profile:
    """What :func:`profile` found.

    Attributes
    ----------
    setting : str
    costs : list of Cost
        The dearest node first; medians over the repeats. Seconds are those of the layer's own rules, called node by
        node.
    compiled_forward, compiled_backward : float
        Seconds of the whole graph as it is run otherwise, by programs.
    """

    setting: str
    costs: list[Cost] = field(default_factory=list)
    compiled_forward: float = 0.0
    compiled_backward: float = 0.0

    @property
    def total(self) -> float:
        """Seconds of all nodes."""
        return sum(c.forward + c.backward for c in self.costs)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def profile(
    graph: Graph, *, batch: int = 32, steps: int = 50, dtype: str = "float32", repeat: int = 5, seed: int = 0
) -> Profile:
    """Time every node of a graph, in the train phase, on random numbers.

    Parameters
    ----------
    graph : Graph
        Its own layers and weights are not touched.
    batch, steps : int
        Sizes for what the inputs leave open.
    dtype : {'float32', 'float64'}
    repeat : int
        Passes; the medians count.
    seed : int

    Raises
    ------
    ConfigError, ShapeError
        If a number is out of range, or an input has no declared shape.
    """
    if repeat < 1 or batch < 1 or steps < 1:
        raise ConfigError("out of range", where="profile", expected="batch, steps and repeat of at least 1")
    passes: list[dict[str, Cost]] = []
    with random.using(np.random.default_rng(seed)):
        inputs = _inputs(graph, batch, steps, dtype, np.random.default_rng(seed))
        reference = Runner(copy.deepcopy(graph), backend="reference")
        _run(reference, inputs)
        for call in _calls(_bound(reference)):
            _watch(call, passes)
        for _ in range(repeat):
            passes.append({})
            _run(reference, inputs)
        ahead, back = _compiled(graph, inputs, repeat)
    setting = f"train phase, batch {batch}, {steps} steps, {dtype}, medians of {repeat}"
    return Profile(setting, _medians(passes), ahead, back)


def _inputs(graph: Graph, batch: int, steps: int, dtype: str, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (name, given), shape in zip(graph.inputs.items(), input_shapes(graph, batch, steps), strict=True):
        if shape is None:
            continue
        sizes = [n or 1 for n in shape.sizes]
        found[name] = np.zeros(sizes, np.int64) if given.integer else rng.normal(size=sizes).astype(dtype)
    return found


def _run(runner: Runner, inputs: dict[str, Any]) -> tuple[float, float]:
    """Seconds of one pass forward and one back."""
    start = time.perf_counter()
    outputs = runner.forward(inputs)
    middle = time.perf_counter()
    runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
    return middle - start, time.perf_counter() - middle


def _compiled(graph: Graph, inputs: dict[str, Any], repeat: int) -> tuple[float, float]:
    runner = Runner(copy.deepcopy(graph), backend="numpy")
    _run(runner, inputs)
    found = np.array([_run(runner, inputs) for _ in range(repeat)])
    return float(np.median(found[:, 0])), float(np.median(found[:, 1]))


def _bound(runner: Runner) -> Any:
    assert runner._kept.last is not None
    return runner._kept.last.bound


def _calls(plan: BoundSteps) -> Iterator[BoundCall]:
    """Every bound node, those inside Scans too."""
    for step in plan.steps:
        if isinstance(step, BoundCall):
            yield step
        elif isinstance(step, BoundLoop):
            yield from _calls(step.body)


def _watch(call: BoundCall, passes: list[dict[str, Cost]]) -> None:
    """Put a clock around both rules of a node."""
    ahead, back = call.forward, call.backward
    path, layer = call.checks.path, type(call.layer).__name__

    def forward(slots: list[Any], run: RunContext) -> Any:
        start = time.perf_counter()
        saved = ahead(slots, run)
        cost = passes[-1].setdefault(path, Cost(path, layer))
        cost.forward += time.perf_counter() - start
        cost.calls += 1
        cost.made += sum(slots[slot].nbytes for slot in call.outputs)
        cost.kept += _bytes(saved)
        return saved

    def backward(saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        start = time.perf_counter()
        back(saved, errors, run, rows)
        passes[-1].setdefault(path, Cost(path, layer)).backward += time.perf_counter() - start

    call.forward, call.backward = forward, backward  # type: ignore[method-assign]


def _bytes(saved: Any) -> int:
    """Bytes of the arrays in a nest."""
    if isinstance(saved, np.ndarray):
        return saved.nbytes
    if isinstance(saved, dict):
        saved = saved.values()
    return sum(map(_bytes, saved)) if isinstance(saved, (list, tuple, type({}.values()))) else 0


def _medians(passes: list[dict[str, Cost]]) -> list[Cost]:
    found = []
    for path, last in passes[-1].items():
        ahead = float(np.median([p[path].forward for p in passes]))
        back = float(np.median([p[path].backward for p in passes]))
        found.append(Cost(path, last.layer, ahead, back, last.calls, last.made, last.kept))
    return sorted(found, key=lambda c: -(c.forward + c.backward))
