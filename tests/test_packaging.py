"""The four distributions fit together, and say what they must."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ("recurrent", "conv", "activations")
FOLDERS = (ROOT, *(ROOT / "plugins" / name for name in PLUGINS))


def pyproject(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def module_folder(folder):
    (package,) = pyproject(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return folder / package


def test_the_four_share_one_version_and_the_changelog_knows_it():
    versions = {pyproject(folder)["project"]["version"] for folder in FOLDERS}
    assert len(versions) == 1
    assert f"\n## {versions.pop()}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_installed_is_this_version(folder):
    project = pyproject(folder)["project"]
    assert importlib.metadata.version(project["name"]) == project["version"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_metadata_are_complete(folder):
    project = pyproject(folder)["project"]
    assert len(project["description"]) > 20 and project["keywords"] and project["authors"]
    assert project["license"] == "MIT" and project["requires-python"] == ">=3.11"
    assert "Typing :: Typed" in project["classifiers"]
    assert project["optional-dependencies"]["test"]
    assert len((folder / project["readme"]).read_text(encoding="utf-8")) > 200


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_package_is_typed(folder):
    assert (module_folder(folder) / "__init__.py").is_file()
    assert (module_folder(folder) / "py.typed").is_file()


def test_the_licence_is_there():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text


@pytest.mark.parametrize("name", PLUGINS)
def test_each_plugin_needs_graphnet_alone(name):
    assert pyproject(ROOT / "plugins" / name)["project"]["dependencies"] == ["graphnet>=0.1"]


@pytest.mark.parametrize("name", PLUGINS)
def test_each_plugin_is_found_by_its_entry_point(name):
    declared = pyproject(ROOT / "plugins" / name)["project"]["entry-points"]
    assert declared == {"graphnet": {name: f"graphnet_{name}.plugin"}}
    (entry,) = importlib.metadata.entry_points(group="graphnet", name=name)
    assert entry.dist.name == f"graphnet-{name}"
    assert any(callable(hook) for key, hook in vars(entry.load()).items() if key.startswith("graphnet_"))


def test_the_command_line_is_declared():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="graphnet")
    assert callable(entry.load())


def test_every_extra_with_a_package_of_its_own_is_named_where_it_is_missed():
    extras = pyproject(ROOT)["project"]["optional-dependencies"]
    named = {
        extra
        for file in (ROOT / "graphnet").rglob("*.py")
        for extra in re.findall(r"graphnet\[(\w+)\]", file.read_text(encoding="utf-8"))
    }
    assert "digits" in named and named <= set(extras)


def test_only_the_root_configures_the_tools():
    for name in PLUGINS:
        assert set(pyproject(ROOT / "plugins" / name)["tool"]) == {"hatch"}
    strays = ("setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", ".flake8")
    assert [str(folder / stray) for folder in FOLDERS for stray in strays if (folder / stray).exists()] == []


@pytest.mark.parametrize("name", PLUGINS)
def test_the_example_in_each_plugins_readme_runs(name):
    text = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    results = {}
    exec(program, results)
    for variable, shape in re.findall(r"^(\w+) = .*?# \(([\d, ]+)\)", program, flags=re.MULTILINE):
        assert results[variable].shape == tuple(int(size) for size in shape.split(",")), variable
    assert np.all(np.isfinite(results["error"]))
