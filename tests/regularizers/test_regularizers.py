"""Regularizers: values by hand, derivatives, dtypes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet.core.errors import ConfigError, DtypeError
from graphnet.regularizers import L1_Regularizer, L2_Regularizer

BOTH = pytest.mark.parametrize("kind", [L1_Regularizer, L2_Regularizer])


def test_matches_formula():
    weights = np.array([[1.0, -2.0], [0.0, 2.0]])
    np.testing.assert_array_equal(L1_Regularizer(2).calculate(weights), [[2.0, -2.0], [0.0, 2.0]])
    np.testing.assert_array_equal(L2_Regularizer(2).calculate(weights), [[2.0, -4.0], [0.0, 4.0]])
    assert L1_Regularizer(2).norm(weights) == 10.0
    assert L2_Regularizer(2).norm(weights) == 6.0


def test_steps_against_numeric_derivatives():
    weights, delta = np.random.default_rng(2).normal(size=6), 1e-6
    lasso, ridge = L1_Regularizer(0.3), L2_Regularizer(0.3)
    for i, place in enumerate(np.eye(6) * delta):
        slope = (lasso.norm(weights + place) - lasso.norm(weights - place)) / (2 * delta)
        assert lasso.calculate(weights)[i] == pytest.approx(slope, rel=1e-7)
        high, low = (math.fsum((weights + s * place) ** 2) for s in (1, -1))
        assert ridge.calculate(weights)[i] == pytest.approx(0.15 * (high - low) / (2 * delta), rel=1e-7)


@BOTH
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_kept_and_weights_not_written(kind, dtype):
    weights = np.array([[3, -4]], dtype)
    weights.flags.writeable = False
    result = kind(0.5).calculate(weights)
    assert result.dtype == dtype and result.shape == (1, 2)
    assert type(kind(0.5).norm(weights)) is float


@BOTH
def test_scalars_lists_integers_and_empty(kind):
    assert kind(0.5).calculate(1) == 0.5 and kind(0.5).norm(-2) == 1.0
    np.testing.assert_array_equal(kind(0.5).calculate([1, -1]), [0.5, -0.5])
    assert kind(0.5).norm(np.zeros((0, 3))) == 0.0 and kind(0.0).norm([1.0]) == 0.0


def test_sums_are_taken_in_float64():
    many = np.full(300_000, 0.1, np.float16)
    assert L1_Regularizer(1.0).norm(many) == pytest.approx(300_000 * float(np.float16(0.1)), rel=1e-12)
    assert L2_Regularizer(1.0).norm(np.full(4, 1e30, np.float32)) == pytest.approx(2e30, rel=1e-6)


@BOTH
def test_refusals_and_config(kind):
    for alpha in (-0.1, math.nan, "0.1", None, True):
        with pytest.raises(ConfigError, match="alpha"):
            kind(alpha)
    with pytest.raises(DtypeError):
        kind(0.1).calculate(np.ones(2, complex))
    assert kind(np.float64(0.1)).config() == {"alpha": 0.1} and kind(0.1) == kind(**kind(0.1).config())
