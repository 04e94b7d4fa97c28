"""The protocol of a layer used by itself, where it is not the contract's own."""

import copy
import pickle

import numpy as np
import pytest

from graphnet import Add, ConfigError, FullyConnected, Layer, RuleError, Runner, ShapeError, Split
from graphnet.initializers import Constant
from graphnet.optimizers import Adam, Sgd, SgdWithMomentum

pytestmark = pytest.mark.usefixtures("every_backend")


def test_variadic_layer_takes_any_number():
    layer = Add()
    a = np.array([[1.0, 2.0]])
    for count in (2, 3, 2, 1):
        np.testing.assert_array_equal(layer.forward(*[a] * count), count * a)
        pulled = layer.backward(a)
        np.testing.assert_array_equal(np.array(pulled).reshape(count, 1, 2), np.stack([a] * count))


def test_several_outputs_are_a_tuple():
    layer = Split((1, 2))
    first, second = layer.forward([[1, 2, 3]])
    assert (first.tolist(), second.tolist()) == ([[1]], [[2, 3]])
    np.testing.assert_array_equal(layer.backward(first * 10, second * 100), [[10, 200, 300]])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_independent(copied):
    layer = FullyConnected(2, 3)
    layer.set_optimizer(Sgd(0.1))
    layer.forward(np.ones((4, 2)))
    other = copied(layer)
    np.testing.assert_array_equal(other.get_weights(), layer.get_weights())
    before = other.get_weights()
    layer.backward(np.ones((4, 3)))
    np.testing.assert_array_equal(other.get_weights(), before)
    other.forward(np.ones((4, 2)))
    other.backward(np.ones((4, 3)))
    np.testing.assert_array_equal(other.get_weights(), layer.get_weights())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda layer: layer.set_optimizer(3),
        lambda layer: layer.set_optimizer(Adam),
        lambda layer: layer.initialize(None, Constant(0.0)),
        lambda layer: layer.initialize(Constant(0.0), 0.5),
        lambda layer: setattr(layer, "phase", "train"),
    ],
)
def test_invalid_optimizer_initializer_phase_raises(wrong):
    layer = FullyConnected(2, 3)
    before = layer.get_weights()
    with pytest.raises(ConfigError, match="expected"):
        wrong(layer)
    np.testing.assert_array_equal(layer.get_weights(), before)
    assert layer.optimizer is None


def test_delta_scales_learning_rate():
    layer = FullyConnected(1, 1, bias=False)
    layer.set_weights([[2.0]])
    layer.set_optimizer(Sgd(0.1))
    layer.delta = 0.5
    layer.forward([[3.0]])
    layer.backward([[1.0]])
    assert layer.get_weights() == pytest.approx(np.array([[2.0 - 0.5 * 0.1 * 3.0]]))


def rules(**functions):
    """A layer with some rules of its own."""
    base = {"apply": lambda self, x: (x * 2.0, None), "pull": lambda self, saved, error: error * 2.0}
    return type("Wrong", (Layer,), {**base, **functions})()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (rules(apply=lambda self, x: (x[:, :1], None)), r"wrong: apply of Wrong .*expected shape \(batch=3, feature=2\), "
         r"received shape \(3, 1\)"),
        (rules(apply=lambda self, x: (x.astype("f4"), None)), "expected dtype float64, as the input, received dtype float32"),
        (rules(apply=lambda self, x: ([1, 2], None)), "expected an array of shape"),
        (rules(pull=lambda self, saved, error: error.sum(0)), r"pull of Wrong .*received shape \(2,\)"),
        (rules(pull=lambda self, saved, error: (error, error)), "expected 1 errors, one for each input, received 2"),
    ],
)  # fmt: skip
def test_invalid_rule_result_raises(layer, message):
    with pytest.raises(RuleError, match=message):
        layer.backward(layer.forward(np.ones((3, 2))))


def test_error_in_rule_names_node():
    layer = rules(apply=lambda self, x: np.linalg.inv(x[:0, :0] @ x))
    with pytest.raises(ValueError, match="matmul") as caught:
        layer.forward(np.ones((3, 2)))
    assert any("raised by node wrong" in note for note in caught.value.__notes__)


def test_shared_layer_input_sizes_differ_raises():
    from graphnet import Builder

    layer = FullyConnected(None, 2)
    g = Builder("m")
    runner = Runner(g.build(layer(layer(g.input("x", "batch, feature=3"), name="a"), name="b")))
    with pytest.raises(ShapeError, match=r"b: .*weights was created for inputs of another size"):
        runner.forward({"x": np.ones((1, 3))})


@pytest.mark.parametrize(
    ("missing", "message"), [("apply", "apply takes no input|has no apply"), ("pull", "has no pull")]
)
def test_missing_rule_raises(missing, message):
    written = {"apply": lambda self, x: (x, None), "pull": lambda self, saved, error: error}
    layer = type("Unfinished", (Layer,), {n: f for n, f in written.items() if n != missing})()
    with pytest.raises(RuleError, match=message):
        layer.backward(layer.forward(np.ones((3, 2))))


def test_output_never_aliases_input():
    from graphnet import Affine, Builder, Flatten

    for layer in (Affine(), Flatten()):
        g = Builder("m")
        runner = Runner(g.build(y=layer(g.input("x", "batch, feature=2"))))
        x = np.ones((3, 2))
        runner.forward({"x": x})["y"][:] = 7.0
        assert (x == 1).all()


def test_hasattr_before_sizes_known_is_false():
    from graphnet import BatchNormalization

    layer = BatchNormalization()
    assert not hasattr(layer, "weights")
    layer.forward(np.ones((4, 2)))
    assert hasattr(layer, "weights")


@pytest.mark.parametrize("optimizer", [Adam(0.1), SgdWithMomentum(0.1, 0.9)])
def test_failed_step_restores_optimizer(optimizer):
    layer = FullyConnected(3, 2)
    layer.set_optimizer(optimizer)
    x, error = np.random.default_rng(0).normal(size=(4, 3)), np.ones((4, 2))
    layer.forward(x)
    layer.backward(error)
    twin = copy.deepcopy(layer)
    layer.forward(x)
    with pytest.raises(RuleError, match="not finite"):
        layer.backward(np.full((4, 2), np.nan))
    for each in (layer, twin):
        each.forward(x)
        each.backward(error)
    np.testing.assert_array_equal(layer.get_weights(), twin.get_weights())


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), None, 3, [1]])
def test_runner_without_mapping_raises(wrong):
    from graphnet import Affine, Builder

    g = Builder("m")
    runner = Runner(g.build(y=Affine()(g.input("x", "batch, feature=2"))))
    with pytest.raises(ConfigError, match="inputs must be a mapping"):
        runner.forward(wrong)
    runner.forward({"x": np.ones((1, 2))})
    with pytest.raises(ConfigError, match="errors must be a mapping"):
        runner.backward(wrong)


def test_optional_input_may_be_omitted_later():
    class Shifted(Layer):
        """y = x + shift, or x."""

        def apply(self, x, shift=None):
            return (x if shift is None else x + shift), shift is not None

        def pull(self, shifted, error):
            return error, (error if shifted else None)

    layer, x = Shifted(), np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(layer.forward(x, 3 * x), 4 * x)
    assert [error.shape for error in layer.backward(x)] == [(1, 2), (1, 2)]
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
