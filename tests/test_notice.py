"""NOTICE lists every script, style sheet and font, with version, hash and licence of what others wrote."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

import graphnet
from graphnet.models.pages.html import page

ROOT = Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
KINDS = (".js", ".mjs", ".css", ".woff", ".woff2", ".ttf", ".otf", ".wasm")
OWN = "Part of graphnet, under the MIT License."

if not NOTICE.exists():
    pytest.skip("not a checkout", allow_module_level=True)


def files():
    """The files of the repository; without git, those below the folders that have sources."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return [path for path in done.stdout.splitlines() if (ROOT / path).exists()]
    return [
        path.relative_to(ROOT).as_posix() for top in ("graphnet", "docs", "tests") for path in (ROOT / top).rglob("*")
    ]


def test_every_bundled_file_is_listed():
    there = {path for path in files() if path.endswith(KINDS)}
    listed = set(re.findall(r"^  (\S+/[^/\s]+)(?:\s|$)", NOTICE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {path for path in there if not path.startswith("docs/")} <= listed <= there, "list new files in NOTICE"
    assert "graphnet/models/pages/page.js" in listed


def test_files_begin_with_their_licence_and_those_of_others_are_what_they_were():
    text = NOTICE.read_text(encoding="utf-8")
    for path in files():
        if not path.endswith(KINDS) or f"  {path}" not in text:
            continue
        content = (ROOT / path).read_bytes()
        if OWN in content.decode().partition("\n")[0]:
            continue
        entry = text.partition(f"  {path}\n")[2].partition("\n\n")[0]
        assert hashlib.sha256(content).hexdigest() == re.search(r"sha256 (\w{64})", entry)[1], path
        name, version = re.search(r"(\S+) (\d+\.\d+\.\d+), Copyright", entry).groups()
        assert f"v{version}" in content.decode()[:200] and name.startswith("axe")
        licence = re.search(r"(\S+/LICENSE)\b", entry)[1]
        assert (ROOT / licence).read_text(encoding="utf-8").startswith("Mozilla Public License, version 2.0")


@pytest.mark.parametrize("kind", ["page", "trace"])
def test_a_page_names_version_and_licence_and_has_only_own_scripts(kind):
    text = page({}, "a", kind)
    assert f'<meta name="generator" content="graphnet {graphnet.__version__}, MIT License">' in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert OWN in script.partition("\n")[0] and OWN in style.partition("\n")[0]
    assert not re.search(r"@font-face|@import|url\(", style)
