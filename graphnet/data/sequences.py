"""Masks of sequences, and packing: the valid steps of each row are moved to its front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import ConfigError, DtypeError, ShapeError


@dataclass(frozen=True, eq=False)
class Packing:
    """Moves the valid steps of each row to its front, and back.

    Attributes
    ----------
    order : int array (time, batch)
        The step that each position of the packed rows holds: first the valid steps, in their order.
    mask : boolean array (time, batch)
        True at the valid steps.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0], [2.0], [3.0]])[:, :, None]
    >>> packing = packing_of(np.array([[False], [True], [True]]))
    >>> packing.pack(x)[:, 0, 0], packing.unpack(packing.pack(x))[:, 0, 0]
    (array([2., 3., 0.]), array([0., 2., 3.]))
    """

    order: Array
    mask: Array

    @property
    def lengths(self) -> Array:
        """The number of valid steps of each row, (batch,)."""
        return np.asarray(self.mask.sum(axis=0), np.int64)

    def pack(self, array: Array, name: str = "the array", *, clean: bool = True) -> Array:
        """``(time, batch, …)`` with the valid steps first in each row, then zeros.

        Without ``clean`` the steps after the valid ones are arbitrary.

        Raises
        ------
        ShapeError
            If the first two axes are not those of the mask.
        """
        self._check(array, name)
        packed = self._reordered(array, self._source)
        if clean:
            packed[np.arange(len(array))[:, None] >= self.lengths] = 0
        return packed

    def unpack(self, array: Array, *, clean: bool = True) -> Array:
        """The inverse of ``pack``: each valid step at its original position, zeros elsewhere.

        Without ``clean`` the steps that are not valid are those after the valid ones of the packed rows.

        Raises
        ------
        ShapeError
            If the first two axes are not those of the mask.
        """
        self._check(array, "the array")
        unpacked = self._reordered(array, self._target)
        if clean:
            unpacked[~self.mask] = 0
        return unpacked

    @cached_property
    def _source(self) -> Array:
        """The flat index (step, row) that each position of the packed rows is read from."""
        rows = self.order.shape[1]
        return np.asarray(self.order * rows + np.arange(rows)).reshape(-1)

    @cached_property
    def _target(self) -> Array:
        """The inverse permutation of ``_source``."""
        target = np.empty_like(self._source)
        target[self._source] = np.arange(len(target))
        return target

    @staticmethod
    def _reordered(array: Array, order: Array) -> Array:
        rows = np.ascontiguousarray(array).reshape(len(order), -1)
        result: Array = rows.take(order, axis=0).reshape(array.shape)
        return result

    def _check(self, array: Array, name: str) -> None:
        if array.shape[:2] != self.mask.shape:
            raise ShapeError(f"{name} does not have the mask's axes", expected=self.mask.shape, received=array.shape)


def checked_mask(mask: Any, where: str) -> Array:
    """A mask as a boolean array with two axes.

    Raises
    ------
    DtypeError
        If it holds anything but booleans, or 0 and 1.
    ShapeError
        If it does not have two axes.
    """
    array = as_array(mask, where)
    if array.dtype != bool:
        if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
            raise DtypeError(
                "a mask must be boolean", where=where, expected="booleans, or 0 and 1", received=array.dtype
            )
        array = array.astype(bool)
    if array.ndim != 2:
        raise ShapeError("a mask must have two axes", where=where, expected="(time, batch)", received=array.shape)
    return array


def packing_of(mask: Any, where: str = "mask") -> Packing:
    """The packing for a mask ``(time, batch)``, true at the valid steps.

    Raises
    ------
    ShapeError, DtypeError
        If it is not a boolean mask.
    """
    valid = checked_mask(mask, where)
    return Packing(np.argsort(~valid, axis=0, kind="stable"), valid)


def lengths_or_packing(lengths: Any, mask: Any, axes: tuple[int, ...], where: str) -> tuple[Any, Packing | None]:
    """The lengths for a Runner, and the packing that the rows need first; None if they are packed already.

    Parameters
    ----------
    lengths : optional
    mask : array_like (time, batch), optional
    axes : (int, int)
        The sizes of the time and batch axes of the sequences.
    where : str

    Raises
    ------
    ConfigError
        If both lengths and a mask are given.
    ShapeError, DtypeError
        If the mask does not fit the sequences.
    """
    if mask is None:
        return lengths, None
    if lengths is not None:
        raise ConfigError("both lengths and a mask", where=where, expected="one of the two")
    packing = packing_of(mask, f"{where}, mask")
    if packing.mask.shape != axes:
        raise ShapeError("the mask does not fit", where=where, expected=axes, received=packing.mask.shape)
    counts = packing.lengths
    packed = np.arange(axes[0])[:, None] < counts
    return counts, None if np.array_equal(packed, packing.mask) else packing
