"""The commands of docs/exercise.md print what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from graphnet.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "exercise.md"


def test_the_commands_of_the_page(tmp_path, monkeypatch):
    text = PAGE.read_text(encoding="utf-8")
    files, consoles = (
        re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for kind in ("py", "console")
    )
    (tmp_path / "solution" / "Layers").mkdir(parents=True)
    (tmp_path / "solution" / "Layers" / "TanH.py").write_text(files[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert consoles
    for console in consoles:
        command, _, expected = console.partition("\n")
        assert command.startswith("$ graphnet ")
        assert CliRunner().invoke(main, command.split()[2:]).output == expected


def test_every_class_of_the_page_exists():
    import importlib

    for module, name in re.findall(r"`(graphnet\w*(?:\.\w+)?)\.([A-Z]\w+)`", PAGE.read_text(encoding="utf-8")):
        assert hasattr(importlib.import_module(module), name)
