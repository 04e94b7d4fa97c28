"""Sequences as people have them: masks, lengths, and steps that are missing."""

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
    """Moves the steps that are there to the front of each row, and back.

    Attributes
    ----------
    order : int array (time, batch)
        For each place of the packed rows the step that it holds; those that are there first, in their order.
    mask : boolean array (time, batch)
        Which steps are there.

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
        """The number of steps of each row, (batch,)."""
        return np.asarray(self.mask.sum(axis=0), np.int64)

    def pack(self, array: Array, what: str = "the array", *, clean: bool = True) -> Array:
        """``(time, batch, …)`` with the steps that are there first in each row, then zeros.

        Without ``clean`` there is anything in place of the zeros.

        Raises
        ------
        ShapeError
            If time and batch are not those of the mask.
        """
        self._check(array, what)
        found = self._moved(array, self._there)
        if clean:
            found[np.arange(len(array))[:, None] >= self.lengths] = 0
        return found

    def unpack(self, array: Array, *, clean: bool = True) -> Array:
        """The way back: each step where it was, zeros where none was.

        Without ``clean`` what follows the packed steps is put where none was.

        Raises
        ------
        ShapeError
            If time and batch are not those of the mask.
        """
        self._check(array, "the array")
        found = self._moved(array, self._back)
        if clean:
            found[~self.mask] = 0
        return found

    @cached_property
    def _there(self) -> Array:
        """For each (step, row) of the packed rows, the number of the (step, row) that it holds."""
        rows = self.order.shape[1]
        return np.asarray(self.order * rows + np.arange(rows)).reshape(-1)

    @cached_property
    def _back(self) -> Array:
        found = np.empty_like(self._there)
        found[self._there] = np.arange(len(found))
        return found

    @staticmethod
    def _moved(array: Array, order: Array) -> Array:
        rows = np.ascontiguousarray(array).reshape(len(order), -1)
        found: Array = rows.take(order, axis=0).reshape(array.shape)
        return found

    def _check(self, array: Array, what: str) -> None:
        if array.shape[:2] != self.mask.shape:
            raise ShapeError(f"{what} does not have the mask's axes", expected=self.mask.shape, received=array.shape)


def checked_mask(mask: Any, where: str) -> Array:
    """A mask as a boolean array of two axes.

    Raises
    ------
    DtypeError
        If it holds anything but truth values (0 and 1 will do).
    ShapeError
        If it does not have two axes.
    """
    found = as_array(mask, where)
    if found.dtype != bool:
        if found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
            raise DtypeError(
                "a mask holds truth values", where=where, expected="booleans, or 0 and 1", received=found.dtype
            )
        found = found.astype(bool)
    if found.ndim != 2:
        raise ShapeError("a mask has two axes", where=where, expected="(time, batch)", received=found.shape)
    return found


def packing_of(mask: Any, where: str = "mask") -> Packing:
    """How to pack rows whose steps a mask tells, ``(time, batch)``.

    Raises
    ------
    ShapeError, DtypeError
        If it is no mask.
    """
    found = checked_mask(mask, where)
    return Packing(np.argsort(~found, axis=0, kind="stable"), found)


def lengths_or_packing(lengths: Any, mask: Any, axes: tuple[int, ...], where: str) -> tuple[Any, Packing | None]:
    """Lengths for a Runner, and how to pack the rows first: None where they are packed already.

    Parameters
    ----------
    lengths : optional
    mask : array_like (time, batch), optional
    axes : (int, int)
        Time and batch of the sequences.
    where : str

    Raises
    ------
    ConfigError
        If both are given.
    ShapeError, DtypeError
        If the mask does not fit the sequences.
    """
    if mask is None:
        return lengths, None
    if lengths is not None:
        raise ConfigError("lengths and a mask", where=where, expected="one of the two", received="both")
    packing = packing_of(mask, f"{where}, mask")
    if packing.mask.shape != axes:
        raise ShapeError("the mask does not fit", where=where, expected=axes, received=packing.mask.shape)
    counts = packing.lengths
    front = np.arange(axes[0])[:, None] < counts
    return counts, None if np.array_equal(front, packing.mask) else packing
