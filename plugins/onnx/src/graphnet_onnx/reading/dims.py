"""Sizes of axes that are not known when a file is read: products of a number and of symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

Size = Union[int, "Dim"]


@dataclass(frozen=True)
class Dim:
    """``factor · symbol · symbol · …``, such as 2·N·T; a plain number where there is no symbol is an ``int`` instead.

    Sums and quotients that are not such a product become a symbol of their own, named after the expression, so that two
    equal expressions are equal.
    """

    factor: int
    symbols: tuple[str, ...]

    def __mul__(self, other: object) -> Size:
        if isinstance(other, Dim):
            return made(self.factor * other.factor, (*self.symbols, *other.symbols))
        return made(self.factor * as_int(other), self.symbols)

    __rmul__ = __mul__

    def __add__(self, other: object) -> Size:
        if isinstance(other, Dim):
            if other.symbols == self.symbols:
                return made(self.factor + other.factor, self.symbols)
            return opaque("+", *sorted((str(self), str(other))))
        number = as_int(other)
        return self if number == 0 else opaque("+", str(self), str(number))

    __radd__ = __add__

    def __sub__(self, other: object) -> Size:
        if isinstance(other, Dim):
            return self + made(-other.factor, other.symbols)
        return self + -as_int(other)

    def __rsub__(self, other: object) -> Size:
        return made(-self.factor, self.symbols) + as_int(other)

    def __neg__(self) -> Size:
        return made(-self.factor, self.symbols)

    def __floordiv__(self, other: object) -> Size:
        quotient = divided(self, other if isinstance(other, Dim) else as_int(other))
        return opaque("/", str(self), str(other)) if quotient is None else quotient

    def __rfloordiv__(self, other: object) -> Size:
        return opaque("/", str(other), str(self))

    def __str__(self) -> str:
        return "*".join(([] if self.factor == 1 else [str(self.factor)]) + list(self.symbols))


@dataclass(frozen=True)
class Span:
    """The numbers from 0 to ``limit - 1``, in their order along an axis of that size: what ``Range`` gives.

    Only what holds for all of them is known: that they are at least 0, and below the limit.
    """

    limit: Size

    def __add__(self, other: object) -> Span:
        if other == 0:
            return self
        raise TypeError("a sum of positions is not known")

    __radd__ = __add__

    def __mul__(self, other: object) -> Span:
        if other == 1:
            return self
        raise TypeError("a product of positions is not known")

    __rmul__ = __mul__


def compared(a: object, b: object) -> int | None:
    """-1, 0 or 1 if a is below, equal to or above b, for all numbers that they stand for; None if that is not known."""
    if isinstance(a, Span) or isinstance(b, Span):
        if isinstance(a, Span) and isinstance(b, Span):
            return None
        if isinstance(b, Span):
            other = compared(b, a)
            return None if other is None else -other
        assert isinstance(a, Span)
        if not isinstance(b, Dim) and as_int(b) < 0:
            return 1
        return (
            -1
            if b == a.limit
            or (not isinstance(b, Dim) and not isinstance(a.limit, Dim) and as_int(b) >= a.limit)
            or (not isinstance(b, Dim) and as_int(b) >= 2**31)
            else None
        )
    if isinstance(a, Dim) or isinstance(b, Dim):
        if a == b:
            return 0
        if isinstance(a, Dim) and isinstance(b, Dim):
            return None
        known, sign = (b, 1) if isinstance(a, Dim) else (a, -1)
        if as_int(known) <= 0:  # a size is at least 1
            return sign
        return -sign if as_int(known) >= 2**31 else None
    return (as_int(a) > as_int(b)) - (as_int(a) < as_int(b))


def as_int(value: object) -> int:
    """A number of numpy or Python as an int."""
    return int(value)  # type: ignore[call-overload, no-any-return]


def made(factor: int, symbols: tuple[str, ...]) -> Size:
    """A product in its normal form."""
    return Dim(factor, tuple(sorted(symbols))) if symbols and factor else factor


def symbol(name: str) -> Dim:
    """The size that is called ``name``."""
    return Dim(1, (name,))


def opaque(sign: str, *parts: str) -> Dim:
    """A symbol for an expression."""
    return symbol(f"({sign.join(parts)})"[:200])


def product(sizes: list[Size] | tuple[Size, ...]) -> Size:
    """The product of sizes; 1 for none."""
    factor = 1
    symbols: list[str] = []
    for size in sizes:
        if isinstance(size, Dim):
            factor *= size.factor
            symbols += size.symbols
        else:
            factor *= size
    return made(factor, tuple(symbols))


def divided(size: Size, by: Size) -> Size | None:
    """``size / by`` where that is a product again; else None."""
    factor, symbols = (size.factor, list(size.symbols)) if isinstance(size, Dim) else (size, [])
    divisor, others = (by.factor, by.symbols) if isinstance(by, Dim) else (by, ())
    if divisor == 0 or factor % divisor:
        return None
    for each in others:
        if each not in symbols:
            return None
        symbols.remove(each)
    return made(factor // divisor, tuple(symbols))
