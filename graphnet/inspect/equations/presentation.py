"""Terms as mathematics: fractions, powers, sums over an axis, cases, and products of matrices without a sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.inspect.equations.code import kept_axes, position
from graphnet.inspect.equations.marks import Mark, bracketed, digits, listed, mi, mo, mtext, row
from graphnet.inspect.equations.operations import WINDOWED
from graphnet.inspect.equations.terms import Arg, Term, is_number

#: How strongly operators bind: comparisons, sums, products, signs, functions, powers.
COMPARED, SUM, PRODUCT, SIGN, APPLIED, ATOM = 1, 2, 3, 4, 5, 6
SIGNS = {
    "greater": ">", "greater_equal": "≥", "less": "<", "less_equal": "≤", "equal": "=", "not_equal": "≠",
    "logical_and": "∧", "logical_or": "∨", "bitwise_and": "∧", "bitwise_or": "∨",
}  # fmt: skip
#: Functions with another name than numpy's.
NAMES = {
    "sigmoid": "σ", "maximum": "max", "minimum": "min", "fmax": "max", "fmin": "min", "amax": "max", "amin": "min",
    "logical_not": "¬", "invert": "¬", "heaviside": "H",
}  # fmt: skip
#: Layouts: the same numbers in another arrangement.
LAYOUTS = ("reshape", "transpose", "swapaxes", "broadcast_to", "moveaxis", "expand_dims", "squeeze")
BIG = {"sum": "∑", "prod": "∏"}


class Presentation:
    """Writes terms as marks.

    Parameters
    ----------
    named : mapping of int to Mark
        Terms that have a line of their own, by id.
    name : callable
        The mark of a named array.
    """

    def __init__(self, named: Mapping[int, Mark], name: Callable[[Term], Mark]) -> None:
        self.named, self.name = named, name

    def write(self, term: Term, *, top: bool = False) -> Mark:
        """The mark of a term; ``top`` says that it is written out although it has a line of its own."""
        return self._written(term, top)[0]

    def inside(self, term: Term, strength: int) -> Mark:
        """The mark of an operand, in brackets if it binds less."""
        mark, own = self._written(term)
        return mark if own >= strength else bracketed(mark)

    def _written(self, term: Term, top: bool = False) -> tuple[Mark, int]:
        if not top and id(term) in self.named:
            return self.named[id(term)], ATOM
        if term.op == "name":
            return self.name(term), ATOM
        if term.op == "number":
            value = term.options["value"]
            return digits(value), SIGN if value < 0 else ATOM
        if term.op == "array":
            return _array(term.options["value"]), ATOM
        writer = getattr(self, f"_{term.op}", None)
        found = writer(term) if writer is not None else None
        if found is not None:
            return found  # type: ignore[no-any-return]
        if term.op in SIGNS and len(term.args) == 2:
            left, right = (self.inside(arg, SUM) for arg in term.args)
            return row(left, mo(SIGNS[term.op]), right), COMPARED
        return self._function(term)

    # ------------------------------------------------------------------ arithmetic
    def _add(self, term: Term) -> tuple[Mark, int]:
        return row(self.inside(term.args[0], SUM), mo("+"), self.inside(term.args[1], SUM + 1)), SUM

    def _subtract(self, term: Term) -> tuple[Mark, int]:
        return row(self.inside(term.args[0], SUM), mo("−"), self.inside(term.args[1], SUM + 1)), SUM

    def _negative(self, term: Term) -> tuple[Mark, int]:
        return row(mo("−"), self.inside(term.args[0], PRODUCT)), SUM

    def _multiply(self, term: Term) -> tuple[Mark, int]:
        a, b = term.args
        plain = any(is_number(x) or x.shape == () for x in (a, b))
        sign = mo("·") if plain else mo("⊙")
        return row(self.inside(a, PRODUCT), sign, self.inside(b, SIGN)), PRODUCT

    def _divide(self, term: Term) -> tuple[Mark, int]:
        return ["mfrac", self.write(term.args[0]), self.write(term.args[1])], ATOM

    def _matmul(self, term: Term) -> tuple[Mark, int]:
        a, b = term.args
        return row(self.inside(a, PRODUCT), mo("·"), self.inside(b, SIGN)), PRODUCT

    def _matvec(self, term: Term) -> tuple[Mark, int]:
        return self._matmul(term)

    _vecmat = _matvec

    def _outer(self, term: Term) -> tuple[Mark, int]:
        a, b = term.args
        return row(self.inside(a, SIGN), mo("⊗"), self.inside(b, SIGN)), PRODUCT

    def _power(self, term: Term) -> tuple[Mark, int]:
        return ["msup", self.inside(term.args[0], ATOM), self.write(term.args[1])], APPLIED

    def _exp(self, term: Term) -> tuple[Mark, int] | None:
        mark = self.write(term.args[0])
        if _depth(mark) > 3:
            return None
        return ["msup", mi("e"), mark], APPLIED

    def _expm1(self, term: Term) -> tuple[Mark, int]:
        exponential = Term("exp", term.args, {}, term.shape)
        return row(self.write(exponential), mo("−"), ["mn", "1"]), SUM

    def _log1p(self, term: Term) -> tuple[Mark, int]:
        return row(mi("log"), bracketed(["mn", "1"], mo("+"), self.inside(term.args[0], SUM))), APPLIED

    def _logaddexp(self, term: Term) -> tuple[Mark, int]:
        powers = [
            ["mn", "1"] if is_number(arg, 0) else self.write(Term("exp", (arg,), {}, arg.shape)) for arg in term.args
        ]
        return row(mi("log"), bracketed(powers[0], mo("+"), powers[1])), APPLIED

    def _sqrt(self, term: Term) -> tuple[Mark, int]:
        return ["msqrt", self.write(term.args[0])], ATOM

    def _absolute(self, term: Term) -> tuple[Mark, int]:
        return bracketed(self.write(term.args[0]), left="|", right="|"), ATOM

    def _floor(self, term: Term) -> tuple[Mark, int]:
        return bracketed(self.write(term.args[0]), left="⌊", right="⌋"), ATOM

    def _ceil(self, term: Term) -> tuple[Mark, int]:
        return bracketed(self.write(term.args[0]), left="⌈", right="⌉"), ATOM

    # ------------------------------------------------------------------ over axes
    def _sum(self, term: Term) -> tuple[Mark, int]:
        over = ["munder", mo(BIG[term.op]), axes(term.options["axis"])]
        return row(over, self.inside(term.args[0], PRODUCT)), PRODUCT

    _prod = _sum

    def _mean(self, term: Term) -> tuple[Mark, int]:
        over = ["munder", mi(NAMES.get(term.op, term.op)), axes(term.options["axis"])]
        return row(over, bracketed(self.write(term.args[0]))), APPLIED

    _max = _min = _mean

    def _softmax(self, term: Term) -> tuple[Mark, int]:
        return row(["munder", mi("softmax"), axes(term.options["axis"])], bracketed(self.write(term.args[0]))), APPLIED

    # ------------------------------------------------------------------ parts
    def _getitem(self, term: Term) -> tuple[Mark, int] | None:
        index = term.options["index"]
        base = self.inside(term.args[0], ATOM)
        marks = [
            self.write(term.args[each.number]) if isinstance(each, Arg) else mtext(_position(each)) for each in index
        ]
        return row(base, bracketed(listed(marks), left="[", right="]")), ATOM

    def _concatenate(self, term: Term) -> tuple[Mark, int]:
        return bracketed(listed([self.write(arg) for arg in term.args]), left="[", right="]"), ATOM

    def _stack(self, term: Term) -> tuple[Mark, int]:
        return row(mi("stack"), bracketed(listed([self.write(arg) for arg in term.args]))), APPLIED

    def _where(self, term: Term) -> tuple[Mark, int]:
        condition, x, y = term.args
        rows = [
            ["mtr", ["mtd", self.write(x)], ["mtd", row(mtext("if "), self.write(condition))]],
            ["mtr", ["mtd", self.write(y)], ["mtd", mtext("otherwise")]],
        ]
        return row(mo("{"), ["mtable", *rows]), SUM

    def _full(self, term: Term) -> tuple[Mark, int]:
        return digits(term.options["value"]), ATOM

    def _update(self, term: Term) -> tuple[Mark, int]:
        base, part = term.args[:2]
        index = ", ".join("…" if isinstance(each, Arg) else _position(each) for each in term.options["index"])
        words = [self.write(part), mtext(f" at [{index}]"), mo(","), self.write(base), mtext(" elsewhere")]
        return bracketed(row(*words), left="(", right=")"), ATOM

    def _astype(self, term: Term) -> tuple[Mark, int] | None:
        x = term.args[0]
        if term.options["dtype"] == "float":
            return self._written(x) if x.kind != "b" else (bracketed(self.write(x), left="[", right="]"), ATOM)
        return None

    def _part(self, term: Term) -> tuple[Mark, int]:
        return ["msub", self.inside(term.args[0], ATOM), ["mn", str(term.options["number"] + 1)]], ATOM

    def _transpose(self, term: Term) -> tuple[Mark, int] | None:
        order = term.options["axes"]
        count = len(order)
        if order == (*range(count - 2), count - 1, count - 2):
            return ["msup", self.inside(term.args[0], ATOM), mo("⊤")], APPLIED
        return None

    def _swapaxes(self, term: Term) -> tuple[Mark, int] | None:
        given = {axis % len(term.args[0].shape) for axis in term.options["positional"][1:] if isinstance(axis, int)}
        count = len(term.shape)
        return (
            (["msup", self.inside(term.args[0], ATOM), mo("⊤")], APPLIED) if given == {count - 1, count - 2} else None
        )

    def _broadcast_to(self, term: Term) -> tuple[Mark, int]:
        return self._written(term.args[0])

    def _reshape(self, term: Term) -> tuple[Mark, int]:
        x, shape = term.args[0], term.options["shape"]
        if [n for n in x.shape if n != 1] == [n for n in shape if n != 1]:
            return self._written(x)  # axes of size 1, for broadcasting
        count = kept_axes(x.shape, shape)
        sizes = " × ".join([*(["…"] if count else []), *map(str, shape[count:])])
        return row(mi("reshape"), bracketed(self.write(x), mo(","), mtext(sizes))), APPLIED

    def _function(self, term: Term) -> tuple[Mark, int]:
        """Any other function: its name, its arguments, and its options."""
        args = [self.write(arg) for arg in term.args]
        name = NAMES.get(term.op, term.op)
        if name == "¬":
            return row(mo(name), self.inside(term.args[0], ATOM)), APPLIED
        if "positional" in term.options:
            args = [self._structure(each, term) for each in term.options["positional"]]
            args += [
                row(mtext(f"{key}="), self._structure(each, term)) for key, each in term.options["keywords"].items()
            ]
        else:
            shown = {key: each for key, each in term.options.items() if key != "window"}
            args += [mtext(f"{key} {_words(each)}") for key, each in shown.items()]
        return row(mi(name), bracketed(listed(args))), APPLIED

    def _structure(self, value: Any, term: Term) -> Mark:
        if isinstance(value, Arg):
            return self.write(term.args[value.number])
        if isinstance(value, (list, tuple)):
            return bracketed(listed([self._structure(each, term) for each in value]))
        return digits(value) if isinstance(value, (int, float)) else mtext(str(value))

    # ------------------------------------------------------------------ windows
    def windowed(self, term: Term) -> tuple[Mark, Mark, str] | None:
        """Of the result of a convolution the indices of the left side, the sum over a window, and what is around the
        input, in words; None for others."""
        while term.op in LAYOUTS and id(term) not in self.named:
            term = term.args[0]
        if term.op != WINDOWED:
            return None
        images, weights, bias = (_without_layout(arg) for arg in term.args)
        window, flat = term.options["window"], len(weights.shape) == 3
        pairs = list(zip("uv", "ij", window.stride, window.dilation, strict=True))[flat:]
        read = [_affine(u, s, i, d) for u, i, s, d in pairs]
        own, cells = [mi(u) for u, *_ in pairs], [mi(i) for _, i, *_ in pairs]
        padded = images.op == "update"
        image = self.inside(_without_layout(images.args[1]) if padded else images, ATOM)
        total = row(
            ["munder", mo("∑"), listed([mi("c"), *cells])],
            ["msub", self.inside(weights, ATOM), listed([mi("k"), mi("c"), *cells])],
            mo("·"),
            ["msub", image, listed([mi("c"), *read])],
        )
        whole = row(["msub", self.inside(bias, ATOM), mi("k")], mo("+"), total)
        note = ""
        if padded:
            value = float(images.args[0].options.get("value", 0.0))
            slices = [each for each in images.options["index"] if isinstance(each, slice)]
            before = ", ".join(str(each.start or 0) for each in slices[1:][flat:])
            note = f"the input is surrounded by {value:g}; cells before it: {before}"
        return listed([mi("k"), *own]), whole, note


def _without_layout(term: Term) -> Term:
    while term.op in LAYOUTS or (term.op == "getitem" and all(map(_is_whole, term.options["index"]))):
        term = term.args[0]
    return term


def _is_whole(index: Any) -> bool:
    return index is None or index is Ellipsis or (isinstance(index, slice) and index == slice(None))


def _affine(u: str, stride: int, i: str, dilation: int) -> Mark:
    left = [mi(u)] if stride == 1 else [["mn", str(stride)], mi(u)]
    right = [mi(i)] if dilation == 1 else [["mn", str(dilation)], mi(i)]
    return row(*left, mo("+"), *right)


def axes(axis: tuple[int, ...] | None) -> Mark:
    """The axes that a reduction is over, in words."""
    if axis is None:
        return mtext("all axes")
    numbers = ", ".join(str(each).replace("-", "−") for each in axis)
    return mtext(f"{'axis' if len(axis) == 1 else 'axes'} {numbers}")


def _position(each: Any) -> str:
    return position(each).replace("-", "−").replace("...", "…").replace("None", "new axis")


def _words(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_words, value))
    return str(value).replace("-", "−")


def _array(array: Any) -> Mark:
    values = np.asarray(array)
    if not values.ndim:
        return digits(values.item())
    return bracketed(listed([_array(each) for each in values]), left="[", right="]")


def _depth(mark: Any) -> int:
    """How deeply elements are nested."""
    return 0 if isinstance(mark, str) else 1 + max((_depth(each) for each in mark[1:]), default=0)
