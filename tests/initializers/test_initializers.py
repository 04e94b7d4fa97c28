"""Initializers: distributions, seeds, shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet.core import random
from graphnet.core.errors import ConfigError, RuleError, ShapeError
from graphnet.initializers import Constant, He, Initializer, Orthogonal, UniformRandom, Xavier

ALL = [Constant(0.1), UniformRandom(), Xavier(), He(), Orthogonal(2.0)]
each = pytest.mark.parametrize("initializer", ALL, ids=repr)


@each
def test_shape_dtype_and_config(initializer):
    for shape in ((4, 3), [4, 3], np.array([4, 3]), (np.int64(4), 3)):
        weights = initializer.initialize(shape, 4, 3)
        assert weights.shape == (4, 3) and weights.dtype == np.float64 and weights.flags.writeable
        assert weights.flags.c_contiguous
    assert initializer.initialize((2, 3, 4, 5), np.int32(60), 40).shape == (2, 3, 4, 5)
    assert type(initializer)(**initializer.config()) == initializer


@pytest.mark.parametrize("initializer", ALL[1:], ids=repr)
def test_draws_follow_the_seeded_generator(initializer):
    def draw(seed):
        with random.using(np.random.default_rng(seed)):
            return initializer.initialize((4, 4), 4, 4), initializer.initialize((4, 4), 4, 4)

    first, second = draw(1)
    np.testing.assert_array_equal(first, draw(1)[0])
    np.testing.assert_array_equal(second, draw(1)[1])
    assert (first != second).any() and (first != draw(2)[0]).any()


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation"),
    [
        (UniformRandom(), 0.5, math.sqrt(1 / 12)),
        (Xavier(), 0.0, math.sqrt(2 / (50 + 350))),
        (He(), 0.0, math.sqrt(2 / 50)),
    ],
    ids=repr,
)
def test_moments(initializer, mean, deviation):
    with random.using(np.random.default_rng(4)):
        weights = initializer.initialize((200, 500), 50, 350)
    assert weights.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(weights.size))
    assert weights.std() == pytest.approx(deviation, rel=0.01)


def test_uniform_bounds_and_normal_tails():
    with random.using(np.random.default_rng(4)):
        uniform, normal = UniformRandom().initialize((100, 100), 1, 1), Xavier().initialize((100, 100), 1, 1)
    assert 0 <= uniform.min() < 0.01 and 0.99 < uniform.max() < 1
    assert (np.abs(normal) < 1).mean() == pytest.approx(0.6827, abs=0.02)


def test_constant():
    np.testing.assert_array_equal(Constant(-0.25).initialize((2, 1), 9, 9), [[-0.25], [-0.25]])
    assert Constant(1).initialize(3).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3), (1, 6)])
def test_orthogonal(shape):
    matrix = Orthogonal(1.5).initialize(shape, 1, 1).reshape(shape[0], -1)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 2.25 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_is_not_biased_in_sign():
    with random.using(np.random.default_rng(6)):
        traces = [np.trace(Orthogonal().initialize((3, 3), 3, 3)) for _ in range(2000)]
    assert abs(np.mean(traces)) < 0.1 and np.var(traces) == pytest.approx(1.0, abs=0.15)


@each
@pytest.mark.parametrize("shape", [(3, 0), (-1, 2), (2.5, 2), "ab", None, ((1, 2), (3, 4))], ids=repr)
def test_bad_shapes(initializer, shape):
    with pytest.raises(ShapeError, match="weights_shape"):
        initializer.initialize(shape, 3, 4)


@pytest.mark.parametrize("fan", [0, -3, math.nan, None, "3", True], ids=repr)
def test_bad_fans(fan):
    for initializer in (Xavier(), He()):
        with pytest.raises(ConfigError, match="fan_in"):
            initializer.initialize((2, 2), fan, 2)
    with pytest.raises(ConfigError, match="fan_out"):
        Xavier().initialize((2, 2), 2, fan)
    assert He().initialize((2, 2), 2, fan).shape == (2, 2)


def test_bad_settings():
    for build in (lambda: Constant("0"), lambda: Constant(math.inf), lambda: Orthogonal(0.0)):
        with pytest.raises(ConfigError):
            build()
    with pytest.raises(ShapeError, match="matrix"):
        Orthogonal().initialize((5,), 5, 1)
    with pytest.raises(RuleError, match="no draw"):
        Initializer().initialize((2, 2), 1, 1)
