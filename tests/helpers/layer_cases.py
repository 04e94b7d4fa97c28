"""One table of every layer that ships with graphnet, for the checks that hold for all of them."""

import numpy as np
import pytest

from graphnet import (
    Add,
    Affine,
    BatchNormalization,
    Builder,
    Concatenate,
    Dropout,
    Flatten,
    FullyConnected,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Phase,
    Reshape,
    Runner,
    Split,
    Subtract,
    seed,
)
from helpers.numeric_gradient import close, numeric

ROWS, SEQUENCE = "batch=4, feature=3", "time=5, batch=3, feature=2"
IMAGE, SIGNAL = "batch=3, channel=2, y=3, x=4", "batch=3, channel=2, x=4"

CASES = [
    (FullyConnected, (3, 5), {}, [ROWS]),
    (FullyConnected, (None, 5), {}, [SEQUENCE]),
    (FullyConnected, (3, 5), {"bias": False}, [ROWS]),
    (FullyConnected, (2, 1), {"bias": 1.0}, [SEQUENCE]),
    (BatchNormalization, (), {}, [ROWS]),
    (BatchNormalization, (2,), {"epsilon": 0.1}, [SEQUENCE]),
    (BatchNormalization, (2,), {}, [IMAGE]),
    (BatchNormalization, (), {"momentum": 0.5}, [SIGNAL]),
    (BatchNormalization, (3,), {}, ["time=3, batch=2, channel=3, y=2, x=2"]),
    (LayerNormalization, (), {}, [ROWS]),
    (LayerNormalization, (2,), {"epsilon": 0.3}, [SEQUENCE]),
    (Dropout, (0.6,), {}, [ROWS]),
    (Dropout, (1.0,), {}, [IMAGE]),
    (Flatten, (), {}, [IMAGE]),
    (Flatten, (), {}, ["time=2, batch=3, channel=2, y=1, x=2"]),
    (Reshape, ((4, -1),), {}, [IMAGE]),
    (Reshape, ((1, 2),), {}, [SEQUENCE]),
    (Reshape, ((-1,),), {}, ["time=2, batch=3, channel=2, x=3"]),
    (Add, (), {}, [ROWS, ROWS, ROWS]),
    (Add, (), {}, [ROWS, "batch=4, feature=1", "batch=1, feature=3"]),
    (Subtract, (), {}, [SEQUENCE, "batch=3, feature=2"]),
    (Multiply, (), {}, [ROWS, ROWS, ROWS]),
    (Multiply, (), {}, [SEQUENCE, "batch=3, feature=1"]),
    (Affine, (-2.0, 0.5), {}, [IMAGE]),
    (Affine, (), {}, [ROWS]),
    (Concatenate, (), {}, [ROWS, "batch=4, feature=2", "batch=4, feature=1"]),
    (Concatenate, (1,), {}, [IMAGE, "batch=3, channel=1, y=3, x=4"]),
    (Split, (3,), {}, [ROWS]),
    (Split, ((1, 2),), {}, [ROWS]),
    (Split, (2, 1), {}, [IMAGE]),
    (Split, (1,), {}, [ROWS]),
    (Split, ((1, 2, 1), -1), {}, ["time=3, batch=2, feature=4"]),
    (Last, (), {}, [SEQUENCE]),
    (Last, (), {}, ["time=5, feature=2"]),
    (Last, (), {}, ["time=3, batch=2, channel=2, x=3"]),
    (MeanOverTime, (), {}, [SEQUENCE]),
    (MeanOverTime, (), {}, ["time=3, batch=2, channel=2, x=3"]),
    (MeanOverTime, (), {}, ["time=5, feature=2"]),
]
TABLE = pytest.mark.parametrize(("layer", "arguments", "options", "shapes"), CASES)


def made(layer, arguments, options, shapes, lengths=None):
    """A runner over one node, with weights drawn anew, its inputs and the errors for its outputs."""
    rng = np.random.default_rng(len(shapes) + 7 * sum(map(len, shapes)))
    g = Builder("one")
    names = [f"x{i}" for i in range(len(shapes))]
    node = layer(*arguments, **options)(*(g.input(n, s) for n, s in zip(names, shapes, strict=True)), name="node")
    ports = g.nodes["node"].layer.output_ports()
    runner = Runner(g.build(**{port: node[port] for port in ports}))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) + 0.3
    inputs = {n: rng.normal(size=runner.graph.inputs[n].shape.sizes) for n in names}
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths)
    return runner, inputs, {n: rng.normal(size=y.shape) for n, y in outputs.items()}, outputs


def objective(runner, inputs, errors, lengths=None, phase=Phase.train):
    """The sum of outputs times errors, with the same random draws each time."""
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths, phase=phase)
    return sum((outputs[n] * e).sum() for n, e in errors.items())


def check(runner, inputs, errors, lengths=None, phase=Phase.train):
    """Errors for all inputs and gradients of all weights against numeric derivatives."""
    objective(runner, inputs, errors, lengths, phase)
    pulled = runner.backward(errors)
    gradients = {name: p.gradient for name, p in runner.parameters.items()}
    for name, x in inputs.items():
        close(pulled[name], numeric(lambda v, n=name: objective(runner, {**inputs, n: v}, errors, lengths, phase), x))
    for name, parameter in runner.parameters.items():
        kept = parameter.value

        def loss(value, parameter=parameter):
            parameter.value = value
            return objective(runner, inputs, errors, lengths, phase)

        close(gradients[name], numeric(loss, kept))
        parameter.value = kept
