"""Test each distribution alone: build every wheel, run its tests where nothing else is installed, and follow the guide.

    python scripts/clean_environments.py

Each plugin's suite runs in a new virtual environment with its wheel, its dependencies and the test tools (its extra
``test``); the tests of graphnet marked ``no_plugins`` run where no plugin is installed. The third-party plugins of
examples/third_party, and one that ``graphnet new-plugin`` writes, are tested in the same way and must also pass
``graphnet check``. The guide, docs/plugins.md, is followed with the same wheels. The package index is on, and every
distribution that is called ``graphnet…``, or owns a folder of that name, must come from a wheel of this checkout. The
tests are copied out of the checkout, so that nothing is imported from there. The exit code is 1 if anything fails.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from build_wheels import build, build_all, build_tools
from distributions import ROOT, Distribution, discover, needed, read
from environments import CommandError, create, install, run
from follow_guide import GUIDE, follow_guide

CORE = "graphnet-framework"
#: Lists what is installed: whether pip took it from a local file (PEP 610), and its folders named graphnet….
LISTING = """
import json
from importlib import metadata

found = []
for each in metadata.distributions():
    origin = json.loads(each.read_text("direct_url.json") or "{}").get("url", "")
    tops = {str(file).split("/")[0] for file in each.files or ()}
    owns = sorted(top for top in tops if top.startswith("graphnet") and "." not in top)
    name = each.metadata["Name"].lower().replace("_", "-")
    found.append({"name": name, "version": each.version, "local": origin.startswith("file:"), "owns": owns})
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Suite:
    """The tests of one distribution.

    Attributes
    ----------
    distribution : Distribution
    files : tuple of Path
        The files to copy from its folder of tests.
    arguments : tuple of str
        For pytest.
    third_party : bool
        Whether it has its own pytest configuration and must pass ``graphnet check``.
    """

    distribution: Distribution
    files: tuple[Path, ...]
    arguments: tuple[str, ...] = ()
    third_party: bool = False

    @property
    def configuration(self) -> Path:
        """The file that configures pytest."""
        return (self.distribution.folder if self.third_party else ROOT) / "pyproject.toml"


def core_suite(core: Distribution) -> Suite:
    """Return the tests of graphnet that need no plugin; a file with such a test imports neither plugins nor helpers."""
    marked = [file for file in core.tests.rglob("test_*.py") if "no_plugins" in file.read_text(encoding="utf-8")]
    return Suite(core, (*marked, *core.tests.rglob("conftest.py")), ("-m", "no_plugins"))


def suites(known: dict[str, Distribution]) -> list[Suite]:
    """Return the suites of this checkout: graphnet without plugins, then each plugin."""
    plugins = [distribution for distribution in known.values() if distribution.name != CORE]
    return [
        core_suite(known[CORE]),
        *(Suite(plugin, tuple(file for file in plugin.tests.rglob("*") if file.is_file())) for plugin in plugins),
    ]


def third_party_suites(work: Path, wheels: dict[str, Path]) -> list[Suite]:
    """Return the suites of examples/third_party, and of a plugin that the command has just written."""
    python = create(work / "writer")
    install(python, str(wheels[CORE]))
    run([str(python), "-m", "graphnet", "new-plugin", "brand-new", "--output", str(work / "brand-new")], folder=work)
    files = [*sorted(ROOT.glob("examples/third_party/*/pyproject.toml")), work / "brand-new" / "pyproject.toml"]
    return [Suite(plugin, tuple(plugin.tests.rglob("*.py")), third_party=True) for plugin in map(read, files)]


def build_third_party(suites: list[Suite], work: Path) -> dict[str, Path]:
    """Return the wheels of third-party plugins, by distribution."""
    distributions = [suite.distribution for suite in suites]
    python, dist = build_tools(work / "builder", distributions), work / "wheels"
    dist.mkdir()
    return {each.name: build(each, python, work / "builds", dist) for each in distributions}


def check(suite: Suite, wheels: dict[str, Path], known: dict[str, Distribution], work: Path) -> bool:
    """Run one suite in a new environment, print its report, and return whether it passed."""
    name = suite.distribution.name
    try:
        report = _run(suite, [str(wheels[other]) for other in needed(name, known)], work / name)
    except CommandError as error:
        print(f"\n=== {name}: FAILED\n{error}", flush=True)
        return False
    print(f"\n=== {name}: passed\n{report.rstrip()}", flush=True)
    return True


