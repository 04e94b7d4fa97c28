"""What arrays can do and values of a graph cannot; wrong objects where a graph, a path or a phase belongs."""

import operator

import numpy as np
import pytest

from graphnet import Builder, FullyConnected, Model, Phase, Runner, Trainer, TrainingConfig, load
from graphnet.core.errors import ConfigError, DtypeError, GraphError, GraphnetError, ShapeError
from graphnet.losses import BinaryCrossEntropy
from graphnet.metrics import Accuracy


@pytest.fixture
def value():
    return Builder("g").input("x", "batch, feature=4")


ARRAY = np.ones((4, 2))


@pytest.mark.parametrize(
    "use",
    [
        np.sum,
        np.asarray,
        lambda v: np.concatenate([v, v]),
        lambda v: np.add.reduce(v),
        lambda v: v @ ARRAY,
        lambda v: ARRAY @ v,
        lambda v: v // 2,
        lambda v: v % 2,
        lambda v: v / 0,
        lambda v: v + "text",
        lambda v: v * None,
        lambda v: v * True,
        lambda v: v > 0,
        lambda v: v <= v,
        lambda v: v[0],
        lambda v: v[..., 1],
        lambda v: v[1:],
        lambda v: v[..., ::0],
        lambda v: v[None],
        lambda v: v[..., [0, 1]],
        np.floor,
        lambda v: np.exp(v, out=ARRAY),
        lambda v: v * [1.0, 2.0],
        lambda v: v * np.array([1.0, np.nan]),
        lambda v: v + np.array(["a"]),
        lambda v: v / np.array([1.0, 0.0]),
        lambda v: v["no"],
        lambda v: v.shape,
        lambda v: v.sum(),
        len,
        float,
        int,
        bool,
        operator.invert,
    ],
)
def test_array_operation_on_value_is_refused(value, use):
    with pytest.raises(GraphError) as caught:
        use(value)
    assert caught.value.remedy or caught.value.expected
    assert "x" in str(caught.value) or "Value" in str(caught.value)


def test_numpy_number_is_an_operand(value):
    doubled = [np.float32(2) * value, value * np.float64(2), np.int64(2) * value, 2 * value]
    runners = [Runner(v.builder.build(y=v)) for v in doubled]
    x = np.arange(8.0).reshape(2, 4)
    for runner in runners:
        np.testing.assert_array_equal(runner.forward({"x": x})["y"], 2 * x)
    shifted = Runner(value.builder.build(y=np.float64(1) - value))
    np.testing.assert_array_equal(shifted.forward({"x": x})["y"], 1 - x)


def test_missing_attribute_is_an_attribute_error(value):
    assert not hasattr(value, "shape")
    with pytest.raises(AttributeError):
        _ = value.T


@pytest.mark.parametrize("shape", [(None, 4), 4, [2, 3], np.ones(2)])
def test_shape_that_is_not_text_is_refused(shape):
    with pytest.raises(ShapeError, match=r"'batch, feature=4'"):
        Builder().input("x", shape)


@pytest.mark.parametrize("run", [Runner, Model, Trainer])
@pytest.mark.parametrize(
    ("graph", "remedy"),
    [
        ([FullyConnected(4, 3)], "Sequential"),
        (FullyConnected(4, 3), "Builder"),
        (Builder(), "build"),
        (None, "Builder"),
        ("model.yaml", "Builder"),
    ],
)
def test_other_object_than_graph_is_refused(run, graph, remedy):
    with pytest.raises(ConfigError, match=remedy) as caught:
        run(graph)
    assert caught.value.where == run.__name__


def graph_of(units):
    b = Builder("g")
    return b.build(y=FullyConnected(4, units)(b.input("x", "batch, feature=4")))


def test_model_in_place_of_graph_names_its_graph():
    with pytest.raises(ConfigError, match=r"Pass Model\.graph"):
        Runner(Model(graph_of(3)))


def test_mapping_in_place_of_configuration_is_refused():
    with pytest.raises(ConfigError, match=r"TrainingConfig\(epochs=\.\.\.\)"):
        Trainer(graph_of(3), {"epochs": 3})


@pytest.mark.parametrize("phase", ["test", "train", True, None, 0])
def test_phase_that_is_not_a_phase_is_refused(phase):
    runner = Runner(graph_of(3))
    x = {"x": np.ones((2, 4))}
    runner.forward(x, phase=Phase.test)
    with pytest.raises(ConfigError, match="not a phase"):
        runner.forward(x, phase=phase)


@pytest.mark.parametrize("path", [3, None, b"folder", ["a"]])
def test_path_that_is_not_a_path_is_refused(path):
    with pytest.raises(ConfigError, match="not a path"):
        load(path)
    with pytest.raises(ConfigError, match="not a path"):
        Model(graph_of(3)).save(path)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((4, 3), {"unit": 3}, "unit"),
        ((), {}, "missing"),
        ((1, 2, 3, "float32", 5, 6), {}, "too many"),
        ((4, 3), {"biass": 1.0}, "Did you mean 'bias'"),
    ],
)
def test_wrong_arguments_of_layer_are_explained(arguments, options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        FullyConnected(*arguments, **options)
    assert isinstance(caught.value, TypeError)
    assert "FullyConnected(input_size, output_size" in str(caught.value)


def test_type_error_inside_constructor_is_not_hidden():
    from graphnet import Layer

    class Careless(Layer):
        """A layer with a bug in its check."""

        size: int

        def check(self):
            return self.size + "text"

    with pytest.raises(TypeError, match="unsupported operand") as caught:
        Careless(3)
    assert not isinstance(caught.value, GraphnetError)


def test_backend_that_is_not_text_is_refused():
    with pytest.raises(ConfigError, match="backend"):
        Runner(graph_of(3), backend=3)


def test_metric_of_other_targets_is_named():
    config = TrainingConfig(loss=BinaryCrossEntropy(), metrics=[Accuracy(binary=False)], epochs=1)
    x, y = np.ones((6, 4)), np.ones((6, 1))
    with pytest.raises((ShapeError, DtypeError), match=r"metric Accuracy.*Accuracy\(binary=True\)"):
        Trainer(graph_of(1), config).fit(x, y)
