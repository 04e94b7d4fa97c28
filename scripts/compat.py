"""Test the supported Pythons, each with the lowest and the newest numpy that it has.

    python scripts/compat.py [--python 3.11 --python 3.12 ...] [--numpy lowest|newest]

The supported Pythons are those of the classifiers in pyproject.toml; the lowest numpy is the lower bound of its
dependencies, or the first release for that Python. With the lowest numpy, the oldest Python has the lower bound of
every other dependency too. Each combination has a new virtual environment with the wheels of this checkout; it runs the
tests of graphnet that need no plugin, the conformance checks of one plugin, and two epochs of the demo. A Python that
is not installed is reported as skipped. The exit code is 1 if a combination fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build_wheels import build_all
from clean_environments import CORE, copy_tests, core_suite
from distributions import ROOT, Distribution, discover
from environments import CommandError, create, install, run

#: The first numpy with wheels for a Python, where that is above the lower bound of the dependencies.
FIRST_NUMPY = {"3.13": "2.1.0", "3.14": "2.3.2"}
PLUGINS = ("graphnet-recurrent", "graphnet-conv", "graphnet-activations")
CHECKED_PLUGIN = "graphnet-conv"
DEMO = ROOT / "examples" / "japanese_vowels" / "model.yaml"
TOOLS = ("pytest>=8.2", "scikit-learn>=1.5")


@dataclass(frozen=True)
class Combination:
    """One Python with one choice of numpy: ``lowest`` or ``newest``."""

    python: str
    numpy: str

    def __str__(self) -> str:
        return f"Python {self.python}, {self.numpy} numpy"


def supported_pythons() -> list[str]:
    """Return the versions in the classifiers of pyproject.toml, oldest first."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    classifiers = tomllib.loads(text)["project"]["classifiers"]
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in classifiers)
    return sorted((match[1] for match in found if match), key=lambda version: int(version.split(".")[1]))


def find_python(version: str) -> Path | None:
    """Return the interpreter of a version, from PATH or from pyenv's folder; None if it is not installed."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    return next((path for path in (*map(Path, filter(None, [on_path])), *installed) if _is(path, version)), None)


def _is(python: Path, version: str) -> bool:
    """Whether an interpreter starts and has a version; a shim may name one that is not installed."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def pins(combination: Combination, core: Distribution, oldest: str) -> list[str]:
    """Return the requirements that make pip choose the lowest versions; none for the newest ones."""
    if combination.numpy == "newest":
        return []
    lowest = [requirement.replace(">=", "==") for requirement in core.dependencies]
    if combination.python == oldest:
        return lowest
    bound = next(pin for pin in lowest if pin.startswith("numpy=="))
    first = FIRST_NUMPY.get(combination.python)
    return [f"numpy=={first}" if first else bound]


@dataclass(frozen=True)
class Subject:
    """What is tested, copied from the checkout: the wheels by distribution, and a folder with the tests."""

    wheels: dict[str, Path]
    suite: Path


def test(combination: Combination, interpreter: Path, subject: Subject, required: list[str], work: Path) -> str:
    """Run the tests of one combination; return a line with what was installed and what passed.

    Raises
    ------
    CommandError
        If something fails.
    """
    python = create(work / "venv", interpreter)
    install(python, *(str(subject.wheels[name]) for name in (CORE, *PLUGINS)), *TOOLS, *required)
    versions = run([str(python), "-c", "import numpy, sys; print(sys.version.split()[0], numpy.__version__)"], work)
    tested = run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "no_plugins"], subject.suite)
    checked = run([str(python), "-m", "graphnet", "check", CHECKED_PLUGIN], work)
    shutil.copyfile(DEMO, work / DEMO.name)
    run([str(python), "-m", "graphnet", "train", DEMO.name, "--epochs", "2"], work)
    installed = "Python {}, numpy {}".format(*versions.split())
    return f"{installed}: {_last_line(tested)}; {CHECKED_PLUGIN}: {_last_line(checked)}; two epochs of the demo"


def _last_line(text: str) -> str:
    return text.rstrip().splitlines()[-1].strip("= ")[:100]


def attempt(combination: Combination, subject: Subject, oldest: str) -> bool | None:
    """Test one combination and print the result; return whether it passed, None if it was skipped."""
    interpreter = find_python(combination.python)
    if interpreter is None:
        print(f"skipped: {combination}: python{combination.python} is not installed", flush=True)
        return None
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="compat-") as work:
        required = pins(combination, discover()[CORE], oldest)
        try:
            report = test(combination, interpreter, subject, required, Path(work))
        except CommandError as error:
            print(f"FAILED: {combination}\n{error}", flush=True)
            return False
    print(f"passed: {combination} ({time.monotonic() - start:.0f} s)\n    {report}", flush=True)
    return True


def main(arguments: Sequence[str]) -> int:
    """Test every combination; return the exit code."""
    supported = supported_pythons()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", action="append", choices=supported, help="only this Python; may be repeated")
    parser.add_argument("--numpy", choices=["lowest", "newest"], help="only this choice of numpy")
    options = parser.parse_args(arguments)
    choices = [options.numpy] if options.numpy else ["lowest", "newest"]
    combinations = [Combination(python, numpy) for python in options.python or supported for numpy in choices]
    with tempfile.TemporaryDirectory(prefix="compat-") as work:
        suite = Path(work) / "suite"
        try:
            copy_tests(core_suite(discover()[CORE]), suite)
            subject = Subject(build_all(Path(work) / "wheels"), suite)
        except CommandError as error:
            print(f"a wheel cannot be built:\n{error}")
            return 1
        results = [attempt(combination, subject, supported[0]) for combination in combinations]
    print(f"compat: {results.count(True)} passed, {results.count(False)} failed, {results.count(None)} skipped")
    return 1 if False in results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
