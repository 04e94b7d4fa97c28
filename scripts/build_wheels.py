"""Build the wheel of every distribution into dist/, each from a copy of its own folder.

    python scripts/build_wheels.py [--output FOLDER]

Builds are reproducible: the same sources, build tools and SOURCE_DATE_EPOCH give the same bytes. SOURCE_DATE_EPOCH
(seconds since 1970) becomes the time of every file in a wheel; by default it is the time of the last commit.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from distributions import ROOT, Distribution, discover
from environments import CommandError, create, install, run

DIST = ROOT / "dist"
#: Not copied from the top of a distribution's folder: hidden files, what builds and runs write, other distributions.
EXCLUDED = re.compile(r"\.(?!gitignore$)|(plugins|dist|build|runs|benchmarks)$")
#: The time of a wheel's files if nothing gives one; zip files cannot hold times before 1980.
DEFAULT_EPOCH = "1577836800"


def build_all(dist: Path = DIST) -> dict[str, Path]:
    """Build every wheel, two at a time, and return them by distribution.

    Raises
    ------
    CommandError
        If a wheel cannot be built.
    """
    known = discover()
    dist.mkdir(parents=True, exist_ok=True)
    for stale in dist.glob("graphnet*.whl"):
        stale.unlink()
    with tempfile.TemporaryDirectory(prefix="wheels-") as work, ThreadPoolExecutor(max_workers=2) as workers:
        python = build_tools(Path(work) / "tools", list(known.values()))
        build_one = partial(build, python=python, work=Path(work), dist=dist)
        return dict(zip(known, workers.map(build_one, known.values()), strict=True))


def build_tools(folder: Path, distributions: list[Distribution]) -> Path:
    """Create an environment with everything that the distributions' builds require; return its Python."""
    python = create(folder)
    install(python, "build", *sorted({name for each in distributions for name in each.build_requires}))
    return python


def build(distribution: Distribution, python: Path, work: Path, dist: Path) -> Path:
    """Build one wheel from a copy outside the checkout, move it to ``dist`` and print its size."""
    source, out = work / distribution.name, work / f"{distribution.name}-wheel"
    shutil.copytree(distribution.folder, source, ignore=partial(_excluded, distribution.folder))
    command = [str(python), "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    run(command, folder=work, variables={"SOURCE_DATE_EPOCH": source_date_epoch()})
    (built,) = out.glob("*.whl")
    wheel = Path(shutil.move(built, dist / built.name))
    with zipfile.ZipFile(wheel) as archive:
        count = len(archive.namelist())
    print(f"built {wheel.name} ({count} files, {wheel.stat().st_size / 1024:.0f} kB)", flush=True)
    return wheel


def source_date_epoch() -> str:
    """Return SOURCE_DATE_EPOCH from the environment, or the time of the last commit."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return DEFAULT_EPOCH
    return done.stdout.strip() or DEFAULT_EPOCH


def _excluded(folder: Path, visited: str, names: list[str]) -> set[str]:
    """Names that are not copied; EXCLUDED holds at the top only, because a package may contain ``plugins``."""
    return {name for name in names if name == "__pycache__" or (Path(visited) == folder and EXCLUDED.match(name))}


def main(arguments: list[str]) -> int:
    """Build every wheel; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=DIST, help="the folder of the wheels (default: dist)")
    try:
        build_all(parser.parse_args(arguments).output)
    except CommandError as error:
        print(f"a wheel cannot be built:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
