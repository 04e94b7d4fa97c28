"""Equations as text, MathML and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.inspect.equations.code import Code
from graphnet.inspect.equations.expansion import Block, weights_of
from graphnet.inspect.equations.lines import Line
from graphnet.inspect.equations.marks import Mark, latex, mi, mo, mtext, row, xml
from graphnet.inspect.equations.naming import Names, name_mark, value_mark, with_time
from graphnet.inspect.equations.presentation import Presentation
from graphnet.inspect.equations.terms import INPUT, Term, walk


@dataclass(frozen=True)
class Written:
    """One line.

    Attributes
    ----------
    code : str
        As an assignment with numpy's functions.
    mark : list
        As presentation MathML: the name of an element, then texts and elements of the same form.
    """

    code: str
    mark: Mark


@dataclass(frozen=True)
class Section:
    """A heading, which may be empty, the lines below it, and notes, such as conditions on values."""

    heading: str
    lines: tuple[Written, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Equations:
    """What a layer or a graph computes, as its rules do; see :func:`graphnet.equations`.

    ``str`` is an assignment for each value with numpy's functions, ``@`` for products of matrices, and σ as
    ``sigmoid``; :meth:`to_mathml` and :meth:`to_latex` are mathematics. A notebook shows the latter.

    Attributes
    ----------
    sections : tuple of Section
        With headings for the steps of a Scan, and for phases in which a layer computes something else.
    where : tuple of (list, str)
        The symbols of weights, as presentation MathML, and what they are.
    symbols : mapping of str to str
        The names in the code, and what they are: inputs, and arrays such as "weights of forget_gate".
    reason : str
        Why there are none: the rule is not made of operations that can be recorded.
    documented : str
        In that case, what the docstring says.
    """

    sections: tuple[Section, ...] = ()
    where: tuple[tuple[Mark, str], ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    documented: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.documented}\n(from the documentation; the rule cannot be recorded: {self.reason})"
        blocks = []
        for section in self.sections:
            indent = "    " if section.heading else ""
            head = [f"{section.heading}:"] if section.heading else []
            body = [f"{indent}{line.code}" for line in section.lines]
            blocks.append("\n".join([*head, *body, *(f"{indent}# {each}" for each in section.notes)]))
        return "\n".join(blocks)

    def __repr__(self) -> str:
        return str(self)

    def to_mathml(self) -> str:
        """Presentation MathML: one element ``math`` with a line for each equation.

        Names, which may come from strangers, are escaped.
        """
        namespace = ' xmlns="http://www.w3.org/1998/Math/MathML" display="block"'
        return f"<math{namespace}>{xml(self._table())}</math>"

    def to_latex(self) -> str:
        r"""LaTeX for math mode, in an environment ``aligned``, without dollar signs."""
        found = []
        for section in self.sections:
            if section.heading:
                found.append(f"& {latex(mtext(section.heading))}")
            for line in section.lines:
                targets, term = line.mark[1], line.mark[2]
                found.append(f"{latex(targets)} &= {latex(term)}")
        if self.reason:
            found = [latex(mtext(line)) for line in self.documented.splitlines()]
        return "\\begin{aligned}\n" + " \\\\\n".join(found) + "\n\\end{aligned}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        plain = {"text/plain": str(self)}
        return plain if self.reason else {**plain, "text/latex": f"$${self.to_latex()}$$"}

    def _table(self) -> Mark:
        rows: list[Mark] = []
        for section in self.sections:
            if section.heading:
                rows.append(["mtr", ["mtd", mtext(section.heading)]])
            rows += [["mtr", ["mtd", assembled(line.mark)]] for line in section.lines]
        if self.reason:
            rows = [["mtr", ["mtd", mtext(line)]] for line in self.documented.splitlines()]
        return ["mtable", *rows]


def assembled(mark: Mark) -> Mark:
    """A line, ``["line", left, right]``, as one row."""
    return row(mark[1], mo("="), mark[2])


def written(blocks: Sequence[Block]) -> Equations:
    """Blocks as text and marks."""
    names = Names()
    sections = [_section(block, names) for block in blocks]
    symbols = {}
    for term in walk([line.term for block in blocks for line in block.lines]):
        if term.op == "name":
            text, owner = term.options["name"], term.options.get("owner", "")
            symbols[names.identifier(text, owner)] = f"{text} of {owner}" if owner else text
    return Equations(tuple(sections), tuple(_where(blocks)), symbols)


def _section(block: Block, names: Names) -> Section:
    code: dict[int, str] = {}
    marks: dict[int, Mark] = {}
    found: list[Written] = []
    notes: list[str] = []
    for line in block.lines:
        targets = [with_time(names.identifier(text), line.time) for text in line.targets]
        left = [value_mark(text, line.time) for text in line.targets]
        right = Code(code, names.code).write(line.term, top=True)
        mark, note = _line_mark(line, left, marks)
        found.append(Written(" = ".join([*targets, right]), mark))
        notes += [note] if note else []
        if not line.term.is_leaf:
            code[id(line.term)], marks[id(line.term)] = targets[0], left[0]
    for term, held in block.conditions:
        text = Code(code, names.code).write(term)
        notes.append(f"recorded where {text}" if held else f"recorded where not ({text})")
    return Section(block.heading, tuple(found), tuple(dict.fromkeys(notes)))


def _line_mark(line: Line, left: list[Mark], marks: dict[int, Mark]) -> tuple[Mark, str]:
    """A line as marks, and a note."""
    presentation = _Presentation(dict(marks), lambda term: name_mark(term.options))
    indexed = presentation.windowed(line.term)
    if indexed is not None:
        return ["line", ["msub", left[0], indexed[0]], indexed[1]], indexed[2]
    joined: list[Mark] = []
    for each in left:
        joined += [each, mo("=")]
    return ["line", row(*joined[:-1]), presentation.write(line.term, top=True)], ""


class _Presentation(Presentation):
    """With the rows of a weight array and its last row, the bias, as W and b."""

    def _getitem(self, term: Term) -> Any:
        part = weight_part(term)
        if part:
            return name_mark({**term.args[0].options, "part": part}), 6
        return super()._getitem(term)


def weight_part(term: Term) -> str:
    """'W' or 'b' for the rows of a weight array without the last one, and for the last one; else nothing."""
    base = term.args[0]
    if base.op != "name" or base.options["name"] != "weights" or base.options.get("role") == INPUT:
        return ""
    return {"(slice(None, -1, None),)": "W", "(-1,)": "b"}.get(repr(term.options["index"]), "")


def _where(blocks: Sequence[Block]) -> Iterator[tuple[Mark, str]]:
    """The symbols of weights: which array of which node, and its shape."""
    parts: dict[int, dict[str, Term]] = {}
    whole: set[int] = set()
    for term in walk([line.term for block in blocks for line in block.lines]):
        for arg in term.args:
            if arg.op == "name":
                part = weight_part(term) if term.op == "getitem" else ""
                if part:
                    parts.setdefault(id(arg), {})[part] = term
                else:
                    whole.add(id(arg))
    for weight in weights_of(blocks):
        owner = weight.options.get("owner", "")
        text, of = weight.options["name"], f" of {owner}" if owner else ""
        for part, term in parts.get(id(weight), {}).items():
            index = "[:−1]" if part == "W" else "[−1]"
            yield name_mark({**weight.options, "part": part}), f"{text}{index}{of}, {sizes(term.shape)}"
        if id(weight) in whole or id(weight) not in parts:
            mark = name_mark(weight.options)
            yield mark, f"{text}{of}, {sizes(weight.shape)}" if mark != ["mi", text] else sizes(weight.shape)


def sizes(shape: Sequence[int]) -> str:
    """Sizes in words."""
    return " × ".join(map(str, shape)) if shape else "a number"


__all__ = ["Equations", "Section", "Written", "mi", "written"]
