"""The activations at large inputs, and their elementwise trait."""

import numpy as np
import pytest
from activations_oracle import ELEMENTWISE

from graphnet_activations import LogSigmoid, SiLU, SoftMax, Softplus

pytestmark = pytest.mark.usefixtures("every_backend")

LAYERS = [case[0] for case in ELEMENTWISE]
EACH = pytest.mark.parametrize("layer", LAYERS, ids=repr)


@pytest.mark.parametrize("layer", [*LAYERS, SoftMax()], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_inputs_raise_no_errors(layer, dtype):
    """Underflow of exp(-|x|) to 0 is allowed, because three of the layers rely on it."""
    x = np.array([[-1e4, -300.0, -30.0, -1.0, 0.0, 1.0, 30.0, 300.0, 1e4]], dtype)
    under = "ignore" if isinstance(layer, (LogSigmoid, SiLU, Softplus, SoftMax)) else "raise"
    with np.errstate(over="raise", divide="raise", invalid="raise", under=under):
        y = layer.forward(x)
        slope = layer.backward(np.ones_like(x))
    assert np.isfinite(y).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_raise_no_errors(dtype):
    layer, labels = SoftMax(), np.array([[1, 0, 0], [0, 1, 0]])
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        loss = layer.forward(np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0]], dtype), labels)
        error = layer.backward(labels)
    assert loss == 2e4
    np.testing.assert_array_equal(error, [[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]])


@EACH
def test_elementwise_trait_holds(layer):
    """The result for a number, and its error, depend neither on its position nor on other numbers."""
    assert layer.elementwise
    rng = np.random.default_rng(61)
    x, error, order = rng.normal(0.4, 2.5, 24), rng.normal(size=24), rng.permutation(24)
    y, pulled = layer.forward(x), layer.backward(error)
    np.testing.assert_allclose(layer.forward(x[order].reshape(4, 6)).ravel(), y[order], rtol=1e-14, atol=1e-300)
    again = layer.backward(error[order].reshape(4, 6)).ravel()
    np.testing.assert_allclose(again, pulled[order], rtol=1e-13, atol=1e-15)


@EACH
def test_writing_to_output_changes_nothing(layer):
    x, error = np.linspace(-4.0, 5.0, 12).reshape(3, 4), np.arange(12.0).reshape(3, 4)
    y = layer.forward(x)
    expected = layer.backward(error)
    y[:] = 0.0
    np.testing.assert_array_equal(layer.backward(error), expected)
    assert not layer.trainable
    assert layer.calculate_regularization_loss() == 0
