"""Presentation MathML as plain data, and from it the text of MathML and of LaTeX.

A mark is a list: the name of an element, then texts and marks. Only the elements of :data:`ELEMENTS` occur, and no
attributes, so that a page can build them from data.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

#: A mark; its first entry is the name of the element.
Mark = list[Any]
ELEMENTS = frozenset(
    (
        "math", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "msup", "msub", "msubsup", "munder", "msqrt", "mtable",
        "mtr", "mtd", "mspace",
    )
)  # fmt: skip
#: Characters of operators and names in LaTeX.
LATEX = {
    "σ": r"\sigma", "⊙": r"\odot", "·": r"\cdot", "∑": r"\sum", "∏": r"\prod", "≥": r"\ge", "≤": r"\le", "≠": r"\ne",
    "−": "-", "…": r"\dots", "∞": r"\infty", "⊤": r"\top", "∧": r"\land", "∨": r"\lor", "¬": r"\lnot", "×": r"\times",
    "→": r"\to", "{": r"\{", "}": r"\}", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "⊗": r"\otimes", "|": r"\vert", " ": r"\;",
}  # fmt: skip
#: Names of functions that LaTeX knows.
FUNCTIONS = frozenset(
    ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arcsin", "arccos", "arctan", "max", "min")
)
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


def row(*marks: Any) -> Mark:
    """Marks next to each other."""
    flat: list[Any] = []
    for each in marks:
        flat.extend(each[1:] if each[0] == "mrow" else [each])
    return flat[0] if len(flat) == 1 else ["mrow", *flat]


def mi(text: str) -> Mark:
    """A name."""
    return ["mi", text]


def mo(text: str) -> Mark:
    """An operator or a bracket."""
    return ["mo", text]


def mtext(text: str) -> Mark:
    """Words."""
    return ["mtext", text]


def bracketed(*marks: Mark, left: str = "(", right: str = ")") -> Mark:
    """Marks in brackets."""
    return row(mo(left), *marks, mo(right))


def listed(marks: list[Mark]) -> Mark:
    """Marks with commas between them."""
    found: list[Mark] = []
    for each in marks:
        found += [each, mo(",")]
    return row(*found[:-1])


def digits(value: Any) -> Mark:
    """A number, to six digits, as 10 to a power where it is very small or large."""
    if isinstance(value, bool):
        return mi("true" if value else "false")
    number = float(value)
    if number in (float("inf"), float("-inf")):
        return row(*([mo("−")] if number < 0 else []), mi("∞"))
    text = f"{number:.6g}"
    mantissa, _, exponent = text.partition("e")
    minus = [mo("−")] if mantissa.startswith("-") else []
    mantissa = mantissa.removeprefix("-")
    if not exponent:
        return row(*minus, ["mn", mantissa])
    size = int(exponent)
    power: Mark = ["msup", ["mn", "10"], row(mo("−"), ["mn", str(-size)]) if size < 0 else ["mn", str(size)]]
    return row(*minus, power) if mantissa == "1" else row(*minus, ["mn", mantissa], mo("·"), power)


def xml(mark: Mark) -> str:
    """MathML text of a mark."""
    inside = "".join(escape(each) if isinstance(each, str) else xml(each) for each in mark[1:])
    return f"<{mark[0]}>{inside}</{mark[0]}>"


def latex(mark: Mark) -> str:
    """LaTeX of a mark, for math mode."""
    kind, *inside = mark
    if kind in ("mi", "mn", "mo", "mtext", "mspace"):
        return _token(kind, "".join(inside))
    parts = [latex(each) for each in inside]
    match kind:
        case "mfrac":
            return rf"\frac{{{parts[0]}}}{{{parts[1]}}}"
        case "msqrt":
            return rf"\sqrt{{{' '.join(parts)}}}"
        case "msup":
            return f"{_base(inside[0], parts[0])}^{{{parts[1]}}}"
        case "msub" | "munder":
            return f"{_base(inside[0], parts[0])}_{{{parts[1]}}}"
        case "msubsup":
            return f"{_base(inside[0], parts[0])}_{{{parts[1]}}}^{{{parts[2]}}}"
        case "mtable":
            return rf"\begin{{array}}{{ll}} {' '.join(parts)} \end{{array}}"
        case "mtr":
            return rf"{' & '.join(parts)} \\"
    return " ".join(part for part in parts if part)


def _base(mark: Mark, text: str) -> str:
    return text if mark[0] in ("mi", "mo", "mn") else f"{{{text}}}"


def _token(kind: str, text: str) -> str:
    if kind == "mtext":
        return rf"\text{{{_escaped(text)}}}"
    if kind == "mspace":
        return r"\,"
    if text in LATEX:
        return LATEX[text]
    if kind == "mi":
        if text in FUNCTIONS:
            return rf"\{text}"
        return text if len(text) == 1 and text.isascii() and text.isalpha() else rf"\mathrm{{{_escaped(text)}}}"
    return "".join(LATEX.get(letter, _SPECIAL.get(letter, letter)) for letter in text)


def _escaped(text: str) -> str:
    return "".join(LATEX[c] if c == "−" else _SPECIAL.get(c, c) for c in text)
