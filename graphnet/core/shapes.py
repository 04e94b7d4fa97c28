"""Named axes: what layers infer with, and what shape errors are told in.

A size is an int, or None while it is not known yet (a free batch or time axis, a state whose width follows from the
cell). Inference never touches an array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphnet.core.errors import ShapeError

TIME, BATCH, CHANNEL, FEATURE = "time", "batch", "channel", "feature"

#: Names that an array's axes get where nobody named them: batch first, images as (batch, channel, y, x).
DEFAULT_NAMES: dict[int, tuple[str, ...]] = {
    0: (),
    1: (BATCH,),
    2: (BATCH, FEATURE),
    3: (BATCH, CHANNEL, "x"),
    4: (BATCH, CHANNEL, "y", "x"),
    5: (BATCH, CHANNEL, "z", "y", "x"),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Axis names and sizes of one value.

    Parameters
    ----------
    names : tuple of str
        One name an axis; names need not differ.
    sizes : tuple of int or None
        One size an axis, None where it is free.

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

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise ShapeError("a shape needs one name an axis", expected=len(self.names), received=len(self.sizes))

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read ``"time, batch, feature=12"``; an axis without ``=`` is free. The inverse of ``str``."""
        names, sizes = [], []
        for part in filter(None, (piece.strip() for piece in text.strip().strip("()").split(","))):
            name, equals, size = (piece.strip() for piece in part.partition("="))
            if not name.isidentifier() or (equals and not (size.isascii() and size.isdigit() and len(size) < 19)):
                raise ShapeError("not an axis", expected="name or name=size", received=repr(part))
            names.append(name)
            sizes.append(int(size) if equals else None)
        return cls(tuple(names), tuple(sizes))

    @classmethod
    def of(cls, sizes: Sequence[int | None], names: Sequence[str] | None = None) -> Shape:
        """A shape of these sizes, under ``names`` or, without them, under the names usual for the rank."""
        if names is None:
            names = DEFAULT_NAMES.get(len(sizes)) or tuple(f"axis{i}" for i in range(len(sizes)))
        return cls(tuple(names), tuple(sizes))

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
        return Shape(names, (*self.sizes[:i], size, *self.sizes[i + 1 :]))

    def without(self, axis: int | str) -> Shape:
        """The same shape with one axis taken out."""
        i = self.axis(axis)
        return Shape(self.names[:i] + self.names[i + 1 :], self.sizes[:i] + self.sizes[i + 1 :])

    def leading(self, count: int) -> Shape:
        """The first ``count`` axes."""
        return Shape(self.names[:count], self.sizes[:count])

    def extended(self, name: str, size: int | None) -> Shape:
        """The same shape with one more axis at its end."""
        return Shape((*self.names, name), (*self.sizes, size))

    def preceded(self, name: str, size: int | None) -> Shape:
        """The same shape with one more axis at its start."""
        return Shape((name, *self.names), (size, *self.sizes))

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


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise operation by numpy's rule: axes aligned at the end, 1 stretches, None fits anything.

    Raises
    ------
    ShapeError
        If two known sizes differ and neither is 1.
    """
    longest = max(shapes, key=len)
    sizes: list[int | None] = []
    for i in range(-longest.rank, 0):
        here = [s.sizes[i] for s in shapes if s.rank >= -i]
        known = {size for size in here if size is not None and size != 1}
        if len(known) > 1:
            raise ShapeError(
                "shapes do not fit together",
                expected=f"equal sizes or 1 on axis {longest.names[i]}",
                received=" and ".join(map(str, shapes)),
            )
        sizes.append(known.pop() if known else (None if None in here else 1))
    return Shape(longest.names, tuple(sizes))
