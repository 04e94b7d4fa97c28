"""Prove that each distribution stands alone: build every wheel, and test it where nothing else is.

    python scripts/clean_environments.py

Every plugin's suite runs in a fresh virtual environment that holds its wheel, what that depends on and the test tools
(its extra ``test``); the core's tests marked ``no_plugins`` run where graphnet is installed with no plugin. The same
for strangers: the plugins of examples/third_party, and one that ``graphnet new-plugin`` has just written; these also
pass ``graphnet check``. The tests are copied out of the checkout, so nothing can be imported from there. Exits with 1
where anything fails.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from build_wheels import build, build_all
from distributions import ROOT, Distribution, discover, needed, read
from environments import CommandError, create, install, run

CORE = "graphnet"


@dataclass(frozen=True)
class Suite:
    """The tests of one distribution: the files to copy from its folder, and pytest's arguments."""

    distribution: Distribution
    files: tuple[Path, ...]
    arguments: tuple[str, ...] = ()
    stranger: bool = False

    @property
    def configuration(self) -> Path:
        """The file that configures pytest: a stranger has one of its own."""
        return (self.distribution.folder if self.stranger else ROOT) / "pyproject.toml"


def suites(known: dict[str, Distribution]) -> list[Suite]:
    """The core's marked tests (a file that has some may import no plugin), then every plugin's whole suite."""
    core = known[CORE]
    marked = [file for file in core.tests.rglob("test_*.py") if "no_plugins" in file.read_text(encoding="utf-8")]
    support = core.tests.rglob("conftest.py")
    plugins = [one for one in known.values() if one.name != CORE]
    return [
        Suite(core, (*marked, *support), ("-m", "no_plugins")),
        *(Suite(one, tuple(file for file in one.tests.rglob("*") if file.is_file())) for one in plugins),
    ]


def strangers(work: Path, wheels: dict[str, Path]) -> list[Suite]:
    """The plugins of examples/third_party, and a new one, written by the command."""
    python = create(work / "writer")
    install(python, str(wheels[CORE]))
    run([str(python), "-m", "graphnet", "new-plugin", "brand-new", "--output", str(work / "brand-new")], folder=work)
    files = [*sorted(ROOT.glob("examples/third_party/*/pyproject.toml")), work / "brand-new" / "pyproject.toml"]
    return [Suite(one, tuple(one.tests.rglob("*.py")), stranger=True) for one in map(read, files)]


def build_strangers(found: list[Suite], work: Path) -> dict[str, Path]:
    """The wheels of strangers, by distribution; not among ours."""
    python, dist = create(work / "builder"), work / "wheels"
    install(python, "build")
    dist.mkdir()
    return {s.distribution.name: build(s.distribution, python, work / "builds", dist) for s in found}


def check(suite: Suite, wheels: dict[str, Path], known: dict[str, Distribution], work: Path) -> bool:
    """Run one suite in an environment of its own, and print what was there and what came out."""
    name = suite.distribution.name
    try:
        report = _run(suite, [str(wheels[one]) for one in needed(name, known)], work / name)
    except CommandError as error:
        print(f"\n=== {name}: FAILED\n{error}", flush=True)
        return False
    print(f"\n=== {name}: passed\n{report.rstrip()}", flush=True)
    return True


def _run(suite: Suite, wheels: list[str], work: Path) -> str:
    _copy(suite, work / "suite")
    python = create(work / "venv")
    install(python, f"{wheels[0]}[test]", *wheels[1:])
    present = _present(python)
    if sorted(present) != sorted(_names(wheels)):
        raise CommandError(f"expected only {_names(wheels)} of this project, found {sorted(present)}")
    held = f"installed: {', '.join(present.values())}"
    # With PYTHONSAFEPATH set, the current folder is not on the module path: only what is installed can be imported.
    tested = run([str(python), "-m", "pytest", "-p", "no:cacheprovider", *suite.arguments, "tests"], work / "suite")
    if suite.stranger:
        tested += run([str(python), "-m", "graphnet", "check", suite.distribution.name], work)
    return f"{held}\n{tested}"


def _copy(suite: Suite, target: Path) -> None:
    """The tests, and the file that configures pytest."""
    for file in suite.files:
        if "__pycache__" not in file.parts:
            copy = target / "tests" / file.relative_to(suite.distribution.tests)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    if not list(target.rglob("test_*.py")):
        raise CommandError(f"there are no tests in {suite.distribution.tests.relative_to(ROOT)}")
    shutil.copyfile(suite.configuration, target / "pyproject.toml")


def _present(python: Path) -> dict[str, str]:
    """The distributions of this project in an environment: name to name and version."""
    listed = json.loads(run([str(python), "-m", "pip", "list", "--disable-pip-version-check", "--format=json"]))
    ours = [one for one in listed if one["name"].lower().startswith(CORE)]
    return {one["name"].lower().replace("_", "-"): f"{one['name']} {one['version']}" for one in ours}


def _names(wheels: list[str]) -> list[str]:
    return [Path(wheel).name.split("-")[0].replace("_", "-") for wheel in wheels]


def main() -> int:
    """Build, run every suite (two at a time), sum up; the exit code."""
    known = discover()
    try:
        wheels = build_all()
    except CommandError as error:
        print(f"a wheel could not be built:\n{error}")
        return 1
    with tempfile.TemporaryDirectory(prefix="suites-") as work, ThreadPoolExecutor(max_workers=2) as workers:
        planned = suites(known)
        try:
            guests = strangers(Path(work), wheels)
            wheels |= build_strangers(guests, Path(work))
        except CommandError as error:
            print(f"a stranger's wheel could not be built:\n{error}")
            return 1
        known |= {guest.distribution.name: guest.distribution for guest in guests}
        planned += guests
        passed = list(workers.map(partial(check, wheels=wheels, known=known, work=Path(work)), planned))
    for suite, good in zip(planned, passed, strict=True):
        print(f"{'passed' if good else 'FAILED'}: {suite.distribution.name} {' '.join(suite.arguments)}".rstrip())
    print(f"clean environments: {sum(passed)} of {len(passed)} suites passed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
