"""How soon a page of `graphnet report`, `trace` or `watch` can be used, in headless Chromium without a network.

*shown* is the time from the start of navigation to the first frame with the graph, *used* to the end of the first frame
after a click on a node, with its details, both by the clock of the page; *keys* the time from a key that moves to the
next node to the frame that shows it. Medians over the rounds, each in a new document of the same browser; the first
round is not counted. `4x` is with a processor that the browser slows down four times, about that of a phone. Exits with
1 if a page takes longer than the limit to be used.

Needs Chromium and chromedriver on the PATH, and the tests of this repository.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from environment import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers import browser
from helpers.pages import Site

#: The pages by their names in tests/helpers/pages.py, and whether each is served as `graphnet watch` does.
PAGES = {"demo": False, "large": False, "demo, watched": True, "large, watched": True, "trace": False, "strips": False}
#: Width of the screen in pixels, and how much slower the processor is made.
SCREENS = ((1280, 1), (390, 1), (390, 4))
LIMIT = 1.0

#: Runs in the page: waits for the graph, clicks on a box, presses a key, and gives the three times in milliseconds.
MEASURE = """
const done = arguments[0], root = document.documentElement;
const frame = then => requestAnimationFrame(() => setTimeout(then, 0));
function look() {
  const box = document.querySelectorAll('.box')[2];
  if (!box || root.dataset.ready !== 'true') { setTimeout(look, 1); return; }
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  box.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
  frame(() => {
    const used = performance.now(), heading = document.querySelector('aside h2').textContent;
    const key = root.querySelector('#steps') ? 'ArrowRight' : 'ArrowDown';
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: key, bubbles: true }));
    frame(() => done([paint ? paint.startTime : used, used, performance.now() - used, heading]));
  });
}
look();
"""


def main() -> int:
    """Print a table; return 1 if a page exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="documents for each row (9; with --quick 3)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds until a page is used ({LIMIT})")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if browser.CHROMIUM is None or browser.DRIVER is None:
        print("skipped: no Chromium with chromedriver")
        return 0
    rounds = options.rounds or (3 if options.quick else 9)
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder, browser.browser() as session:
        site = Site(Path(folder))
        version = session.command("Browser.getVersion")["product"]
        print(f"{machine(('graphnet', 'numpy'))}, {version}; median of {rounds} documents\n")
        print("| page | bytes | width | processor | shown, ms | used, ms | keys, ms |\n|---|---|---|---|---|---|---|")
        with site.servers:
            for page, watched in PAGES.items():
                name = page.partition(",")[0]
                for width, slower in SCREENS:
                    times = measured(session, site, name, watched, width, slower, rounds)
                    row = [page, f"{len(site.text(name)):,}", width, f"{slower}x", *(f"{t:.0f}" for t in times)]
                    print(f"| {' | '.join(map(str, row))} |")
                    slowest = max(slowest, times[1] / 1000)
    print(f"\nthe slowest page is used after {slowest:.2f} s; the limit is {options.limit:.2f} s")
    return int(slowest > options.limit)


def measured(
    session: browser.Browser, site: Site, name: str, watched: bool, width: int, slower: int, rounds: int
) -> list[float]:
    """The medians of the three times in milliseconds."""
    found = []
    session.command("Emulation.setCPUThrottlingRate", rate=slower)
    for _ in range(rounds + 1):
        session.open(site.watched(name) if watched else site.address(name), width)
        found.append(session.run_async(MEASURE)[:3])
    session.command("Emulation.setCPUThrottlingRate", rate=1)
    return [median(times) for times in zip(*found[1:], strict=True)]


if __name__ == "__main__":
    sys.exit(main())
