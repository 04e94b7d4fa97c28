"""axe-core finds nothing in the pages; letters are readable on every colour; nothing is wider than the screen."""

import itertools
import re

import pytest
from helpers import axe

from graphnet.models.pages.html import HERE

pytestmark = pytest.mark.slow

#: A page, the fragment of its address, and what is done there before axe-core looks at it.
GATE = "node=lstm%2Fscan%2Fforget_gate_sigmoid"
VIEWS = {
    "demo": ("demo", "", ""),
    "gate": ("demo", GATE, ""),
    "search": (
        "demo",
        "",
        "const s = document.querySelector('#search'); s.value = 'gate'; s.dispatchEvent(new Event('input'))",
    ),
    "unfolded": ("demo", "", "document.querySelectorAll('details').forEach(each => { each.open = true; })"),
    "runs": ("runs", "", ""),
    "history": ("history", "", ""),
    "trace": ("trace", "forward-2-6", ""),
    "trace-start": ("trace", "", ""),
    "strips": ("strips", "backward-3-8", ""),
}
ON_ALL = ("demo", "gate", "trace")
SCREENS = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")]
#: What depends on colours and widths; the other rules look at names and roles, which are the same on every screen.
BY_SCREEN = (
    "color-contrast",
    "link-in-text-block",
    "target-size",
    "scrollable-region-focusable",
    "label-content-name-mismatch",
)
WIDER = "return Math.max(...[document.documentElement, document.querySelector('aside')].map(e => e.scrollWidth - e.clientWidth))"


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_found_and_nothing_is_wider_than_the_screen(chromium, site, view):
    name, fragment, script = VIEWS[view]
    for i, (width, theme) in enumerate(SCREENS if view in ON_ALL else SCREENS[:2]):
        chromium.open(site.address(name, fragment), width, theme=theme)
        chromium.run(script)
        assert chromium.run("return document.documentElement.dataset.theme") == theme
        assert axe.violations(chromium, rules=BY_SCREEN if i > 1 else None) == []
        assert chromium.run(WIDER) <= 0
    assert chromium.errors() == []


def test_what_is_wrong_would_be_found(chromium, site):
    chromium.open(site.address("history"))
    chromium.run(
        "const aside = document.querySelector('aside');"
        "aside.appendChild(document.createElement('button'));"
        "aside.querySelector('h2').style.color = '#999';"
    )
    found = [line.split(":")[0] for line in axe.violations(chromium)]
    assert {"critical button-name", "serious color-contrast"} <= set(found)


def test_of_a_watched_run(chromium, site):
    address = site.watched("runs")
    for width, theme in SCREENS[:2]:
        chromium.open(address, width, theme=theme)
        chromium.run_async(
            "const done = arguments[0], look = () => document.querySelector('.box') ? done() : setTimeout(look, 5); look()"
        )
        assert axe.violations(chromium) == []
        assert chromium.run(WIDER) <= 0
    assert chromium.errors() == []


@pytest.mark.parametrize("name", ["hostile", "hostile_trace", "history"])
def test_long_names_are_broken_into_lines(chromium, site, name):
    chromium.open(site.address(name, "forward-1-7" if name == "hostile_trace" else "node=n5"), 390)
    assert chromium.run(WIDER) <= 0
    chromium.press("Escape")
    assert chromium.run(WIDER) <= 0 and chromium.run("return document.querySelector('header').offsetHeight") < 130


def test_of_a_graph_of_1000_nodes(chromium, site):
    chromium.open(site.address("large", "node=dense_500"), 390)
    assert chromium.run("return document.querySelectorAll('.box').length") == 1002
    # The letters on nodes are tested below, by the colours themselves.
    assert axe.violations(chromium, without=["color-contrast"]) == []
    assert chromium.run(WIDER) <= 0 and chromium.errors() == []


def colours(theme):
    """The variables of the style sheet."""
    text = (HERE / "page.css").read_text(encoding="utf-8")
    found = {}
    for selector, body in re.findall(r"(:root[^{]*)\{([^}]*)\}", text):
        if "dark" not in selector or theme == "dark":
            found |= dict(re.findall(r"--([\w-]+):(#\w+)", body))
    return found


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_and_lines_differ_enough_from_what_is_behind_them(theme):
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # by the tables of WCAG
    named = colours(theme)
    behind = ("bg", "panel", "node", "weights", "group", "input", "state", "output", "found")
    letters = itertools.chain(
        itertools.product(["fg"], behind), itertools.product(["soft", "accent", "second"], ["bg", "panel"])
    )
    low = {pair: contrast(named[pair[0]], named[pair[1]]) for pair in letters}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}
    shapes = itertools.product(["line", "accent", "second", "shared"], ["bg", "group", "panel"])
    low = {pair: contrast(named[pair[0]], named[pair[1]]) for pair in shapes}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 3} == {}
