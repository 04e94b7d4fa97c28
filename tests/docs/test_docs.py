"""Every Python block of the README and of the pages in docs/ runs, in order, page by page; the site has every page."""

import re
from pathlib import Path

import numpy as np
import pytest

from graphnet.plugins.validation import COMMANDS

pytest.importorskip("graphnet_recurrent")
pytest.importorskip("graphnet_activations")

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What scripts/follow_guide.py runs, shell blocks and all, in an environment of its own.
GUIDE = ROOT / "docs" / "plugins.md"
#: Packages of extras that a page uses.
NEEDS = {
    "sweeps.md": ["optuna"],
    "onnx.md": ["onnxruntime"],
    "compiler.md": ["graphlay"],
    "gallery.md": ["graphlay", "sklearn"],
    "notebook_gates.md": ["graphlay", "matplotlib"],
    "coming_from_keras.md": ["graphlay"],
}
#: Pages with tables of code: the last column is graphnet's.
COMING_FROM = sorted((ROOT / "docs").glob("coming_from_*.md"))


def blocks(page):
    """Python blocks, and cells of notebooks, with the number of their first line."""
    text = page.read_text(encoding="utf-8")
    return [
        (text[: m.start(1)].count("\n"), m[1])
        for m in re.finditer(
            r"^```(?:python|\{code-cell\} ipython3)\n(?::\w[^\n]*\n)*(.*?)^```", text, re.DOTALL | re.MULTILINE
        )
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p) and p != GUIDE], ids=lambda page: page.name)
def test_page(page, monkeypatch):
    for package in NEEDS.get(page.name, ()):
        pytest.importorskip(package)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "page"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    assert names["np"] is np
    if page in COMING_FROM:
        check_rows(page, names)
    if "plt" in names:
        names["plt"].close("all")


def check_rows(page, names):
    """Run the code in the last column of every table, in order; commands must exist."""
    rows = [
        re.split(r"(?<!\\)\|", line)[-2] for line in page.read_text(encoding="utf-8").splitlines() if line[:2] == "| "
    ]
    codes = [code for row in rows for code in re.findall(r"`([^`]+)`", row)]
    assert len(codes) > 15
    for code in codes:
        if code.startswith("graphnet "):
            assert code.split()[1] in COMMANDS, code
        else:
            exec(compile(code, f"{page.name}: {code}", "exec"), names)


def test_the_pages_are_there_and_name_each_other():
    readme = PAGES[0].read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in readme, page.name
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} names {target}"


def anchors(page):
    """The anchors that a code host makes of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,6} (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_sections():
    found = {}
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s]*\.md|)#([^)]+)\)", page.read_text(encoding="utf-8")):
            found[page.name, target, anchor] = anchor in anchors(page.parent / target if target else page)
    assert len(found) > 100
    assert [link for link, there in found.items() if not there] == []


def test_commands_and_model_files_are_up_to_date(monkeypatch):
    pytest.importorskip("graphnet_conv")
    pytest.importorskip("graphnet_onnx")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import manual_pages

    for name, page in manual_pages.PAGES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page(), "run: python scripts/manual_pages.py"


def toctrees():
    """Pages in the tables of contents of the site, by the page that lists them; paths from the checkout, no ending."""
    found = {}
    for page in sorted((ROOT / "docs" / "site").glob("*.md")):
        for text in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for line in text.splitlines():
                if line and not line.startswith(":"):
                    target = (page.parent / re.sub(r".*<(.*)>$", r"\1", line)).resolve()
                    found.setdefault(target.relative_to(ROOT.resolve()).as_posix(), []).append(page.stem)
    return found


def test_the_site_has_every_page_once():
    listed = toctrees()
    own = [
        ROOT / "docs" / "site" / name
        for name in ("tutorials", "coming", "howto", "explanation", "reference", "project", "examples")
    ]
    readmes = [path.with_suffix("") for path in ROOT.glob("examples/**/README.md")]
    others = [ROOT / name for name in ("README", "CHANGELOG", "CONTRIBUTING")]
    wanted = [
        path.relative_to(ROOT).as_posix() for path in [*(p.with_suffix("") for p in PAGES[1:]), *own, *readmes, *others]
    ]
    assert sorted(wanted) == sorted(set(listed) - {"docs/site/api/index"})
    assert {page: where for page, where in listed.items() if len(where) > 1} == {}
