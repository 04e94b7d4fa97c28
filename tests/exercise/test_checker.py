"""The checker of the exercise: right solutions are not blamed, wrong ones are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graphnet.cli import main
from graphnet.core.errors import FileError
from graphnet.exercise import check
from graphnet.exercise.examine import examine
from graphnet.exercise.finding import FAULT
from graphnet.exercise.sources import find

from .wrong import WRONG

RIGHT = Path(__file__).parent / "right"
STYLES = sorted(path.name for path in RIGHT.iterdir())


def examined(path, *components, edition=None):
    """All findings of an examination in this process."""
    sources = find(Path(path), edition)
    names = components or sources.selected
    return [finding for _, findings, _ in examine(sources, names) for finding in findings]


def copied(base, folder):
    shutil.copytree(RIGHT / base, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("style", STYLES)
def test_right_solutions_are_not_blamed(style):
    findings = examined(RIGHT / style)
    assert [str(finding) for finding in findings if finding.severity == FAULT] == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: f"{w.component}-{w.codes.split()[0]}")
def test_wrong_solutions_are_named(wrong, tmp_path, monkeypatch):
    if wrong.codes in ("endless", "memory"):
        pytest.skip("needs the limits of a child process: see test_limits")
    folder = copied(wrong.base, tmp_path / "student")
    text = (folder / wrong.file).read_text(encoding="utf-8")
    assert wrong.old in text
    (folder / wrong.file).write_text(text.replace(wrong.old, wrong.new, 1), encoding="utf-8")
    faults = [finding for finding in examined(folder, wrong.component) if finding.severity == FAULT]
    named = [fault for fault in faults if fault.code in wrong.codes.split() and wrong.words in fault.message]
    assert named, "\n".join(map(str, faults)) or "no fault found"
