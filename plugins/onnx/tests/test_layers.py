"""Every layer that is shipped, exported and run by other engines, at sizes that the export has not seen."""

from __future__ import annotations

import pytest
from exported import assert_equal_to_graphnet, case_graph, checked_file, shipped_cases

from graphnet import GraphnetError, Phase, Runner
from graphnet.plugins import manager

CASES = shipped_cases()


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{i}-{case.layer.__name__}" for i, case in enumerate(CASES)]
)
def test_case(number):
    graph, values = case_graph(CASES[number])
    runner = Runner(graph, backend="reference")
    runner.forward({n: v for n, v in values.values(1).items() if n in graph.inputs}, keep=False)  # running statistics
    for dtype in ("float32", "float64"):
        data = checked_file(runner, dtype=dtype)
        for seed, sizes in enumerate([{"rows": 7, "steps": 9}, {"rows": 2, "steps": 1}]):
            inputs = {n: v for n, v in values.values(seed, dtype=dtype, **sizes).items() if n in graph.inputs}
            engines = ("onnxruntime", "reference") if seed == 0 else ("onnxruntime",)
            try:
                runner.forward(inputs, phase=Phase.test, keep=False)
            except GraphnetError:
                continue  # the layer does not accept these sizes
            assert_equal_to_graphnet(data, graph, inputs, dtype, engines)


def test_every_shipped_layer_has_a_case():
    shipped = {e.object for e in manager().registry.entries("layers") if e.distribution.startswith("graphnet")}
    assert shipped - {case.layer for case in CASES} == set()
