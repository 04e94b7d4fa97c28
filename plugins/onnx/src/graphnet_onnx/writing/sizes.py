"""Sizes of axes that an ONNX file leaves free: a number to compute with, and the expression that a file computes.

A rule of a layer is recorded on arrays of a few rows and steps. The sizes of the free axes of its arguments are
:class:`Size` objects: integers of those numbers, with the place from which the file reads them. Arithmetic with them
gives sizes, so ``x.reshape(x.shape[0] * x.shape[1], -1)`` is right at every batch size. A rule that loses the
expression, as ``len(x)`` does, is found by recording it at two different numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Numbers to record with: two for each free axis, of those that are not close to a known size.
PRIMES = (
    101,
    103,
    107,
    109,
    113,
    127,
    131,
    137,
    139,
    149,
    151,
    157,
    163,
    167,
    173,
    179,
    181,
    191,
    193,
    197,
    199,
    211,
    223,
    227,
    229,
    233,
    239,
    241,
    251,
    257,
    263,
    269,
    271,
    277,
    281,
    283,
    293,
    307,
    311,
    313,
    317,
    331,
    337,
    347,
    349,
    353,
    359,
    367,
    373,
    379,
    383,
    389,
    397,
)


class Size(int):
    """The size of a free axis, or a number computed from such sizes.

    Attributes
    ----------
    expression : tuple
        ``("axis", value, axis)`` for the size of an axis of a value of the file; ``(operator, a, b)`` with the
        operators ``Add``, ``Sub``, ``Mul``, ``Div`` and ``Mod`` of ONNX for a number computed from two others.
    """

    expression: tuple[Any, ...]

    def __new__(cls, number: int, expression: tuple[Any, ...]) -> Size:
        size = super().__new__(cls, number)
        size.expression = expression
        return size

    def _with(self, operator: str, other: Any, number: Any, *, swapped: bool = False) -> Any:
        if not isinstance(other, int) or isinstance(other, bool):
            return number
        if (operator, int(other)) in (("Mul", 1), ("Add", 0)):
            return self
        operands = (other, self) if swapped else (self, other)
        return Size(number, (operator, *operands))

    def __add__(self, other: Any) -> Any:
        return self._with("Add", other, int(self) + other)

    def __sub__(self, other: Any) -> Any:
        return self._with("Sub", other, int(self) - other)

    def __mul__(self, other: Any) -> Any:
        return self._with("Mul", other, int(self) * other)

    def __floordiv__(self, other: Any) -> Any:
        return self._with("Div", other, int(self) // other)

    def __mod__(self, other: Any) -> Any:
        return self._with("Mod", other, int(self) % other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("Sub", other, other - int(self), swapped=True)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with("Div", other, other // int(self), swapped=True)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return 0 - self


def free(size: Any) -> bool:
    """Whether a size is not the same in every run of the file."""
    return isinstance(size, Size)


def numbers_for(names: Iterable[str], known: Iterable[int], variant: int) -> dict[str, int]:
    """Return a number to record with for each free axis; another one for each variant, 0 or 1."""
    taken = {number + near for number in known for near in (-1, 0, 1)}
    possible = [prime for prime in PRIMES if prime not in taken][variant::2]
    return dict(zip(names, possible, strict=False))
