"""Run every block of docs/plugins.md, in order, in a clean environment outside the checkout.

    python scripts/follow_guide.py

Shell blocks run in one shell session; a block below a path is written to that file. The exit code is 1 if a command
fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from build_wheels import build_all
from distributions import ROOT
from environments import LEAKS, CommandError, create, install

GUIDE = ROOT / "docs" / "plugins.md"
#: The distributions that the guide expects to be installed.
NEEDED = ("graphnet-framework", "graphnet-recurrent")
_BLOCK = re.compile(r"(?:^`(?P<path>[\w./-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of the page: shell commands, or a file with its path."""

    line: int
    kind: str
    text: str
    path: str | None


def blocks(page: Path = GUIDE) -> list[Block]:
    """Return the blocks of a page, in order.

    Raises
    ------
    ValueError
        If a block is neither shell commands nor a file.
    """
    text = page.read_text(encoding="utf-8")
    result = [
        Block(text[: m.start("text")].count("\n"), m["kind"], m["text"], m["path"]) for m in _BLOCK.finditer(text)
    ]
    for block in result:
        if (block.kind == "bash") == (block.path is not None):
            raise ValueError(f"{page.name}:{block.line}: neither shell commands nor a file below its path")
    return result


def follow(page: Path, python: Path, folder: Path, report: Callable[[str], object]) -> None:
    """Run the blocks of a page, starting in ``folder``, and report each; raise CommandError if one fails."""
    current = folder
    for block in blocks(page):
        if block.path is not None:
            target = current / block.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
            report(f"{page.name}:{block.line}: wrote {block.path}")
            continue
        current = _shell(block, page, python, current, report)


def _shell(block: Block, page: Path, python: Path, folder: Path, report: Callable[[str], object]) -> Path:
    """Run one block; return the folder in which the shell ended."""
    environment = {name: value for name, value in os.environ.items() if name not in LEAKS}
    environment |= {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONNOUSERSITE": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    with tempfile.NamedTemporaryFile("r") as last_folder:
        script = f"set -euo pipefail\n{block.text}\npwd > {last_folder.name}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"{page.name}:{block.line}:\n{block.text}\n{done.stdout}\n(exit code {done.returncode})")
        report(f"{page.name}:{block.line}: ran\n{_last(done.stdout)}")
        return Path(last_folder.read().strip())


def _last(text: str, lines: int = 6) -> str:
    return "\n".join(f"    {line[:160]}" for line in text.rstrip().splitlines()[-lines:])


def follow_guide(wheels: dict[str, Path], work: Path, report: Callable[[str], object]) -> None:
    """Install what the guide expects into a new environment, and run the guide; raise CommandError if it fails."""
    python = create(work / "venv", pip=True)
    install(python, *(str(wheels[name]) for name in NEEDED))
    (work / "reader").mkdir()
    follow(GUIDE, python, work / "reader", report)


def main() -> int:
    """Build the wheels and follow the guide; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="guide-") as work:
            follow_guide(build_all(), Path(work), partial(print, flush=True))
    except CommandError as error:
        print(f"a block of the guide failed:\n{error}")
        return 1
    print(f"docs/{GUIDE.name}: every block ran")
    return 0


if __name__ == "__main__":
    sys.exit(main())
