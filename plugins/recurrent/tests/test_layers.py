"""The primitive layers that cells are built from."""

import numpy as np
import pytest
from cell_runners import H
from recurrent_oracle import close, numeric

from graphnet import ConfigError, ShapeError
from graphnet_recurrent import Peephole
from graphnet_recurrent.layers import Clocked, SlotSoftMax

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def rng():
    return np.random.default_rng(23)


@pytest.mark.parametrize("shape", [(5, H), (2, 3, H)])
def test_peephole_layer(shape, rng):
    layer = Peephole(H)
    w, x, error = rng.normal(size=H), rng.normal(size=shape), rng.normal(size=shape)
    layer.set_weights(w)
    close(layer.forward(x), np.einsum("...i,ij->...j", x, np.diag(w)), 1e-14)
    close(layer.backward(error), numeric(lambda v: ((v @ np.diag(w)) * error).sum(), x), 1e-8)
    close(layer.get_gradient_weights(), numeric(lambda w: ((x @ np.diag(w)) * error).sum(), w), 1e-8)


def test_peephole_refuses_other_sizes():
    with pytest.raises(ShapeError, match=r"feature=4.*received"):
        Peephole(H).forward(np.ones((2, H + 1)))
    with pytest.raises(ConfigError, match="units"):
        Peephole(0)
    assert Peephole(H, dtype="float32").get_weights().dtype == np.float32


@pytest.mark.parametrize("period", [1, 2, 5])
def test_clocked_layer(period, rng):
    layer, phase = Clocked(period), rng.integers(0, period, size=(6, 1)).astype(float)
    new, old = rng.normal(size=(2, 6, H))
    errors = rng.normal(size=(6, H)), rng.normal(size=(6, 1))
    y, next_phase = layer.forward(new, old, phase)
    for b in range(6):
        np.testing.assert_array_equal(y[b], new[b] if phase[b, 0] == 0 else old[b])
        assert next_phase[b, 0] == (phase[b, 0] + 1) % period
    arrays = [new, old, phase]
    for k, pulled in enumerate(layer.backward(*errors)):

        def loss(v, k=k):
            outputs = Clocked(period).forward(*arrays[:k], v, *arrays[k + 1 :])
            return sum((a * e).sum() for a, e in zip(outputs, errors, strict=True))

        close(pulled, numeric(loss, arrays[k]), 1e-8)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (Clocked(2), [(3, 4), (3, 5), (3, 1)]),
        (Clocked(2), [(3, 4), (3, 4), (3, 4)]),
        (Clocked(2), [(3, 4), (3, 4), (2, 1)]),
        (SlotSoftMax(), [(3, 4), (3, 5)]),
        (SlotSoftMax(), [(3, 4), (3, 1)]),
    ],
)
def test_layers_refuse_other_shapes(layer, shapes):
    with pytest.raises(ShapeError):
        layer.forward(*(np.zeros(shape) for shape in shapes))
