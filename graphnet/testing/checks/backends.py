"""Every backend computes the same: alone, among other layers, and in a cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.cell import Cell
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import BATCH, TIME
from graphnet.core.phase import Phase
from graphnet.core.run import backends
from graphnet.core.run.runner import Runner
from graphnet.layers import Affine
from graphnet.testing.check import check
from graphnet.testing.subject import Arrays, Passed, Subject, forward


def others() -> list[str]:
    """The backends to compare with the reference."""
    return [name for name in backends.names() if name != "reference"]


@check()
def backends_agree(s: Subject) -> None:
    """Alone and among other layers, in both phases and dtypes, every backend gives what the reference gives."""
    for phase in Phase:
        for graph, what in ((s.graph, "alone"), (lambda: _among(s), "among other layers")):
            expected = _run(s, graph(), "reference", phase)
            for name in others():
                s.all_agree(
                    _run(s, graph(), name, phase), expected, f"backend {name!r}, {what}, {phase.name} phase", 1e-8
                )


def _run(s: Subject, graph: Graph, backend: str, phase: Phase, values: Arrays | None = None) -> Passed:
    """Two passes, so that the second one reuses what the first one made; the second counts."""
    runner = s.filled(Runner(graph, backend=backend))
    kept = [(layer, dict(layer._buffers)) for layer in runner.layers.values()]
    given = s.values(3) if values is None else values
    s.run(given, runner, phase=phase, seed=5)
    for layer, buffers in kept:
        layer._buffers = buffers
    return s.run(given, runner, phase=phase)


def _among(s: Subject) -> Graph:
    """The layer between elementwise ones that a backend may make one call of."""
    builder, values = Builder("among"), {}
    layer = s.make()
    for name, shape in s.shapes.items():
        for axis in (BATCH, TIME):
            shape = shape.resized(axis, None) if shape.has(axis) and shape.size(axis) != 1 else shape
        value = builder.input(name, shape, integer=name in s.integer)
        if name not in s.integer and s.domain is None:
            value = builder.add(Affine(0.5, 0.25), value, name=f"before_{name}")
        values[name] = value
    given = [values.get(n) for n in (s.names if s.ports.variadic else s.ports.names)]
    while given[-1] is None:
        given.pop()
    node = builder.add(layer, *given, name="layer" if "layer" not in values else "node")
    outputs = {}
    for i, port in enumerate(layer.output_ports()):
        scaled = builder.add(Affine(1.5, -0.5), node[port], name=f"scaled_{i}")
        outputs[f"result_{i}"] = builder.add(Affine(-2.0, 1.0), scaled, name=f"shifted_{i}")
    return builder.build(**outputs)


@check("cell")
def in_cell(s: Subject) -> None:
    """As a node of a cell, at every step of a Scan, every backend gives what the reference gives."""
    runner = s.runner()
    name = s.names[0]
    values = s.values(3)
    width = next(iter(forward(runner, values, Phase.test).values())).shape
    s.require(len(width) == 2 and width[0] == s.batch, "its output is not (batch, feature)")
    rng = np.random.default_rng(1)
    steps = [s.values(seed)[name] for seed in range(4)]
    sequences: Any = np.stack(steps)
    lengths = rng.permutation([4, 2, *rng.integers(1, 5, max(0, (s.batch or 2) - 2))][: s.batch or 2])
    for ragged in (None, lengths):
        found = {}
        for backend in ("reference", *others()):
            cell = Cell("checked", sequences="x", states={"h": width[1]})
            node = cell.add(s.make(), cell.x, name="layer")
            h = 0.5 * cell.h + 0.3 * node
            builder = Builder("scanned")
            scan = Scan(cell.build(output=node + h, h=h))
            sized = builder.input("x", f"time, batch, feature={sequences.shape[2]}")
            graph = builder.build(scan(sized, name="scan"))
            inner = s.filled(Runner(graph, backend=backend)) if _declared(graph) else None
            s.require(inner is not None, "the sizes of its weights are not declared")
            found[backend] = s.run({"x": sequences}, inner, lengths=ragged)
        for backend in others():
            what = f"backend {backend!r} in a cell{'' if ragged is None else ', rows of different length'}"
            s.all_agree(found[backend], found["reference"], what, 1e-8)


def _declared(graph: Graph) -> bool:
    runner = Runner(graph, backend="reference")
    if not runner.drawn:
        runner.materialize()
    return True
