"""Draws the packages of graphnet and the imports between them: ``python scripts/architecture.py``.

Writes the Mermaid diagram of docs/design.md; with ``--check``, compares it instead. Every import counts, also one
inside a function or under ``TYPE_CHECKING``. The diagram shows the transitive reduction: an arrow from A to C is left
out where A imports B and B imports C.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "design.md"

#: The packages of the diagram, lowest first: each may import those before it.
ORDER = (
    "core",
    "core.recurrences",
    "core.describe",
    "core.compile",
    "core.run",
    "optimizers",
    "initializers",
    "regularizers",
    "losses",
    "metrics",
    "layers",
    "data",
    "plugins",
    "training",
    "training.distributed",
    "io",
    "inspect",
    "models",
    "sweeps",
    "testing",
    "exercise",
    "cli",
)

#: Imports against the order. A layer that is used alone, outside a graph, runs through the runner.
EXCEPTIONS = frozenset({("graphnet.core.describe.stateful", "graphnet.core.run.standalone")})

#: Modules that put the parts together: nobody imports them, so they may import everything.
ROOTS = frozenset({"graphnet", "graphnet.__main__", "graphnet.authoring", "graphnet.plugins.builtin"})

BLOCK = re.compile(r"```mermaid\n(flowchart .*?)```", re.DOTALL)


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package by dotted name."""
    files = {}
    for file in sorted((root / "graphnet").rglob("*.py")):
        parts = list(file.relative_to(root).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return files


def imports(root: Path = ROOT) -> nx.DiGraph:
    """The modules of the package, with an edge from each importing module to the one that it imports."""
    files = modules(root)
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, file in files.items():
        for target in _targets(file.read_text(encoding="utf-8")):
            while target and target not in files:
                target = target.rpartition(".")[0]
            if target and target != name:
                graph.add_edge(name, target)
    return graph


def _targets(text: str) -> Iterator[str]:
    """The dotted names that a source imports, ``from a import b`` as ``a.b``; imports are absolute here."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(module: str) -> str:
    """The package of the diagram that a module belongs to."""
    name = module.removeprefix("graphnet").lstrip(".")
    return max((unit for unit in ORDER if name == unit or name.startswith(f"{unit}.")), key=len)


def packages(graph: nx.DiGraph) -> nx.DiGraph:
    """The packages, with an edge for every import that the order allows."""
    result: nx.DiGraph = nx.DiGraph()
    result.add_nodes_from(ORDER)
    for importer, imported in graph.edges:
        if importer not in ROOTS and imported not in ROOTS and (importer, imported) not in EXCEPTIONS:
            result.add_edge(package(importer), package(imported))
    result.remove_edges_from(list(nx.selfloop_edges(result)))
    return result


def cycles(graph: nx.DiGraph) -> list[list[str]]:
    """The sets of modules that import each other, the declared exceptions aside."""
    ordered = graph.copy()
    ordered.remove_edges_from(EXCEPTIONS)
    return [sorted(group) for group in nx.strongly_connected_components(ordered) if len(group) > 1]


def against_order(graph: nx.DiGraph) -> list[tuple[str, str]]:
    """Imports of a package that comes later, and imports of a module that puts the parts together."""
    return [
        (importer, imported)
        for importer, imported in graph.edges
        if importer not in ROOTS
        and (importer, imported) not in EXCEPTIONS
        and (imported in ROOTS or ORDER.index(package(imported)) > ORDER.index(package(importer)))
    ]


def diagram(graph: nx.DiGraph) -> str:
    """The packages as a Mermaid flowchart, from the command line down to the core."""
    reduced = nx.transitive_reduction(packages(graph))
    lines = ["flowchart TD"]
    lines += ["    subgraph core_ [graphnet.core]"]
    lines += [f"        {_id(unit)}[{unit}]" for unit in reversed(ORDER) if unit.startswith("core")]
    lines += ["    end"]
    lines += [f"    {_id(unit)}[{unit}]" for unit in reversed(ORDER) if not unit.startswith("core")]
    edges = sorted(reduced.edges, key=lambda edge: (-ORDER.index(edge[0]), -ORDER.index(edge[1])))
    lines += [f"    {_id(importer)} --> {_id(imported)}" for importer, imported in edges]
    lines += ["    core_describe -. a layer used alone .-> core_run"]
    return "\n".join(lines) + "\n"


def _id(unit: str) -> str:
    return unit.replace(".", "_")


def drawn(page: str) -> str:
    """The diagram that a page shows."""
    match = BLOCK.search(page)
    if match is None:
        raise ValueError("the page has no Mermaid flowchart")
    return match.group(1)


def main(arguments: list[str]) -> int:
    """Write or compare the diagram; returns the exit code."""
    page, current = PAGE.read_text(encoding="utf-8"), diagram(imports())
    if "--check" in arguments:
        if drawn(page) != current:
            print("docs/design.md does not show the imports of the code: python scripts/architecture.py")
            return 1
        return 0
    PAGE.write_text(page.replace(drawn(page), current), encoding="utf-8")
    print("wrote docs/design.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
