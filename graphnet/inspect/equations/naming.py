"""The names of arrays in equations: as identifiers of code, and as marks with subscripts."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.inspect.equations.marks import Mark, mi, mo, mtext, row
from graphnet.inspect.equations.terms import Term

#: Names of weights that are written as letters where a layer has them.
LETTERS = {"weights": "W", "bias": "b"}
#: Functions of the code of equations that are not numpy's.
OWN = frozenset(("sigmoid", "softmax", "updated", "windowed_product"))


def is_function(text: str) -> bool:
    """Whether the code of equations may call a function of this name; no array is called so."""
    return text in OWN or callable(getattr(np, text, None))


class Names:
    """Different identifiers for different names."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._used: set[str] = set()

    def identifier(self, text: str, owner: str = "") -> str:
        """An identifier for a name; weights are called after their node."""
        key = (owner, text)
        if key not in self._known:
            stem = re.sub(r"\W", "_", f"{owner}_{text}" if owner else text) or "_"
            if not stem.isidentifier() or keyword.iskeyword(stem) or is_function(stem):
                stem = f"{stem}_" if stem.isidentifier() else f"_{stem}"
            name, number = stem, 1
            while name in self._used:
                number += 1
                name = f"{stem}_{number}"
            self._used.add(name)
            self._known[key] = name
        return self._known[key]

    def code(self, term: Term) -> str:
        """The code of a named array."""
        options = term.options
        return with_time(self.identifier(options["name"], options.get("owner", "")), options.get("time", ""))


def with_time(identifier: str, time: str) -> str:
    """An identifier at a step."""
    return f"{identifier}[{time}]" if time else identifier


def name_mark(options: Mapping[str, Any]) -> Mark:
    """The mark of a named array."""
    text, owner, time = options["name"], options.get("owner", ""), options.get("time", "")
    part = options.get("part", "")
    letter = part or LETTERS.get(text, text)
    if owner:
        return ["msub", mi(letter), mtext(owner)]
    return value_mark(letter, time)


def value_mark(text: str, time: str = "") -> Mark:
    """The mark of a value at a step; a number at the end of a short name is a subscript."""
    subscript = time_mark(time)
    found = re.fullmatch(r"([A-Za-z]+)_(\d+)", text)
    if found and len(found.group(1)) == 1:
        inside = ["mn", found.group(2)]
        return ["msub", mi(found.group(1)), inside if subscript is None else row(inside, mo(","), subscript)]
    return mi(text) if subscript is None else ["msub", mi(text), subscript]


def time_mark(time: str) -> Mark | None:
    """The mark of a step."""
    if not time:
        return None
    return mi("t") if time == "t" else row(mi("t"), mo("−"), ["mn", "1"])
