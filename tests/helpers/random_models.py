"""Random models written twice: as a graph of layers, and as autograd code without a graph.

A recipe is a list of instructions over numbered values. `Drawn` turns it into nodes; `Plain` computes it with autograd.
"""

import autograd.numpy as anp
import numpy as np

from graphnet import Add, Affine, Builder, Cell, FullyConnected, Layer, Multiply, Scan
from graphnet.authoring import Subgraph

WIDTH = 3


class Tanh(Layer):
    """tanh."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


class Halves(Layer):
    """Two outputs: sin and cos."""

    def output_ports(self):
        return ("sine", "cosine")

    def infer(self, x):
        return x, x

    def apply(self, x):
        return (np.sin(x), np.cos(x)), x

    def pull(self, x, errors):
        return errors[0] * np.cos(x) - errors[1] * np.sin(x)


def recipe(rng, depth, states=0, scans=True):
    """Instructions (kind, operands, extra) over numbered values; 0 is the input, 1 … are states (in a cell)."""
    count = 1 + states
    steps = []
    for _ in range(rng.integers(4, 9)):
        kinds = ["dense", "dense", "tanh", "add", "multiply", "affine", "halves", "shared"]
        if depth:
            kinds += ["nested", "scan"] if scans else ["nested"]
        kind = str(rng.choice(kinds))
        a, b = (int(v) for v in rng.integers(0, count, size=2))
        extra = None
        if kind == "nested":
            extra = recipe(rng, depth - 1, scans=scans)
        elif kind == "scan":
            extra = (recipe(rng, depth - 1, states=2, scans=False), bool(rng.integers(2)))
        elif kind == "affine":
            extra = (float(rng.normal()), float(rng.normal()))
        elif kind == "halves":
            extra = bool(rng.integers(2))
        steps.append((kind, a, b, extra))
        count += 1
    return steps


class Drawn:
    """The recipe as a graph."""

    def __init__(self, rng):
        self.rng = rng
        self.layers = []
        self.shared = FullyConnected(WIDTH, WIDTH)

    def dense(self):
        self.layers.append(FullyConnected(WIDTH, WIDTH))
        return self.layers[-1]

    def run(self, steps, values):
        values = list(values)
        for kind, a, b, extra in steps:
            x, y = values[a], values[b]
            if kind == "dense":
                found = self.dense()(x)
            elif kind == "shared":
                found = self.shared(x)
            elif kind == "tanh":
                found = Tanh()(x)
            elif kind == "add":
                found = Add()(x, y)
            elif kind == "multiply":
                found = Tanh()(Multiply()(x, y))
            elif kind == "affine":
                found = Affine(*extra)(x)
            elif kind == "halves":
                both = Halves()(x)
                found = Multiply()(both["sine"], both["cosine"]) if extra else both["cosine"]
            elif kind == "nested":
                inner = Builder("inner")
                found = Subgraph(inner.build(self.run(extra, [inner.input("x")])[-1]))(x)
            else:
                found = self.scan(extra, x, values)
            values.append(found)
        return values

    def scan(self, extra, x, values):
        cell = Cell("cell", sequences="x", states={"h": "batch, feature=3", "c": "batch, feature=3"})
        inner, reverse = extra
        found = self.run(inner, [cell.x, cell.h, cell.c])
        built = cell.build(output=Tanh()(found[-1]), h=Tanh()(found[-2]), c=Affine(0.5)(found[-1] + cell.c))
        scanned = Scan(built, reverse=reverse)(x)
        return scanned + scanned["h"] * 0.5


class Plain:
    """The recipe as autograd code over (time, batch, width); weights come in order of use."""

    def __init__(self, weights, shared):
        self.weights = iter(weights)
        self.shared = shared

    def run(self, steps, values):
        return self.compute(self.bind(steps), values)

    def bind(self, steps):
        """Give every dense step its weight array, in the order in which `Drawn` makes layers."""
        bound = []
        for kind, a, b, extra in steps:
            if kind == "dense":
                extra = next(self.weights)
            elif kind == "nested":
                extra = self.bind(extra)
            elif kind == "scan":
                extra = (self.bind(extra[0]), extra[1])
            bound.append((kind, a, b, extra))
        return bound

    def compute(self, steps, values):
        values = list(values)
        for kind, a, b, extra in steps:
            x, y = values[a], values[b]
            if kind in ("dense", "shared"):
                w = self.shared if kind == "shared" else extra
                found = anp.dot(x, w[:-1]) + w[-1]
            elif kind == "tanh":
                found = anp.tanh(x)
            elif kind == "add":
                found = x + y
            elif kind == "multiply":
                found = anp.tanh(x * y)
            elif kind == "affine":
                found = extra[0] * x + extra[1]
            elif kind == "halves":
                found = anp.sin(x) * anp.cos(x) if extra else anp.cos(x)
            elif kind == "nested":
                found = self.compute(extra, [x])[-1]
            else:
                found = self.scan(*extra, x)
            values.append(found)
        return values

    def scan(self, steps, reverse, x):
        h = c = anp.zeros(x.shape[1:])
        outputs = {}
        for t in reversed(range(len(x))) if reverse else range(len(x)):
            found = self.compute(steps, [x[t], h, c])
            outputs[t] = anp.tanh(found[-1])
            h, c = anp.tanh(found[-2]), 0.5 * (found[-1] + c)
        return anp.stack([outputs[t] for t in range(len(x))]) + 0.5 * h
