"""A model run in a fresh process, from its files."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.run.runner import Runner
from graphnet.testing.check import fault, short


def importable(layer: type[Layer]) -> bool:
    """Whether another process can find the class: at the top of a module that has a file."""
    module = sys.modules.get(layer.__module__)
    found = getattr(module, layer.__qualname__, None) if "." not in layer.__qualname__ else None
    return found is layer and layer.__module__ != "__main__" and bool(getattr(module, "__file__", None))


def outputs(
    folder: Path, layer: type[Layer], runner: Runner, values: dict[str, np.ndarray], first: Graph | None = None
) -> dict[str, np.ndarray]:
    """The outputs of a model in the test phase, computed by another process from files in ``folder``.

    That process uses the graph ``first`` before.

    Raises
    ------
    Fault
        If that process fails; with its last words.
    """
    from graphnet.io import save_weights, write_model, write_npz
    from graphnet.plugins import discovery, manager

    entry = manager().registry.entry_of(layer)
    write_model(folder / "model.yaml", runner.completed())
    if first is not None:
        write_model(folder / "first.yaml", first)
    save_weights(folder / "weights.safetensors", runner)
    write_npz(folder / "inputs.npz", values)
    installed = any(found.distribution == entry.distribution for found in discovery.installed())
    installed = installed or entry.distribution == "graphnet"
    module = sys.modules[layer.__module__]
    about = {
        "path": sys.path,
        "module": layer.__module__,
        "file": None if installed else str(module.__file__),
        "name": layer.__qualname__,
        "owner": [entry.distribution, entry.version],
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    command = [sys.executable, "-m", "graphnet.testing.fresh", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise fault(f"a fresh process cannot read it: {short(done.stderr.strip().splitlines()[-1:] or done.stdout)}")
    with np.load(folder / "outputs.npz") as found:
        return {name: np.array(found[name]) for name in found.files}


def _module(name: str, file: str) -> types.ModuleType:
    """A module by its name, where that leads to the same file; a test module that has no such name, by its file."""
    with contextlib.suppress(ImportError):
        found = importlib.import_module(name)
        if getattr(found, "__file__", None) == file:
            return found
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: Path) -> None:
    """What the fresh process does."""

    from graphnet.core.phase import Phase
    from graphnet.io import load_weights, read_model, write_npz
    from graphnet.plugins import PluginManager, hookimpl, using

    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    host = PluginManager()
    host.load()
    if about["file"] is not None:
        sys.path[:] = about["path"]
        module = _module(about["module"], about["file"])

        @hookimpl
        def graphnet_register_layers(register: object) -> None:
            register(getattr(module, about["name"]))  # type: ignore[operator]

        plugin = types.ModuleType("checked")
        plugin.graphnet_register_layers = graphnet_register_layers  # type: ignore[attr-defined]
        distribution, version = about["owner"]
        host.register(plugin, name="checked", distribution=distribution, version=version)
    with using(host), np.load(folder / "inputs.npz") as inputs:
        if (folder / "first.yaml").exists():
            other = Runner(read_model(folder / "first.yaml").graph, backend="reference")
            other.forward({name: np.array(inputs[name]) for name in inputs.files})
        runner = Runner(read_model(folder / "model.yaml").graph, backend="reference")
        values = {name: np.array(inputs[name]) for name in inputs.files}
        runner.materialize()
        load_weights(folder / "weights.safetensors", runner)
        write_npz(folder / "outputs.npz", runner.forward(values, phase=Phase.test))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
