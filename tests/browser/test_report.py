"""The page of `graphnet report` and of `graphnet watch` in a browser: reached by clicks, by keys, by address; in print."""

import base64
import itertools
import re

import pytest
from helpers import hostile

pytestmark = pytest.mark.slow

EXPANDED = "return document.querySelectorAll('[aria-expanded=true]').length"
SHOWN = "return document.querySelector('aside h2').textContent"
THEME = "return document.documentElement.dataset.theme"
#: What has the focus, and how wide the line around it is.
FOCUS = "const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent || e.tagName"
OUTLINE = (
    "const e = document.activeElement, s = getComputedStyle(e);"
    "return e.matches('.box') ? parseFloat(getComputedStyle(e.firstChild).strokeWidth)"
    " : s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth)"
)
HACKED = "return document.documentElement.dataset.hacked"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_gate_is_reached_by_clicks_by_its_address_and_by_search(chromium, site, width):
    chromium.open(site.address("demo"), width)
    chromium.click("[aria-label^='lstm LSTM']")
    chromium.click("[aria-label^='lstm LSTM']")
    assert chromium.run(EXPANDED) == 1 and chromium.run(SHOWN) == "lstm"
    chromium.type("[aria-label^='scan Scan']", "o")
    assert chromium.run(EXPANDED) == 2 and chromium.run(SHOWN) == "lstm/scan"
    chromium.click("[aria-label^='forget_gate FullyConnected']")
    assert chromium.run(SHOWN) == "lstm/scan/forget_gate"
    assert chromium.run("return location.hash") == "#node=lstm%2Fscan%2Fforget_gate"
    before = chromium.run(THEME)
    chromium.click("#theme")
    assert {before, chromium.run(THEME)} == {"light", "dark"}
    chromium.open(site.address("demo", "node=lstm%2Fscan%2Fcandidate"), width)
    assert chromium.run(SHOWN) == "lstm/scan/candidate" and chromium.run(EXPANDED) == 2
    chromium.open(site.address("demo"), width)
    chromium.type("#search", "output_gate_sig\ue007")
    assert chromium.run(SHOWN) == "lstm/scan/output_gate_sigmoid" and chromium.run(EXPANDED) == 2
    assert chromium.errors() == []


def test_a_gate_is_reached_by_keys_alone(chromium, site):
    chromium.open(site.address("demo"))
    chromium.requests()
    seen = []
    while not seen or not seen[-1].startswith("frames"):
        chromium.press("Tab")
        assert chromium.run(OUTLINE) >= 2
        seen.append(chromium.run(FOCUS))
        assert len(seen) < 5, seen
    assert seen[:2] == ["Search nodes by name or layer", "Dark"]
    for _ in range(3):
        chromium.press("ArrowDown")
    assert chromium.run(FOCUS).startswith("lstm LSTM") and chromium.run(SHOWN) == "lstm"
    chromium.press("o", "ArrowDown", "ArrowDown")
    assert chromium.run(SHOWN) == "lstm/scan"
    chromium.press("o", "ArrowDown", "ArrowDown", "ArrowDown")
    assert chromium.run(SHOWN) == "lstm/scan/forget_gate" and chromium.run(OUTLINE) >= 3
    assert "weights (77 × 64)" in chromium.run("return document.querySelector('aside').innerText")
    inside = "const b = document.activeElement.getBoundingClientRect(), s = document.querySelector('#stage').getBoundingClientRect(); return b.left >= s.left && b.right <= s.right && b.top >= s.top && b.bottom <= s.bottom"
    assert chromium.run(inside)
    order = []
    for _ in range(5):
        chromium.press("Tab")
        order.append(chromium.run(FOCUS))
    assert order == ["Zoom in", "Zoom out", "Fit the graph", "Details", "Overview"]
    chromium.press("Enter")
    assert chromium.run(SHOWN) == "Model" and chromium.run(FOCUS).startswith("forget_gate")
    chromium.press("Enter")
    assert chromium.run(SHOWN) == "lstm/scan/forget_gate"
    chromium.press("Escape")
    assert chromium.run(SHOWN) == "Model" and chromium.run("return location.hash") == ""
    chromium.press("/", *"sigmoid", "ArrowDown", "ArrowDown")
    assert chromium.run("return document.activeElement.matches('#results li:nth-child(2) button')")
    chromium.press("Enter")
    assert "_gate_sigmoid" in chromium.run(SHOWN)
    chromium.press("/", "x", "Escape")
    assert (
        chromium.run("return document.querySelector('#search').value + document.querySelector('#results').textContent")
        == ""
    )
    assert chromium.requests() == [] and chromium.errors() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_graph_of_1000_nodes_is_searched_and_walked_through(chromium, site, width):
    chromium.open(site.address("large"), width)
    chromium.type("#search", "dense_7")
    listed = chromium.run("return [...document.querySelectorAll('#results li')].map(each => each.textContent)")
    assert len(listed) == 41 and listed[0].startswith("dense_7") and listed[-1] == "and 21 more"
    chromium.press("Enter")
    assert chromium.run(SHOWN) == "dense_7"
    chromium.press("ArrowDown", "ArrowDown")
    assert chromium.run(SHOWN) == "dense_9"
    assert chromium.requests() == [site.address("large")]


