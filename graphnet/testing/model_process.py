"""The new process of :mod:`graphnet.testing.fresh_process`: runs one model, or forks a process for each of many.

python -m graphnet.testing.model_process FOLDER
python -m graphnet.testing.model_process --serve PATH
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import traceback
import types
from pathlib import Path

import numpy as np

from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.io import load_weights, read_model, write_npz
from graphnet.plugins import PluginManager, using
from graphnet.testing.registration import extended


def serve(path: list[str]) -> None:
    """Load the plugins found on the module path, then fork a process for each folder on standard input.

    Writes ``ready`` to standard output, then the exit code of each process. Ends at once if there are several threads:
    locks that they hold would stay locked in a forked process.
    """
    sys.path[:] = path
    host = PluginManager()
    host.load()
    importlib.import_module("networkx")  # which graphnet imports when it builds the first graph
    if len(os.listdir("/proc/self/task")) > 1:
        return
    print("ready", flush=True)
    for line in sys.stdin:
        folder = Path(json.loads(line))
        child = os.fork()
        if child == 0:
            _run_forked(folder, host)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run_forked(folder: Path, host: PluginManager) -> None:
    """Run the model in ``folder`` and end the process."""
    code = 1
    try:
        with (folder / "stderr.txt").open("w", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            try:
                main(folder, host)
                code = 0
            except BaseException:
                traceback.print_exc(file=log)
    finally:
        os._exit(code)


def _module(name: str, file: str) -> types.ModuleType:
    """Import a module by name if that gives the same file, else (such as a test module) from the file."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module(name)
        if getattr(module, "__file__", None) == file:
            return module
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: Path, loaded: PluginManager | None = None) -> None:
    """Run the model in ``folder``: the entry point of the new process. Loads the plugins unless ``loaded`` has them."""
    description = json.loads((folder / "description.json").read_text(encoding="utf-8"))
    os.environ.clear()
    os.environ.update(description["environment"])
    sys.path[:] = description["path"]
    if loaded is None:
        host = PluginManager()
        host.load()
    else:
        host = loaded
    if description["file"] is not None:
        module = _module(description["module"], description["file"])
        host = extended(host, getattr(module, description["name"]), *description["owner"])
    with using(host), np.load(folder / "inputs.npz") as inputs:
        values = {name: np.array(inputs[name]) for name in inputs.files}
        if (folder / "first.yaml").exists():
            other = Runner(read_model(folder / "first.yaml").graph, backend="reference")
            other.forward({name: array.copy() for name, array in values.items()})
        runner = Runner(read_model(folder / "model.yaml").graph, backend="reference")
        runner.materialize()
        load_weights(folder / "weights.safetensors", runner)
        write_npz(folder / "outputs.npz", runner.forward(values, phase=Phase.test))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(json.loads(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
