"""Docstrings of public names are numpydoc and reStructuredText that the manual can show; read here without Sphinx."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
try:
    api_pages = pytest.importorskip("api_pages")
finally:
    sys.path.remove(str(ROOT / "scripts"))
try:
    HOMES = sorted(set(api_pages.homes().values()))
except ImportError as missing:
    pytest.skip(f"a plugin is not installed: {missing}", allow_module_level=True)

SECTIONS = (
    "Parameters", "Attributes", "Methods", "Returns", "Yields", "Receives", "Other Parameters", "Raises", "Warns",
    "Warnings", "See Also", "Notes", "References", "Examples",
)  # fmt: skip


def value(path):
    module, _, name = path.rpartition(".")
    return getattr(api_pages.module_named(module), name)


def documented():
    """Every public name, and every method and property on its page, with what it is."""
    public = {id(value(path)) for path in HOMES}
    for path in HOMES:
        thing = value(path)
        yield path, thing
        if inspect.isclass(thing):
            for name in api_pages.members(thing, public):
                yield f"{path}.{name}", getattr(thing, name)


def problems(text, thing=None):
    """What numpydoc or docutils would report, or show wrongly."""
    lines = text.splitlines()
    heads = [n for n in range(len(lines) - 1) if re.fullmatch(r"-{3,}", lines[n + 1]) and lines[n].strip()]
    names = [lines[n] for n in heads]
    for n in heads:
        if lines[n] not in SECTIONS:
            yield f"unknown section {lines[n]!r}"
        if len(lines[n]) != len(lines[n + 1]):
            yield f"the line below {lines[n]!r} has another length"
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{name!r} occurs twice"
    if lines[0].endswith("::"):
        yield "the summary ends in '::', so numpydoc separates it from its block"
    for n, line in enumerate(lines):
        if (
            line.strip() in SECTIONS
            and n not in heads
            and n + 1 < len(lines)
            and set(lines[n + 1].strip()) & {"-", "="}
        ):
            yield f"{line!r} is not underlined as a section"
    prose = re.sub(r"``.*?``|`[^`]+`_{0,2}|>>>.*", "", outside_blocks(text), flags=re.DOTALL)
    yield from (
        f"{match[0]!r} is a substitution; write it in double backticks"
        for match in re.finditer(r"\|\w[^|\n]*\|", prose)
    )
    if "`" in prose:
        yield "backticks without a partner"
    if thing is not None and "Parameters" in names:
        yield from unknown_parameters(lines, heads, thing)


def outside_blocks(text):
    """The text without literal blocks and tables."""
    kept, block = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is None:
            kept.append(line)
        if block is None and line.rstrip().endswith("::"):
            block = indent
    return "\n".join(kept)


def unknown_parameters(lines, heads, thing):
    """Names below Parameters that the signature does not have."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return
    start = next(n for n in heads if lines[n] == "Parameters") + 2
    end = min([n for n in heads if n > start], default=len(lines))
    listed = [line.partition(" : ")[0] for line in lines[start:end] if line and not line.startswith(" ")]
    names = [name.strip().lstrip("*") for row in listed for name in row.split(",")]
    if any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
        return
    yield from (f"no parameter {name!r}" for name in names if name != "..." and name not in signature.parameters)


def test_docstrings_are_numpydoc():
    seen, found = 0, []
    for path, thing in documented():
        text = (
            inspect.getdoc(thing)
            if inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, property)
            else None
        )
        if text:
            seen += 1
            found += [f"{path}: {problem}" for problem in problems(text, thing if callable(thing) else None)]
    assert seen > 600
    assert found == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("One.\n\nParameter\n---------\nx : int", "unknown section 'Parameter'"),
        ("One.\n\nReturns\n----\nint", "the line below 'Returns' has another length"),
        ("One.\n\nNotes\n-----\na\n\nNotes\n-----\nb", "'Notes' occurs twice"),
        ("One; with t::\n\n    x = t", "the summary ends in '::', so numpydoc separates it from its block"),
        ("The norm |x| of x.", "'|x|' is a substitution; write it in double backticks"),
        ("One of ``x.", "backticks without a partner"),
        ("One.\n\nParameters\n----------\nx, z : int", "no parameter 'z'"),
    ],
)
def test_each_kind_of_problem_is_found(text, problem):
    assert list(problems(text, lambda x: x)) == [problem]


def test_every_public_name_has_one_page():
    pages = api_pages.pages()
    assert all(f"names/{path}" in pages or f"names/{path}-" in pages for path in HOMES)
    lower = [name.lower() for name in pages]
    assert sorted(set(lower)) == sorted(lower)  # two files also where the case does not count
    listed = (ROOT / "tests" / "public_names.txt").read_text(encoding="utf-8").split()
    tables = "".join(text for name, text in pages.items() if not name.startswith("names/"))
    shown = set(re.findall(r"^   ~(\S+)$", tables, re.MULTILINE))
    assert {path for path in listed if path.startswith("graphnet") and path in HOMES} <= shown
    module = importlib.import_module("graphnet")
    assert (
        "graphnet.Model" in shown
        and module.Model.fit.__doc__
        and "fit" in pages["names/graphnet.Model"].split("members:")[1]
    )
