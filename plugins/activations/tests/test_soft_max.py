"""SoftMax: the function along an axis, and the loss layer of the contract."""

import copy
import math

import numpy as np
import pytest
from activations_oracle import close, numeric

from graphnet import Builder, ConfigError, DataError, DtypeError, FullyConnected, Runner, ShapeError, StateError
from graphnet.losses import CrossEntropy
from graphnet_activations import SoftMax

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def plain(x, axis=-1):
    """The softmax, row by row, by its definition."""
    moved = np.moveaxis(np.asarray(x, float), axis, -1)
    actual = np.empty(moved.shape)
    for row in np.ndindex(moved.shape[:-1]):
        powers = [math.exp(v) for v in moved[row]]
        actual[row] = [p / math.fsum(powers) for p in powers]
    return np.moveaxis(actual, -1, axis)


def labels_for(rng, shape, axis=-1):
    rows = np.moveaxis(np.empty(shape), axis, -1).shape
    return np.moveaxis(np.eye(rows[-1])[rng.integers(0, rows[-1], rows[:-1])], -1, axis)


def loss_of(x, labels, axis=-1):
    return -(labels * np.log(plain(x, axis))).sum()


# ---------------------------------------------------------------------- the function
@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 3), -1), ((5, 3), 0), ((2, 4, 3), -1), ((2, 4, 3), 1), ((2, 3, 2, 2), 1)]
)
def test_softmax_along_an_axis(shape, axis, rng):
    layer = SoftMax(axis)
    x, error = rng.normal(0.3, 2.0, shape), rng.normal(size=shape)
    close(layer.forward(x), plain(x, axis), 1e-14)
    close(layer.backward(error), numeric(lambda x: (plain(x, axis) * error).sum(), x))


def test_rows_sum_to_one():
    y = SoftMax().forward(np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]]))
    np.testing.assert_allclose(y, [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-15)


def test_minus_infinity_excludes_a_class():
    layer = SoftMax()
    np.testing.assert_array_equal(layer.forward(np.array([[0.0, -np.inf, 0.0]])), [[0.5, 0.0, 0.5]])
    np.testing.assert_array_equal(layer.backward(np.array([[1.0, 5.0, 0.0]])), [[0.25, 0.0, -0.25]])


def test_missing_axis_is_refused():
    for axis in (2, -3):
        with pytest.raises(ShapeError, match="axis"):
            SoftMax(axis).forward(np.ones((2, 2)))
    with pytest.raises(ConfigError, match="axis"):
        SoftMax(1.5)


def test_softmax_over_time_per_row(rng):
    g = Builder()
    runner = Runner(g.build(SoftMax(0)(g.input("x", "time, batch, feature=3"))))
    x, error, lengths = rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 4, 3)), [5, 2, 0, 1]
    x[2:, 1] = 1e6
    y = runner.forward({"x": x}, lengths=lengths)["output"]
    pulled = runner.backward({"output": error})["x"]
    alone = SoftMax(0)
    for b, n in enumerate(lengths):
        assert not y[n:, b].any() and not pulled[n:, b].any()
        if n:
            close(y[:n, b], alone.forward(x[:n, b]), 1e-14)
            close(pulled[:n, b], alone.backward(error[:n, b]), 1e-14)


# ---------------------------------------------------------------------- the loss layer
@pytest.mark.parametrize(("shape", "axis"), [((9, 4), -1), ((5, 3, 4), -1), ((2, 4, 3, 2), 1)])
def test_loss_error_and_prediction(shape, axis, rng):
    layer, x, labels = SoftMax(axis), rng.normal(0.3, 2.0, shape), labels_for(rng, shape, axis)
    loss = layer.forward(x, labels)
    assert type(loss) is float
    assert loss == pytest.approx(loss_of(x, labels, axis), rel=1e-13)
    error = layer.backward(labels)
    close(error, plain(x, axis) - labels, 1e-14)
    close(error, numeric(lambda x: loss_of(x, labels, axis), x))
    close(layer.predict(x), plain(x, axis), 1e-14)


