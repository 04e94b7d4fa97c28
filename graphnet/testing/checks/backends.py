"""Every backend computes the same results: alone, among other layers, and in a cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.cell import Cell
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.scan import Scan
from graphnet.core.phase import Phase
from graphnet.core.run import backends
from graphnet.core.run.runner import Runner
from graphnet.layers import Affine
from graphnet.testing.buffers import BufferSnapshot
from graphnet.testing.case_inputs import free_axes
from graphnet.testing.check import check
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult, forward


def compared_backends() -> list[str]:
    """Return the backends to compare with the reference."""
    return [name for name in backends.names() if name != "reference"]


@check()
def backends_agree(harness: Harness) -> None:
    """Alone and among other layers, in both phases, every backend returns the results of the reference backend."""
    for phase in Phase:
        for graph, what in ((harness.graph, "alone"), (lambda: _among_affine_layers(harness), "among other layers")):
            expected = _run_twice(harness, graph(), "reference", phase)
            for name in compared_backends():
                result = _run_twice(harness, graph(), name, phase)
                harness.assert_same_results(result, expected, f"backend {name!r}, {what}, {phase.name} phase", 1e-8)


def _run_twice(harness: Harness, graph: Graph, backend: str, phase: Phase) -> PassResult:
    """Run two passes and return the second, which reuses the workspace of the first."""
    runner = harness.prepare(Runner(graph, backend=backend))
    buffers = BufferSnapshot(runner.layers.values())
    values = harness.values(3)
    harness.run(values, runner, phase=phase, seed=5)
    buffers.restore()
    return harness.run(values, runner, phase=phase)


def _among_affine_layers(harness: Harness) -> Graph:
    """Return a graph of the layer between elementwise layers, which a backend may fuse."""
    builder, values = Builder("among"), {}
    layer = harness.make()
    for name, shape in harness.shapes.items():
        value = builder.input(name, free_axes(shape), integer=name in harness.integer)
        if name not in harness.integer and harness.domain is None:
            value = builder.add(Affine(0.5, 0.25), value, name=f"before_{name}")
        values[name] = value
    node = harness.add_node(builder, layer, values, "layer" if "layer" not in values else "node")
    outputs = {}
    for i, port in enumerate(layer.output_ports()):
        scaled = builder.add(Affine(1.5, -0.5), node[port], name=f"scaled_{i}")
        outputs[f"result_{i}"] = builder.add(Affine(-2.0, 1.0), scaled, name=f"shifted_{i}")
    return builder.build(**outputs)


@check("cell")
def in_cell(harness: Harness) -> None:
    """As a node of a cell, at every step of a Scan, every backend returns the results of the reference backend."""
    name, batch = harness.names[0], harness.batch or 2
    shape = next(iter(forward(harness.runner(), harness.values(3), Phase.test).values())).shape
    harness.require(len(shape) == 2 and shape[0] == harness.batch, "its output is not (batch, feature)")
    rng = np.random.default_rng(1)
    sequences: Any = np.stack([harness.values(seed)[name] for seed in range(4)])
    ragged = rng.permutation([4, 2, *rng.integers(1, 5, max(0, batch - 2))][:batch])
    for lengths in (None, ragged):
        results = {}
        for backend in ("reference", *compared_backends()):
            graph = _scan_graph(harness, sequences.shape[2], shape[1])
            reference = Runner(graph, backend="reference")
            if not reference.drawn:
                reference.materialize()
            runner = harness.prepare(Runner(graph, backend=backend))
            results[backend] = harness.run({"x": sequences}, runner, lengths=lengths)
        for backend in compared_backends():
            what = f"backend {backend!r} in a cell{'' if lengths is None else ', rows of different length'}"
            harness.assert_same_results(results[backend], results["reference"], what, 1e-8)


def _scan_graph(harness: Harness, features: int, width: int) -> Graph:
    """Return a graph with one Scan of a cell that holds the layer."""
    cell = Cell("checked", sequences="x", states={"h": width})
    node = cell.add(harness.make(), cell.x, name="layer")
    h = 0.5 * cell.h + 0.3 * node
    builder = Builder("scanned")
    scan = Scan(cell.build(output=node + h, h=h))
    return builder.build(scan(builder.input("x", f"time, batch, feature={features}"), name="scan"))
