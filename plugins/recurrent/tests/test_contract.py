"""The layer contract for RNN, LSTM, TanH and Sigmoid, line by line."""

import inspect

import numpy as np
import pytest
from recurrent_oracle import close, numeric, sigmoid

from graphnet import (
    ConfigError,
    DataError,
    DtypeError,
    FullyConnected,
    Layer,
    Phase,
    Scan,
    ShapeError,
    StateError,
    seed,
)
from graphnet.initializers import Constant
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet_recurrent import LSTM, RNN, Sigmoid, TanH

BOTH = pytest.mark.parametrize(("layer", "gates"), [(RNN, 1), (LSTM, 4)])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# ---------------------------------------------------------------------- activations
@pytest.mark.parametrize(
    ("layer", "oracle"), [(TanH, np.vectorize(lambda v: 2 * sigmoid(2 * v) - 1)), (Sigmoid, sigmoid)]
)
def test_activations_equal_definitions(layer, oracle, rng):
    x, error = rng.normal(size=(3, 4)) * 3, rng.normal(size=(3, 4))
    activation = layer()
    close(activation.forward(x), oracle(x), 1e-12)
    close(activation.backward(error), numeric(lambda x: (oracle(x) * error).sum(), x), 1e-8)


def test_sigmoid_neither_overflows_nor_warns():
    with np.errstate(all="raise"):
        y = Sigmoid().forward(np.array([[1e4, -1e4, 0.0]]))
    np.testing.assert_array_equal(y, [[1.0, 0.0, 0.5]])


@pytest.mark.parametrize("layer", [TanH, Sigmoid])
def test_activations_save_outputs(layer):
    x = np.array([[0.3, -2.0]])
    y, saved = layer().apply(x)
    assert saved is y


@pytest.mark.parametrize("layer", [TanH, Sigmoid])
def test_writing_to_output_changes_nothing(layer):
    activation = layer()
    y = activation.forward([[0.5, -1.0]])
    expected = activation.backward(np.ones((1, 2)))
    y[:] = 0.0
    np.testing.assert_array_equal(activation.backward(np.ones((1, 2))), expected)


# ---------------------------------------------------------------------- construction
@BOTH
def test_constructor_and_shapes(layer, gates):
    names = list(inspect.signature(layer).parameters)[:4]
    assert names == ["input_size", "hidden_size", "output_size", "bptt_length"]
    net = layer(13, 7, 5, 9)
    assert net.memory is False
    assert net.phase is Phase.train
    assert net.trainable
    assert net.get_weights().shape == (13 + 7 + 1, gates * 7)
    assert net.forward(np.ones((9, 13))).shape == (9, 5)
    assert net.backward(np.ones((9, 5))).shape == (9, 13)
    assert net.get_gradient_weights().shape == net.get_weights().shape
    assert net.forward(np.ones((9, 2, 13))).shape == (9, 2, 5)


@BOTH
def test_layer_is_a_graph(layer, gates):
    net = layer(3, 4, 2, 1)
    assert list(net.graph.nodes) == ["scan", "output_layer"]
    scan = net.graph.nodes["scan"].layer
    assert isinstance(scan, Scan)
    assert isinstance(net.output_layer, FullyConnected)
    assert (layer.apply, layer.pull, layer.grad) == (Layer.apply, Layer.pull, Layer.grad)
    dense = [n for n, node in scan.cell.nodes.items() if isinstance(node.layer, FullyConnected)]
    assert dense == list(net.gates)
    assert len(dense) == gates
    assert set(scan.cell.networkx.predecessors(dense[0])) == {"concatenate"}


@BOTH
def test_fresh_weights_are_uniform_and_seeded(layer, gates):
    seed(3)
    first = layer(10, 20, 2, 1).get_weights()
    seed(3)
    np.testing.assert_array_equal(layer(10, 20, 2, 1).get_weights(), first)
    assert 0 <= first.min() < 0.02
    assert 0.98 < first.max() < 1
    assert abs(first.mean() - 0.5) < 0.05


@BOTH
@pytest.mark.parametrize(
    "config", [(0, 3, 2, 1), (2, 0, 2, 1), (2, 3, 0, 1), (2, 3, 2, 0), (2, 3, 2, 1.5), ("a", 3, 2, 1)]
)
def test_invalid_configuration_is_refused(layer, gates, config):
    with pytest.raises(ConfigError, match="positive integer"):
        layer(*config)


