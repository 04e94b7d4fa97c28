"""Virtual environments, and commands in them that see neither the checkout nor the caller's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

#: Variables that would let a command find modules or settings outside its own environment.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "VIRTUAL_ENV", "PIP_USER")


class CommandError(Exception):
    """A command failed; the message holds its output."""


def create(folder: Path, base: Path | None = None, pip: bool = False) -> Path:
    """Create a virtual environment of the Python ``base`` (default: this one); return its Python.

    One of another Python has pip. One of this Python has it on request: that takes longer, and :func:`install` can use
    the pip of this process.
    """
    if base is None:
        venv.create(folder, with_pip=pip, clear=True)
    else:
        run([str(base), "-m", "venv", "--clear", str(folder)])
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def install(python: Path, *requirements: str) -> None:
    """Install into the environment of ``python``; raise CommandError with pip's output.

    Modules are compiled when they are imported: of what is installed, the tests import a small part.
    """
    own = any(python.parent.glob("pip*"))
    pip = [str(python), "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", str(python)]
    run([*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile", *requirements])


def run(command: list[str], folder: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output.

    Parameters
    ----------
    command : list of str
    folder : Path, optional
        Where it runs.
    variables : mapping, optional
        Environment variables to set.

    Raises
    ------
    CommandError
        If the exit code is not 0.
    """
    environment = {name: value for name, value in os.environ.items() if name not in LEAKS}
    environment |= {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", **(variables or {})}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"{' '.join(command)}\n{done.stdout.rstrip()}\n(exit code {done.returncode})")
    return done.stdout
