"""Check the links of the built manual: those inside it, and those to other hosts, each kind on its own.

    python docs/site/check_links.py build/docs [build/docs-links/output.json]      (make docs-links)

Inside: every file and every section that a page refers to exists, also where Sphinx does not look (images, scripts).
Outside: what the linkcheck builder of Sphinx found. A host that cannot be reached is reported and does not count as
broken, so that the target also serves without a network. The exit code is 1 if a link is broken.
"""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What the messages of linkcheck have if the network failed, not the page.
UNREACHABLE = ("NameResolutionError", "ConnectTimeout", "Connection refused", "Network is unreachable", "ProxyError")


class Page(HTMLParser):
    """The links and the fragments of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fragments: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what refers to something, and what may be referred to."""
        values = dict(attrs)
        self.fragments |= {value for key in ("id", "name") if (value := values.get(key))}
        self.links += [value for key in ("href", "src") if (value := values.get(key))]


def inside(site: Path) -> tuple[int, list[str]]:
    """Return the number of links inside the site, and a message for each broken one."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    count, broken = 0, []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            if not target.exists():
                broken.append(f"{path.relative_to(site.resolve())}: {link}: no such file")
            elif fragment and target in pages and fragment not in pages[target].fragments:
                broken.append(f"{path.relative_to(site.resolve())}: {link}: no such section")
    return count, broken


def outside(results: Path) -> tuple[int, list[str], list[str]]:
    """Return the number of links to other hosts, the broken ones, and those whose hosts were not reached."""
    found = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    checked = [each for each in found if urlsplit(each["uri"]).scheme in ("http", "https")]
    wrong = [each for each in checked if each["status"] in ("broken", "timeout")]
    lines = {id(each): f"{each['filename']}:{each['lineno']}: {each['uri']}: {each['info'][:200]}" for each in wrong}
    away = [each for each in wrong if each["status"] == "timeout" or any(word in each["info"] for word in UNREACHABLE)]
    return len(checked), [lines[id(e)] for e in wrong if e not in away], [lines[id(e)] for e in away]


def main(arguments: list[str]) -> int:
    """Print what is broken; return the exit code."""
    count, broken = inside(Path(arguments[0]))
    print(*broken, sep="\n", end="\n" if broken else "")
    print(f"inside: {count - len(broken)} of {count} links are right")
    if len(arguments) > 1:
        total, dead, unreached = outside(Path(arguments[1]))
        print(*dead, *(f"not reached: {line}" for line in unreached), sep="\n", end="\n" if dead or unreached else "")
        print(f"to other hosts: {total}, broken {len(dead)}, not reached {len(unreached)}")
        broken += dead
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