# ---------------------------------------------------------------------- weights
@BOTH
def test_set_weights_copies_and_checks(layer, gates, rng):
    net = layer(3, 4, 2, 1)
    w = rng.normal(size=net.get_weights().shape)
    original = w.copy()
    net.set_weights(original)
    original[:] = 0
    np.testing.assert_array_equal(net.get_weights(), w)
    np.testing.assert_array_equal(net.weights, w)
    with pytest.raises(ShapeError, match=rf"expected \(8, {4 * gates}\), received \(2, 3\)"):
        net.set_weights(np.ones((2, 3)))
    np.testing.assert_array_equal(net.get_weights(), w)
    with pytest.raises(ValueError, match="read-only"):
        net.weights[0] = 1.0


@BOTH
def test_initialize_fills_every_gate(layer, gates):
    class Recorder:
        asked = []  # noqa: RUF012

        def initialize(self, shape, fan_in, fan_out):
            self.asked.append((shape, fan_in, fan_out))
            return np.full(shape, 0.25)

    recorder = Recorder()
    recorder.asked.clear()
    net = layer(3, 4, 2, 1)
    net.initialize(recorder, Constant(-1.0))
    assert recorder.asked == [((7, 4), 7, 4)] * gates + [((4, 2), 4, 2)]
    assert (net.get_weights()[:-1] == 0.25).all()
    assert (net.get_weights()[-1] == -1).all()
    assert (net.get_output_weights()[-1] == -1).all()


def test_forget_bias_has_initial_value():
    net = LSTM(3, 4, 2, 1, forget_bias=1.0)
    net.initialize(Constant(0.0), Constant(0.5))
    np.testing.assert_array_equal(net.get_weights()[-1], [0.5] * 4 + [1.0] * 4 + [0.5] * 8)


# ---------------------------------------------------------------------- optimizers
@BOTH
def test_update_follows_the_error(layer, gates, rng):
    net, still = layer(3, 4, 2, 2), layer(3, 4, 2, 2)
    still.set_weights(net.get_weights())
    still.set_output_weights(net.get_output_weights())
    net.set_optimizer(Sgd(0.1))
    x, error = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 2))
    before, before_output = net.get_weights(), net.get_output_weights()
    net.forward(x)
    still.forward(x)
    np.testing.assert_array_equal(net.backward(error), still.backward(error))
    close(net.get_weights(), before - 0.1 * still.get_gradient_weights(), 1e-14)
    close(net.get_output_weights(), before_output - 0.1 * still.get_gradient_output_weights(), 1e-14)
    np.testing.assert_array_equal(still.get_weights(), before)


@BOTH
def test_weight_arrays_have_separate_optimizers(layer, gates, rng):
    net = layer(3, 4, 2, 2)
    original = Adam(0.01, 0.9, 0.999)
    net.set_optimizer(original)
    own = [p.optimizer for owner in net.graph.layers().values() for p in owner.params.values()]
    assert len(own) == gates + 1
    assert len({id(o) for o in own} | {id(original)}) == gates + 2
    for _ in range(3):
        net.forward(rng.normal(size=(5, 3)))
        net.backward(rng.normal(size=(5, 2)))
    assert np.isfinite(net.get_weights()).all()


@BOTH
@pytest.mark.parametrize("regularizer", [L1_Regularizer(0.3), L2_Regularizer(0.3)])
def test_regularization_loss(layer, gates, regularizer):
    net = layer(3, 4, 2, 2)
    assert net.calculate_regularization_loss() == 0
    optimizer = Sgd(0.1)
    optimizer.add_regularizer(regularizer)
    net.set_optimizer(optimizer)
    expected = regularizer.norm(net.get_weights()) + regularizer.norm(net.get_output_weights())
    assert net.calculate_regularization_loss() == pytest.approx(expected)


