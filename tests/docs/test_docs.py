"""Every Python block of the README and of the pages in docs/ runs, in order, page by page."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("graphnet_recurrent")
pytest.importorskip("graphnet_activations")

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What scripts/follow_guide.py runs, shell blocks and all, in an environment of its own.
GUIDE = ROOT / "docs" / "plugins.md"
#: Packages of extras that a page uses.
NEEDS = {"sweeps.md": "optuna", "onnx.md": "onnxruntime"}


def blocks(page):
    """Python blocks with the number of their first line."""
    text = page.read_text(encoding="utf-8")
    return [
        (text[: m.start(1)].count("\n"), m[1])
        for m in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p) and p != GUIDE], ids=lambda page: page.name)
def test_page(page):
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    names = {"__name__": "page"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    assert names["np"] is np


def test_the_pages_are_there_and_name_each_other():
    readme = PAGES[0].read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in readme, page.name
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} names {target}"
