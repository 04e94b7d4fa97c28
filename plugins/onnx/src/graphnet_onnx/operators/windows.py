"""Windows over spatial axes: sizes, padding and strides as ONNX states them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context

#: The values of ``auto_pad``.
AUTO = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Windows:
    """The windows of a convolution or a pooling operator.

    Attributes
    ----------
    kernel, strides, dilations : tuple of int
        One number for each spatial axis.
    before, after : tuple of int
        The padding cells.
    extra : tuple of int
        Cells after the padding that ``ceil_mode`` adds; they count in no mean.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    extra: tuple[int, ...]

    @property
    def pads(self) -> list[tuple[int, int]]:
        """The cells before and after each axis, with the extra ones."""
        return [(b, a + e) for b, a, e in zip(self.before, self.after, self.extra, strict=True)]

    def padded(self, x: Any, value: Any) -> Any:
        """The input with padding."""
        if not any(map(any, self.pads)):
            return x
        return np.pad(x, [(0, 0), (0, 0), *self.pads], constant_values=value)

    def view(self, x: Any) -> Any:
        """The windows of a padded input ``(batch, channels, *sizes)``: ``(batch, channels, *positions, *kernel)``."""
        spans = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))
        axes = tuple(range(2, x.ndim))
        view = np.lib.stride_tricks.sliding_window_view(x, spans, axes)  # type: ignore[call-overload]
        steps = [slice(None, None, s) for s in self.strides]
        cells = [slice(None, None, d) for d in self.dilations]
        return view[(slice(None), slice(None), *steps, *cells)]


def windows_of(context: Context, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """Return the windows of a node over spatial axes of these sizes.

    Raises
    ------
    ShapeError, ConfigError
        If an attribute has not one value for each axis or is out of its range, or no window fits.
    """
    strides, dilations = (_per_axis(context, name, sizes) for name in ("strides", "dilations"))
    rank, auto = len(sizes), context.get("auto_pad", "NOTSET")
    context.require(len(kernel) == rank, "the kernel has another number of axes", expected=rank, received=len(kernel))
    context.require(min(kernel, default=1) > 0, "the kernel is empty", received=kernel)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if auto not in AUTO:
        raise context.failure("unknown auto_pad", ConfigError, expected=", ".join(AUTO), received=auto)
    pads = [int(n) for n in context.get("pads", [])] or [0] * (2 * rank)
    context.require(len(pads) == 2 * rank and min(pads, default=0) >= 0, "invalid pads", received=pads)
    before, after = pads[:rank], pads[rank:]
    if auto.startswith("SAME"):
        total = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(sizes, strides, spans, strict=True)]
        half = [(t + (auto == "SAME_LOWER")) // 2 for t in total]
        before, after = half, [t - h for t, h in zip(total, half, strict=True)]
    elif auto == "VALID":
        before = after = [0] * rank
    extra = [0] * rank
    for axis, (n, s, k) in enumerate(zip(sizes, strides, spans, strict=True)):
        space = n + before[axis] + after[axis] - k
        context.require(space >= 0, "the kernel is larger than the padded input", expected=f"at least {k}", received=n)
        if context.get("ceil_mode", 0) and not auto.startswith("SAME") and space % s:
            starts_inside = (space // s + 1) * s < n + before[axis]
            extra[axis] = s - space % s if starts_inside else 0
    return Windows(tuple(kernel), strides, dilations, tuple(before), tuple(after), tuple(extra))


def _per_axis(context: Context, name: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    values = tuple(int(n) for n in context.get(name, ())) or (1,) * len(sizes)
    valid = len(values) == len(sizes) and min(values, default=1) > 0
    context.require(
        valid, f"{name} needs a positive number for each spatial axis", expected=len(sizes), received=values
    )
    return values
