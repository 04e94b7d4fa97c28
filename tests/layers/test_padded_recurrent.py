"""Every layer_name between layers that are infinite at zero: each row gives the same result as on its own."""

import functools

import numpy as np
import pytest
from helpers import ragged_batches as padded
from ragged_layers import CELLS, LAYERS, D, H

from graphnet import Affine, Builder, dense
from graphnet.testing.every_backend import compiled_backends
from graphnet_recurrent import LSTM, Recurrent

pytestmark = pytest.mark.slow

LENGTHS = ([3, 0, 6, 1], [0, 4], [2, 6, 5])


def surrounded(layer):
    """log x, the layer, and the logarithm of a positive function of its output."""
    g = Builder("surrounded")
    y = layer(padded.Log()(g.input("x", f"time, batch, feature={D}")), name="layer")
    return g.build(y=dense(padded.Log()(padded.Positive()(dense(y, 2))), 2))


@pytest.mark.parametrize("backend", [*compiled_backends(), "reference"])
@pytest.mark.parametrize("layer_name", LAYERS)
def test_padded_rows_equal_single_rows(layer_name, backend):
    cell = list(CELLS)[len(layer_name) % len(CELLS)]
    made = surrounded(LAYERS[layer_name](functools.partial(CELLS[cell])))
    for lengths in LENGTHS:
        runner = padded.filled(made, 4, backend=backend)
        inputs = {"x": padded.batch(1, lengths)["x"]}
        outputs = runner.forward(inputs, lengths=lengths)
        rng = np.random.default_rng(3)
        # A row without steps gives what the layers make of the layer's output for it; it is not compared.
        errors = {n: rng.normal(size=y.shape) for n, y in outputs.items()}
        empty = np.flatnonzero(np.equal(lengths, 0))
        for error in errors.values():
            error[(..., empty, slice(None))] = 0
        pulled = runner.backward(errors)
        gradients = {n: p.gradient.copy() for n, p in runner.parameters.items()}
        expected = padded.alone(runner, inputs, lengths, outputs, errors)
        for y, right in ((outputs["y"], expected[0]["y"]), (pulled["x"], expected[1]["x"])):
            right[(..., empty, slice(None))] = y[(..., empty, slice(None))]
        padded.agree([outputs, pulled, gradients], expected, 1e-9)


@pytest.mark.parametrize("reverse", [False, True])
def test_gaps_of_a_mask(reverse):
    rng = np.random.default_rng(0)
    cell = padded.cell(np.random.default_rng(11), context=False)
    layer = Recurrent(cell, 2, reverse=reverse, learn_initial=True)
    mask = rng.random((6, 4)) < 0.6
    mask[:, 2] = False
    x = np.where(mask[:, :, None], rng.uniform(0.5, 1.5, (6, 4, padded.WIDTH)), np.nan)
    with np.errstate(all="ignore"):  # the initial state is zeros until it has its weights
        layer.forward(np.ones((2, 1, padded.WIDTH)))
    weights = {n: np.full(a.shape, 0.3) + rng.uniform(0, 0.5, a.shape) for n, a in layer.get_weights().items()}
    layer.set_weights(weights)
    y = layer.forward(x, mask=mask)
    error = rng.normal(size=y.shape)
    pulled, gradients = layer.backward(error), layer.get_gradient_weights()
    total = {n: np.zeros_like(a) for n, a in gradients.items()}
    assert not y[~mask].any()
    assert not pulled[~mask].any()
    for row in (0, 1, 3):
        steps = mask[:, row]
        np.testing.assert_allclose(y[steps, row], layer.forward(x[steps, row]), rtol=1e-10)
        np.testing.assert_allclose(pulled[steps, row], layer.backward(error[steps, row]), rtol=1e-9, atol=1e-12)
        for name, gradient in layer.get_gradient_weights().items():
            total[name] += gradient
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, total[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_issue_example():
    """A logarithm before an LSTM, rows of 6 and 3 steps: gradients were NaN."""
    g = Builder("m")
    x = padded.Log()(g.input("x", "time, batch, feature=3"), name="log")
    made = g.build(y=LSTM(3, H, 2, None)(Affine(1.0)(dense(x, 3)), name="lstm"))
    inputs, lengths = {"x": padded.batch(0, [6, 3])["x"]}, [6, 3]
    padded.agree(*padded.both(made, inputs, lengths), 1e-10)
