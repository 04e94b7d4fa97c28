"""Dropout of inputs and states, and clipped errors."""

import numpy as np
import pytest
from recurrent_layers import EVERY, LENGTHS, B, F, T, U, X, fill

from graphnet import (
    Phase,
    Runner,
    using,
)
from graphnet_recurrent import (
    GRU,
    RNN,
    Recurrent,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_masks_apply_to_products_only():
    layer = fill(GRU(F, U, None, keep_input=0.6, keep_state=0.5))
    with using(np.random.default_rng(9)):
        output = layer.forward(X)
    rng = np.random.default_rng(9)
    on_input = (rng.random((B, F)) < 0.6) / 0.6
    on_state = (rng.random((B, U)) < 0.5) / 0.5
    assert 0 < (on_input > 0).mean() < 1 and 0 < (on_state > 0).mean() < 1
    reset, update, candidate = np.split(layer.get_weights(), 3, axis=1)
    h = np.zeros((B, U))
    one = np.ones((B, 1))
    for t in range(T):
        x, masked_h = X[t] * on_input, h * on_state
        v = np.concatenate([x, masked_h, one], axis=1)
        r, z = sigmoid(v @ reset), sigmoid(v @ update)
        n = np.tanh(np.concatenate([x, r * masked_h, one], axis=1) @ candidate)
        h = (1 - z) * n + z * h  # the kept part is not masked
        np.testing.assert_allclose(output[t], h, rtol=1e-10)
    layer.phase = Phase.test
    plain = GRU(F, U, None)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer.forward(X), plain.forward(X), rtol=1e-12)


@EVERY
@pytest.mark.parametrize("options", [{"keep_state": 0.5, "keep_input": 0.7}, {"keep_state": 0.5, "clip_error": 0.05}])
def test_compiled_cell_equals_reference(cell, options, every_backend):
    layer = fill(Recurrent(cell(), **options))
    error = np.random.default_rng(2).standard_normal(layer.forward(X).shape)
    actual = []
    for backend in (every_backend, "reference"):
        runner = Runner(layer.graph, backend=backend)
        with using(np.random.default_rng(7)):
            output = runner.forward({"x": X}, lengths=LENGTHS)["output"]
        pulled = runner.backward({"output": error})["x"]
        actual.append([output, pulled, *(p.gradient for p in runner.parameters.values())])
    for a, b in zip(*actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@EVERY
@pytest.mark.parametrize(
    "options", [{}, {"keep_state": 0.5}, {"clip_error": 1.0}, {"learn_initial": True, "reverse": True}]
)
def test_cell_with_options_is_compiled(cell, options):
    runner = Runner(Recurrent(cell(), **options).graph)
    runner.forward({"x": X})
    explanation = str(runner.completed().explain(batch=B, steps=T))
    assert "runs step by step" not in explanation
    assert "node by node" not in explanation.split("scan", 1)[1]


def clipped_elman_backward(weights, x, error, limit):
    """The errors for the input of an Elman network with clipped errors for the state, and the gradient."""
    w, u = weights[:F], weights[F:-1]
    h = [np.zeros((x.shape[1], U))]
    for step in x:
        h.append(np.tanh(step @ w + h[-1] @ u + weights[-1]))
    carried, back, gradient = np.zeros_like(h[0]), np.zeros_like(x), np.zeros_like(weights)
    for t in reversed(range(len(x))):
        inner = (error[t] + carried) * (1 - h[t + 1] ** 2)
        back[t] = inner @ w.T
        gradient += np.concatenate([x[t], h[t], np.ones((len(inner), 1))], axis=1).T @ inner
        carried = np.clip(inner @ u.T, -limit, limit)
    return back, gradient


@pytest.mark.parametrize("limit", [0.01, 0.3, 50.0])
def test_state_error_is_clipped_every_step(limit):
    layer = fill(RNN(F, U, None, clip_error=limit), scale=1.0)
    output = layer.forward(X)
    error = np.random.default_rng(4).standard_normal(output.shape)
    back, gradient = clipped_elman_backward(layer.get_weights(), X, error, limit)
    np.testing.assert_allclose(layer.backward(error), back, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.get_gradient_weights(), gradient, rtol=1e-10, atol=1e-12)
    plain = RNN(F, U, None)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(output, plain.forward(X))
