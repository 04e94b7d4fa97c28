"""A Scan with two gates and a region of dense layers, for the tests of explain and profile."""

from graphnet import Builder, Cell, Layer, Scan, concatenate, dense
from helpers.random_models import Tanh


class Branching(Layer):
    """Branches on its numbers."""

    def apply(self, x):
        y = x * 2 if x.sum() > 0 else x * 3
        return y, y / x

    def pull(self, slope, error):
        return error * slope


def gated(activation):
    c = Cell("gated", sequences="x", states={"h": 4})
    z = concatenate(c.x, c.h)
    gate, new = activation()(dense(z, 4, name="gate")), Tanh()(dense(z, 4, name="new"))
    h = gate * new + c.h
    return c.build(y=h, h=h)


def model(activation=Tanh):
    g = Builder("model")
    x = g.input("x", "time, batch, feature=3")
    y = Scan(gated(activation))(x, name="scan")
    return g.build(y=Tanh()(dense(Tanh()(dense(y, 2, name="first"), name="bent"), 2, name="last")))
