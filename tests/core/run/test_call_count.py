"""The number of Python calls of a warm pass, which small models spend most of their time in."""

import sys

import numpy as np
import pytest

from graphnet import Builder, Cell, Phase, Runner, Scan, concatenate, dense
from graphnet_recurrent import sigmoid, tanh

LIMIT = 60


def lstm_graph():
    cell = Cell("lstm", sequences="x", states={"h": 5, "c": 5})
    xh = concatenate(cell.x, cell.h)
    i, f, o = (sigmoid(dense(xh, 5, name=f"{gate}_gate")) for gate in ("input", "forget", "output"))
    c = f * cell.c + i * tanh(dense(xh, 5, name="candidate"))
    h = o * tanh(c)
    g = Builder("lstm")
    return g.build(
        y=Scan(cell.build(output=h, h=h, c=c))(g.input("x", "time, batch, feature=3"), name="scan")["output"]
    )


def calls(function):
    """The Python functions that a call of ``function`` calls."""
    called = []

    def profile(frame, event, argument):
        if event == "call":
            called.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return called


@pytest.mark.parametrize("steps", [4, 40])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("keep", [True, False])
def test_warm_forward_makes_few_calls(keep, phase, steps):
    runner = Runner(lstm_graph(), backend="numpy")
    inputs = {"x": np.random.default_rng(0).normal(size=(steps, 2, 3))}
    for _ in range(3):
        runner.forward(inputs, phase=phase, keep=keep)
    called = calls(lambda: runner.forward(inputs, phase=phase, keep=keep))
    assert len(called) <= LIMIT, called


def test_warm_forward_leaves_collector_alone(monkeypatch):
    import gc

    runner = Runner(lstm_graph(), backend="numpy")
    inputs = {"x": np.ones((4, 2, 3))}
    runner.forward(inputs)
    toggled = []
    monkeypatch.setattr(gc, "disable", lambda: toggled.append("disable"))
    monkeypatch.setattr(gc, "enable", lambda: toggled.append("enable"))
    runner.forward(inputs)
    assert not toggled
