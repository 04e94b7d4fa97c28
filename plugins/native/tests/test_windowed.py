"""Windowed products in native code, against sums over the cells of the window."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet.core.operations import Window
from graphnet_native import features, windowed

TOLERANCES = {"float32": 3e-5, "float64": 1e-11}


@pytest.fixture(params=["avx512", "avx2", "baseline"])
def level(request, monkeypatch):
    """Every level of features that this processor has."""
    monkeypatch.setenv("GRAPHNET_NATIVE_FEATURES", request.param)
    features.available.cache_clear()
    yield features.selected()
    features.available.cache_clear()


def cells_of(image, window, i, j, positions):
    """What cell (i, j) of the window reads at every position."""
    (sy, sx), (dy, dx) = window.stride, window.dilation
    return image[:, dy * i :: sy, dx * j :: sx][:, : positions[0], : positions[1]]


def by_cells(images, weights, bias, errors, window):
    """Product, errors of the image and gradient, cell by cell in float64."""
    images, weights, bias, errors = (np.asarray(a, float) for a in (images, weights, bias, errors))
    positions, cells = errors.shape[1:3], weights.shape[2:]
    y = np.zeros(errors.shape) + bias[:, None, None, None]
    image_errors, gradient = np.zeros(images.shape), np.zeros(weights.shape)
    for i, j in np.ndindex(*cells):
        read = cells_of(images, window, i, j, positions)
        y += np.einsum("kc,cuvb->kuvb", weights[:, :, i, j], read)
        target = cells_of(image_errors, window, i, j, positions)
        target += np.einsum("kc,kuvb->cuvb", weights[:, :, i, j], errors)
        gradient[:, :, i, j] = np.einsum("kuvb,cuvb->kc", errors, read)
    return y, image_errors, gradient, errors.sum((1, 2, 3))


def close(found, expected, dtype):
    return np.abs(found - expected).max() <= TOLERANCES[dtype] * max(1.0, np.abs(expected).max())


def problem(rng, dtype):
    """Random arrays of odd sizes around the edges of tiles, and a window."""
    stride, dilation = tuple(map(int, rng.integers(1, 3, 2))), tuple(map(int, rng.integers(1, 3, 2)))
    (m, n), (channels, outputs, batch) = rng.integers(1, 5, 2), rng.integers(1, 18, 3)
    image = tuple(int((k - 1) * d + 1 + rng.integers(0, 6)) for k, d in zip((m, n), dilation, strict=True))
    window = Window(stride, dilation)
    positions = window.positions(image, (int(m), int(n)))
    shapes = [(channels, *image, batch), (outputs, channels, m, n), (outputs,), (outputs, *positions, batch)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes], window


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_sums_over_cells(level, dtype):
    rng = np.random.default_rng(3)
    computed = [0, 0, 0]
    for _ in range(40):
        (images, weights, bias, errors), window = problem(rng, dtype)
        expected = by_cells(images, weights, bias, errors, window)
        y = windowed.windowed_product(images, weights, bias, window)
        image = windowed.windowed_error(errors, weights, window, images.shape[1:3], ((0, 0), (0, 0)))
        sums = windowed.windowed_gradient(images, errors, window, weights.shape[2:])
        for number, (found, wanted) in enumerate(zip((y, image, sums), expected[:3], strict=True)):
            if found is None:
                continue
            computed[number] += 1
            assert close(found[0] if number == 2 else found, wanted, dtype)
        if sums is not None:
            assert close(sums[1], expected[3], dtype)
    assert min(computed) > 5


def test_margins_are_left_out(level):
    rng = np.random.default_rng(4)
    window = Window((1, 1), (2, 1))
    images, weights = rng.normal(size=(3, 9, 8, 5)), rng.normal(size=(4, 3, 3, 4))
    errors = rng.normal(size=(4, *window.positions((9, 8), (3, 4)), 5))
    whole = by_cells(images, weights, np.zeros(4), errors, window)[1]
    for top, bottom, left, right in [(1, 0, 2, 1), (4, 4, 0, 5), (0, 0, 5, 0)]:
        inner = windowed.windowed_error(errors, weights, window, (9, 8), ((top, bottom), (left, right)))
        assert close(inner, whole[:, top : 9 - bottom, left : 8 - right], "float64")


def test_arrays_that_are_left_to_numpy():
    ones = np.ones((2, 4, 4, 1))
    assert windowed.windowed_product(ones, np.ones((1, 2, 2, 2), "f"), np.ones(1), Window()) is None
    assert windowed.windowed_product(ones[..., :0], np.ones((1, 2, 2, 2)), np.ones(1), Window()) is None
    infinite = np.full((1, 2, 2, 2), np.inf)
    assert windowed.windowed_error(np.ones((1, 3, 3, 1)), infinite, Window(), (4, 4), ((0, 0), (0, 0))) is None
    assert windowed.windowed_error(ones, np.ones((2, 1, 2, 2)), Window((2, 1)), (9, 5), ((0, 0), (0, 0))) is None


@pytest.mark.parametrize("outputs", [1, 5, 6, 16])
def test_same_bits_for_any_number_of_threads(monkeypatch, outputs):
    monkeypatch.setattr(windowed, "SHARED", 1)
    rng = np.random.default_rng(outputs)
    images, weights = rng.normal(size=(3, 12, 11, 9)), rng.normal(size=(outputs, 3, 3, 4))
    errors = rng.normal(size=(outputs, *Window().positions((12, 11), (3, 4)), 9))
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(windowed, "allowed", lambda threads=threads: threads)
        results.append(
            (
                windowed.windowed_product(images, weights, np.ones(outputs), Window()),
                windowed.windowed_error(errors, weights, Window(), (12, 11), ((1, 0), (0, 1))),
                *windowed.windowed_gradient(images, errors, Window(), (3, 4)),
            )
        )
    for found in results[1:]:
        for a, b in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_nan_reaches_the_positions_that_read_it():
    rng = np.random.default_rng(5)
    images, weights = rng.normal(size=(2, 6, 6, 3)), rng.normal(size=(3, 2, 3, 3))
    images[1, 2, 3, 1] = np.nan
    y = windowed.windowed_product(images, weights, np.zeros(3), Window())
    found = np.isnan(y)
    assert found[:, :3, 1:4, 1].all()
    assert found.sum() == 3 * 3 * 3
