"""One table of cases drives the generic checks of every layer that ships with graphnet."""

import numpy as np
import pytest
from numeric import close, numeric

from graphnet import (
    Add,
    Affine,
    BatchNormalization,
    Builder,
    Concatenate,
    Dropout,
    Embedding,
    Flatten,
    FullyConnected,
    Last,
    Layer,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Phase,
    Reshape,
    Runner,
    Split,
    Subtract,
    layers,
    seed,
)

ROWS, SEQUENCE, IMAGE, SIGNAL = "batch=4, feature=3", "time=5, batch=3, feature=2", "batch=3, channel=2, y=3, x=4", "batch=3, channel=2, x=4"

CASES = [
    (FullyConnected, (3, 5), {}, [ROWS]),
    (FullyConnected, (None, 5), {}, [SEQUENCE]),
    (FullyConnected, (3, 5), {"bias": False}, [ROWS]),
    (FullyConnected, (2, 1), {"bias": 1.0}, [SEQUENCE]),
    (BatchNormalization, (), {}, [ROWS]),
    (BatchNormalization, (2,), {"epsilon": 0.1}, [SEQUENCE]),
    (BatchNormalization, (2,), {}, [IMAGE]),
    (BatchNormalization, (), {"momentum": 0.5}, [SIGNAL]),
    (LayerNormalization, (), {}, [ROWS]),
    (LayerNormalization, (2,), {"epsilon": 0.3}, [SEQUENCE]),
    (Dropout, (0.6,), {}, [ROWS]),
    (Dropout, (1.0,), {}, [IMAGE]),
    (Flatten, (), {}, [IMAGE]),
    (Flatten, (), {}, ["time=2, batch=3, channel=2, y=1, x=2"]),
    (Reshape, ((4, -1),), {}, [IMAGE]),
    (Reshape, ((1, 2),), {}, [SEQUENCE]),
    (Add, (), {}, [ROWS, ROWS, ROWS]),
    (Add, (), {}, [ROWS, "batch=4, feature=1", "batch=1, feature=3"]),
    (Subtract, (), {}, [SEQUENCE, "batch=3, feature=2"]),
    (Multiply, (), {}, [ROWS, ROWS, ROWS]),
    (Multiply, (), {}, [SEQUENCE, "batch=3, feature=1"]),
    (Affine, (-2.0, 0.5), {}, [IMAGE]),
    (Affine, (), {}, [ROWS]),
    (Concatenate, (), {}, [ROWS, "batch=4, feature=2", "batch=4, feature=1"]),
    (Concatenate, (1,), {}, [IMAGE, "batch=3, channel=1, y=3, x=4"]),
    (Split, (3,), {}, [ROWS]),
    (Split, ((1, 2),), {}, [ROWS]),
    (Split, (2, 1), {}, [IMAGE]),
    (Last, (), {}, [SEQUENCE]),
    (Last, (), {}, ["time=5, feature=2"]),
    (MeanOverTime, (), {}, [SEQUENCE]),
    (MeanOverTime, (), {}, ["time=5, feature=2"]),
]
TABLE = pytest.mark.parametrize(("layer", "arguments", "options", "shapes"), CASES)


def made(layer, arguments, options, shapes, lengths=None):
    """A runner over one node, with weights drawn anew, its inputs and the errors for its outputs."""
    rng = np.random.default_rng(len(shapes) + 7 * sum(map(len, shapes)))
    g = Builder("one")
    names = [f"x{i}" for i in range(len(shapes))]
    node = layer(*arguments, **options)(*(g.input(n, s) for n, s in zip(names, shapes, strict=True)), name="node")
    ports = g.nodes["node"].layer.output_ports()
    runner = Runner(g.build(**{port: node[port] for port in ports}))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) + 0.3
    inputs = {n: rng.normal(size=runner.graph.inputs[n].shape.sizes) for n in names}
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths)
    return runner, inputs, {n: rng.normal(size=y.shape) for n, y in outputs.items()}, outputs


def objective(runner, inputs, errors, lengths=None, phase=Phase.train):
    """The sum of outputs times errors, with the same random draws each time."""
    seed(5)
    outputs = runner.forward(inputs, lengths=lengths, phase=phase)
    return sum((outputs[n] * e).sum() for n, e in errors.items())


def check(runner, inputs, errors, lengths=None, phase=Phase.train):
    """Errors for all inputs and gradients of all weights against numeric derivatives."""
    objective(runner, inputs, errors, lengths, phase)
    pulled = runner.backward(errors)
    gradients = {name: p.gradient for name, p in runner.parameters.items()}
    for name, x in inputs.items():
        close(pulled[name], numeric(lambda v, n=name: objective(runner, {**inputs, n: v}, errors, lengths, phase), x))
    for name, parameter in runner.parameters.items():
        kept = parameter.value

        def loss(value, parameter=parameter):
            parameter.value = value
            return objective(runner, inputs, errors, lengths, phase)

        close(gradients[name], numeric(loss, kept))
        parameter.value = kept


