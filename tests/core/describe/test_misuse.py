"""What a beginner writes by mistake: an error of graphnet that says what to write instead."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import graphnet
from graphnet import (
    Builder,
    ConfigError,
    FullyConnected,
    GraphError,
    GraphnetError,
    Model,
    Runner,
    Sequential,
    ShapeError,
)
from graphnet.losses import BinaryCrossEntropy
from graphnet.metrics import Accuracy

pytestmark = pytest.mark.no_plugins


def value(name="g"):
    return Builder(name).input("x", "batch, feature=3")


def graph(units=2):
    return Sequential(FullyConnected(3, units), shape="batch, feature=3")


@pytest.mark.parametrize("use", [Model, Runner, graphnet.training.Trainer])
@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: [FullyConnected(3, 2)], r"Sequential\(layers\)"),
        (lambda: Builder("g"), r"what builder.build\(value\) returns"),
        (lambda: FullyConnected(3, 2), r"Sequential\(layer\)"),
        (lambda: Model(graph()), "Pass its graph"),
        (lambda: value(), "one of its values"),
        (lambda: "model.yaml", r"graphnet.load\(path\)"),
        (lambda: FullyConnected, "Builder or graphnet.Sequential"),
        (lambda: None, "Builder or graphnet.Sequential"),
    ],
)
def test_what_is_not_a_graph_is_refused(use, make, remedy):
    with pytest.raises(ConfigError, match=f"not a graph; expected a Graph.*{remedy}"):
        use(make())


NUMPY = {
    "tanh": lambda v: np.tanh(v),
    "maximum": lambda v: np.maximum(v, 0.0),
    "sum": lambda v: np.sum(v),
    "concatenate": lambda v: np.concatenate([v, v]),
    "where": lambda v: np.where(v, v, 0.0),
    "array": lambda v: np.array(v),
    "asarray": lambda v: np.asarray(v, float),
    "matmul": lambda v: v @ np.ones((3, 2)),
    "matmul from the left": lambda v: np.ones((2, 3)) @ v,
    "add an array": lambda v: v + np.ones(3),
    "array times": lambda v: np.ones(3) * v,
    "slice": lambda v: v[:, :2],
    "index": lambda v: v[0],
    "text": lambda v: v + "a",
    "none": lambda v: v * None,
    "truth": lambda v: v + True,
    "power": lambda v: v**2,
    "power from the left": lambda v: 2**v,
    "quotient": lambda v: v / v,
    "reciprocal": lambda v: 1 / v,
    "by zero": lambda v: v / 0,
    "whole division": lambda v: v // 2,
    "remainder": lambda v: v % 2,
    "less": lambda v: v < 0,
    "at least": lambda v: v >= 0,
    "abs": lambda v: abs(v),
    "float": lambda v: float(v),
    "int": lambda v: int(v),
    "len": lambda v: len(v),
    "bool": lambda v: bool(v),
    "shape": lambda v: v.shape,
    "method": lambda v: v.reshape(3),
}


@pytest.mark.parametrize("name", NUMPY)
def test_use_of_a_value_as_numbers_is_refused(name):
    with pytest.raises(GraphError) as caught:
        NUMPY[name](value())
    assert (caught.value.remedy and "'g'" in str(caught.value)) or name == "bool"


def test_numbers_of_numpy_are_numbers():
    b = Builder("g")
    x = b.input("x", "batch")
    two = np.float32(2)
    built = b.build(a=two * x, b=x * two, c=np.float64(1) - x, d=x / np.float64(4), e=np.array(3.0) + x)
    found = Runner(built).forward({"x": np.array([1.0, 5.0])})
    expected = {"a": [2, 10], "b": [2, 10], "c": [0, -4], "d": [0.25, 1.25], "e": [4, 8]}
    assert {name: y.tolist() for name, y in found.items()} == expected


def test_a_value_behaves_in_copies_lists_and_attribute_checks():
    x = value()
    assert next(iter(x)).ref == x.ref and list(x) and [*x] and not hasattr(x, "shape") and hasattr(x, "ref")
    assert copy.copy(x).ref == x.ref and pickle.loads(pickle.dumps(x)).ref == x.ref
    assert x != 0 and x == x and x in [x]


@pytest.mark.parametrize("shape", [(None, 3), [4, 3], 3, {"batch": None}])
def test_a_shape_without_names_is_refused(shape):
    with pytest.raises(ShapeError, match="axes have names; expected text, such as 'batch, feature=4'"):
        Builder("g").input("x", shape)
    with pytest.raises(ShapeError, match="axes have names"):
        Sequential(FullyConnected(3, 2), shape=shape)


MORE = {
    "function as callback": lambda: Model(graph()).fit(np.ones((4, 3)), [0, 1, 0, 1], callbacks=[print]),
    "class as callback": lambda: Model(graph()).fit(
        np.ones((4, 3)), [0, 1, 0, 1], callbacks=[graphnet.training.callbacks.TimeLimit]
    ),
    "callbacks=print": lambda: Model(graph()).fit(np.ones((4, 3)), [0, 1, 0, 1], callbacks=print),
    "text as data": lambda: Model(graph()).fit([["a", "b", "c"]] * 4, [0, 1, 0, 1]),
    "text as targets": lambda: Model(graph()).fit(np.ones((4, 3)), ["a", "b", "a", "b"]),
    "configuration as a mapping": lambda: Model(graph(), {"epochs": 3}),
    "two losses": lambda: Model(graph(1)).fit(
        np.ones((4, 3)), np.ones((4, 1)), loss=BinaryCrossEntropy(), metrics=[Accuracy()]
    ),
    "path": lambda: graphnet.load(None),
    "folder": lambda: Model(graph()).save(3),
    "npz": lambda: graphnet.datasets.npz(3),
    "exporter": lambda: Model(graph()).export(3),
    "name": lambda: Builder(3),
    "input": lambda: Builder("g").input(None),
    "function on an array": lambda: graphnet.dense(np.ones((4, 3)), 3),
    "explain": lambda: graph().explain(batch="a"),
    "pruned": lambda: graph().pruned(3),
    "cell": lambda: graphnet.Cell("c", sequences=3),
}


@pytest.mark.parametrize("name", MORE)
def test_other_misuse_is_an_error_of_graphnet(name):
    with pytest.raises(GraphnetError) as caught:
        MORE[name]()
    assert caught.value.expected is not None or caught.value.remedy or "must be" in str(caught.value)


def test_metric_that_does_not_fit_the_loss_is_named():
    with pytest.raises(GraphnetError) as caught:
        MORE["two losses"]()
    text = str(caught.value)
    assert "the metric Accuracy does not fit these targets of BinaryCrossEntropy" in text
    assert "Leave the metric out" in text and "Use BinaryCrossEntropy" not in text
