"""The pictures of docs/drawn_cells.md show the cells as they are."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
pytest.importorskip("graphlay")
if not (ROOT / "scripts").is_dir():
    pytest.skip("the scripts are not part of this archive", allow_module_level=True)


def texts(svg):
    """What is written in a picture, in alphabetical order; places depend on the version of graphlay."""
    return sorted("".join(each.itertext()) for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("}text"))


def test_pictures_are_those_that_the_script_writes(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import drawn_cells

    shown = re.findall(r"\]\(pictures/(\w+)\.svg\)", (DOCS / "drawn_cells.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(drawn_cells.CELLS) == sorted(path.stem for path in (DOCS / "pictures").glob("*.svg"))
    framed = re.findall(
        r'<iframe src="traces/(\w+)\.html" title="[^"]+" ', (DOCS / "drawn_cells.md").read_text("utf-8")
    )
    drawn_cells.write_traces(tmp_path)
    assert framed == shown and sorted(path.stem for path in tmp_path.glob("*.html")) == sorted(shown)
    for name in shown:
        written = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
        assert texts(written) == texts(drawn_cells.picture(name)), "python scripts/drawn_cells.py writes it again"
        assert len(written) < 60_000
    del sys.modules["drawn_cells"]