def test_loss_of_certain_predictions():
    labels = np.eye(4)[[0, 3, 1]]
    layer = SoftMax()
    assert 0.0 <= layer.forward(labels * 100.0, labels) < 1e-10
    np.testing.assert_allclose(layer.backward(labels), 0.0, atol=1e-10)
    assert layer.forward((1.0 - labels) * 100.0, labels) == pytest.approx(3 * (100.0 + math.log(3.0)), rel=1e-14)
    assert layer.forward((1.0 - labels) * 1e8, labels) == pytest.approx(3 * (1e8 + math.log(3.0)), rel=1e-14)
    assert layer.forward(np.where(labels == 1, -np.inf, 0.0), labels) == math.inf


def test_loss_equals_cross_entropy(rng):
    layer, other, x, labels = SoftMax(), CrossEntropy("sum"), rng.normal(size=(6, 3)), labels_for(rng, (6, 3))
    value, error = other.value_and_error(x, labels)
    assert layer.forward(x, labels) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(layer.backward(labels), error, rtol=0, atol=1e-15)


def test_float32_and_arguments_are_kept(rng):
    x, labels = rng.normal(size=(5, 3)).astype(np.float32), labels_for(rng, (5, 3)).astype(int)
    before, labels_before = x.copy(), labels.copy()
    x.flags.writeable = labels.flags.writeable = False
    layer = SoftMax()
    loss = layer.forward(x, labels)
    error = layer.backward(labels)
    assert error.dtype == layer.predict(x).dtype == layer.forward(x).dtype == np.float32
    assert loss == pytest.approx(loss_of(x, labels), rel=1e-6)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(labels, labels_before)


def test_lists_and_integers():
    layer = SoftMax()
    assert layer.forward([[0, 0], [1, 1]], [[1, 0], [False, True]]) == pytest.approx(2 * math.log(2), rel=1e-15)
    np.testing.assert_array_equal(layer.backward([[1, 0], [0, 1]]), [[-0.5, 0.5], [0.5, -0.5]])
    np.testing.assert_array_equal(layer.predict([[3, 3]]), [[0.5, 0.5]])


BAD_LABELS = [
    (np.zeros((2, 3)), DataError),
    (np.ones((2, 3)), DataError),
    (np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), DataError),
    (np.array([[2.0, -1.0, 0.0], [1.0, 0.0, 0.0]]), DataError),
    (np.array([[np.nan, 1.0, 0.0], [1.0, 0.0, 0.0]]), DataError),
    (np.eye(3), ShapeError),
    (np.eye(2), ShapeError),
    (np.array([0, 1]), ShapeError),
    (np.array([["a", "b", "c"], ["a", "b", "c"]]), DtypeError),
    ([[1, 0, 0], [1, 0]], DtypeError),
    (None, DtypeError),
]


@pytest.mark.parametrize(("bad", "kind"), BAD_LABELS)
def test_invalid_labels_change_nothing(bad, kind, rng):
    layer, x, labels = SoftMax(), rng.normal(size=(2, 3)), np.eye(3)[[2, 0]]
    layer.forward(x, labels)
    expected = layer.backward(labels)
    with pytest.raises(kind):
        layer.forward(rng.normal(size=(2, 3)), bad)
    with pytest.raises(kind):
        layer.backward(bad)
    np.testing.assert_array_equal(layer.backward(labels), expected)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.zeros((0, 3)), DataError),
        (np.zeros(3), ShapeError),
        (1.0, ShapeError),
        (np.ones((2, 3), complex), DtypeError),
    ],
)
def test_invalid_inputs_change_nothing(x, kind, rng):
    layer, good, labels = SoftMax(), rng.normal(size=(2, 3)), np.eye(3)[[2, 0]]
    layer.forward(good, labels)
    expected = layer.backward(labels)
    with pytest.raises(kind):
        layer.forward(x, np.zeros(np.shape(x)))
    with pytest.raises(kind):
        layer.predict(x)
    np.testing.assert_array_equal(layer.backward(labels), expected)


