"""The distributions of this checkout: where each lies, its version, and which of the others it needs."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Distribution:
    """One folder with a pyproject.toml: its name, and the plain names of what it depends on."""

    name: str
    folder: Path
    requires: tuple[str, ...]

    @property
    def tests(self) -> Path:
        """The folder of its test suite."""
        return self.folder / "tests"


def discover(root: Path = ROOT) -> dict[str, Distribution]:
    """Every distribution by name: the root's first, then the plugins in the order of their folders."""
    files = [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]
    found = [read(file) for file in files]
    return {one.name: one for one in found}


def needed(name: str, known: dict[str, Distribution]) -> list[str]:
    """The distributions of this checkout that ``name`` needs, itself first, each once."""
    order = [name]
    for one in order:
        order += [other for other in known[one].requires if other in known and other not in order]
    return order


def read(file: Path) -> Distribution:
    """The distribution of a pyproject.toml."""
    project: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    return Distribution(
        name=plain(project["name"]),
        folder=file.parent,
        requires=tuple(plain(text) for text in project.get("dependencies", [])),
    )


def plain(requirement: str) -> str:
    """The normal form of the name in a requirement: ``Some_Name[extra]>=1`` is ``some-name`` (PEP 503)."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    if match is None:
        raise ValueError(f"no distribution name in {requirement!r}")
    return re.sub(r"[-_.]+", "-", match.group()).lower()
