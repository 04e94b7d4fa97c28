"""Virtual environments, and commands in them that see nothing of the checkout or of the caller's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

# What would let a command find modules or settings outside its own environment.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "VIRTUAL_ENV", "PIP_USER")


class CommandError(Exception):
    """A command failed; the text is what it printed."""


def create(folder: Path) -> Path:
    """A fresh virtual environment with pip; returns its Python."""
    venv.create(folder, with_pip=True, clear=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def install(python: Path, *requirements: str) -> None:
    """Install into the environment of ``python``; raises CommandError with pip's words."""
    run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])


def run(command: list[str], folder: Path | None = None) -> str:
    """Run a command, and return what it printed; raises CommandError where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in LEAKS}
    environment |= {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
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
