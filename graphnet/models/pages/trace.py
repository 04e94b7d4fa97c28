"""``graphnet.trace``: the cell of a recurrent layer, node by node and step by step, as one file of HTML."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, unknown
from graphnet.inspect.target import graph_of
from graphnet.io import atomic
from graphnet.models.loading import load
from graphnet.models.pages.example import first_row
from graphnet.models.pages.html import page
from graphnet.models.pages.trace_data import trace_data
from graphnet.models.pages.tracing import traced

#: The most steps of a trace, and the features of a sequence whose shape is not declared.
MOST_STEPS, FEATURES = 200, 3


@explained
def trace(
    target: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    node: str | None = None,
    example: Any = None,
    steps: int = 6,
    seed: int = 0,
    force: bool = False,
) -> str:
    """Return a page of HTML that steps through a recurrent cell, forward and backward, with the numbers on its edges.

    The cell is the graph inside a Scan. The page shows it opened down to each gate, and goes through a short sequence
    node by node: what the node reads and computes, and the states that are carried to the next step; then back from
    the last step to the first: the error of each value, dL/dv, and the part of it that comes from each reader. L is
    the sum of all outputs of the graph. The numbers are those of the backend ``reference``, in the test phase; of
    a model with statistics that no training has set yet (BatchNormalization), in the train phase.

    Parameters
    ----------
    target : CellGraph, Scan, composite layer, Graph, Runner, Model, or path of a model file, a saved model or a run
        A copy is run; weights that do not exist yet are drawn with ``seed``.
    path : path, optional
        Where the page is written.
    node : str, optional
        The path of a Scan, or of a node around one; None: the first Scan. Of a Scan inside the cell of another one,
        the last outer step is shown.
    example : array or mapping of input name to array, optional
        A batch, of which the first row is run, or one row without the batch axis. These values are in the page. None:
        standard normal numbers, drawn with ``seed`` (of integer inputs: 0 and 1); sequences whose features are not
        declared have 3.
    steps : int
        The number of time steps, 1 to 200; of a longer example the first ones are run.
    seed : int
    force : bool
        Whether an existing file is replaced.

    Returns
    -------
    str
        The page, which is one file: it loads nothing, and a content security policy forbids it to.

    Raises
    ------
    ConfigError
        If ``target`` has no graph or no Scan, or a number is out of range.
    DataError
        If the example has no row or no step.
    UnknownNameError
        If there is no Scan at ``node``, or no input of a name in ``example``.
    FileError
        If ``path`` exists, or something cannot be read or written.
    GraphError, ShapeError
        If the graph cannot be compiled, or the example does not fit.
    PluginError
        If graphlay, which places the nodes, is not installed.
    """
    steps, seed = integer("trace", "steps", steps, 1), integer("trace", "seed", seed, 0)
    if steps > MOST_STEPS:
        raise ConfigError("too many steps for a page", where="trace", expected=f"1 to {MOST_STEPS}", received=steps)
    if path is not None:
        atomic.refuse_existing(Path(path), force=force)
    graph = copy.deepcopy(_graph(target))
    chosen = scan_path(graph, node)
    inputs = _inputs(graph, example, steps, np.random.default_rng(seed))
    graph = _with_shapes(graph, inputs)
    with random.using(np.random.default_rng(seed)):
        record = traced(graph, chosen, inputs)
    text = page(trace_data(graph, chosen, record), f"{graph.name}: {chosen}", "trace")
    if path is not None:
        atomic.write(Path(path), text.encode())
    return text


def _graph(target: Any) -> Graph:
    if isinstance(target, (str, os.PathLike)):
        return load(target).graph
    if isinstance(target, Scan):
        return _around(target)
    if isinstance(target, CellGraph):
        return _around(Scan(target))
    return graph_of(target, "trace")


def _around(scan: Scan) -> Graph:
    """A graph of one Scan, whose states begin as zeros."""
    cell = scan.cell
    inputs = {name: Input(_sequence(cell.inputs[name].shape), integer=cell.inputs[name].integer)
              for name in cell.sequences}  # fmt: skip
    for name in cell.contexts:
        given = cell.inputs[name]
        inputs[name] = Input(given.shape or Shape.parse("batch, feature"), integer=given.integer)
    reads = (*map(Ref, cell.sequences), *[None] * len(cell.states), *map(Ref, cell.contexts))
    name = "scan" if "scan" not in inputs else "scan_of_cell"
    outputs = {each: Ref(name, each) for each in cell.emitted or cell.states}
    return Graph(cell.name, inputs, {name: Node(name, scan, reads)}, outputs)


def _sequence(step: Shape | None) -> Shape:
    if step is None:
        return Shape.parse("time, batch, feature")
    return Shape((TIME, *step.names), (None, *step.sizes))


def scan_path(graph: Graph, node: str | None) -> str:
    """The path of the Scan at or below a node; the first one of the graph if ``node`` is None.

    Raises
    ------
    ConfigError, UnknownNameError
        If there is none.
    """
    paths = [path for path, layer in graph.walk() if isinstance(layer, Scan)]
    if not paths:
        raise ConfigError(
            "there is no Scan to trace",
            where=repr(graph),
            expected="a recurrent layer: one that runs a cell over time",
            remedy="graphnet.report(model, example=x) shows the values of other layers.",
        )
    if node is None:
        return paths[0]
    for path in paths:
        if path == node or path.startswith(f"{node}/"):
            return path
    raise unknown("recurrent node", node, paths, where="trace")


def _inputs(graph: Graph, example: Any, steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """The inputs of one row and at most ``steps`` steps."""
    if example is None:
        return {name: _drawn(declared, graph.seen.get(name), steps, rng)
                for name, declared in graph.inputs.items() if not declared.optional}  # fmt: skip
    rows: Mapping[str, Any] = first_row(graph, example, "trace")
    for name in rows:
        if name not in graph.inputs:
            raise unknown("input", name, graph.inputs, where="trace, example")
    return {name: _cut(graph.inputs[name].shape, value, steps) for name, value in rows.items()}


def _drawn(declared: Input, seen: Shape | None, steps: int, rng: np.random.Generator) -> Any:
    shape = declared.shape or seen or _sequence(None)
    last = seen.sizes if seen is not None and seen.names == shape.names else (None,) * shape.rank
    fixed: dict[str, int | None] = {TIME: steps, BATCH: 1}
    sizes = [fixed.get(axis) or size or before or FEATURES
             for axis, size, before in zip(shape.names, shape.sizes, last, strict=True)]  # fmt: skip
    return rng.integers(0, 2, sizes) if declared.integer else rng.normal(size=sizes)


def _cut(declared: Shape | None, value: Any, steps: int) -> Any:
    """The first row and steps; axes that are not declared are (time, batch, feature)."""
    names = declared.names if declared is not None and declared.rank == value.ndim else ()
    if declared is None and value.ndim == 3:
        names, value = (TIME, BATCH), value[:, :1]
    return (
        np.take(value, range(min(steps, value.shape[names.index(TIME)])), names.index(TIME)) if TIME in names else value
    )


def _with_shapes(graph: Graph, inputs: Mapping[str, Any]) -> Graph:
    """The graph with the sizes of the example, so that those of all values can be drawn; batch and time stay open."""
    defaults = {2: (BATCH, "feature"), 3: (TIME, BATCH, "feature")}
    shown = dict(graph.inputs)
    for name, array in inputs.items():
        declared = graph.inputs[name]
        axes = declared.shape.names if declared.shape is not None else defaults.get(np.ndim(array), ())
        if len(axes) == np.ndim(array):
            sizes = tuple(None if axis in (TIME, BATCH) else n for axis, n in zip(axes, np.shape(array), strict=True))
            shown[name] = Input(Shape(axes, sizes), declared.optional, declared.integer)
    return Graph(graph.name, shown, graph.nodes, graph.outputs)
