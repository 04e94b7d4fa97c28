"""The distributions of this checkout: their folders, and what each one requires."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Distribution:
    """One folder with a pyproject.toml.

    Attributes
    ----------
    name : str
    folder : Path
    dependencies : tuple of str
        As its pyproject.toml lists them: ``numpy>=2.0``.
    build_requires : tuple of str
        What its build requires.
    """

    name: str
    folder: Path
    dependencies: tuple[str, ...]
    build_requires: tuple[str, ...]

    @property
    def tests(self) -> Path:
        """The folder of its test suite."""
        return self.folder / "tests"


def discover(root: Path = ROOT) -> dict[str, Distribution]:
    """Return every distribution by name: the root's first, then the plugins in the order of their folders."""
    files = [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]
    return {distribution.name: distribution for distribution in map(read, files)}


def needed(name: str, known: dict[str, Distribution]) -> list[str]:
    """Return the distributions of this checkout that ``name`` depends on, itself first, each once."""
    order = [name]
    for current in order:
        required = map(normalized, known[current].dependencies)
        order += [other for other in required if other in known and other not in order]
    return order


def read(file: Path) -> Distribution:
    """Return the distribution of a pyproject.toml."""
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    project = content["project"]
    return Distribution(
        name=normalized(project["name"]),
        folder=file.parent,
        dependencies=tuple(project.get("dependencies", [])),
        build_requires=tuple(content["build-system"]["requires"]),
    )


def normalized(requirement: str) -> str:
    """Return the normal form (PEP 503) of the name in a requirement: ``some-name`` for ``Some_Name[extra]>=1``."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    if match is None:
        raise ValueError(f"no distribution name in {requirement!r}")
    return re.sub(r"[-_.]+", "-", match.group()).lower()
