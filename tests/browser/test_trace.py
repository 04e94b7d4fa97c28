"""The page of `graphnet trace` in a browser: its steps by clicks, by keys and by address; hostile texts; print."""

import base64

import pytest
from helpers import hostile

pytestmark = pytest.mark.slow

WHERE = "return document.querySelector('#where').textContent"
NUMBERS = "return document.querySelector('#scroll').textContent"
THEME = "return document.documentElement.dataset.theme"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_steps_of_a_cell(chromium, site, width):
    chromium.open(site.address("trace"), width)
    assert chromium.run(WHERE) == "Step 1 of 3, forward: what the step reads"
    assert "1.25 −2.50" in chromium.run(NUMBERS)
    chromium.click("#node-on")
    assert chromium.run(WHERE) == "Step 1 of 3, forward: concatenate, node 1 of 14"
    assert chromium.run("return document.querySelector('.box.now').textContent").startswith("concatenate")
    assert chromium.run("return document.querySelector('#equation').textContent") == "concatenate = Concatenate(x, h)"
    chromium.click("#step-on")
    assert chromium.run(WHERE).startswith("Step 2 of 3, forward")
    before = chromium.run(THEME)
    chromium.click("#theme")
    assert {before, chromium.run(THEME)} == {"light", "dark"}
    chromium.open(site.address("trace", "backward-3-15"), width)
    assert chromium.run(WHERE).startswith("Step 3 of 3, backward: the errors of its results")
    assert "1.00 1.00" in chromium.run(NUMBERS)
    assert chromium.errors() == []


def test_a_gate_is_reached_by_keys_alone(chromium, site):
    chromium.open(site.address("trace"))
    chromium.press("ArrowRight", "Shift+ArrowRight", "b")
    assert (
        chromium.run(WHERE).startswith("Step 2 of 3, backward")
        and chromium.run("return location.hash") == "#backward-2-0"
    )
    chromium.press("Home")
    for _ in range(20):
        chromium.press("Tab")
        outline = "const s = getComputedStyle(document.activeElement.firstElementChild || document.activeElement); return [getComputedStyle(document.activeElement).outlineStyle, parseFloat(s.strokeWidth)]"
        style, stroke = chromium.run(outline)
        assert style != "none" or stroke >= 3
        if chromium.run("return document.activeElement.getAttribute('aria-label') || ''").startswith(
            "forget_gate FullyConnected"
        ):
            break
    chromium.press("Enter")
    assert chromium.run("return document.querySelector('aside h2').textContent") == "scan/forget_gate"
    assert (
        chromium.run("return document.querySelector('#equation').textContent")
        == "forget_gate = FullyConnected(concatenate)"
    )
    chromium.press("Escape")
    assert chromium.run("return document.querySelector('aside h2').textContent").startswith("Step 1 of 3")
    chromium.press("End")
    assert chromium.run(WHERE).startswith("Step 1 of 3, backward: the errors of what it read")
    assert chromium.errors() == []


def test_what_is_computed_is_in_view_on_a_phone(chromium, site):
    chromium.open(site.address("strips"), 390)
    seen = "const n = document.querySelector('.box.now').getBoundingClientRect(), s = document.querySelector('#scroll').getBoundingClientRect(); return n.left >= s.left && n.right <= s.right && n.top >= s.top && n.bottom <= s.bottom"
    assert chromium.run(seen)
    for _ in range(13):
        chromium.click("#node-on")
        assert chromium.run(seen)
    assert chromium.run("return document.querySelector('.name').getBoundingClientRect().height") > 10


def test_hostile_texts_run_no_script(chromium, site):
    chromium.open(site.address("hostile_trace"))
    frames = chromium.run("return document.querySelector('#steps input').max")
    for i in range(0, int(frames) + 1, 5):
        chromium.run(
            "const s = document.querySelector('#steps input'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
            i,
        )
    chromium.run("document.querySelectorAll('.box').forEach(each => each.dispatchEvent(new MouseEvent('click')))")
    text = chromium.run("return document.body.textContent")
    assert hostile.HOSTILE[0] in text
    assert chromium.run("return document.documentElement.dataset.ready") == "true"
    assert chromium.run("return document.documentElement.dataset.hacked") is None
    assert chromium.run("return document.querySelectorAll('script').length") == 2
    assert (
        chromium.run("return document.querySelectorAll('img, iframe, a, form, object, video, template, base').length")
        == 0
    )
    assert chromium.errors() == []


def test_print_is_light_and_as_wide_as_the_paper(chromium, site):
    chromium.open(site.address("strips", "forward-2-6"), theme="dark")
    chromium.run(
        "window.addEventListener('beforeprint', () => { window.printed = document.documentElement.dataset.theme; })"
    )
    assert base64.b64decode(chromium.call("/print", {})).startswith(b"%PDF")
    assert chromium.run("return window.printed") == "light" and chromium.run(THEME) == "dark"
    chromium.media("light", "print")
    chromium.command("Emulation.setDeviceMetricsOverride", width=794, height=1123, deviceScaleFactor=1, mobile=False)
    assert chromium.run("return document.querySelector('#scroll svg').getBoundingClientRect().right") <= 794
    assert chromium.run("return [...document.querySelectorAll('#steps button')].filter(e => e.offsetWidth).length") == 0