def test_every_layer_is_in_the_table():
    known = {getattr(layers, name) for name in layers.__all__}
    assert {c for c in known if issubclass(c, Layer)} == {case[0] for case in CASES} | {Embedding}


@TABLE
def test_gradients(layer, arguments, options, shapes):
    runner, inputs, errors, _ = made(layer, arguments, options, shapes)
    check(runner, inputs, errors)
    check(runner, inputs, errors, phase=Phase.test)


@TABLE
def test_float32_is_kept_and_nothing_is_written(layer, arguments, options, shapes):
    runner, inputs, errors, outputs = made(layer, arguments, options, shapes)
    frozen = [{n: a.astype(np.float32) for n, a in given.items()} for given in (inputs, errors)]
    for array in (*frozen[0].values(), *frozen[1].values()):
        array.flags.writeable = False
    seed(5)
    found = runner.forward(frozen[0])
    for name, y in outputs.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], y, rtol=2e-4, atol=2e-5)
    assert all(e.dtype == np.float32 for e in runner.backward(frozen[1]).values())


@TABLE
def test_any_memory_order_gives_the_same(layer, arguments, options, shapes):
    runner, inputs, errors, outputs = made(layer, arguments, options, shapes)
    expected = runner.backward(errors)
    seed(5)
    found = runner.forward({n: np.asfortranarray(a) for n, a in inputs.items()})
    for name, y in outputs.items():
        np.testing.assert_allclose(found[name], y, rtol=1e-13)
    for name, e in runner.backward({n: np.repeat(a, 2, axis=0)[::2] for n, a in errors.items()}).items():
        np.testing.assert_allclose(e, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", [Last, MeanOverTime, BatchNormalization, FullyConnected, LayerNormalization])
@pytest.mark.parametrize("lengths", [[5, 2, 4], [5, 0, 1]])
def test_rows_of_different_length(layer, lengths):
    arguments = (2, 2) if layer is FullyConnected else ()
    runner, inputs, errors, outputs = made(layer, arguments, {}, [SEQUENCE], lengths)
    check(runner, inputs, errors, lengths)
    beyond = np.arange(5)[:, None] >= np.array(lengths)
    objective(runner, inputs, errors, lengths)
    pulled, gradients = runner.backward(errors), [p.gradient for p in runner.parameters.values()]
    assert not pulled["x0"][beyond].any()
    inputs["x0"][beyond] = np.nan
    seed(5)
    again = runner.forward(inputs, lengths=lengths)
    for name, y in outputs.items():
        np.testing.assert_array_equal(again[name], y)
    np.testing.assert_array_equal(runner.backward(errors)["x0"], pulled["x0"])
    for before, p in zip(gradients, runner.parameters.values(), strict=True):
        np.testing.assert_array_equal(p.gradient, before)


def test_last_and_mean_by_hand():
    x = np.arange(12.0).reshape(3, 2, 2)
    for layer, expected in ((Last(), [[8, 9], [2, 3]]), (MeanOverTime(), [[4, 5], [2, 3]])):
        g = Builder("m")
        runner = Runner(g.build(y=layer(g.input("x", "time, batch, feature"))))
        np.testing.assert_array_equal(runner.forward({"x": x}, lengths=[3, 1])["y"], expected)
        np.testing.assert_array_equal(runner.forward({"x": x}, lengths=[3, 0])["y"][1], [0, 0])
        assert layer.forward(x[:, 0]).shape == (1, 2)


def test_embedding():
    layer = Embedding(5, 3)
    rng = np.random.default_rng(0)
    layer.set_weights(rng.normal(size=(5, 3)))
    tokens = np.array([[1, 4], [1, 0], [1, 1]])
    y = layer.forward(tokens)
    for place in np.ndindex(*tokens.shape):
        np.testing.assert_array_equal(y[place], layer.get_weights()[tokens[place]])
    error = rng.normal(size=y.shape)
    assert layer.backward(error) is None
    expected = np.zeros((5, 3))
    for place in np.ndindex(*tokens.shape):
        expected[tokens[place]] += error[place]
    np.testing.assert_allclose(layer.get_gradient_weights(), expected, rtol=1e-14)
    assert Embedding(5, 3, dtype="float32").forward(tokens).dtype == np.float32


def test_a_layer_in_two_places_sums_its_gradients():
    rng = np.random.default_rng(3)
    dense, x, error = FullyConnected(3, 3), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    g = Builder("m")
    runner = Runner(g.build(y=dense(dense(g.input("x", "batch, feature=3"), name="a"), name="b")))
    runner.forward({"x": x})
    runner.backward({"y": error})

    def loss(w):
        h = x @ w[:-1] + w[-1]
        return ((h @ w[:-1] + w[-1]) * error).sum()

    close(dense.get_gradient_weights(), numeric(loss, dense.get_weights()))
