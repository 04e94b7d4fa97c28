"""The distributions: metadata, typing, entry points, and what their wheels contain."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import subprocess
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

import graphnet

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ("recurrent", "conv", "activations", "native", "onnx", "ray")
#: Left out by `make setup NATIVE=0`, or by every `make setup`.
OPTIONAL = ("native", "ray")
FOLDERS = (ROOT, *(ROOT / "plugins" / name for name in PLUGINS))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pyproject(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def module_folder(folder):
    (package,) = pyproject(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return folder / package


def skip_if_left_out(name):
    if name in OPTIONAL and not list(importlib.metadata.distributions(name=f"graphnet-{name}")):
        pytest.skip(f"graphnet-{name} is not installed")


def test_distributions_share_one_version():
    versions = {pyproject(folder)["project"]["version"] for folder in FOLDERS}
    assert len(versions) == 1
    assert versions == {graphnet.__version__}
    assert f"\n## {versions.pop()}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_installed_version_is_this_version(folder):
    skip_if_left_out(folder.name)
    project = pyproject(folder)["project"]
    assert importlib.metadata.version(project["name"]) == project["version"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_metadata_are_complete(folder):
    project = pyproject(folder)["project"]
    assert len(project["description"]) > 20 and project["keywords"] and project["authors"]
    assert project["license"] == "MIT" and project["requires-python"] == ">=3.11"
    assert "Typing :: Typed" in project["classifiers"]
    assert project["optional-dependencies"]["test"]
    assert len((folder / project["readme"]).read_text(encoding="utf-8")) > 200


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_classifiers_name_supported_platforms(folder):
    classifiers = set(pyproject(folder)["project"]["classifiers"])
    assert {f"Programming Language :: Python :: {version}" for version in PYTHONS} <= classifiers
    systems = {line for line in classifiers if line.startswith("Operating System ::")}
    assert systems == {"Operating System :: POSIX :: Linux", "Operating System :: MacOS"}
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "Python 3.11 to 3.14" in text and "Windows is untested" in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_package_is_typed(folder):
    assert (module_folder(folder) / "__init__.py").is_file()
    assert (module_folder(folder) / "py.typed").is_file()


def test_licence_is_mit():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_depends_on_graphnet_and_what_it_connects(name):
    shipped = [f"graphnet-{each}>=0.1" for each in ("recurrent", "conv", "activations")]
    more = {"native": ["llvmlite>=0.44"], "onnx": [*shipped, "onnx>=1.17", "click>=8.2"], "ray": ["ray>=2.40"]}.get(
        name, []
    )
    assert pyproject(ROOT / "plugins" / name)["project"]["dependencies"] == ["graphnet-framework>=0.1", *more]


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_is_found_by_entry_point(name):
    declared = pyproject(ROOT / "plugins" / name)["project"]["entry-points"]
    backends = {"graphnet.backends": {"native": "graphnet_native.plugin"}} if name == "native" else {}
    assert declared == {"graphnet": {name: f"graphnet_{name}.plugin"}, **backends}
    skip_if_left_out(name)
    (entry,) = importlib.metadata.entry_points(group="graphnet", name=name)
    assert entry.dist.name == f"graphnet-{name}"
    assert any(callable(hook) for key, hook in vars(entry.load()).items() if key.startswith("graphnet_"))


def test_command_line_is_declared():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="graphnet")
    assert callable(entry.load())


def test_messages_name_requirements_of_extras():
    extras = {each for group in pyproject(ROOT)["project"]["optional-dependencies"].values() for each in group}
    named = {
        requirement
        for file in (ROOT / "graphnet").rglob("*.py")
        for requirement in re.findall(r"pip install '([\w-]+>=[\d.,<]+)'", file.read_text(encoding="utf-8"))
    }
    assert "scikit-learn>=1.5" in named and named <= extras


#: An instruction to install: up to the end of the command, or of the quotation around it.
INSTRUCTION = re.compile(r"pip install ([^\n`\")]+)")
#: What an index may be asked for by name.
FROM_THE_INDEX = {
    "pandas",
    "pyarrow",
    "pillow",
    "pip",
    "pytest",
    "build",
    "matplotlib",
    "twine",
    "optuna",
    "optuna>=4.2",
    "scikit-learn",
    "scikit-learn>=1.5",
    "scikit-learn>=1.6",
    "graphlay>=0.3,<0.4",
    "resvg-py>=0.3",
    "h5py",
    "statsmodels",
    "uv",
    "ray>=2.40",
}


def instructions():
    """Every instruction to install in the repository: its file, and its words."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        path = ROOT / name
        if (
            not path.is_file()
            or path.suffix not in (".md", ".py", ".tmpl", ".yaml", ".yml", "")
            or "tests" in path.parts
        ):
            continue
        for command in INSTRUCTION.findall(path.read_text(encoding="utf-8")):
            yield name, shlex.split(command.replace("'", "").replace("\\", ""), comments=True)