def test_messages_name_expected_and_received():
    with pytest.raises(DataError, match=r"one 1 in each row.*row \(1,\)"):
        SoftMax().forward(np.zeros((2, 2)), [[1, 0], [1, 1]])
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(2, 2\)"):
        SoftMax().forward(np.zeros((2, 3)), np.eye(2))


def test_backward_before_forward_is_refused():
    layer = SoftMax()
    with pytest.raises(StateError, match="forward"):
        layer.backward(np.eye(2))
    layer.predict(np.eye(2))
    with pytest.raises(StateError, match="forward"):
        layer.backward(np.eye(2))


def test_backward_uses_last_forward(rng):
    layer, x, labels, error = SoftMax(), rng.normal(size=(3, 3)), np.eye(3), rng.normal(size=(3, 3))
    y = layer.forward(x)
    np.testing.assert_array_equal(layer.predict(-x), SoftMax().forward(-x))  # predict does not affect backward
    pulled = layer.backward(error)
    close(pulled, y * (error - (error * y).sum(1, keepdims=True)), 1e-14)
    layer.forward(-x, labels)
    close(layer.backward(labels), plain(-x) - labels, 1e-14)
    layer.forward(x)
    np.testing.assert_array_equal(layer.backward(error), pulled)


def test_results_belong_to_the_caller(rng):
    layer, x, labels = SoftMax(), rng.normal(size=(3, 3)), np.eye(3)
    layer.forward(x, labels)
    expected = layer.backward(labels)
    layer.backward(labels)[:] = 7.0
    layer.predict(x)[:] = 7.0
    x[:] = 7.0
    np.testing.assert_array_equal(layer.backward(labels), expected)


def test_copies_are_independent(rng):
    layer, labels = SoftMax(), np.eye(3)
    layer.forward(rng.normal(size=(3, 3)), labels)
    expected, other = layer.backward(labels), copy.deepcopy(layer)
    other.forward(rng.normal(size=(3, 3)), labels)
    np.testing.assert_array_equal(layer.backward(labels), expected)


def test_softmax_after_dense_layer(rng):
    """The gradients of weights and input of a small network equal numeric derivatives of the loss."""
    dense, loss = FullyConnected(4, 3), SoftMax()
    x, labels, w = rng.normal(size=(6, 4)), labels_for(rng, (6, 3)), rng.normal(size=(5, 3))
    dense.set_weights(w)
    loss.forward(dense.forward(x), labels)
    pulled = dense.backward(loss.backward(labels))
    close(pulled, numeric(lambda x: loss_of(x @ w[:-1] + w[-1], labels), x))
    close(dense.get_gradient_weights(), numeric(lambda w: loss_of(x @ w[:-1] + w[-1], labels), w))


@pytest.mark.parametrize("shape", [(9, 4), (5, 3, 4)])
def test_against_torch(shape, rng):
    torch = pytest.importorskip("torch")
    layer, x, labels = SoftMax(), rng.normal(0.3, 5.0, shape), labels_for(rng, shape)
    x_torch = torch.tensor(x, requires_grad=True)
    classes = torch.tensor(labels.argmax(-1)).reshape(-1)
    loss = torch.nn.functional.cross_entropy(x_torch.reshape(-1, shape[-1]), classes, reduction="sum")
    loss.backward()
    assert layer.forward(x, labels) == pytest.approx(loss.item(), rel=1e-10)
    close(layer.backward(labels), x_torch.grad.numpy(), 1e-10)
    close(layer.predict(x), torch.softmax(x_torch, -1).detach().numpy(), 1e-10)
