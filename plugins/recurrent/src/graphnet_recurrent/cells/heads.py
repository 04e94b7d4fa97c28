"""What the cells with matrix states share: widths of heads, projections to heads, and their joint output."""

from __future__ import annotations

from typing import Any

from graphnet import ConfigError, Value, dense, reshape, rms_normalization
from graphnet_recurrent.cells.ranges import whole
from graphnet_recurrent.functional import sigmoid


def head_widths(cell: str, units: int, heads: int, key: int | None) -> tuple[int, int]:
    """The sizes of a key and of a value of each head.

    Raises
    ------
    ConfigError
        If a number is not a positive integer, or ``units`` is not a multiple of ``heads``.
    """
    for name, number in (("units", units), ("heads", heads), ("key", key)):
        if name != "key" or number is not None:
            whole(cell, name, number)
    if units % heads:
        raise ConfigError(
            "units is not a multiple of heads",
            where=cell,
            expected=f"units of {heads} equal heads",
            received=f"units={units}, heads={heads}",
        )
    return (units // heads if key is None else key), units // heads


def matrix_shape(heads: int, key: int, value: int) -> str:
    """The axes of a state with a matrix for each head."""
    return f"batch, head={heads}, key={key}, value={value}"


def in_heads(x: Any, heads: int) -> Value:
    """``(batch, heads · n)`` as ``(batch, heads, n)``."""
    return reshape(x, (heads, -1))


def projected(x: Value, heads: int, size: int, name: str, **options: Any) -> Value:
    """A product with weights, without a bias, divided into heads of this size."""
    return in_heads(dense(x, heads * size, name=name, bias=False, **options), heads)


def silu(x: Value) -> Value:
    """``x σ(x)``."""
    return x * sigmoid(x)


def joined(o: Value, units: int, *, gate: Value | None = None) -> Value:
    """``((RMSNorm(o) of each head) ⊙ gate) · W_o`` of the outputs of the heads, ``(batch, heads, value)``.

    The nodes with weights are ``output_norm``, whose gain all heads share, and ``output``.
    """
    normal = reshape(rms_normalization(o, name="output_norm"), (units,))
    return dense(normal if gate is None else normal * gate, units, name="output", bias=False)
