"""Sizes of kernels, strides and paddings, for one and two spatial axes alike."""

from collections.abc import Sequence
from typing import Any

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require

Pads = tuple[tuple[int, int], ...]


def spread(layer: Layer, field: str, axes: int, least: int = 1) -> tuple[int, ...]:
    """A field that is one whole number, or one for each spatial axis, as one for each.

    Raises
    ------
    ConfigError
        If it is neither, or below ``least``.
    """
    value = getattr(layer, field)
    given = value if isinstance(value, tuple) else (value,)
    whole = all(is_python_int(n, least) for n in given)
    fits = whole and len(given) in (1, axes)
    require(fits, layer, field, f"a whole number of at least {least}, or one for each of {axes} axes")
    return given * axes if len(given) == 1 else given


def pads(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Pads:
    """Zeros before and after each spatial axis.

    'same' keeps the size at stride 1 and puts an odd cell at the end; 'valid' adds none; else one number, or one
    number or pair for each axis.
    """
    if padding == "same":
        totals = [(m - 1) * d for m, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    each = padding if isinstance(padding, tuple) else (padding,) * len(kernel)
    return tuple(p if isinstance(p, tuple) else (p, p) for p in each)


def check_padding(layer: Layer, axes: int) -> None:
    """Require a padding that ``pads`` can read.

    Raises
    ------
    ConfigError
        If it is none.
    """
    value = layer.padding  # type: ignore[attr-defined]
    each = value if isinstance(value, tuple) else (value,) * axes
    numbers = [n for p in each for n in (p if isinstance(p, tuple) and len(p) == 2 else (p,))]
    whole = all(is_python_int(n, 0) for n in numbers)
    fits = value in ("same", "valid") if isinstance(value, str) else whole and len(each) == axes
    require(fits, layer, "padding", f"'same', 'valid', a whole number, or a number or pair for each of {axes} axes")


def spatial(x: Shape, axes: int, layer: Layer) -> tuple[int | None, ...]:
    """The sizes of the spatial axes of ``(batch, channel, …)``, or of the same with a time axis before it.

    Raises
    ------
    ShapeError
        If the input has another rank, or declares its axes in another order.
    """
    leading = 2 if x.names[:2] == ("time", "batch") else 1
    if x.rank != leading + 1 + axes:
        expected = "(batch, channel, y, x)" if axes == 2 else "(batch, channel, x)"
        raise ShapeError("another rank", where=repr(layer), expected=expected, received=str(x))
    rows = ("time", "batch") if leading == 2 else (Shape.ROWS,)
    x.read_as((*rows, "channel", *[Shape.SPACE] * axes), repr(layer))
    return x.sizes[-axes:]


def resulting(
    x: Shape,
    layer: Layer,
    kernel: Sequence[int],
    stride: Sequence[int],
    padded: Pads,
    dilation: Sequence[int] | None = None,
) -> list[int | None]:
    """The sizes of the spatial axes after a window has gone over them.

    Raises
    ------
    ShapeError
        If the window is larger than the padded input.
    """
    dilation = dilation or (1,) * len(kernel)
    sizes: list[int | None] = []
    each = zip(spatial(x, len(kernel), layer), kernel, stride, padded, dilation, strict=True)
    for size, m, s, (before, after), d in each:
        if size is None:
            sizes.append(None)
            continue
        room = size + before + after - (m - 1) * d
        if room < 1:
            raise ShapeError(
                "the window is larger than the input",
                where=repr(layer),
                expected=f"at least {(m - 1) * d + 1 - before - after} along each window axis",
                received=str(x),
            )
        sizes.append((room - 1) // s + 1)
    return sizes


def resized(x: Shape, sizes: Sequence[int | None], channels: int | None = None) -> Shape:
    """``x`` with other spatial sizes, and perhaps another number of channels."""
    axes = len(sizes)
    last = x.sizes[-axes - 1] if channels is None else channels
    return Shape(x.names, (*x.sizes[: -axes - 1], last, *sizes))
