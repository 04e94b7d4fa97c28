"""The linear recurrences of the cells are found, and give the numbers of the loop when they leave it."""

from __future__ import annotations

import numpy as np
import pytest

import graphnet
from graphnet import Builder, Runner, Scan
from graphnet.core.run.numpy_backend import split_policy
from graphnet_recurrent.cells.by_name import BY_NAME

STEPS, BATCH, UNITS = 9, 3, 8
#: The classes of the states of each cell, in the order in which they depend on each other.
CLASSES = {
    "min_gru": {"h": "diagonal"},
    "min_lstm": {"h": "diagonal"},
    "rg_lru": {"h": "diagonal"},
    "qrnn": {"c": "diagonal"},
    "lru": {"re, im": "rotation"},
    "s5": {"re, im": "rotation"},
    "mamba": {"h": "outer"},
    "retention": {"S": "outer"},
    "gated_linear_attention": {"S": "outer"},
    "hgrn2": {"S": "outer"},
    "rwkv6": {"previous": "diagonal", "S": "outer"},
    "mlstm": {"m": "max_plus", "S": "outer", "n": "diagonal"},
    "delta_net": {"S": "delta"},
    "gated_delta_net": {"S": "delta"},
}
NOT_LINEAR = ("lstm", "gru", "elman", "sru", "cfc", "slstm", "minimal_gated", "peephole_lstm", "layer_norm_lstm")


def graph_of(name):
    graphnet.seed(4)
    made = (
        BY_NAME[name](UNITS, heads=2)
        if name in ("retention", "mlstm", "delta_net", "hgrn2", "rwkv6")
        else BY_NAME[name](UNITS)
    )
    b = Builder()
    outputs = Scan(made)(b.input("x", f"time, batch, feature={UNITS}"))
    return b.build(y=next(iter(outputs)))


def everything(graph, backend):
    rng = np.random.default_rng(2)
    runner = Runner(graph, backend=backend)
    y = runner.forward({"x": rng.normal(size=(STEPS, BATCH, UNITS))}, lengths={"x": np.array([STEPS, 4, 0])})["y"]
    errors = runner.backward({"y": rng.normal(size=y.shape)})
    gradients = {
        f"{path} {name}": np.array(p.gradient)
        for path, layer in graph.layers().items()
        for name, p in layer.params.items()
    }
    return {"y": y, "x": errors["x"], **gradients}, runner.last_pass.bound.steps[0]


@pytest.mark.parametrize("name", CLASSES)
def test_recurrences_are_found_and_right(name, monkeypatch):
    monkeypatch.setattr(split_policy, "faster", lambda *_: True)
    graph = graph_of(name)
    found, scan = everything(graph, "numpy")
    assert {", ".join(v.states): v.kind for v in scan.split().verdicts} == CLASSES[name]
    assert type(scan.program(True)).__name__ == "SplitScan"
    for key, array in everything(graph, "reference")[0].items():
        scale = 1 + np.abs(array).max()
        np.testing.assert_allclose(found[key] / scale, array / scale, rtol=0, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_other_cells_are_not_taken_for_linear_ones(name):
    _, scan = everything(graph_of(name), "numpy")
    assert {v.kind for v in scan.split().verdicts} == {None}


def test_a_layer_is_named_and_not_what_it_is_computed_by():
    """Inside a Scan, the logistic function is computed by tanh."""
    assert "c: not linear (sigmoid: it applies Sigmoid to the state)" in str(graph_of("sru").explain(batch=3, steps=9))
