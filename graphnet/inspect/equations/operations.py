"""Operations of backends on recorded arrays: one term each, so that an equation shows what they compute as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.operations import Operation, Window
from graphnet.inspect.equations.recorded import Recorded, term_of
from graphnet.inspect.equations.terms import Term

#: The names of the terms.
WINDOWED, WINDOWED_ERROR, WINDOWED_GRADIENT = "windowed_product", "windowed_error", "windowed_gradient"


def cells(images: Any, window: Window, kernel: tuple[int, int]) -> Any:
    """What a window reads at each position: ``(channels, m, n, y, x, batch)``."""
    (m, n), (sy, sx), (dy, dx) = kernel, window.stride, window.dilation
    found = np.lib.stride_tricks.sliding_window_view(images, ((m - 1) * dy + 1, (n - 1) * dx + 1), axis=(1, 2))
    return found[:, ::sy, ::sx, :, ::dy, ::dx].transpose(0, 4, 5, 1, 2, 3)


def windowed_product(images: Any, weights: Any, bias: Any, window: Window) -> Any:
    """The product of each window of images ``(channels, y, x, batch)`` with weights ``(outputs, channels, m, n)``."""
    m, n = weights.shape[2:]
    return np.einsum("kcij,cijuvb->kuvb", weights, cells(images, window, (m, n))) + bias[:, None, None, None]


def _windowed_product(images: Any, weights: Any, bias: Any, window: Window) -> Recorded:
    args = (images, weights, bias)
    found = windowed_product(images.value, weights.value, bias.value, window)
    options = {"window": window}
    return Recorded(found, Term(WINDOWED, tuple(map(term_of, args)), options, found.shape))


def _windowed_error(errors: Any, weights: Any, window: Window, size: Any, margins: Any) -> Recorded:
    (top, bottom), (left, right) = margins
    channels, (m, n), batch = weights.shape[1], weights.shape[2:], errors.shape[3]
    total = np.zeros((channels, *size, batch))
    (sy, sx), (dy, dx) = window.stride, window.dilation
    count_y, count_x = errors.shape[1:3]
    for i, j in np.ndindex(m, n):
        part = np.einsum("kc,kuvb->cuvb", weights.value[:, :, i, j], errors.value)
        total[:, i * dy : i * dy + (count_y - 1) * sy + 1 : sy, j * dx : j * dx + (count_x - 1) * sx + 1 : sx] += part
    found = total[:, top : size[0] - bottom, left : size[1] - right]
    return Recorded(found, Term(WINDOWED_ERROR, (errors.term, weights.term), {"window": window}, found.shape))


def _windowed_gradient(images: Any, errors: Any, window: Window, kernel: Any) -> tuple[Recorded, Recorded]:
    found = np.einsum("kuvb,cijuvb->kcij", errors.value, cells(images.value, window, tuple(kernel)))
    term = Term(WINDOWED_GRADIENT, (images.term, errors.term), {"window": window}, found.shape)
    return Recorded(found, term), errors.sum((1, 2, 3))


#: The operations that are recorded; rules compute the others with numpy.
OPERATIONS: dict[Operation, Callable[..., Any]] = {
    Operation.WINDOWED_PRODUCT: _windowed_product,
    Operation.WINDOWED_ERROR: _windowed_error,
    Operation.WINDOWED_GRADIENT: _windowed_gradient,
}