@BOTH
def test_training_lowers_the_loss(layer, gates, rng):
    """Learns the sum of the last two inputs."""
    seed(1)
    net = layer(1, 8, 1, 10)
    net.initialize(
        type("Small", (), {"initialize": lambda s, shape, i, o: rng.normal(size=shape) * 0.3})(), Constant(0.0)
    )
    net.set_optimizer(Adam(0.02, 0.9, 0.999))
    losses = []
    for _ in range(150):
        x = rng.uniform(-0.5, 0.5, size=(10, 16, 1))
        target = x + np.concatenate([np.zeros((1, 16, 1)), x[:-1]])
        difference = net.forward(x) - target
        losses.append((difference**2).mean())
        net.backward(difference / difference.size * 16)
    assert np.mean(losses[-10:]) < 0.05 * losses[0]


# ---------------------------------------------------------------------- memory
@BOTH
def test_memory_continues_or_restarts(layer, gates, rng):
    net = layer(3, 4, 2, 2)
    x = rng.normal(size=(5, 3))
    first = net.forward(x)
    np.testing.assert_array_equal(net.forward(x), first)
    net.toggle_memory()
    assert net.memory is True
    assert np.abs(net.forward(x) - first).max() > 1e-6
    net.reset_state()
    np.testing.assert_array_equal(net.forward(x), first)
    net.toggle_memory()
    np.testing.assert_array_equal(net.forward(x), first)


@BOTH
def test_other_batch_size_is_refused(layer, gates, rng):
    net = layer(3, 4, 2, 2)
    net.toggle_memory()
    net.forward(rng.normal(size=(5, 32, 3)))
    before = net.state
    with pytest.raises(StateError, match=r"expected 32 rows, received 20 rows.*reset_state\(\)"):
        net.forward(rng.normal(size=(5, 20, 3)))
    assert net.state is before
    net.reset_state()
    assert net.forward(rng.normal(size=(5, 20, 3))).shape == (5, 20, 2)


# ---------------------------------------------------------------------- dtypes and bad input
@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(layer, gates, dtype, rng):
    for own in ("float32", "float64"):
        net = layer(3, 4, 2, 2, dtype=own)
        assert net.get_weights().dtype == own
        net.toggle_memory()
        for _ in range(2):
            y = net.forward(rng.normal(size=(5, 3)).astype(dtype))
            assert y.dtype == dtype
            assert net.backward(y).dtype == dtype
        assert net.get_gradient_weights().dtype == own


@BOTH
def test_invalid_input_changes_nothing(layer, gates, rng):
    net = layer(3, 4, 2, 2)
    with pytest.raises(StateError, match="backward before forward"):
        net.backward(np.ones((5, 2)))
    with pytest.raises(StateError, match="no gradient yet"):
        net.get_gradient_weights()
    net.forward(rng.normal(size=(5, 3)))
    w, state = net.get_weights(), net.state
    for bad, error in [
        (np.ones((5, 4)), ShapeError),
        (np.ones(3), ShapeError),
        (np.ones((2, 2, 2, 3)), ShapeError),
        (np.ones((0, 3)), DataError),
        (np.ones((5, 0, 3)), DataError),
        (np.ones((5, 3), complex), DtypeError),
        ([["a", "b", "c"]], DtypeError),
    ]:
        with pytest.raises(error):
            net.forward(bad)
    for bad in (np.ones((5, 3)), np.ones((4, 2)), np.ones((5, 1, 2))):
        with pytest.raises(ShapeError):
            net.backward(bad)
    for bad in ([1, 2], [7], [-1], [1.5]):
        with pytest.raises((DataError, ShapeError, DtypeError)):
            net.forward(np.ones((5, 1, 3)), lengths=bad)
    np.testing.assert_array_equal(net.get_weights(), w)
    assert net.state is state
    assert net.backward(np.ones((5, 2))).shape == (5, 3)


@BOTH
def test_any_array_like_input(layer, gates):
    net = layer(2, 3, 1, 2)
    x = [[1, 2], [3, 4], [0, -1]]
    expected = net.forward(np.array(x, dtype=float))
    frozen = np.array(x, dtype=float)
    frozen.flags.writeable = False
    for same in (x, np.array(x), frozen, np.asfortranarray(np.array(x, dtype=float)), np.repeat(x, 2, axis=0)[::2]):
        np.testing.assert_allclose(net.forward(same), expected, rtol=1e-14)
        assert net.backward(np.ones((3, 1), int)).shape == (3, 2)
