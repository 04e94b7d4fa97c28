"""Random gated cells: compiled results equal those of the reference backend."""

import random

import numpy as np
import pytest
from helpers.random_models import Tanh

from graphnet import Builder, Cell, Runner, Scan, concatenate, dense

pytestmark = pytest.mark.slow

WIDTH = 4


def gated(seed):
    """A cell of gates, products and mixtures of its two states, in random order."""
    rng = random.Random(seed)
    cell = Cell("random", sequences="x", states={"h": WIDTH, "c": WIDTH})
    values = [cell.h, cell.c]

    def gate(value):
        return Tanh()(dense(concatenate(cell.x, value), WIDTH))

    for _ in range(rng.randint(4, 10)):
        a, b, kind = (
            rng.choice(values),
            rng.choice(values),
            rng.choice(["gate", "gate", "times", "times", "mix", "tanh", "deep"]),
        )
        if kind == "mix":
            z = 0.5 * gate(rng.choice(values)) + 0.5
            values.append((1 - z) * a + z * b)
        else:
            make = {"gate": lambda a, b: gate(a), "times": lambda a, b: a * b, "tanh": lambda a, b: Tanh()(a)}
            values.append(make.get(kind, lambda a, b: gate(a * b))(a, b))
    return cell.build(output=values[-1], h=values[-1], c=values[-2])


def crossing():
    """The smallest cell in which pairs of equal calls blocked each other."""
    cell = Cell("crossing", sequences="x", states={"h": WIDTH, "c": WIDTH})
    h = Tanh()(cell.h)
    c = Tanh()(dense(concatenate(cell.x, cell.c), WIDTH)) * cell.c
    return cell.build(output=h, h=h, c=c)


def everything(cell, backend, seed):
    builder = Builder()
    runner = Runner(
        builder.build(Scan(cell)(builder.input("x", "time, batch, feature=3"), name="scan")), backend=backend
    )
    runner.materialize()
    rng = np.random.default_rng(seed)
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape)
    outputs = runner.forward({"x": rng.normal(size=(5, 2, 3))})
    pulled = runner.backward({name: rng.normal(size=y.shape) for name, y in outputs.items()})
    return [*outputs.values(), pulled["x"], *(p.gradient for p in runner.parameters.values())]


@pytest.mark.parametrize("seed", range(0, 120, 4))
def test_random_cells_equal_reference(seed, every_backend):
    for number in range(seed, seed + (4 if every_backend == "numpy" else 1)):  # each is a program to be compiled
        cell = crossing() if number == 0 else gated(number)
        compare(everything(cell, every_backend, number), everything(cell, "reference", number))


def compare(results, references):
    for found, expected in zip(results, references, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)
