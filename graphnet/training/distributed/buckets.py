"""Gradients as flat arrays of limited size, in about the order in which a backward pass completes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphnet.core.describe.parameter import Array, Parameter


@dataclass(frozen=True)
class Bucket:
    """The place of some weight arrays in a flat array.

    Attributes
    ----------
    dtype : numpy.dtype
    paths : tuple of str
    slices : tuple of slice
    shapes : tuple of tuple of int
    """

    dtype: np.dtype
    paths: tuple[str, ...]
    slices: tuple[slice, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.slices[-1].stop

    def flat(self, arrays: Mapping[str, Array]) -> Array:
        """The arrays one after the other."""
        return np.concatenate([arrays[path].reshape(-1) for path in self.paths], dtype=self.dtype)

    def views(self, flat: Array) -> dict[str, Array]:
        """The arrays of a flat one, by path."""
        parts = zip(self.paths, self.slices, self.shapes, strict=True)
        return {path: flat[part].reshape(shape) for path, part, shape in parts}


def buckets_of(parameters: Mapping[str, Parameter], limit: int) -> list[Bucket]:
    """The buckets of weight arrays, last ones first; each has one dtype, and at most ``limit`` bytes or one array."""
    buckets: list[Bucket] = []
    group: list[tuple[str, Array]] = []
    for path, parameter in reversed(list(parameters.items())):
        value = parameter.value
        if group and (group[0][1].dtype != value.dtype or sum(v.nbytes for _, v in group) + value.nbytes > limit):
            buckets.append(_bucket(group))
            group = []
        group.append((path, value))
    return [*buckets, _bucket(group)] if group else buckets


def _bucket(group: list[tuple[str, Array]]) -> Bucket:
    ends = np.cumsum([value.size for _, value in group]).tolist()
    slices = tuple(slice(end - value.size, end) for (_, value), end in zip(group, ends, strict=True))
    return Bucket(group[0][1].dtype, tuple(p for p, _ in group), slices, tuple(v.shape for _, v in group))


def finite(array: Array) -> bool:
    """Whether all numbers are finite."""
    return bool(np.isfinite(array.sum()) or np.isfinite(array).all())
