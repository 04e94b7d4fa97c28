"""The arrows between the parts go one way, and importing graphnet stays cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))

# Distributions that are released together with the core, whose programs and plans they compile.
BACKENDS = {"native", "onnx"}
# graphnet's own dependencies come with it; of these a layer may want the numerical ones.
WITH_GRAPHNET = {"numpy", "pluggy", "networkx"}
# The core computes: it reads no file, knows no plugin and prints nothing.
CORE_MAY_USE = {"numpy", "networkx", "threadpoolctl"}


def imported(text, module=""):
    """Every module name that a source imports, anywhere in it; ``from a import b`` gives ``a.b``.

    ``module`` is the package that relative imports start from.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: len(module.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def under(name, package):
    return name == package or name.startswith(f"{package}.")


def core_faults(text, module="graphnet.core"):
    names = [name for name in imported(text, module) if not under(name, "graphnet.core")]
    roots = {name: name.split(".")[0] for name in names}
    return [name for name in names if roots[name] not in CORE_MAY_USE and roots[name] not in sys.stdlib_module_names]


def plugin_faults(text, own, declared=(), module="", core=False):
    """What a plugin's source imports and may not.

    ``declared``: import names that its pyproject allows; ``core``: a backend of this repository, which runs programs.
    """
    allowed = {own, "graphnet", *declared, *WITH_GRAPHNET}
    faults = []
    for name in imported(text, module or own):
        first, *rest = name.split(".")
        hidden = first == "graphnet" and (
            (rest[:1] == ["core"] and not core) or any(re.match("_(?!_)", part) for part in rest)
        )
        if hidden or (first not in allowed and first not in sys.stdlib_module_names):
            faults.append(name)
    return faults


def sources(folder, package):
    """Each source of a package with the dotted name of the package that it lies in."""
    for file in sorted(folder.rglob("*.py")):
        yield file, ".".join([package, *file.relative_to(folder).parent.parts])


def test_the_core_imports_nothing_of_graphnet_outside_itself():
    folder = ROOT / "graphnet" / "core"
    found = {
        str(file): core_faults(file.read_text(encoding="utf-8"), module)
        for file, module in sources(folder, "graphnet.core")
    }
    assert len(found) > 10
    assert {file: faults for file, faults in found.items() if faults} == {}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_imports_public_names_and_what_its_pyproject_says(plugin):
    project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.match(r"[\w.-]+", text).group().replace("-", "_") for text in project["dependencies"]}
    own = project["name"].replace("-", "_")
    found = {
        str(file): plugin_faults(file.read_text(encoding="utf-8"), own, declared, module, core=plugin.name in BACKENDS)
        for file, module in sources(plugin / "src" / own, own)
    }
    assert found
    assert {file: faults for file, faults in found.items() if faults} == {}


def test_graphnet_itself_imports_no_plugin():
    files = (ROOT / "graphnet").rglob("*.py")
    names = {name for file in files for name in imported(file.read_text(encoding="utf-8"))}
    assert [name for name in names if name.startswith("graphnet_")] == []


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("from graphnet.core.errors import ShapeError\nfrom . import graph\nfrom .shapes import Shape", []),
        ("import numpy as np\nimport networkx\nimport difflib", []),
        ("from graphnet.optimizers import Sgd", ["graphnet.optimizers.Sgd"]),
        ("import graphnet", ["graphnet"]),
        ("from graphnet import seed", ["graphnet.seed"]),
        ("from .. import layers", ["graphnet.layers"]),
        ("def later():\n    import yaml", ["yaml"]),
        ("if TYPE_CHECKING:\n    from graphnet_conv import Conv", ["graphnet_conv.Conv"]),
    ],
)
def test_what_the_core_may_not_import_is_caught(text, faults):
    assert core_faults(text) == faults


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("import graphnet\nfrom graphnet import Layer, __version__\nfrom graphnet.plugins import hookimpl", []),
        ("from graphnet_mine.cells import cell\nfrom .cells import cell\nimport numpy, math", []),
        ("from graphnet_declared import Thing", []),
        ("from graphnet.core.describe.layer import Layer", ["graphnet.core.describe.layer.Layer"]),
        ("from graphnet import core", ["graphnet.core"]),
        ("from graphnet.io._yaml import read", ["graphnet.io._yaml.read"]),
        ("from graphnet import _hidden", ["graphnet._hidden"]),
        ("def f():\n    from graphnet_other import Thing", ["graphnet_other.Thing"]),
        ("import scipy.special", ["scipy.special"]),
    ],
)
def test_what_a_plugin_may_not_import_is_caught(text, faults):
    assert plugin_faults(text, "graphnet_mine", ["graphnet_declared"]) == faults


HEAVY = {"matplotlib", "optuna", "sklearn", "scipy", "torch", "rich", "graphnet_recurrent", "graphnet_conv"}


@pytest.mark.no_plugins
def test_importing_graphnet_loads_nothing_heavy():
    program = f"import sys, graphnet; print(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
