"""The error function against the math module's."""

import math

import numpy as np

from graphnet_activations.erf import erf


def test_against_the_math_module():
    z = np.concatenate(
        [np.random.default_rng(0).uniform(-8, 8, 5000), np.linspace(-6.1, 6.1, 1000), [1e300, -1e300, 0.0]]
    )
    expected = np.array([math.erf(v) for v in z])
    np.testing.assert_allclose(erf(z), expected, rtol=0, atol=3e-16)
    single = erf(z[:-3].astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected[:-3], rtol=0, atol=2e-7)


def test_what_is_no_number_and_what_is_infinite():
    with np.errstate(all="raise"):
        found = erf(np.array([np.nan, np.inf, -np.inf]))
    np.testing.assert_array_equal(found, [np.nan, 1.0, -1.0])
