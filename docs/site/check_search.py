"""Type the questions of search_questions.yaml into the search of the built manual, in Chromium.

    python docs/site/check_search.py build/docs            (make docs-search)
    python docs/site/check_search.py build/docs "a query"  prints the first hits of one query

The scripts and the index are those of the site, loaded by a page that runs all queries at once. A question passes if
one of its answers is among the first three hits. The exit code is 1 if a question fails.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

import yaml

QUESTIONS = Path(__file__).with_name("search_questions.yaml")
SCRIPTS = (
    "documentation_options.js", "doctools.js", "sphinx_highlight.js", "searchtools.js", "language_data.js",
)  # fmt: skip
PAGE = """<!doctype html><html data-content_root="./"><body><pre id="hits"></pre>{scripts}
<script>
const found = {queries}.map((query) => {{
  const [text, ...terms] = Search._parseQuery(query);
  const hits = Search._performSearch(text, ...terms).reverse().slice(0, {count});
  return hits.map((hit) => [hit[0], hit[2], hit[1], hit[4]]);
}});
document.getElementById("hits").textContent = JSON.stringify(found);
</script></body></html>"""
Hit = tuple[str, str, str, float]


def search(site: Path, queries: list[str], count: int = 8) -> list[list[Hit]]:
    """Return the first hits of each query: page, anchor, title and score."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("docs-search: skipped, Chromium was not found")
    sources = [f"_static/{name}" for name in SCRIPTS] + ["searchindex.js"]
    scripts = "".join(f'<script src="{(site / name).resolve().as_uri()}"></script>' for name in sources)
    text = json.dumps(queries).replace("<", "\\u003c")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "search.html"
        page.write_text(PAGE.format(scripts=scripts, queries=text, count=count), encoding="utf-8")
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        done = subprocess.run(
            [*command, "--allow-file-access-from-files", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    found = re.search(r'<pre id="hits">(.*?)</pre>', done.stdout, re.DOTALL)
    if not found or not found[1]:
        raise SystemExit(f"docs-search: the search did not run:\n{done.stderr[-2000:]}")
    return json.loads(unescape(found[1]))


def answered(page: str, anchor: str, answers: list[str]) -> bool:
    """Whether a hit is one of the answers: a page, or the beginning of page#section."""
    return any(page == each or ("#" in each and (page + anchor).startswith(each)) for each in answers)


def main(site: Path, queries: list[str]) -> int:
    """Print the hits of the queries, or the rank of each question's answer; return the exit code."""
    if queries:
        for query, hits in zip(queries, search(site, queries), strict=True):
            print(query, *(f"  {score:6.1f} {page}{anchor} | {title}" for page, anchor, title, score in hits), sep="\n")
        return 0
    questions: dict[str, list[str]] = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    first = third = 0
    for (query, answers), hits in zip(questions.items(), search(site, list(map(str, questions))), strict=True):
        rank = next((i for i, (page, anchor, *_) in enumerate(hits, 1) if answered(page, anchor, answers)), 0)
        first += rank == 1
        third += 1 <= rank <= 3
        shown = ", ".join(page + anchor for page, anchor, *_ in hits[:3])
        print(f"{'ok  ' if 1 <= rank <= 3 else 'FAIL'} {rank or '-'} {query}: {shown}")
    print(f"docs-search: {first} of {len(questions)} at rank 1, {third} among the first three")
    return 0 if third == len(questions) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
