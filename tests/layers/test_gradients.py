"""Gradients, dtypes, memory order and shapes of every layer that ships with graphnet."""

import numpy as np
import pytest
from helpers.layer_cases import CASES, EVERY_CASE, check, made, objective, sequence_case, shapes_of

from graphnet import (
    BatchNormalization,
    FullyConnected,
    Last,
    Layer,
    LayerNormalization,
    MeanOverTime,
    Phase,
    Shape,
    layers,
    seed,
)


def test_every_layer_is_in_the_table():
    known = {getattr(layers, name) for name in layers.__all__}
    assert {c for c in known if issubclass(c, Layer)} == {case.layer for case in CASES}


@EVERY_CASE
def test_gradients(case):
    runner, inputs, errors, _ = made(case)
    check(runner, inputs, errors)
    check(runner, inputs, errors, phase=Phase.test)


@EVERY_CASE
def test_float32_is_kept(case):
    runner, inputs, errors, outputs = made(case)
    frozen = [{n: a.astype(np.float32) for n, a in given.items()} for given in (inputs, errors)]
    for array in (*frozen[0].values(), *frozen[1].values()):
        array.flags.writeable = False
    seed(5)
    result = runner.forward(frozen[0])
    for name, y in outputs.items():
        assert result[name].dtype == np.float32
        np.testing.assert_allclose(result[name], y, rtol=2e-4, atol=2e-5)
    assert all(e.dtype == np.float32 for e in runner.backward(frozen[1]).values())


@EVERY_CASE
def test_any_memory_order_gives_the_same(case):
    runner, inputs, errors, outputs = made(case)
    expected = runner.backward(errors)
    seed(5)
    result = runner.forward({n: np.asfortranarray(a) for n, a in inputs.items()})
    for name, y in outputs.items():
        np.testing.assert_allclose(result[name], y, rtol=1e-13)
    for name, e in runner.backward({n: np.repeat(a, 2, axis=0)[::2] for n, a in errors.items()}).items():
        np.testing.assert_allclose(e, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", [Last, MeanOverTime, BatchNormalization, FullyConnected, LayerNormalization])
@pytest.mark.parametrize("lengths", [[5, 2, 4], [5, 0, 1]])
def test_rows_of_different_length(layer, lengths):
    runner, inputs, errors, outputs = made(sequence_case(layer), lengths)
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


@EVERY_CASE
def test_what_is_inferred_comes_out(case):
    outputs = made(case)[3]
    given = shapes_of(case)
    for free in (False, True):
        inputs = [_free(x) for x in given] if free else given
        result = case.layer(**case.config).infer(*inputs)
        each = (result,) if isinstance(result, Shape) else result
        assert len(each) == len(outputs)
        for shape, y in zip(each, outputs.values(), strict=True):
            assert shape.fits(y.shape)
            assert shape.known or free


def _free(x):
    """The shape without the sizes that a model does not declare; axes of length 1 stay, for they broadcast."""
    sizes = [
        None if name in ("time", "batch") and size != 1 else size for name, size in zip(x.names, x.sizes, strict=True)
    ]
    return Shape(x.names, tuple(sizes))
