"""The graph of each kind of page looks as it did when somebody looked at it, whatever the fonts of the machine."""

import io
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PICTURES = Path(__file__).with_name("pictures.npz")
VIEWS = {"report": ("small", "node=lstm%2Fscan%2Fforget_gate"), "trace": ("trace", "backward-2-6")}
#: A mean difference of grey levels from 0 to 255: other fonts and other versions of the browser remain below it.
TOLERANCE = {"report": 2, "trace": 1}


def graph(session):
    """The graph as 88 by 84 grey levels, without the panel beside it, whose texts change more often."""
    image = pytest.importorskip("PIL.Image")
    shown = image.open(io.BytesIO(session.picture())).convert("L").crop((0, 60, 880, 900))
    return np.asarray(shown.resize((88, 84), image.Resampling.BOX), float)


@pytest.mark.parametrize("view", VIEWS)
def test_a_graph_looks_as_it_did(chromium, site, view):
    # After a change that is meant: look at the page, then PYTHONPATH=tests python tests/browser/test_pictures.py
    wanted, tolerance = np.load(PICTURES)[view].astype(float), TOLERANCE[view]
    name, fragment = VIEWS[view]
    chromium.open(site.address(name, fragment))
    assert difference(chromium, wanted) < tolerance
    chromium.run("document.querySelectorAll('svg text').forEach(each => { each.style.fontFamily = 'serif'; })")
    assert 0 < difference(chromium, wanted) < tolerance
    chromium.click("#theme")
    assert difference(chromium, wanted) > 100  # the comparison sees a dark page
    chromium.open(site.address(name, {"report": "node=lstm", "trace": "forward-1-0"}[view]))
    assert difference(chromium, wanted) > tolerance  # another box is open; other numbers and another yellow node


def difference(session, wanted):
    return np.abs(graph(session) - wanted).mean()


if __name__ == "__main__":
    import tempfile

    from helpers.browser import browser
    from helpers.pages import Site

    with tempfile.TemporaryDirectory() as folder, browser() as opened:
        pages, found = Site(Path(folder)), {}
        for key, place in VIEWS.items():
            opened.open(pages.address(*place))
            found[key] = graph(opened).round().astype(np.uint8)
        np.savez_compressed(PICTURES, **found)
