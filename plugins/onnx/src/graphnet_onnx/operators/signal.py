"""Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


def _complex(x: Any) -> Any:
    """Numbers whose real and imaginary parts are the last axis."""
    return x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]


def _parts(x: Any) -> Any:
    """Real and imaginary parts as a last axis."""
    return np.stack([x.real, x.imag], -1)


@operator("DFT")
def discrete_fourier_transform(context: Context, x: Any, length: Any = None, axis: Any = None) -> Any:
    """The transform along an axis, or its inverse; ``onesided``: half of the frequencies of real numbers."""
    given = context["axis"] if context.opset < 20 else -2 if axis is None else int(np.reshape(axis, ()))
    along, inverse, half = axis_of(context, x.ndim, given), context["inverse"], context["onesided"]
    context.require(along < x.ndim - 1, "the last axis has the parts of the numbers", received=given)
    values = _complex(x)
    size = x.shape[along] if length is None else int(np.reshape(length, ()))
    if inverse and half:
        size = 2 * (x.shape[along] - 1) if length is None else size
        return np.fft.irfft(values, size, along)[..., None]
    if inverse:
        return _parts(np.fft.ifft(values, size, along))
    return _parts(np.fft.rfft(values.real, size, along) if half else np.fft.fft(values, size, along))


@operator("STFT")
def short_time_fourier_transform(
    context: Context, signal: Any, step: Any, window: Any = None, length: Any = None
) -> Any:
    """The transforms of overlapping frames, each times a window."""
    hop = int(np.reshape(step, ()))
    context.require(hop > 0, "the step must be positive", received=hop)
    values = _complex(signal)
    size = values.shape[1] if window is None else len(window)
    size = size if length is None else int(np.reshape(length, ()))
    context.require(0 < size <= values.shape[1], "a frame does not fit", expected=values.shape[1], received=size)
    frames = np.lib.stride_tricks.sliding_window_view(values, size, 1)[:, ::hop]
    if window is not None:
        frames = frames * window
    return _parts(np.fft.rfft(frames.real) if context["onesided"] else np.fft.fft(frames))
