"""Every built-in layer with a configuration and inputs, and a comparison of its gradients with finite differences.

The cases are those of the conformance kit, ``graphnet.testing.builtin_cases``: a new layer is added there.
"""

import numpy as np
import pytest

from graphnet import Builder, Phase, Runner, Shape, seed
from graphnet.testing import Case
from graphnet.testing.builtin_cases import CASES, SEQUENCE
from helpers.numeric_gradient import close, numeric


def shapes_of(case):
    """The shapes of the inputs, in order."""
    return list(case.input_specs.values())


#: Cases whose inputs can be drawn; the others give the values of integer inputs.
CONTINUOUS = [case for case in CASES if all(isinstance(shape, Shape) for shape in shapes_of(case))]
EVERY_CASE = pytest.mark.parametrize("case", CONTINUOUS, ids=lambda case: case.label)


def sequence_case(layer):
    """A case of a layer that reads sequences."""
    return Case(layer, {"input_size": 2, "output_size": 2} if layer.__name__ == "FullyConnected" else {}, SEQUENCE)


def made(case, lengths=None):
    """A runner of one node with random weights, its inputs, the errors for its outputs, and the outputs."""
    shapes = shapes_of(case)
    rng = np.random.default_rng(len(shapes) + 7 * sum(shape.rank for shape in shapes))
    g = Builder("one")
    names = [f"x{i}" for i in range(len(shapes))]
    layer = case.layer(**case.config)
    node = layer(*(g.input(n, s) for n, s in zip(names, shapes, strict=True)), name="node")
    runner = Runner(g.build(**{port: node[port] for port in layer.output_ports()}))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) + 0.3
    inputs = {n: rng.normal(size=runner.graph.inputs[n].shape.sizes) for n in names}
    if case.domain is not None:
        inputs = {n: rng.uniform(*case.domain, x.shape) for n, x in inputs.items()}
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths)
    return runner, inputs, {n: rng.normal(size=y.shape) for n, y in outputs.items()}, outputs


def objective(runner, inputs, errors, lengths=None, phase=Phase.train):
    """The sum of outputs times errors, with the same random draws in every call."""
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths, phase=phase)
    return sum((outputs[n] * e).sum() for n, e in errors.items())


def check(runner, inputs, errors, lengths=None, phase=Phase.train):
    """Compare the errors for all inputs and the gradients of all weights with finite differences."""
    objective(runner, inputs, errors, lengths, phase)
    pulled = runner.backward(errors)
    gradients = {name: p.gradient for name, p in runner.parameters.items()}
    for name, x in inputs.items():
        close(pulled[name], numeric(lambda v, n=name: objective(runner, {**inputs, n: v}, errors, lengths, phase), x))
    for name, parameter in runner.parameters.items():
        before = parameter.value

        def loss(value, parameter=parameter):
            parameter.value = value
            return objective(runner, inputs, errors, lengths, phase)

        close(gradients[name], numeric(loss, before))
        parameter.value = before