def test_instructions_fetch_nothing_of_graphnet_from_an_index():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    found = list(instructions())
    wrong = [
        (file, words)
        for file, words in found
        if not {"--no-index", "--no-deps", "--require-hashes"} & set(words)
        and not all(word[0] in "-./~${" or word in FROM_THE_INDEX for word in words)
    ]
    assert len(found) > 15 and wrong == []


def test_only_the_root_configures_tools():
    for name in PLUGINS:
        assert set(pyproject(ROOT / "plugins" / name)["tool"]) == {"hatch"}
    names = ("setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", ".flake8")
    assert [str(folder / name) for folder in FOLDERS for name in names if (folder / name).exists()] == []


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_readme_example_runs(name):
    text = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    results = {}
    exec(program, results)
    for variable, shape in re.findall(r"^(\w+) = .*?# \(([\d, ]+)\)", program, flags=re.MULTILINE):
        assert results[variable].shape == tuple(int(size) for size in shape.split(",")), variable
    if name not in ("onnx", "ray"):  # which have no layers
        assert np.all(np.isfinite(results["error"]))


# ---------------------------------------------------------------------- wheels
#: What pip prints if a build tool cannot be downloaded.
NO_INDEX = re.compile("No matching distribution found|Temporary failure in name resolution|ConnectionError|Retrying")


#: Built a second time: all distributions have the same build tools, and these the most kinds of files.
TWICE = ("graphnet-framework", "graphnet-native")


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """Every wheel, and some a second time: two folders with equal names."""
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("building wheels needs the standard library's ensurepip")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        from build_wheels import build, build_tools
        from distributions import discover
        from environments import CommandError

        known = discover()
        try:
            tools = build_tools(tmp_path_factory.mktemp("tools"), list(known.values()))
        except CommandError as error:
            if NO_INDEX.search(str(error)):
                pytest.skip("the build tools cannot be downloaded")
            raise
        folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
        for folder, names in zip(folders, (known, TWICE), strict=True):
            for name in names:
                build(known[name], tools, tmp_path_factory.mktemp("source"), folder)
    return folders


@pytest.mark.slow
def test_wheels_are_reproducible(builds):
    first, second = ({wheel.name: wheel.read_bytes() for wheel in folder.glob("*.whl")} for folder in builds)
    assert len(first) == len(FOLDERS) and len(second) == len(TWICE)
    assert first.items() >= second.items()


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_wheel_contains_every_file_of_the_package(builds, folder):
    package = module_folder(folder)
    files = (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    expected = {file.relative_to(package.parent).as_posix() for file in files}
    name = pyproject(folder)["project"]["name"].replace("-", "_")
    (wheel,) = builds[0].glob(f"{name}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        contained = {path for path in archive.namelist() if ".dist-info/" not in path}
    assert contained == expected
    assert f"{package.name}/py.typed" in contained


@pytest.mark.slow
def test_wheel_of_graphnet_has_data_and_templates(builds):
    (wheel,) = builds[0].glob("graphnet_framework-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        paths = archive.namelist()
    assert any(path.startswith("graphnet/data/datasets/data/") for path in paths)
    assert "graphnet/cli/scaffold/template/pyproject.toml.tmpl" in paths
    assert {path.rpartition("/")[2] for path in paths if "/licenses/" in path} == {"LICENSE", "NOTICE"}
