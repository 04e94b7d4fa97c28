"""The reference backend is an oracle for the others, so it uses none of their code."""

import ast
from pathlib import Path

import graphnet.core.run.reference as reference


def imported(path):
    """The modules that a file imports, also inside functions and for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield f"{node.module}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_reference_does_not_import_numpy_backend():
    files = sorted(Path(reference.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for path in files:
        assert not [name for name in imported(path) if "numpy_backend" in name], path.name
