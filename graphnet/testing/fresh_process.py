"""Running a model in a new process, from its files.

A process of ``graphnet.testing.model_process`` runs one model. Where forking is safe (Linux), one server process
imports graphnet, loads the plugins and forks a new process for each model, which takes a twentieth of the time; the
server itself never runs a layer. Another module path or environment has another server.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.distribution import NAME
from graphnet.core.run.runner import Runner
from graphnet.io import save_weights, write_model, write_npz
from graphnet.plugins import discovery, manager
from graphnet.testing.failures import fault, short

MODULE = "graphnet.testing.model_process"
#: One thread each: a process that has started BLAS threads cannot be forked safely.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

#: Variables that change with every test and that no plugin reads.
PER_TEST = frozenset({"PYTEST_CURRENT_TEST"})


def importable(layer: type[Layer]) -> bool:
    """Return whether another process can import the class: it is at the top level of a module that has a file."""
    module = sys.modules.get(layer.__module__)
    same = getattr(module, layer.__qualname__, None) if "." not in layer.__qualname__ else None
    return same is layer and layer.__module__ != "__main__" and bool(getattr(module, "__file__", None))


def outputs(
    folder: Path, layer: type[Layer], runner: Runner, values: dict[str, np.ndarray], first: Graph | None = None
) -> dict[str, np.ndarray]:
    """Return the outputs of a model in the test phase, computed by a new process from files in ``folder``.

    The process runs the graph ``first``, if there is one, before the model.

    Raises
    ------
    Fault
        If the process fails; with the last line of its standard error.
    """
    entry = manager().registry.entry_of(layer)
    write_model(folder / "model.yaml", runner.completed())
    if first is not None:
        write_model(folder / "first.yaml", first)
    save_weights(folder / "weights.safetensors", runner)
    write_npz(folder / "inputs.npz", values)
    installed = any(each.distribution == entry.distribution for each in discovery.installed())
    installed = installed or entry.distribution == NAME
    module = sys.modules[layer.__module__]
    description = {
        "path": sys.path,
        "environment": dict(os.environ),
        "module": layer.__module__,
        "file": None if installed else str(module.__file__),
        "name": layer.__qualname__,
        "owner": [entry.distribution, entry.version],
    }
    (folder / "description.json").write_text(json.dumps(description), encoding="utf-8")
    code, message = SERVER.run(folder) if sys.platform == "linux" else _run_alone(folder)
    if code:
        last_line = message.strip().splitlines()[-1:] or message
        raise fault(f"a new process cannot run it from its files: {short(last_line)}")
    with np.load(folder / "outputs.npz") as saved:
        return {name: np.array(saved[name]) for name in saved.files}


def _environment() -> dict[str, str]:
    """Return the environment of a process that finds the same modules as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _run_alone(folder: Path) -> tuple[int, str]:
    """Run the model in ``folder`` in a process of its own; return the exit code and the standard error."""
    command = [sys.executable, "-m", MODULE, str(folder)]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


class ForkServer:
    """A process that forks a new process for each model; started with the first one, ended with this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the process: a forked child of this process must not use its pipes."""
        self._process: subprocess.Popen[str] | None = None
        self._setting: tuple[list[str], dict[str, str]] | None = None
        self._lock = threading.Lock()
        self._ready = False

    @property
    def pid(self) -> int | None:
        """The identifier of the process; None before the first model."""
        return None if self._process is None else self._process.pid

    def run(self, folder: Path) -> tuple[int, str]:
        """Run the model in ``folder`` in a new process; return the exit code and the standard error."""
        with self._lock:
            process = self._started()
            if not self._ready:
                return _run_alone(folder)
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it was killed: there is no answer
                print(json.dumps(str(folder)), file=process.stdin, flush=True)
            answer = process.stdout.readline()
        if not answer:
            return _run_alone(folder)
        return int(answer), (folder / "stderr.txt").read_text(encoding="utf-8")

    def _started(self) -> subprocess.Popen[str]:
        """Return the server of the current module path and environment; start it if there is none.

        It is ready unless loading the plugins ends it or starts threads, with which forking is not safe.
        """
        setting = list(sys.path), {name: value for name, value in os.environ.items() if name not in PER_TEST}
        same = self._process is not None and setting == self._setting
        if self._process is None or not same or (self._ready and self._process.poll() is not None):
            self.stop()
            command = [sys.executable, "-m", MODULE, "--serve", json.dumps(sys.path)]
            environment = {**_environment(), **ONE_THREAD}
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert self._process.stdout is not None
            self._setting, self._ready = setting, self._process.stdout.readline() == "ready\n"
            atexit.unregister(self.stop)
            atexit.register(self.stop)
        return self._process

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


SERVER = ForkServer()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SERVER.reset)
