"""Wrong types where names, paths and values belong: errors of graphnet, also inside functions that make layers."""

from __future__ import annotations

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, GraphnetError, Model, Sequential

pytestmark = pytest.mark.no_plugins


def graph():
    return Sequential(FullyConnected(3, 2), shape="batch, feature=3")


CASES = {
    "function as callback": lambda: Model(graph()).fit(np.ones((4, 3)), [0, 1, 0, 1], callbacks=[print]),
    "callback alone": lambda: Model(graph()).fit(np.ones((4, 3)), [0, 1, 0, 1], callbacks=print),
    "class as callback": lambda: Model(graph()).fit(
        np.ones((4, 3)), [0, 1, 0, 1], callbacks=[graphnet.training.callbacks.TimeLimit]
    ),
    "setting": lambda: graphnet.TrainingConfig(epoch=3),
    "setting without a name": lambda: graphnet.TrainingConfig(3),
    "npz": lambda: graphnet.datasets.npz(3),
    "exporter": lambda: Model(graph()).export(3),
    "builder": lambda: Builder(3),
    "input": lambda: Builder("g").input(None),
    "function on an array": lambda: graphnet.dense(np.ones((4, 3)), 3),
    "explain": lambda: graph().explain(batch="a"),
    "pruned": lambda: graph().pruned(3),
    "cell": lambda: graphnet.Cell("c", sequences=3),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_type_is_an_error_of_graphnet(name):
    with pytest.raises(GraphnetError) as caught:
        CASES[name]()
    assert caught.value.expected is not None or caught.value.remedy or "must be" in str(caught.value)