def _run(suite: Suite, wheels: list[str], work: Path) -> str:
    copy_tests(suite, work / "suite")
    python = create(work / "venv")
    install(python, f"{wheels[0]}[test]", *wheels[1:])
    present = installed(python)
    if sorted(present) != sorted(_names(wheels)):
        raise CommandError(f"expected only {_names(wheels)} of this project, found {sorted(present)}")
    report = f"installed: {', '.join(present.values())}\n"
    # With PYTHONSAFEPATH set, the current folder is not on the module path: only what is installed can be imported.
    report += run([str(python), "-m", "pytest", "-p", "no:cacheprovider", *suite.arguments, "tests"], work / "suite")
    if suite.third_party:
        report += run([str(python), "-m", "graphnet", "check", suite.distribution.name], work)
    return report


def copy_tests(suite: Suite, target: Path) -> None:
    """Copy the tests of a suite, and the file that configures pytest."""
    for file in suite.files:
        if "__pycache__" not in file.parts:
            copy = target / "tests" / file.relative_to(suite.distribution.tests)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    if not list(target.rglob("test_*.py")):
        raise CommandError(f"there are no tests in {suite.distribution.tests.relative_to(ROOT)}")
    shutil.copyfile(suite.configuration, target / "pyproject.toml")


def installed(python: Path) -> dict[str, str]:
    """Return the distributions of this project in an environment: ``name version`` by name.

    Raises
    ------
    CommandError
        If one that could be taken for this project's came from an index, or another one owns a folder of its name.
    """
    listed = json.loads(run([str(python), "-c", LISTING]))
    ours = [entry for entry in listed if entry["name"].startswith("graphnet") or entry["owns"]]
    strangers = [entry for entry in ours if not entry["name"].startswith("graphnet-") or not entry["local"]]
    if strangers:
        raise CommandError(f"not installed from a wheel of this checkout: {strangers}")
    return {entry["name"]: f"{entry['name']} {entry['version']}" for entry in ours}


def _names(wheels: list[str]) -> list[str]:
    return [Path(wheel).name.split("-")[0].replace("_", "-") for wheel in wheels]


def check_guide(wheels: dict[str, Path], work: Path) -> bool:
    """Follow the guide in a new environment, print its report, and return whether every block ran."""
    report: list[str] = []
    try:
        follow_guide(wheels, work / "guide", report.append)
    except CommandError as error:
        print(f"\n=== {GUIDE.name}: FAILED\n{error}", flush=True)
        return False
    print("\n".join([f"\n=== {GUIDE.name}: passed", *report]), flush=True)
    return True


def main() -> int:
    """Build every wheel, run every suite and the guide (two at a time) and print a summary; return the exit code."""
    parser = argparse.ArgumentParser(description="Test each distribution alone.")
    parser.add_argument("--without", action="append", default=[], metavar="PLUGIN", help="leave out plugins/PLUGIN")
    left_out = {f"graphnet-{name}" for name in parser.parse_args().without}
    known = {name: each for name, each in discover().items() if name not in left_out}
    with tempfile.TemporaryDirectory(prefix="suites-") as work, ThreadPoolExecutor(max_workers=2) as workers:
        try:
            wheels = build_all()
            third_party = third_party_suites(Path(work), wheels)
            wheels |= build_third_party(third_party, Path(work))
        except CommandError as error:
            print(f"a wheel cannot be built:\n{error}")
            return 1
        planned = [*suites(known), *third_party]
        # That of the recurrent layers takes longest: if it began last, one core would wait for it.
        planned.sort(key=lambda suite: suite.distribution.name != "graphnet-recurrent")
        known |= {suite.distribution.name: suite.distribution for suite in third_party}
        guide = workers.submit(check_guide, wheels, Path(work))
        passed = list(workers.map(partial(check, wheels=wheels, known=known, work=Path(work)), planned))
        followed = guide.result()
    for suite, good in zip(planned, passed, strict=True):
        print(f"{'passed' if good else 'FAILED'}: {suite.distribution.name} {' '.join(suite.arguments)}".rstrip())
    print(f"clean environments: {sum(passed)} of {len(passed)} suites passed")
    print(f"{'passed' if followed else 'FAILED'}: every block of docs/{GUIDE.name}")
    return 0 if all(passed) and followed else 1


if __name__ == "__main__":
    sys.exit(main())
