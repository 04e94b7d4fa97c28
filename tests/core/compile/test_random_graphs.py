"""Random graphs (fan-out, shared weights, several outputs, nesting, Scans) against autograd."""

import numpy as np
import pytest
from autograd import grad
from helpers.random_models import WIDTH, Drawn, Plain, recipe

from graphnet import Builder, Runner


@pytest.mark.parametrize("number", range(25))
def test_random_graph_equals_autograd(number):
    rng = np.random.default_rng(number)
    steps = recipe(rng, depth=2)
    builder = Builder("random")
    drawn = Drawn(rng)
    values = drawn.run(steps, [builder.input("x", f"time, batch, feature={WIDTH}")])
    runner = Runner(builder.build(last=values[-1], other=values[len(values) // 2]))
    for layer in [*drawn.layers, drawn.shared]:
        layer.set_weights(rng.normal(size=(WIDTH + 1, WIDTH)) * 0.6)
    x, error, other = (rng.normal(size=(5, 2, WIDTH)) for _ in range(3))

    def loss(x, shared, *weights):
        found = Plain(weights, shared).run(steps, [x])
        return (found[-1] * error).sum() + (found[len(values) // 2] * other).sum()

    arguments = (x, drawn.shared.get_weights(), *(layer.get_weights() for layer in drawn.layers))
    outputs = runner.forward({"x": x})
    assert (outputs["last"] * error).sum() + (outputs["other"] * other).sum() == pytest.approx(
        loss(*arguments), rel=1e-12
    )
    pulled = runner.backward({"last": error, "other": other})["x"]
    expected = grad(loss, tuple(range(len(arguments))))(*arguments)
    used = {id(layer) for layer in runner.layers.values()}
    np.testing.assert_allclose(pulled, expected[0], rtol=1e-9, atol=1e-11)
    for layer, gradient in zip([drawn.shared, *drawn.layers], expected[1:], strict=True):
        if id(layer) in used:
            np.testing.assert_allclose(layer.get_gradient_weights(), gradient, rtol=1e-9, atol=1e-11)
        else:
            assert not gradient.any()


def test_random_graphs_contain_every_kind():
    kinds = set()

    def collect(steps):
        for kind, _, _, extra in steps:
            kinds.add(kind)
            if kind in ("nested", "scan"):
                collect(extra if kind == "nested" else extra[0])

    for number in range(25):
        collect(recipe(np.random.default_rng(number), depth=2))
    assert kinds == {"dense", "shared", "tanh", "add", "multiply", "affine", "halves", "nested", "scan"}
