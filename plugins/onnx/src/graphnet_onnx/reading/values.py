"""What a name of an ONNX graph stands for while it is read: numbers, sizes, or a value of the graph that is built.

A :class:`Term` separates the axes of ONNX from those of graphnet. Both are groups of *atoms*, axes that are not divided
any further: an ONNX axis ``N·T`` that graphnet holds as time and batch is the group (batch, time), and a transposition
changes the order of groups and nothing else. Operators that need a certain arrangement ask for it (``layout``), and
only then does a layer move numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphnet import Value
from graphnet_onnx.reading.dims import Size, product

_numbers = itertools.count(1)


def new_atom() -> int:
    """A number that no other atom has."""
    return next(_numbers)


@dataclass(frozen=True)
class Known:
    """Numbers, or texts, that the file holds or that follow from it.

    Attributes
    ----------
    array : array
    name : str
        Of the initializer; empty if it was computed.
    parameter : bool
        Whether it is an initializer of floats, which training changes.
    """

    array: np.ndarray
    name: str = ""
    parameter: bool = False

    @property
    def dims(self) -> tuple[Size, ...]:
        """The sizes of its axes."""
        return tuple(self.array.shape)


@dataclass(frozen=True)
class Sizes:
    """Integers of which some are sizes that are not known: what ``Shape`` gives, and what is computed from it."""

    array: np.ndarray  # of objects: int or Dim

    @property
    def dims(self) -> tuple[Size, ...]:
        """The sizes of its axes."""
        return tuple(self.array.shape)


@dataclass(frozen=True)
class Filled:
    """Numbers that are repeated along axes whose sizes are not known: zeros for each row.

    Attributes
    ----------
    array : array
        With an axis of size 1 for each repeated one.
    dims : tuple of int or Dim
    parameter : bool
        Whether the numbers are those of an initializer of floats, which training changes.
    """

    array: np.ndarray
    dims: tuple[Size, ...]
    parameter: bool = False


@dataclass(frozen=True)
class Dropped:
    """A value that graphnet does not compute, such as the texts of labels.

    Attributes
    ----------
    reason : str
    classes : tuple of str
        For labels: the names of the classes.
    """

    reason: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Term:
    """A value of the graph that is built.

    Attributes
    ----------
    value : Value
    axes : tuple of tuple of int
        The atoms of each axis of ``value``; each of the first ``rows`` axes is one atom.
    groups : tuple of tuple of int
        The atoms of each axis in ONNX; none for an axis of size 1 that ``value`` does not have.
    sizes : mapping of int to int or Dim
        Of every atom.
    rows : int
        1: the first axis of ``value`` is the batch. 2: time and batch.
    dtype : dtype
        In ONNX. A Runner computes in float32 or float64.
    """

    value: Value
    axes: tuple[tuple[int, ...], ...]
    groups: tuple[tuple[int, ...], ...]
    sizes: Mapping[int, Size]
    rows: int = 1
    dtype: np.dtype[Any] = field(default=np.dtype(np.float32))

    @property
    def dims(self) -> tuple[Size, ...]:
        """The sizes of the ONNX axes."""
        return tuple(product([self.sizes[atom] for atom in group]) for group in self.groups)

    @property
    def batch(self) -> int:
        """The atom of the batch."""
        return self.axes[self.rows - 1][0]

    @property
    def row_atoms(self) -> tuple[int, ...]:
        """The atoms of the axes that number the rows."""
        return tuple(axis[0] for axis in self.axes[: self.rows])

    def size(self, atoms: Sequence[int]) -> Size:
        """The size of several atoms together."""
        return product([self.sizes[atom] for atom in atoms])

    def at(self, value: Value, **changes: Any) -> Term:
        """The same axes for another value."""
        return replace(self, value=value, **changes)

    def is_rows(self, axis: int) -> bool:
        """Whether an ONNX axis numbers rows and nothing else."""
        group = [atom for atom in self.groups[axis] if self.sizes[atom] != 1 or atom in self.row_atoms]
        return bool(group) and set(group) <= set(self.row_atoms)

    def mixed(self, axis: int) -> bool:
        """Whether an ONNX axis numbers rows and something else."""
        rows = set(self.row_atoms)
        inside = [atom in rows for atom in self.groups[axis] if self.sizes[atom] != 1 or atom in rows]
        return any(inside) and not all(inside)


@dataclass(frozen=True)
class Flipped:
    """A value whose order along one ONNX axis is the reverse of that of ``term``.

    A recurrence over it is one that runs backwards, and a second reversal gives the value itself.
    """

    term: Term
    axis: int

    @property
    def dims(self) -> tuple[Size, ...]:
        """The sizes of the ONNX axes."""
        return self.term.dims


Abstract = Flipped | Known | Sizes | Filled | Dropped | Term


def whole(sizes: Sequence[Size]) -> tuple[int, ...] | None:
    """The sizes as numbers; None if one is not known."""
    return tuple(n for n in sizes if isinstance(n, int)) if all(isinstance(n, int) for n in sizes) else None


def settled(array: Any) -> Known | Sizes:
    """Integers in the simplest form: numbers if all are known."""
    objects = np.asarray(array, object)
    if all(isinstance(n, (int, np.integer)) for n in objects.flat):
        return Known(np.array(objects.tolist(), np.int64).reshape(objects.shape))
    return Sizes(objects)
