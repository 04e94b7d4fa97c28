"""Sizes of kernels, strides and paddings, for one and two spatial axes."""

from collections.abc import Sequence
from typing import Any

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require

Padding = tuple[tuple[int, int], ...]


def per_axis(layer: Layer, field: str, axes: int, minimum: int = 1) -> tuple[int, ...]:
    """Return a field that is one integer, or one for each spatial axis, as one integer for each axis.

    Raises
    ------
    ConfigError
        If it is neither, or below ``minimum``.
    """
    value = getattr(layer, field)
    values = value if isinstance(value, tuple) else (value,)
    valid = all(is_python_int(n, minimum) for n in values) and len(values) in (1, axes)
    require(valid, layer, field, f"an integer of at least {minimum}, or one for each of {axes} axes")
    return values * axes if len(values) == 1 else values


def resolve_padding(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Padding:
    """Return the number of zeros before and after each spatial axis.

    'same' keeps the size at stride 1, with an odd cell at the end; 'valid' adds no zeros; otherwise one number, or one
    number or pair for each axis.
    """
    if padding == "same":
        totals = [(m - 1) * d for m, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    values = padding if isinstance(padding, tuple) else (padding,) * len(kernel)
    return tuple(value if isinstance(value, tuple) else (value, value) for value in values)


def check_padding(layer: Layer, axes: int) -> None:
    """Require a padding that ``resolve_padding`` accepts.

    Raises
    ------
    ConfigError
    """
    padding = layer.padding  # type: ignore[attr-defined]
    values = padding if isinstance(padding, tuple) else (padding,) * axes
    numbers = [n for value in values for n in (value if isinstance(value, tuple) and len(value) == 2 else (value,))]
    if isinstance(padding, str):
        valid = padding in ("same", "valid")
    else:
        valid = all(is_python_int(n, 0) for n in numbers) and len(values) == axes
    require(valid, layer, "padding", f"'same', 'valid', an integer, or an integer or pair for each of {axes} axes")


def spatial_sizes(x: Shape, axes: int, layer: Layer) -> tuple[int | None, ...]:
    """Return the sizes of the spatial axes of ``(batch, channel, …)``, optionally with a time axis first.

    Raises
    ------
    ShapeError
        If the input has another rank, or declares its axes in another order.
    """
    leading = 2 if x.names[:2] == ("time", "batch") else 1
    if x.rank != leading + 1 + axes:
        expected = "(batch, channel, y, x)" if axes == 2 else "(batch, channel, x)"
        raise ShapeError("the input has another rank", where=repr(layer), expected=expected, received=str(x))
    rows = ("time", "batch") if leading == 2 else (Shape.ROWS,)
    x.read_as((*rows, "channel", *[Shape.SPACE] * axes), repr(layer))
    return x.sizes[-axes:]


def output_sizes(
    x: Shape,
    layer: Layer,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Padding,
    dilation: Sequence[int] | None = None,
) -> list[int | None]:
    """Return the sizes of the spatial axes of the output: the number of positions of a window.

    Raises
    ------
    ShapeError
        If the window is larger than the padded input.
    """
    dilation = dilation or (1,) * len(kernel)
    sizes: list[int | None] = []
    axes = zip(spatial_sizes(x, len(kernel), layer), kernel, stride, padding, dilation, strict=True)
    for size, m, s, (before, after), d in axes:
        if size is None:
            sizes.append(None)
            continue
        last = size + before + after - (m - 1) * d
        if last < 1:
            raise ShapeError(
                "the window is larger than the input",
                where=repr(layer),
                expected=f"at least {(m - 1) * d + 1 - before - after} along each window axis",
                received=str(x),
            )
        sizes.append((last - 1) // s + 1)
    return sizes


def with_sizes(x: Shape, sizes: Sequence[int | None], channels: int | None = None) -> Shape:
    """Return ``x`` with other spatial sizes, and optionally another number of channels."""
    axes = len(sizes)
    channel_size = x.sizes[-axes - 1] if channels is None else channels
    return Shape(x.names, (*x.sizes[: -axes - 1], channel_size, *sizes))
