"""Lock the packages that `make test` and `make docs` install, with hashes: requirements.lock, docs/requirements.lock.

    python scripts/lock.py            resolve again and write the files (needs uv: pip install uv)
    python scripts/lock.py --docs     the same for docs/requirements.lock only
    python scripts/lock.py --check    exit with 1 if a pyproject.toml asks for what the files do not have

The packages of the manual have a lock of their own, so that tests do not install Sphinx; it takes the versions of
requirements.lock for what both have. A lock serves every supported Python (environment markers) and has the hashes of
all wheels and archives of each version, so that ``pip install --require-hashes -r requirements.lock`` refuses anything
else. graphnet's own distributions are not in it: they are installed from their folders, without their dependencies.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from distributions import ROOT, discover, normalized

LOCK = ROOT / "requirements.lock"
DOCS_LOCK = ROOT / "docs" / "requirements.lock"
#: The extras that `make test` and `make docs` install.
EXTRAS = {
    LOCK: ("test", "dev", "plot", "report", "digits", "forecast", "data", "sweep", "keras"),
    DOCS_LOCK: ("docs", "plot", "report", "digits", "sweep"),
}
#: Distributions that no lock has: `make setup` leaves them out, because of what they install.
BY_HAND = ("graphnet-ray",)
#: The lowest Python that the lock serves.
PYTHON = "3.11"
HEADER = """\
# Written by `python scripts/lock.py`: what `make {target}` installs besides graphnet's own distributions.
# pip install --require-hashes -r {path}
"""


def requirements(lock: Path = LOCK) -> list[str]:
    """Return what the distributions of this checkout need for the purpose of a lock, without each other."""
    own = set(discover())
    wanted = {"editables>=0.5"}  # what hatchling needs to install a folder as editable
    for distribution in discover().values():
        if distribution.name in BY_HAND:
            continue
        project = tomllib.loads((distribution.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        wanted.update(distribution.dependencies, distribution.build_requires)
        wanted.update(each for name in EXTRAS[lock] for each in extras.get(name, ()))
    return sorted(each for each in wanted if normalized(each) not in own)


def locked(lock: Path = LOCK) -> dict[str, str]:
    """Return the versions in a lock by distribution; the lowest if there are several."""
    lines = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {normalized(name): version for name, version in reversed(lines)}


def unmet(lock: Path = LOCK) -> list[str]:
    """Return the requirements that a lock does not meet."""
    from packaging.requirements import Requirement

    there = locked(lock)
    return [
        each
        for each in requirements(lock)
        if not Requirement(each).specifier.contains(there.get(normalized(each), "0"), prereleases=True)
    ]


def write(lock: Path = LOCK) -> None:
    """Resolve, and write a lock."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise SystemExit("uv was not found: pip install uv")
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join(requirements(lock)))
        wanted.flush()
        command = [uv, "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        options = ["--python-version", PYTHON, "--no-config", "--upgrade", wanted.name]
        if lock != LOCK:
            options += ["--constraints", str(LOCK)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    path = lock.relative_to(ROOT).as_posix()
    header = HEADER.format(target="test" if lock == LOCK else "docs", path=path)
    lock.write_text(header + done.stdout, encoding="utf-8")
    print(f"wrote {path}: {len(locked(lock))} packages")


def main() -> int:
    """Write or check the locks; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only check that they meet every pyproject.toml")
    parser.add_argument("--docs", action="store_true", help="only the lock of the manual")
    options = parser.parse_args()
    wrong = 0
    for lock in (DOCS_LOCK,) if options.docs else (LOCK, DOCS_LOCK):
        if not options.check:
            write(lock)
        if missing := unmet(lock):
            print(f"{lock.relative_to(ROOT)} does not meet {', '.join(missing)}; run: python scripts/lock.py")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