def test_a_page_asks_for_nothing_but_itself(chromium, site):
    for name in ("demo", "runs", "history", "trace", "hostile", "hostile_trace"):
        chromium.requests()
        chromium.open(site.address(name), theme="dark")
        chromium.click("#theme")
        assert chromium.requests() == [site.address(name)]
        # The policy is in force: what the page does not do, nobody can make it do.
        asked = (
            "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), () => done('refused'))"
        )
        assert chromium.run_async(asked) == "refused"
        assert chromium.requests() == [] and "Content Security Policy" in "".join(chromium.errors())
    address = site.watched("demo")
    chromium.open(address)
    chromium.run_async(
        "const done = arguments[0], look = () => document.querySelector('.box') ? done() : setTimeout(look, 5); look()"
    )
    base = re.match(r"http://127.0.0.1:\d+/", address)[0]
    assert all(asked.startswith(base) for asked in chromium.requests()) and chromium.errors() == []


def test_a_page_is_printed_in_light_colours_with_all_of_the_graph(chromium, site):
    chromium.open(site.address("demo", "node=lstm%2Fscan%2Fforget_gate"), theme="dark")
    chromium.run(
        "window.addEventListener('beforeprint', () => { const s = document.querySelector('#stage').getBoundingClientRect();"
        " window.printed = [document.documentElement.dataset.theme, document.querySelector('#stage > svg').getAttribute('viewBox')]; });"
    )
    document = base64.b64decode(chromium.call("/print", {"background": False}))
    assert document.startswith(b"%PDF") and 1 <= document.count(b"/Type /Page\n") + document.count(b"/Type /Page>") <= 8
    theme, view = chromium.run("return window.printed")
    x, y, wide, high = map(float, view.split())
    assert theme == "light" and x < 0 and y < 0 and wide > 300 and high > 300
    assert chromium.run(THEME) == "dark"  # as before
    assert chromium.run("return document.querySelector('#stage > svg').getAttribute('viewBox')") is None
    chromium.media("light", "print")
    shown = "return [...document.querySelectorAll('#theme, #search, #tools, aside button')].filter(e => e.offsetWidth).length"
    assert chromium.run(shown) == 0
    assert chromium.run("return getComputedStyle(document.querySelector('aside')).overflowY") == "visible"


def everything(session):
    """Open all boxes, choose all nodes, unfold what is folded, search for every name."""
    session.run(
        "const search = document.querySelector('#search');"
        "for (const name of arguments[0]) {"
        " location.hash = '#node=' + encodeURIComponent(name); window.dispatchEvent(new Event('hashchange'));"
        " document.querySelector('aside').innerText;"
        " search.value = name; search.dispatchEvent(new Event('input')); search.value = ''; search.dispatchEvent(new Event('input'));"
        "}",
        [*hostile.hostile_graph().nodes, *hostile.hostile_graph().outputs],
    )


@pytest.mark.parametrize("way", ["report", "watch", "history"])
def test_hostile_texts_run_no_script(chromium, site, way):
    if way == "history":
        chromium.open(site.address("history"))
    else:
        chromium.open(site.watched("hostile") if way == "watch" else site.address("hostile"))
        chromium.run_async(
            "const done = arguments[0], look = () => document.querySelector('.box') ? done() : setTimeout(look, 5); look()"
        )
    text = chromium.run("return document.querySelector('aside').textContent")
    assert [each for each in hostile.HOSTILE if each.replace("_", " ") not in text.replace("_", " ")] == []
    if way != "history":
        everything(chromium)
        text = chromium.run("return document.querySelector('aside').textContent")  # the documentation of a node
        assert [each for each in hostile.HOSTILE if each.strip() not in text] == []
    assert chromium.run("return document.documentElement.dataset.ready") == "true"
    assert chromium.run(HACKED) is None
    assert chromium.run("return document.querySelectorAll('script').length") == (3 if way == "watch" else 2)
    assert (
        chromium.run("return document.querySelectorAll('img, iframe, a, form, object, video, template, base').length")
        == 0
    )
    assert chromium.errors() == []


def test_an_opened_box_keeps_boxes_and_lines_apart(chromium, site):
    chromium.open(site.address("small", "node=lstm%2Fscan%2Fcandidate"))
    levels = chromium.run(
        "const own = g => [...g.children].filter(c => c.matches('.box'));"
        "const holders = [...document.querySelectorAll('#stage svg g')].filter(g => own(g).length);"
        "const m = document.querySelector('#stage svg > g').getCTM().inverse();"
        "return holders.map(g => { const t = m.multiply(g.getCTM());"
        "return {boxes: own(g).map(b => { const at = m.multiply(b.getCTM()), r = b.firstChild;"
        "return [at.e - t.e, at.f - t.f, +r.getAttribute('width'), +r.getAttribute('height')]; }),"
        "lines: [...g.children].filter(c => c.matches('.edge')).map(p => p.getAttribute('d'))}; })"
    )
    assert len(levels) == 3
    for level in levels:
        boxes = [tuple(box) for box in level["boxes"]]
        assert not [pair for pair in itertools.combinations(boxes, 2) if overlap(*pair, 0.5)]
        for line in level["lines"]:
            points = [tuple(map(float, point.split())) for point in line[1:].split(" L")]
            crossed = [box for box in boxes for a, b in itertools.pairwise(points) if overlap(piece(a, b), box, 0.6)]
            assert crossed == [], (line, crossed)


def overlap(a, b, room):
    return all(a[i] + a[i + 2] - room > b[i] and b[i] + b[i + 2] - room > a[i] for i in (0, 1))


def piece(a, b):
    return min(a[0], b[0]), min(a[1], b[1]), abs(a[0] - b[0]), abs(a[1] - b[1])
