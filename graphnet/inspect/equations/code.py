"""Terms as code: the text of an equation is an expression of numpy's functions, and can be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.inspect.equations.terms import Arg, Term

#: Operators by ufunc, with how strongly they bind.
INFIX = {
    "add": ("+", 2), "subtract": ("-", 2), "multiply": ("*", 3), "divide": ("/", 3), "matmul": ("@", 3),
    "power": ("**", 5), "greater": (">", 1), "greater_equal": (">=", 1), "less": ("<", 1), "less_equal": ("<=", 1),
    "equal": ("==", 1), "not_equal": ("!=", 1),
}  # fmt: skip
UNARY, ATOM = 4, 6
#: Functions whose first argument is a list of arrays.
JOINING = ("concatenate", "stack")
#: Options of functions that are written by name.
NAMED = {
    "sum": ("axis", "keepdims"), "mean": ("axis", "keepdims"), "max": ("axis", "keepdims"), "min": ("axis", "keepdims"),
    "prod": ("axis", "keepdims"), "softmax": ("axis",), "concatenate": ("axis",), "stack": ("axis",),
}  # fmt: skip


class Code:
    """Writes terms as code.

    Parameters
    ----------
    named : mapping of int to str
        Terms that have a line of their own, by id.
    name : callable
        The identifier of a named array.
    """

    def __init__(self, named: Mapping[int, str], name: Callable[[Term], str]) -> None:
        self.named, self.name = named, name

    def write(self, term: Term, *, top: bool = False) -> str:
        """An expression; ``top`` says that it is written out although it has a line of its own."""
        return self._written(term, top)[0]

    def _inside(self, term: Term, strength: int) -> str:
        text, own = self._written(term)
        return text if own >= strength else f"({text})"

    def _written(self, term: Term, top: bool = False) -> tuple[str, int]:
        """The text, and how strongly its outermost operator binds."""
        if not top and id(term) in self.named:
            return self.named[id(term)], ATOM
        if term.op == "name":
            return self.name(term), ATOM
        if term.op == "number":
            value = term.options["value"]
            text = "inf" if value == np.inf else "-inf" if value == -np.inf else repr(value)
            return text, UNARY if text.startswith("-") else ATOM
        if term.op == "array":
            return array_text(term.options["value"]), ATOM
        if term.op in INFIX and len(term.args) == 2:
            sign, strength = INFIX[term.op]
            left = self._inside(term.args[0], strength + (term.op == "power" or strength == 1))
            return f"{left} {sign} {self._inside(term.args[1], strength + (term.op != 'power'))}", strength
        if term.op == "negative":
            return f"-{self._inside(term.args[0], UNARY)}", UNARY
        if term.op == "getitem":
            return f"{self._inside(term.args[0], ATOM)}[{self.index(term)}]", ATOM
        return self._call(term), ATOM

    def _call(self, term: Term) -> str:
        options = dict(term.options)
        if "positional" in options:
            parts = [self._structure(each, term) for each in options["positional"]]
            parts += [f"{key}={self._structure(each, term)}" for key, each in options["keywords"].items()]
            return f"{term.op}({', '.join(parts)})"
        args = [self.write(arg) for arg in term.args]
        if term.op in JOINING:
            args = [f"[{', '.join(args)}]"]
        match term.op:
            case "outer":
                a, b = (self._inside(arg, ATOM) for arg in term.args)
                return f"({a}[..., None] * {b}[..., None, :])"
            case "update":
                return f"updated({args[0]}, s_[{self.index(term)}], {args[1]})"
            case "full":
                return f"full({tuple(options['shape'])}, {options['value']!r})"
            case "part":
                return f"{args[0]}[{options['number']}]"
        return f"{term.op}({', '.join([*args, *self._options(term, args)])})"

    def _options(self, term: Term, args: list[str]) -> Iterator[str]:
        """The options of a function, after its arguments."""
        options = dict(term.options)
        if "window" in options:
            window = options.pop("window")
            yield from (f"stride={window.stride}", f"dilation={window.dilation}")
        if term.op == "reshape":
            options["shape"] = self._sizes(args[0], term)
        for key, value in options.items():
            if (key == "keepdims" and not value) or (key == "axis" and value is None):
                continue
            if isinstance(value, tuple) and len(value) == 1 and key == "axis":
                value = value[0]
            text = value if key in ("dtype", "shape") and isinstance(value, str) else repr(value)
            yield f"{key}={text}" if key in NAMED.get(term.op, ()) else text

    @staticmethod
    def _sizes(text: str, term: Term) -> str:
        """A shape; leading axes that stay as they are, those of the rows, are read from the array."""
        sizes, before = term.options["shape"], term.args[0].shape
        count = kept_axes(before, sizes)
        if not count or len(text) > 30:
            return repr(sizes)
        return f"({', '.join([f'*shape({text})[:{count}]', *map(str, sizes[count:])])})"

    def _structure(self, value: Any, term: Term) -> str:
        if isinstance(value, Arg):
            return self.write(term.args[value.number])
        if isinstance(value, (list, tuple)):
            inner = ", ".join(self._structure(each, term) for each in value)
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return repr(value)

    def index(self, term: Term) -> str:
        """What stands in the brackets of an index."""
        return ", ".join(self._position(each, term) for each in term.options["index"])

    def _position(self, each: Any, term: Term) -> str:
        if isinstance(each, Arg):
            return self.write(term.args[each.number])
        return position(each)


def kept_axes(before: Sequence[int], after: Sequence[int]) -> int:
    """How many leading axes a reshaped array keeps; at least one axis of each is not counted."""
    count = 0
    while count < min(len(before), len(after)) - 1 and before[count] == after[count]:
        count += 1
    return count


def position(each: Any) -> str:
    """One axis of an index."""
    if isinstance(each, slice):
        start, stop = ("" if end is None else str(end) for end in (each.start, each.stop))
        return f"{start}:{stop}" + ("" if each.step in (None, 1) else f":{each.step}")
    return "..." if each is Ellipsis else "None" if each is None else str(each)


def array_text(array: Any) -> str:
    """A small array of a rule."""
    return f"array({_numbers(np.asarray(array).tolist())})"


def _numbers(value: Any) -> str:
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_numbers, value))}]"
    return repr(value)
