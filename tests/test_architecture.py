"""The packages import each other in one direction, modules never in a circle, and the diagram of the design shows it."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def architecture():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "scripts" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def graph(architecture):
    return architecture.imports()


def test_imports_follow_the_order_of_packages(architecture, graph):
    assert architecture.against_order(graph) == []


def test_modules_do_not_import_in_circles(architecture, graph):
    assert architecture.cycles(graph) == []


def test_exceptions_are_in_use(architecture, graph):
    assert all(graph.has_edge(*edge) for edge in architecture.EXCEPTIONS)


def test_diagram_shows_the_imports(architecture, graph):
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert architecture.drawn(page) == architecture.diagram(graph), "run: python scripts/architecture.py"


def test_top_of_the_package_has_at_most_17_entries():
    entries = {
        path.stem for path in (ROOT / "graphnet").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert len(entries - {"__init__", "__main__"}) <= 17


def test_files_that_the_pages_name_exist():
    for page in ("docs/design.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w./]+\.py)`", text):
            name = name.removeprefix("../")
            found = [
                path
                for top in ("graphnet", "plugins", "scripts", "benchmarks", "tests")
                for path in ROOT.glob(f"{top}/**/{name}")
            ]
            assert found or (ROOT / name).exists(), f"{page} names {name}"


def test_import_inside_a_function_counts(architecture, tmp_path):
    package = tmp_path / "graphnet" / "core"
    package.mkdir(parents=True)
    (tmp_path / "graphnet" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("def late():\n    from graphnet.core.dtypes import name\n")
    (package / "dtypes.py").write_text("import graphnet.core.errors\nname = 1\n")
    graph = architecture.imports(tmp_path)
    assert architecture.cycles(graph) == [["graphnet.core.dtypes", "graphnet.core.errors"]]
