"""Shapes with named axes: for inference and for error messages.

A size is an int, or None while it is not known yet (a free batch or time axis, a state whose width follows from the
cell). Inference never reads an array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from graphnet.core.arguments import explain_arguments
from graphnet.core.attributes import explain_frozen
from graphnet.core.describe import axes
from graphnet.core.describe.axes import BATCH, DEFAULT_NAMES, ROWS, SPACE, TIME
from graphnet.core.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Shape:
    """Axis names and sizes of one value.

    Parameters
    ----------
    names : tuple of str
        One name per axis. Names that are declared for an input differ; inferred ones may repeat.
    sizes : tuple of int or None
        One size per axis, None where it is free.
    declared : bool
        Whether the names were given; False: they are the defaults for the rank, and are not checked. Not compared.

    Raises
    ------
    ShapeError
        If the two differ in length.

    Examples
    --------
    >>> x = Shape.parse("time, batch, feature=12")
    >>> x.rank, x.size(-1), x.size("batch")
    (3, 12, None)
    >>> print(x.resized(-1, 5))
    (time, batch, feature=5)
    """

    names: tuple[str, ...]
    sizes: tuple[int | None, ...]
    declared: bool = field(default=True, compare=False, repr=False)

    #: Roles for ``read_as`` that are not axis names, for layers outside the core.
    ROWS: ClassVar[str] = ROWS
    SPACE: ClassVar[str] = SPACE

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise ShapeError("a shape needs one name per axis", expected=len(self.names), received=len(self.sizes))

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read ``"time, batch, feature=12"``; an axis without ``=`` is free. The inverse of ``str``.

        Raises
        ------
        ShapeError
            If the text has another form, or two axes have one name.
        """
        names, sizes = [], []
        for part in filter(None, (piece.strip() for piece in text.strip().strip("()").split(","))):
            name, equals, size = (piece.strip() for piece in part.partition("="))
            if not name.isidentifier() or (equals and not (size.isascii() and size.isdigit() and len(size) < 19)):
                raise ShapeError("not an axis", expected="name or name=size", received=repr(part))
            names.append(name)
            sizes.append(int(size) if equals else None)
        shape = cls(tuple(names), tuple(sizes))
        shape.check_distinct()
        return shape

    @classmethod
    def of(cls, sizes: Sequence[int | None], names: Sequence[str] | None = None) -> Shape:
        """A shape of these sizes, under ``names`` or, without them, under the default names for the rank."""
        declared = names is not None
        if names is None:
            names = DEFAULT_NAMES.get(len(sizes)) or tuple(f"axis{i}" for i in range(len(sizes)))
        return cls(tuple(names), tuple(sizes), declared)

    def check_distinct(self, where: str | None = None) -> None:
        """Raise an error for two axes of the same name.

        Raises
        ------
        ShapeError
        """
        for name in self.names:
            if self.names.count(name) > 1:
                raise ShapeError(
                    f"two axes are named {name!r}",
                    where=where,
                    expected="a different name for each axis",
                    received=str(self),
                    remedy="Give the second axis a name of its meaning, such as 'feature' or 'other'.",
                )

    def read_as(self, roles: Sequence[str | None], where: object, remedy: str | None = None) -> None:
        """Raise an error for declared names that contradict how a layer reads the axes.

        Parameters
        ----------
        roles : sequence of str or None
            For each axis, from axis 0 on, a key of ``FITTING``; None where any name will do.
        where : object
            The place that an error names: a text, or something whose ``repr`` it names.
        remedy : str, optional

        Raises
        ------
        ShapeError
            If an axis has a known name of another meaning, or another axis has the name of the role. Unknown
            names, and default names, are never refused.

        Examples
        --------
        >>> Shape.parse("time, batch, feature").read_as(("time", "batch"), "scan")
        >>> Shape.parse("batch, time, feature").read_as(("time", "batch"), "scan")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        graphnet.core.errors.ShapeError: scan: axis 0 is declared as batch but read as time; ...
        """
        if not self.declared:
            return
        for axis, (name, role) in enumerate(zip(self.names, roles, strict=False)):
            if role is not None and name != role and not axes.fits_role(name, role, self.names, roles):
                expected = axes.listed(roles, self.rank)
                raise ShapeError(
                    f"axis {axis} is declared as {name} but read as {role}",
                    where=where if isinstance(where, str) else repr(where),
                    expected=expected,
                    received=str(self),
                    remedy=remedy or f"Declare the axes in the order {expected} and pass arrays in it.",
                )

    def read_as_sequence(self, where: str, remedy: str | None = None) -> None:
        """Raise an error for declared names that contradict ``(time, batch, …)``, for one sequence ``(time, feature)``.

        The batch axis may be a later one, if it is named so and the axes before it are scanned as well, as
        in ``(word, letter, batch, feature)``.

        Raises
        ------
        ShapeError
            See :meth:`read_as`.
        """
        if BATCH not in self.names[1:]:
            roles: tuple[str, ...] = (TIME,) if self.rank == 2 else (TIME, BATCH)
        else:
            roles = (*[TIME] * self.names.index(BATCH, 1), BATCH)
        self.read_as(roles, where, remedy)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.names)

    def __iter__(self) -> Iterator[int | None]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.names)

    def has(self, name: str) -> bool:
        """Whether an axis has this name."""
        return name in self.names

    def axis(self, axis: int | str) -> int:
        """The position, from 0, of an axis given by name or by a possibly negative position."""
        if isinstance(axis, str):
            if axis not in self.names:
                raise ShapeError("no such axis", expected=f"one of {', '.join(self.names)}", received=repr(axis))
            return self.names.index(axis)
        if not -self.rank <= axis < self.rank:
            raise ShapeError("no such axis", expected=f"an axis of {self}", received=axis)
        return axis % self.rank

    def size(self, axis: int | str) -> int | None:
        """The size of one axis; None where it is free."""
        return self.sizes[self.axis(axis)]

    def resized(self, axis: int | str, size: int | None, name: str | None = None) -> Shape:
        """The same shape with another size, and perhaps another name, for one axis."""
        i = self.axis(axis)
        names = self.names if name is None else (*self.names[:i], name, *self.names[i + 1 :])
        return Shape(names, (*self.sizes[:i], size, *self.sizes[i + 1 :]), self.declared)

    def without(self, axis: int | str) -> Shape:
        """The same shape without one axis."""
        i = self.axis(axis)
        return Shape(self.names[:i] + self.names[i + 1 :], self.sizes[:i] + self.sizes[i + 1 :], self.declared)

    def leading(self, count: int) -> Shape:
        """The first ``count`` axes."""
        return Shape(self.names[:count], self.sizes[:count], self.declared)

    def extended(self, name: str, size: int | None) -> Shape:
        """The same shape with one more axis at its end."""
        return Shape((*self.names, name), (*self.sizes, size), self.declared)

    def preceded(self, name: str, size: int | None) -> Shape:
        """The same shape with one more axis at its start."""
        return Shape((name, *self.names), (size, *self.sizes), self.declared)

    @property
    def known(self) -> bool:
        """Whether every size is a number."""
        return None not in self.sizes

    def fits(self, other: Shape | tuple[int, ...]) -> bool:
        """Whether both have the same rank and no two known sizes differ (names are labels, not checked)."""
        sizes = other.sizes if isinstance(other, Shape) else other
        return len(sizes) == self.rank and all(
            a is None or b is None or a == b for a, b in zip(self.sizes, sizes, strict=True)
        )

    def __str__(self) -> str:
        parts = [n if s is None else f"{n}={s}" for n, s in zip(self.names, self.sizes, strict=True)]
        return f"({', '.join(parts)})"


explain_arguments(Shape)
explain_frozen(Shape, "A shape never changes: use resized, extended or without.")
