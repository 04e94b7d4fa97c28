"""The GRU as a layer."""

import cells_oracle as oracle
import numpy as np
import pytest
from cell_runners import B, D, H, T
from recurrent_oracle import close, numeric

from graphnet import ShapeError
from graphnet_recurrent import GRU

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def gru_layer(rng, output_size=2, bptt_length=None):
    net = GRU(D, H, output_size, bptt_length)
    net.set_weights(rng.normal(size=net.get_weights().shape) * 0.7)
    return net


def gru_output(net, x, early, late=None):
    """Outputs by the oracle; the last ``bptt_length`` steps use ``late`` as their weights."""
    late = early if late is None else late
    parts = [dict(zip(net.gates, np.split(w, 3, axis=1), strict=True)) for w in (early, late)]
    change = 0 if net.bptt_length is None else max(len(x) - net.bptt_length, 0)
    rows = []
    for b in range(x.shape[1]):
        states, hidden = {"h": np.zeros(H)}, []
        for t, x_t in enumerate(x[:, b]):
            y, states = oracle.gru(x_t, states, parts[t >= change], t)
            hidden.append(y)
        rows.append(np.array(hidden) @ net.get_output_weights()[:-1] + net.get_output_weights()[-1])
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("k", [1, 3, T, None])
@pytest.mark.parametrize("rank", [2, 3])
def test_gru_equals_definition(k, rank, rng):
    net = gru_layer(rng, bptt_length=k)
    x = rng.normal(size=(T, 1 if rank == 2 else B, D))
    error = rng.normal(size=(*x.shape[:2], 2))
    arrays, back = (x[:, 0], error[:, 0]) if rank == 2 else (x, error)
    w = net.get_weights()
    close(net.forward(arrays), gru_output(net, x, w).reshape(back.shape), 1e-12)
    pulled = net.backward(back)
    close(pulled, numeric(lambda x: (gru_output(net, x, w) * error).sum(), x).reshape(arrays.shape))
    close(net.get_gradient_weights(), numeric(lambda late: (gru_output(net, x, w, late) * error).sum(), w))


def test_gru_shapes_and_weights(rng):
    net = GRU(13, 7, 5, 9)
    assert net.get_weights().shape == (13 + 7 + 1, 3 * 7)
    assert net.forward(np.ones((9, 13))).shape == (9, 5)
    assert net.backward(np.ones((9, 5))).shape == (9, 13)
    assert net.get_gradient_weights().shape == net.get_weights().shape
    w = rng.normal(size=net.get_weights().shape)
    net.set_weights(w)
    np.testing.assert_array_equal(net.get_weights(), w)
    nodes = net.graph.nodes["scan"].layer.cell.nodes
    np.testing.assert_array_equal(nodes["update_gate"].layer.get_weights(), w[:, 7:14])
    with pytest.raises(ShapeError, match=r"expected \(21, 21\), received \(21, 28\)"):
        net.set_weights(np.ones((21, 28)))


def test_gru_memory_continues(rng):
    net, x = gru_layer(rng), rng.normal(size=(T, B, D))
    whole = net.forward(x)
    net.reset_state()
    net.toggle_memory()
    np.testing.assert_array_equal(np.concatenate([net.forward(x[:2]), net.forward(x[2:])]), whole)
