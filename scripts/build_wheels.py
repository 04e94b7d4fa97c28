"""Build the wheel of every distribution into dist/, each from a copy of its own folder alone.

python scripts/build_wheels.py
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from distributions import ROOT, Distribution, discover
from environments import CommandError, create, install, run

DIST = ROOT / "dist"
# A distribution is what lies in its folder, less what is made there and less the other distributions.
LEFT_OUT = re.compile(r"\.(?!gitignore$)|(plugins|dist|build|runs|benchmarks)$")


def build_all(dist: Path = DIST) -> dict[str, Path]:
    """Build every wheel, two at a time; returns them by distribution. Raises CommandError."""
    dist.mkdir(exist_ok=True)
    for stale in dist.glob("graphnet*"):
        stale.unlink()
    with tempfile.TemporaryDirectory(prefix="wheels-") as work, ThreadPoolExecutor(max_workers=2) as workers:
        python = create(Path(work) / "tools")
        install(python, "build")
        build_one = partial(build, python=python, work=Path(work), dist=dist)
        known = discover()
        return dict(zip(known, workers.map(build_one, known.values()), strict=True))


def build(distribution: Distribution, python: Path, work: Path, dist: Path) -> Path:
    """Build one wheel from a copy outside the checkout, and say what it holds."""
    source, out = work / distribution.name, work / f"{distribution.name}-wheel"
    shutil.copytree(distribution.folder, source, ignore=partial(_ignore, distribution.folder))
    run([str(python), "-m", "build", "--wheel", "--outdir", str(out), str(source)], folder=work)
    (made,) = out.glob("*.whl")
    wheel = Path(shutil.move(made, dist / made.name))
    files = len(zipfile.ZipFile(wheel).namelist())
    print(f"built {wheel.name} ({files} files, {wheel.stat().st_size / 1024:.0f} kB)", flush=True)
    return wheel


def _ignore(folder: Path, visited: str, names: list[str]) -> set[str]:
    """What not to copy: a name of LEFT_OUT at the top only, for a package inside may well be called ``plugins``."""
    return {name for name in names if name == "__pycache__" or (Path(visited) == folder and LEFT_OUT.match(name))}


if __name__ == "__main__":
    try:
        build_all()
    except CommandError as error:
        sys.exit(f"a wheel could not be built:\n{error}")
