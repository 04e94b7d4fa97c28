"""Windowed products in native code: what the backend offers to rules that compute convolutions.

See :mod:`graphnet.core.operations` for the contract. A function returns None for what numpy computes as fast: strides
over batches of few rows, and errors of windows with strides.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet.core.operations import Pair, Window
from graphnet_native import features, windows
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.ir import F32, F64, Module
from graphnet_native.pool import Task, pool
from graphnet_native.workers import allowed

Array = Any
DTYPES = {"f": F32, "d": F64}
#: Multiply-adds for each thread: fewer are computed faster than threads meet.
SHARED = 2_000_000
POINTER, INTEGER = ctypes.c_void_p, ctypes.c_int64


class Kernels:
    """The compiled functions of one dtype and tile.

    Parameters
    ----------
    kind : {'product', 'gradient'}
    char : {'f', 'd'}
    tile : (int, int)
    level : Features
    """

    def __init__(self, kind: str, char: str, tile: tuple[int, int], level: Features) -> None:
        dtype = DTYPES[char]
        self.lanes = lanes = level.vector_bytes // dtype.bytes

        def build() -> Module:
            module = Module(level.vector_bytes, version(), level.fused)
            getattr(windows, kind)(module, dtype, lanes, *tile)
            if kind == "gradient":
                windows.lane_sums(module, dtype, lanes)
                windows.gradient_task(module, tile[0], lanes * dtype.bytes)
            else:
                windows.product_task(module)
            return module

        name = "windowed" if kind == "product" else "window_gradient"
        exports = [name, f"{name}_task", *(["lane_sums"] if kind == "gradient" else [])]
        self.engine = Engine(objects_of(key_of("windowed", kind, char, str(tile)), build), exports)
        pointers, integers = (6, 8) if kind == "product" else (4, 9)
        arguments = [POINTER] * pointers + [INTEGER] * integers
        self._alone = ctypes.CFUNCTYPE(None, *arguments)(self.engine.address(exports[0]))
        self._task = Task(self.engine.address(exports[1]))
        if kind == "gradient":
            self.lane_sums = ctypes.CFUNCTYPE(None, POINTER, POINTER, INTEGER)(self.engine.address(exports[2]))

    def run(self, work: int, *arguments: int) -> None:
        """Call the function, with several threads if there are enough multiply-adds; the bits are the same."""
        workers = min(allowed(), work // SHARED)
        if workers < 2:
            self._alone(*arguments)
            return
        table = np.array(arguments, np.int64)
        pool().run(self._task, table.ctypes.data, 0, work, 0, workers)


@lru_cache(maxsize=64)
def kernels_for(kind: str, char: str, tile: tuple[int, int], level: Features) -> Kernels:
    """The functions of a tile, compiled once for each level of processor features."""
    return Kernels(kind, char, tile, level)


@lru_cache(maxsize=256)
def product_tables(shape: tuple[int, ...], cells: Pair, window: Window, size: int) -> tuple[Array, Array]:
    """The offsets of the cells in the order (row, channel, column), and the rows of positions."""
    channels = shape[0]
    column, row, channel = _strides(shape, size)
    (m, n), (dy, dx) = cells, window.dilation
    i, c, j = np.ogrid[:m, :channels, :n]
    offsets = np.ascontiguousarray(i * dy * row + c * channel + j * dx * column, np.int64).reshape(-1)
    positions = window.positions((shape[1], shape[2]), cells)[0]
    table = np.zeros((positions, 3), np.int64)
    table[:, 0], table[:, 2] = np.arange(positions) * window.stride[0] * row, offsets.size
    return offsets, table


@lru_cache(maxsize=256)
def error_tables(
    shape: tuple[int, ...], cells: Pair, window: Window, rows: Pair, column: int, size: int
) -> tuple[Array, Array]:
    """The same for errors ``(outputs, u, v, batch)`` of that shape: for each row of the image those that read it."""
    outputs, count = shape[:2]
    step, row, output = _strides(shape, size)
    (m, n), (dy, dx) = cells, window.dilation
    i, k, j = np.ogrid[:m, :outputs, :n]
    offsets = np.ascontiguousarray(i * dy * row + k * output + j * dx * step, np.int64).reshape(-1)
    table = np.zeros((rows[1] - rows[0], 3), np.int64)
    for number, y in enumerate(range(*rows)):
        start = y - dy * (m - 1)
        valid = [i for i in range(m) if 0 <= start + dy * i < count]
        first = valid[0] if valid else 0
        table[number] = start * row + column * step, first * outputs * n, len(valid) * outputs * n
    return offsets, table


def _strides(shape: tuple[int, ...], size: int) -> tuple[int, int, int]:
    """Bytes from one column, row and channel to the next."""
    column = shape[3] * size
    return column, column * shape[2], column * shape[2] * shape[1]


def _groups(positions: Pair, batch: int, window: Window) -> tuple[int, int]:
    """Stretches of neighbouring numbers in a row of positions, and the numbers of each."""
    return (1, positions[1] * batch) if window.stride[1] == 1 else (positions[1], batch)


def _panels(weights: Array, bias: Array, rows: int) -> tuple[Array, Array]:
    """Weights ``(outputs, depth)`` as panels ``[panel][k][row]``, and the bias, with zeros for missing outputs."""
    outputs, depth = weights.shape
    count = -(-outputs // rows)
    packed, padded = np.zeros((count, rows, depth), weights.dtype), np.zeros(count * rows, weights.dtype)
    packed.reshape(-1, depth)[:outputs], padded[:outputs] = weights, bias
    return np.ascontiguousarray(packed.transpose(0, 2, 1)), padded


def _suitable(*arrays: Array) -> bool:
    """Whether all arrays have one dtype that has kernels, and none is empty."""
    first = arrays[0].dtype
    return first.char in DTYPES and all(a.dtype == first and a.size for a in arrays)


def windowed_product(images: Array, weights: Array, bias: Array, window: Window) -> Array | None:
    """See :attr:`graphnet.core.operations.Operation.WINDOWED_PRODUCT`."""
    if not _suitable(images, weights, bias):
        return None
    outputs, cells, size = len(weights), weights.shape[2:], images.itemsize
    positions = window.positions(images.shape[1:3], cells)
    groups, columns = _groups(positions, images.shape[3], window)
    if columns * size * 2 < features.selected().vector_bytes:
        return None
    images = np.ascontiguousarray(images)
    offsets, table = product_tables(images.shape, cells, window, size)
    flat = weights.transpose(0, 2, 1, 3).reshape(outputs, -1)
    y = np.empty((outputs, *positions, images.shape[3]), images.dtype)
    _run(images, flat, bias, y, offsets, table, groups, columns, window.stride[1] * images.shape[3] * size)
    return y


def _run(
    x: Array, weights: Array, bias: Array, y: Array, offsets: Array, table: Array, groups: int, columns: int,
    x_group: int,
) -> None:  # fmt: skip
    level = features.selected()
    tile = windows.product_tile(level.vector_bytes, len(y))
    kernels = kernels_for("product", x.dtype.char, tile, level)
    panels, padded = _panels(weights, bias, tile[0])
    pointers = [a.ctypes.data for a in (panels, padded, offsets, table, x, y)]
    sizes = len(y), len(table), groups, columns, x_group, columns * x.itemsize, y[0].nbytes, weights.shape[1]
    kernels.run(weights.size * (y.size // len(y)), *pointers, *sizes)


def windowed_error(
    errors: Array, weights: Array, window: Window, image: Pair, margins: tuple[Pair, Pair]
) -> Array | None:
    """See :attr:`graphnet.core.operations.Operation.WINDOWED_ERROR`."""
    if window.stride != (1, 1) or not _suitable(errors, weights) or not np.isfinite(weights).all():
        return None  # zeros around the errors times infinity would be NaN
    (top, bottom), (left, right) = margins
    (m, n), (_, dx), size = weights.shape[2:], window.dilation, errors.itemsize
    outputs, count, across, batch = errors.shape
    before, after = max(0, dx * (n - 1) - left), max(0, image[1] - right - across)
    padded = np.zeros((outputs, count, before + across + after, batch), errors.dtype)
    padded[:, :, before : before + across] = errors
    rows, wide = (top, image[0] - bottom), image[1] - left - right
    offsets, table = error_tables(padded.shape, (m, n), window, rows, left - dx * (n - 1) + before, size)
    flipped = weights[:, :, ::-1, ::-1].transpose(1, 2, 0, 3).reshape(weights.shape[1], -1)
    y = np.empty((weights.shape[1], rows[1] - rows[0], wide, batch), errors.dtype)
    zeros = np.zeros(len(flipped), errors.dtype)
    _run(padded, flipped, zeros, y, offsets, table, 1, wide * batch, 0)
    return y


def windowed_gradient(images: Array, errors: Array, window: Window, cells: Pair) -> tuple[Array, Array] | None:
    """See :attr:`graphnet.core.operations.Operation.WINDOWED_GRADIENT`."""
    if not _suitable(images, errors):
        return None
    outputs, channels, size = len(errors), len(images), images.itemsize
    groups, columns = _groups(errors.shape[1:3], images.shape[3], window)
    level = features.selected()
    if columns * size * 2 < level.vector_bytes:
        return None
    images, errors = np.ascontiguousarray(images), np.ascontiguousarray(errors)
    tile = windows.gradient_tile(level.vector_bytes, outputs)
    kernels = kernels_for("gradient", images.dtype.char, tile, level)
    offsets = gradient_offsets(images.shape, cells, window, size)
    sums = np.zeros((outputs, offsets.size + 1, kernels.lanes), images.dtype)
    step, row, _ = _strides(images.shape, size)
    pointers = [a.ctypes.data for a in (errors, offsets, images, sums)]
    sizes = outputs, offsets.size, errors.shape[1], groups, columns
    strides = window.stride[0] * row, window.stride[1] * step, errors[0].nbytes, columns * size
    kernels.run(offsets.size * errors.size, *pointers, *sizes, *strides)
    totals = np.empty((outputs, offsets.size + 1), images.dtype)
    kernels.lane_sums(sums.ctypes.data, totals.ctypes.data, totals.size)
    return totals[:, :-1].reshape(outputs, channels, *cells), totals[:, -1]


@lru_cache(maxsize=256)
def gradient_offsets(shape: tuple[int, ...], cells: Pair, window: Window, size: int) -> Array:
    """The offsets of the cells in the order (channel, row, column)."""
    step, row, channel = _strides(shape, size)
    c, i, j = np.ogrid[: shape[0], : cells[0], : cells[1]]
    offsets = c * channel + i * window.dilation[0] * row + j * window.dilation[1] * step
    return np.ascontiguousarray(offsets, np.int64).reshape(-1)
