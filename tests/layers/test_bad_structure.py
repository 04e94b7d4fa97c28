"""What the layers without weights refuse, before anything runs, and what they say."""

import numpy as np
import pytest

from graphnet import (
    Add,
    Affine,
    Builder,
    Concatenate,
    ConfigError,
    DataError,
    DtypeError,
    Embedding,
    Flatten,
    GraphnetError,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Reshape,
    Runner,
    ShapeError,
    Split,
    Subtract,
)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda: Affine("a"), "scale"),
        (lambda: Affine(1, np.nan), "shift"),
        (lambda: Affine(True), "scale"),
        (lambda: Concatenate(0), "axis"),
        (lambda: Concatenate("feature"), "axis"),
        (lambda: Concatenate(True), "axis"),
        (lambda: Concatenate(1.0), "axis"),
        (lambda: Split(0), "parts"),
        (lambda: Split(()), "parts"),
        (lambda: Split((1, 0)), "parts"),
        (lambda: Split((1, True)), "parts"),
        (lambda: Split(2.0), "parts"),
        (lambda: Split(2, 0), "axis"),
        (lambda: Split(2, True), "axis"),
        (lambda: Reshape(3), "shape"),
        (lambda: Reshape(()), "shape"),
        (lambda: Reshape((-1, -1)), "shape"),
        (lambda: Reshape((0,)), "shape"),
        (lambda: Reshape((2, -3)), "shape"),
        (lambda: Reshape((2.0,)), "shape"),
        (lambda: Embedding(0, 2), "count"),
        (lambda: Embedding(2, None), "size"),
        (lambda: LayerNormalization(0), "size"),
        (lambda: LayerNormalization(epsilon=0), "epsilon"),
        (lambda: LayerNormalization(epsilon=np.inf), "epsilon"),
    ],
)
def test_invalid_configuration_is_refused(wrong, field):
    with pytest.raises(ConfigError, match=rf"\w+: {field} is out of range; expected .*, received "):
        wrong()


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (Add(), ["batch, feature=2", "batch, feature=3"], "expected equal sizes or 1 on axis feature"),
        (Multiply(), ["batch=2, feature=3", "batch=4, feature=3"], "on axis batch"),
        (Subtract(), ["batch=2, feature=3", "batch=4, feature=3"], "on axis batch"),
        (
            Concatenate(),
            ["batch=2, feature=3", "batch=4, feature=3"],
            r"expected \(batch=2, feature\), received \(batch=4, ",
        ),
        (Concatenate(), ["batch, feature=3", "batch, channel=3, x=3"], "differ on an axis that is not concatenated"),
        (Concatenate(2), ["batch, feature=3", "batch, feature=3"], "no such axis"),
        (Concatenate(-2), ["batch, feature=3", "batch, feature=3"], "expected an axis after batch, received axis -2"),
        (
            Concatenate(1),
            ["time, batch, feature=3", "time, batch, feature=3"],
            "cannot concatenate or split along the rows",
        ),
        (Split(2), ["batch, feature=3"], "expected parts 2, received"),
        (Split((1, 3)), ["batch, feature=3"], r"expected parts \(1, 3\), received"),
        (Split(2, -3), ["time, batch, feature=4"], "cannot concatenate or split along the rows"),
        (Split(2, 3), ["batch, feature=4"], "no such axis"),
        (Reshape((5,)), ["batch, feature=4"], r"expected \(5,\), received \(batch, feature=4\)"),
        (Reshape((3, -1)), ["batch, feature=4"], r"expected \(3, -1\), received"),
        (Last(), ["batch"], r"expected \(time, batch, …\), received \(batch\)"),
        (Last(), ["batch, time, feature=2"], r"received \(batch, time, feature=2\)"),
        (MeanOverTime(), ["batch, time, feature=2"], r"expected \(time, batch, …\)"),
        (LayerNormalization(3), ["batch, feature=4"], r"expected \(batch, feature=3\), received"),
        (LayerNormalization(), ["batch"], "needs a batch axis and a feature axis"),
    ],
)
def test_wrong_shapes_are_refused(layer, shapes, message):
    g = Builder("m")
    y = layer(*(g.input(f"x{i}", shape) for i, shape in enumerate(shapes)), name="here")
    with pytest.raises(ShapeError, match=f"here: .*{message}"):
        Runner(g.build(y["part_0"] if isinstance(layer, Split) else y))


@pytest.mark.parametrize(
    ("tokens", "kind", "message"),
    [
        ([[0, 4]], DataError, "expected 0 to 3, received 0 to 4"),
        ([[-1, 2]], DataError, "expected 0 to 3, received -1 to 2"),
        ([[0.0, 1.0]], DtypeError, "must be integers"),
        ([[True]], DtypeError, "must be integers"),
        ([["a"]], DtypeError, "must be integers"),
        (np.zeros((0, 2), int), DataError, "at least one row"),
    ],
)
def test_tokens_that_are_none(tokens, kind, message):
    layer = Embedding(4, 2)
    expected = layer.forward([[1, 2]])
    with pytest.raises(kind, match=message):
        layer.forward(tokens)
    np.testing.assert_array_equal(layer.forward([[1, 2]]), expected)


@pytest.mark.parametrize("token", [0.5, np.nan, np.inf, 1e300, -1.0, 4.0])
def test_tokens_that_came_as_floats(token):
    g = Builder("m")
    runner = Runner(g.build(Embedding(4, 2)(g.input("x"))))
    assert runner.forward({"x": [[0.0, 3.0]]})["output"].shape == (1, 2, 2)
    with pytest.raises(DataError, match="embedding: .*expected"):
        runner.forward({"x": [[0.0, token]]})


@pytest.mark.parametrize(
    "layer", [Flatten(), Add(), Last(), MeanOverTime(), LayerNormalization(), Split(2), Reshape((2,))]
)
def test_refused_call_changes_nothing(layer):
    x = np.random.default_rng(0).normal(size=(3, 2))
    y = layer.forward(x)
    each = y if isinstance(y, tuple) else (y,)
    expected = layer.backward(*each)
    wrong = [
        (lambda: layer.forward(np.ones((0, 2)))),
        (lambda: layer.forward(np.ones((2, 2), complex))),
        lambda: layer.forward(3.0),
    ]
    wrong += [
        lambda: layer.backward(each[0][:, :1, None]),
        lambda: layer.backward("error"),
        lambda: layer.backward(*each, x),
    ]
    for call in wrong:
        with pytest.raises(GraphnetError):
            call()
        np.testing.assert_array_equal(layer.backward(*each), expected)
