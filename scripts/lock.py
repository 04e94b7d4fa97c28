"""Lock the packages that `make test` installs, with hashes: writes requirements.lock.

    python scripts/lock.py            resolve again and write the file (needs uv: pip install uv)
    python scripts/lock.py --check    exit with 1 if a pyproject.toml asks for what the file does not have

The lock serves every supported Python (environment markers) and has the hashes of all wheels and archives of each
version, so that ``pip install --require-hashes -r requirements.lock`` refuses anything else. graphnet's own
distributions are not in it: they are installed from their folders, without their dependencies.
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
#: The extras that `make test` installs.
EXTRAS = ("test", "dev", "plot", "report", "digits", "forecast", "data", "sweep", "keras")
#: The lowest Python that the lock serves.
PYTHON = "3.11"
HEADER = """\
# Written by `python scripts/lock.py`: what `make test` installs besides graphnet's own distributions.
# pip install --require-hashes -r requirements.lock
"""


def requirements() -> list[str]:
    """Return what the distributions of this checkout need to be built, tested and used, without each other."""
    own = set(discover())
    wanted = {"editables>=0.5"}  # what hatchling needs to install a folder as editable
    for distribution in discover().values():
        project = tomllib.loads((distribution.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        wanted.update(distribution.dependencies, distribution.build_requires)
        wanted.update(each for name in EXTRAS for each in extras.get(name, ()))
    return sorted(each for each in wanted if normalized(each) not in own)


def locked() -> dict[str, str]:
    """Return the versions in the lock by distribution; the lowest if there are several."""
    lines = re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return {normalized(name): version for name, version in reversed(lines)}


def unmet() -> list[str]:
    """Return the requirements that the lock does not meet."""
    from packaging.requirements import Requirement

    there = locked()
    return [
        each
        for each in requirements()
        if not Requirement(each).specifier.contains(there.get(normalized(each), "0"), prereleases=True)
    ]


def write() -> None:
    """Resolve, and write the lock."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise SystemExit("uv was not found: pip install uv")
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join(requirements()))
        wanted.flush()
        command = [uv, "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        options = ["--python-version", PYTHON, "--no-config", "--upgrade", wanted.name]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    LOCK.write_text(HEADER + done.stdout, encoding="utf-8")
    print(f"wrote {LOCK.name}: {len(locked())} packages")


def main() -> int:
    """Write or check the lock; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only check that it meets every pyproject.toml")
    if not parser.parse_args().check:
        write()
    missing = unmet()
    if missing:
        print(f"{LOCK.name} does not meet {', '.join(missing)}; run: python scripts/lock.py")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
