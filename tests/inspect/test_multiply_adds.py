"""Multiply-adds are those of closed forms."""

import numpy as np
import pytest

import graphnet
from graphnet import Builder, ConfigError, FullyConnected, Layer, Sequential
from graphnet_conv import Conv
from graphnet_recurrent import GRU, LSTM, RNN, Recurrent
from graphnet_recurrent.cells import attention_cell


def work(graph, **sizes):
    found = graphnet.multiply_adds(graph, **sizes).below()
    return found.forward, found.backward


@pytest.mark.parametrize("rows", [1, 7])
def test_dense_layers(rows):
    graph = Sequential(FullyConnected(5, 11), FullyConnected(11, 3), shape="batch, feature=5")
    # The error for the input of the graph is not computed: nothing before the first layer is trained.
    assert work(graph, batch=rows) == (rows * (5 * 11 + 11 * 3), rows * (5 * 11 + 2 * 11 * 3))
    counts = {c.path: c for c in graphnet.multiply_adds(graph, batch=rows).counts}
    assert counts["fully_connected"].elementwise_forward == rows * 11  # the bias
    assert counts["fully_connected"].elementwise_backward == rows * 11  # its gradient


def test_frozen_weights_have_no_gradient():
    graph = Sequential(FullyConnected(5, 4), FullyConnected(4, 3, trainable=False), shape="batch, feature=5")
    assert work(graph) == (5 * 4 + 4 * 3, 5 * 4 + 4 * 3)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions(stride):
    graph = Sequential(
        Conv((1, 1), (2, 3, 3), 4, padding="valid"), Conv((stride, stride), (4, 2, 2), 5, padding="valid"),
        shape="batch, channel=2, y=9, x=8",
    )  # fmt: skip
    first = 4 * 7 * 6 * 2 * 3 * 3
    y, x = (6 - 1) // stride + 1, (5 - 1) // stride + 1
    second = 5 * y * x * 4 * 2 * 2
    assert work(graph, batch=3) == (3 * (first + second), 3 * (first + 2 * second))


@pytest.mark.parametrize(("layer", "gates"), [(RNN, 1), (GRU, 3), (LSTM, 4)])
def test_recurrent_layers(layer, gates):
    graph = Sequential(layer(6, 10, None), shape="time, batch, feature=6")
    forward, backward = work(graph, batch=2, steps=5)
    assert forward == 2 * 5 * gates * (6 + 10) * 10
    assert backward == 2 * forward
    counts = graphnet.multiply_adds(graph, steps=5)
    assert {c.calls for c in counts.counts} == {5}


def test_steps_are_counted():
    graph = Sequential(LSTM(6, 10, 4), shape="time, batch, feature=6")
    one = graphnet.multiply_adds(graph).below()
    many = graphnet.multiply_adds(graph, batch=3, steps=7).below()
    assert (many.forward, many.elementwise_backward) == (21 * one.forward, 21 * one.elementwise_backward)


def test_products_of_matrices_in_each_row():
    g = Builder("attention")
    q, k = g.input("q", "batch, query=3, feature=4"), g.input("k", "batch, feature=4, key=5")
    v = g.input("v", "batch, key=5, feature=6")
    graph = g.build(q @ k @ v)
    assert work(graph, batch=2) == (2 * (3 * 4 * 5 + 3 * 5 * 6), 0)


def test_memory_that_is_read_by_scores():
    slots, units = 4, 6
    graph = Sequential(Recurrent(attention_cell(units, slots)), shape="time, batch, feature=3")
    found = {c.path.rpartition("/")[2]: c for c in graphnet.multiply_adds(graph).counts}
    products = {name: c.forward for name, c in found.items() if c.forward}
    assert sum(products.values()) == graphnet.multiply_adds(graph).below().forward > 0
    assert all(c.elementwise_forward for name, c in found.items() if "softmax" in name.lower())


class Einsum(Layer):
    """A product of matrices for each head, of batches and of vectors, by hand."""

    def apply(self, x):
        a = np.einsum("bhi,bhj->bhij", x, x)
        return np.vecdot(x, np.matvec(a, x)), (x, a)


def test_other_functions_and_unknown_rules():
    graph = Sequential(Einsum(), shape="batch, head=3, feature=5")
    found = graphnet.multiply_adds(graph, batch=2).counts[0]
    assert found.forward == 2 * 3 * (5 * 5 + 5 * 5 + 5)
    assert "backward" in found.reason and "einsum: backward" in str(graphnet.multiply_adds(graph))
    assert graphnet.multiply_adds(graph).below().reason == "without einsum"


def test_table_and_arguments():
    graph = Sequential(FullyConnected(5, 11), shape="batch, feature=5")
    lines = str(graphnet.multiply_adds(graph, batch=4)).splitlines()
    assert lines[0] == "multiply-adds, batch 4, 1 step" and lines[-1].split()[:3] == ["all", "220", "220"]
    with pytest.raises(ConfigError, match="batch"):
        graphnet.multiply_adds(graph, batch=0)
    with pytest.raises(ConfigError, match="multiply_adds"):
        graphnet.multiply_adds(3)
    assert graphnet.multiply_adds(graph).to_dict()["counts"][0]["forward"] == 55
