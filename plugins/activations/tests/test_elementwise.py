"""The elementwise activations against the math module and numeric derivatives; dtypes and invalid input."""

import math

import numpy as np
import pytest
from activations_oracle import ELEMENTWISE, close, each, numeric

from graphnet import Builder, ConfigError, DataError, DtypeError, Runner, ShapeError, StateError
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, Softplus, functional

pytestmark = pytest.mark.usefixtures("every_backend")

CASES = pytest.mark.parametrize(
    ("layer", "function", "kinks"), ELEMENTWISE, ids=[repr(case[0]) for case in ELEMENTWISE]
)


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def smooth(x, kinks):
    """``x`` moved away from where the function has no derivative."""
    for kink in kinks:
        x = np.where(np.abs(x - kink) < 1e-3, x + 0.01, x)
    return x


@CASES
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (7,), (2, 1, 3, 2)])
def test_forward_and_backward(layer, function, kinks, shape, rng):
    x, error = smooth(rng.normal(0.4, 2.5, shape), kinks), rng.normal(size=shape)
    close(layer.forward(x), each(function, x), 1e-13)
    close(layer.backward(error), numeric(lambda x: (each(function, x) * error).sum(), x))


@CASES
def test_float32_is_kept(layer, function, kinks, rng):
    x, error = rng.normal(0.4, 2.5, (4, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    y = layer.forward(x)
    pulled = layer.backward(error)
    assert y.dtype == pulled.dtype == np.float32
    close(y, each(function, x), 1e-6)


@CASES
def test_arguments_are_not_changed(layer, function, kinks, rng):
    x, error = rng.normal(size=(6, 4))[::2], rng.normal(size=(4, 3)).T
    before, error_before = x.copy(), error.copy()
    x.flags.writeable = error.flags.writeable = False
    layer.forward(x)
    layer.backward(error)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(error, error_before)


@CASES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_inputs_do_not_overflow(layer, function, kinks, dtype):
    x = np.array([[-1e30, -1e4, -100.0, -20.0, 20.0, 100.0, 1e4, 1e30]], dtype)
    y = layer.forward(x)
    slope = layer.backward(np.ones_like(x))
    assert np.isfinite(y).all() and np.isfinite(slope).all()
    if not isinstance(layer, HardSigmoid | LogSigmoid):
        np.testing.assert_allclose(y[0, -2:], x[0, -2:], rtol=1e-6)
        np.testing.assert_allclose(slope[0, -2:], 1.0, rtol=1e-6)


@CASES
def test_integers_and_lists(layer, function, kinks):
    x = [[-4, -1, 0], [1, 2, 5]]
    y = layer.forward(x)
    assert y.dtype == np.float64
    close(y, each(function, x), 1e-13)
    np.testing.assert_array_equal(layer.forward(np.array(x)), y)


@CASES
def test_nan_stays_nan(layer, function, kinks):
    y = layer.forward(np.array([[np.nan, 1.0]]))
    assert np.isnan(y[0, 0]) and np.isfinite(y[0, 1])


@CASES
def test_invalid_calls_change_nothing(layer, function, kinks, rng):
    new = type(layer)(**layer.config())
    with pytest.raises(StateError, match="forward"):
        new.backward(np.ones((2, 2)))
    x, error = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    new.forward(x)
    expected = new.backward(error)
    with pytest.raises(DataError):
        new.forward(np.zeros((0, 3)))
    with pytest.raises(DtypeError):
        new.forward(np.array([["a"]]))
    with pytest.raises(ShapeError):
        new.backward(np.ones((3, 2)))
    np.testing.assert_array_equal(new.backward(error), expected)


def test_slopes_at_kinks():
    at_zero = np.array([[0.0, -0.0]])
    for layer, slope in [(ReLU(), 0.0), (LeakyReLU(0.2), 0.2), (ELU(3.0), 3.0)]:
        assert not layer.forward(at_zero).any()
        np.testing.assert_array_equal(layer.backward(np.ones((1, 2))), np.full((1, 2), slope))
    hard = HardSigmoid()
    np.testing.assert_array_equal(hard.forward(np.array([[-3.0, 3.0]])), [[0.0, 1.0]])
    assert not hard.backward(np.ones((1, 2))).any()


def test_closed_forms():
    np.testing.assert_array_equal(ReLU().forward(np.array([[-1.5, 2.5]])), [[0.0, 2.5]])
    np.testing.assert_allclose(
        Softplus().forward(np.array([[0.0, -700.0]])), [[math.log(2), math.exp(-700)]], rtol=1e-14
    )
    np.testing.assert_allclose(
        LogSigmoid().forward(np.array([[0.0, 700.0, -1e30]])), [[-math.log(2), -math.exp(-700), -1e30]], rtol=1e-14
    )
    np.testing.assert_allclose(SiLU().forward(np.array([[-700.0]])), [[-700 * math.exp(-700)]], rtol=1e-13)
    np.testing.assert_allclose(ELU().forward(np.array([[math.log(0.25), -1e-12]])), [[-0.75, -1e-12]], rtol=1e-11)
    np.testing.assert_allclose(HardSigmoid().forward(np.array([[-1.5, 0.0, 1.2]])), [[0.25, 0.5, 0.7]], rtol=1e-15)


def test_gelu_approximation_error():
    x = np.linspace(-12.0, 12.0, 4801)
    exact = np.array([v * 0.5 * (1.0 + math.erf(v / math.sqrt(2.0))) for v in x])
    np.testing.assert_allclose(GELU().forward(x[None])[0], exact, rtol=0, atol=2e-15)
    difference = np.abs(GELU(approximate=True).forward(x[None])[0] - exact)
    assert 4.7e-4 < difference.max() < 4.8e-4
    assert abs(abs(x[difference.argmax()]) - 2.7) < 0.05


@pytest.mark.parametrize("slope", [np.nan, np.inf, "0.1", True, None])
def test_invalid_slopes_are_refused(slope):
    with pytest.raises(ConfigError, match="slope"):
        LeakyReLU(slope)


@pytest.mark.parametrize("alpha", [-1.0, np.nan, [1.0]])
def test_invalid_alphas_are_refused(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        ELU(alpha)


@pytest.mark.parametrize("name", functional.__all__)
def test_functions_in_a_graph(name, rng):
    g = Builder()
    runner = Runner(g.build(getattr(functional, name)(g.input("x", "time, batch, feature=3"), name="node")))
    assert list(runner.graph.nodes) == ["node"]
    x, error = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3))
    y = runner.forward({"x": x})["output"]
    layer = type(runner.graph.nodes["node"].layer)()
    np.testing.assert_array_equal(y, layer.forward(x))
    np.testing.assert_array_equal(runner.backward({"output": error})["x"], layer.backward(error))


@CASES
def test_against_torch(layer, function, kinks, rng):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    peers = {
        ReLU: lambda x: f.relu(x),
        LeakyReLU: lambda x: f.leaky_relu(x, layer.slope),
        ELU: lambda x: f.elu(x, layer.alpha),
        GELU: lambda x: f.gelu(x, approximate="tanh" if layer.approximate else "none"),
        SiLU: lambda x: f.silu(x),
        Softplus: lambda x: f.softplus(x, threshold=1000.0),
        LogSigmoid: f.logsigmoid,
        HardSigmoid: lambda x: f.relu6(x + 3.0) / 6.0,
    }
    x, error = rng.normal(0.4, 4.0, (9, 11)), rng.normal(size=(9, 11))
    x_torch = torch.tensor(x, requires_grad=True)
    y = peers[type(layer)](x_torch)
    y.backward(torch.tensor(error))
    close(layer.forward(x), y.detach().numpy(), 1e-10)
    close(layer.backward(error), x_torch.grad.numpy(), 1e-10)
