"""Write the pages of the API reference: one for each public module, and one for each public name.

    python scripts/api_pages.py FOLDER

`make docs` does this before each build. The pages are reStructuredText for Sphinx's autodoc. A class that several
modules export has one page, under the shortest path, and the tables of the other modules refer to it. The page of a
class documents its own methods and those of bases that are not public; the methods of public bases are on their pages.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from public_names import MODULES

import graphnet
from graphnet import Layer

INDEX = """\
API reference
=============

The public modules, with everything that their ``__all__`` holds. Anything else may change in any release.

.. toctree::
   :maxdepth: 1

"""

#: Public modules that need a package of an extra.
OPTIONAL = {"graphnet.sklearn": "sklearn"}
#: What all functions that apply a layer have in common: they are one function of ``graphnet.core.describe.functional``.
APPLY = {graphnet.last.__code__}
#: The headings on the page of a module, with what is listed under each; a name is under the first that takes it.
GROUPS: dict[str, Callable[[Any], bool]] = {
    "Classes": lambda value: inspect.isclass(value) and not issubclass(value, Layer | Exception),
    "Layers": lambda value: inspect.isclass(value) and issubclass(value, Layer),
    "Cells": lambda value: inspect.isfunction(value) and value.__name__.endswith("_cell"),
    "Functions that apply a layer": lambda value: getattr(value, "__code__", None) in APPLY,
    "Functions": lambda value: inspect.isroutine(value) or (callable(value) and not inspect.isclass(value)),
    "Errors and warnings": inspect.isclass,
}


def module_named(path: str) -> ModuleType:
    """Return a public module; ``graphnet.callbacks`` and others are attributes of graphnet only."""
    parent, _, child = path.rpartition(".")
    if parent == "graphnet":
        module: ModuleType = getattr(importlib.import_module(parent), child)
        return module
    return importlib.import_module(path)


def modules() -> list[str]:
    """Return the public modules, and those that need packages which are installed here."""
    return sorted([*MODULES, *(path for path, package in OPTIONAL.items() if importlib.util.find_spec(package))])


def homes() -> dict[str, str]:
    """Return for every public path (``graphnet.layers.Add``) the path of its page (``graphnet.Add``)."""
    first: dict[int, str] = {}
    found = {}
    for path in modules():
        module = module_named(path)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            whole = f"{path}.{name}"
            # Numbers and texts may be equal by chance; only classes and functions are the same thing in two modules.
            same = inspect.isclass(value) or inspect.isroutine(value)
            found[whole] = first.setdefault(id(value), whole) if same else whole
    return found


def titled(text: str, line: str = "=") -> str:
    """Return a heading."""
    return f"{text}\n{line * len(text)}\n\n"


def group_of(path: str) -> str:
    """Return the heading under which the page of a module lists a name."""
    module, _, name = path.rpartition(".")
    value = getattr(module_named(module), name)
    return next((title for title, belongs in GROUPS.items() if belongs(value)), "Values")


def module_page(path: str, home: dict[str, str]) -> str:
    """Return the page of a module: its docstring and a table of its names."""
    names = [home[f"{path}.{name}"] for name in sorted(module_named(path).__all__)]
    groups: dict[str, list[str]] = {title: [] for title in (*GROUPS, "Values")}
    for name in names:
        groups[group_of(name)].append(name)
    found = {title: members for title, members in groups.items() if members}
    table = "".join(
        ("" if len(found) == 1 else titled(title, "-"))
        + ".. autosummary::\n   :nosignatures:\n\n"
        + "".join(f"   ~{name}\n" for name in members)
        + "\n"
        for title, members in found.items()
    )
    own = [name for name in names if name.rpartition(".")[0] == path]
    tree = ".. toctree::\n   :hidden:\n\n" + "".join(f"   {file_of(name)}\n" for name in own)
    text = inspect.getdoc(module_named(path)) or ""
    return f"{titled(path)}{text}\n\n{table}\n{tree if own else ''}"


def file_of(path: str) -> str:
    """Return the path of a name's page; ``Stack`` and ``stack`` need two also where file systems ignore the case."""
    module, _, name = path.rpartition(".")
    return f"names/{path}" if inspect.isclass(getattr(module_named(module), name)) else f"names/{module}.{name}-"


def members(kind: type, public: set[int]) -> list[str]:
    """Return the documented methods and properties for the page of a class, in the order of the source."""
    elsewhere = {each for base in kind.__mro__[1:] if id(base) in public for each in base.__mro__}
    names: dict[str, None] = {}
    for base in kind.__mro__:
        if base in elsewhere or not base.__module__.startswith("graphnet"):
            continue
        for name, value in vars(base).items():
            if re.fullmatch(r"set_\w+_request", name):  # written by scikit-learn, which documents it
                continue
            method = inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
            if method and not name.startswith("_") and inspect.getdoc(getattr(kind, name, None)):
                names[name] = None
    return list(names)


def name_page(path: str, public: set[int]) -> str:
    """Return the page of one public name."""
    module, _, name = path.rpartition(".")
    value = getattr(module_named(module), name)
    head = titled(name) + f".. currentmodule:: {module}\n\n"
    if inspect.isclass(value):
        listed = members(value, public)
        return (
            head
            + f".. autoclass:: {name}\n   :show-inheritance:\n"
            + (f"   :members: {', '.join(listed)}\n" if listed else "")
        )
    return head + f".. {'autofunction' if inspect.isroutine(value) else 'autodata'}:: {name}\n"


def public_objects() -> set[int]:
    """Return the identities of all objects that have a page."""
    return {id(getattr(module_named(path.rpartition(".")[0]), path.rpartition(".")[2])) for path in homes()}


def pages() -> dict[str, str]:
    """Return all pages by their path without the ending."""
    home = homes()
    public = public_objects()
    found = {"index": INDEX + "".join(f"   {path}\n" for path in modules())}
    found |= {path: module_page(path, home) for path in modules()}
    return found | {file_of(path): name_page(path, public) for path in sorted(set(home.values()))}


def write(folder: Path) -> None:
    """Write the pages. One that has not changed keeps its time, so that Sphinx does not read it again."""
    wanted: dict[Path, str] = {folder / f"{path}.rst": text for path, text in pages().items()}
    for file in set(folder.rglob("*.rst")) - set(wanted):
        file.unlink()
    for file, text in wanted.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def main(arguments: list[Any]) -> None:
    """Write the pages into the folder that the command line names."""
    if len(arguments) != 1:
        raise SystemExit("usage: python scripts/api_pages.py FOLDER")
    write(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
