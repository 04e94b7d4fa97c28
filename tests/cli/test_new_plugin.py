"""``graphnet new-plugin``: the package that it writes works, and a refused call writes nothing."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.numeric_gradient import close, numeric

import graphnet
from graphnet.cli import main
from graphnet.cli.scaffold import Names, render, write
from graphnet.initializers import Constant, Xavier
from graphnet.plugins import PluginManager, discovery
from graphnet.plugins.discovery import PluginEntryPoint
from graphnet.testing import run

FILES = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "src/graphnet_fancy/__init__.py",
    "src/graphnet_fancy/cases.py",
    "src/graphnet_fancy/plugin.py",
    "src/graphnet_fancy/py.typed",
    "src/graphnet_fancy/scale.py",
    "src/graphnet_fancy/softsign.py",
    "src/graphnet_fancy/unit.py",
    "tests/test_layers.py",
}


def call(*arguments):
    return CliRunner().invoke(main, ["new-plugin", *map(str, arguments)])


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def package(here):
    assert call("fancy").exit_code == 0
    return here / "graphnet-fancy"


@pytest.fixture
def imported(package, monkeypatch):
    """The package, importable during the test."""
    yield from imports(package / "src", "graphnet_fancy", monkeypatch)


def imports(folder, name, monkeypatch):
    """Import a package from a folder; forget its modules afterwards."""
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module(name)
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


# ---------------------------------------------------------------------- the files
def test_command_writes_and_lists_files(here):
    result = call("graphnet-fancy")
    assert result.exit_code == 0 and result.stderr == ""
    assert set(files(here / "graphnet-fancy")) == FILES
    assert os.listdir(here) == ["graphnet-fancy"]
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert {Path(name).name for name in FILES} <= set(lines)
    assert lines[-5:] == [
        "cd graphnet-fancy",
        "python -m pip install pytest",
        "python -m pip install --no-deps -e .",
        "python -m pytest",
        "graphnet check graphnet-fancy",
    ]


@pytest.mark.parametrize("name", ["fancy", "a", "Two_words", "x" * 40])
def test_files_have_no_placeholders_and_compile(name):
    for path, text in render(Names.of(name)).items():
        placeholders = re.findall(r"__[A-Z_]+__", path + text)
        assert placeholders == [], path
        assert "tmpl" not in path
        if path.endswith(".py"):
            compile(text, path, "exec", dont_inherit=True)
            assert max(len(line) for line in text.splitlines()) <= 120, path
        if path.endswith(".toml"):
            tomllib.loads(text)


def test_metadata_of_new_plugin(package):
    text = (package / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    assert project["name"] == "graphnet-fancy" and project["license"] == "MIT"
    assert project["requires-python"] == ">=3.11" and project["dependencies"] == ["graphnet-framework>=0.1"]
    assert project["optional-dependencies"] == {"test": ["pytest>=8.2"]}
    assert project["entry-points"] == {"graphnet": {"fancy": "graphnet_fancy.plugin"}}
    assert project["authors"] == [{"name": "The graphnet-fancy contributors"}]
    assert (package / project["readme"]).is_file() and (package / project["license-files"][0]).is_file()
    (folder,) = tomllib.loads(text)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert (package / folder / "py.typed").is_file()


def test_workflow_runs_tests_on_two_pythons(package):
    import yaml

    flow = yaml.safe_load((package / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = flow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python-version"] == ["3.11", "3.13"]
    ran = [step["run"] for step in job["steps"] if "run" in step]
    assert ran[0].startswith('test -n "$GRAPHNET"') and flow["env"] == {"GRAPHNET": "${{ vars.GRAPHNET }}"}
    assert ran[1:] == [
        'python -m pip install "graphnet-framework @ $GRAPHNET"',
        "python -m pip install pytest",
        "python -m pip install --no-deps .",
        "python -m pytest",
        "graphnet check graphnet-fancy",
    ]


@pytest.mark.parametrize("author", ['Grace "Amazing" Hopper', "C:\\new", "Łukasz 𝕏 __NAME__"])
def test_author_is_written_verbatim(here, author):
    assert call("fancy", "--author", author).exit_code == 0
    text = Path("graphnet-fancy/pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["authors"] == [{"name": author}]
    assert author in Path("graphnet-fancy/LICENSE").read_text(encoding="utf-8")


def test_licence_differs_only_in_holder(package):
    own = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8").splitlines()
    new = (package / "LICENSE").read_text(encoding="utf-8").splitlines()
    assert [line for line in new if not line.startswith("Copyright")] == [
        line for line in own if not line.startswith("Copyright")
    ]


@pytest.mark.slow
def test_new_plugin_passes_strict_mypy(package):
    pytest.importorskip("mypy")
    search_path = os.pathsep.join([str(Path(graphnet.__file__).parents[1]), str(package / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "src"],
        cwd=package,
        env={**os.environ, "MYPYPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "disable_error_code" not in (package / "pyproject.toml").read_text(encoding="utf-8")


# ---------------------------------------------------------------------- the layers
def test_plugin_registers_layers_and_cases(imported):
    manager = PluginManager()
    plugin = importlib.import_module("graphnet_fancy.plugin")
    record = manager.register(plugin, name="fancy", distribution="graphnet-fancy", version="0.1.0")
    assert record.status == "loaded" and record.notes == []
    layers = {entry.id: entry.object for entry in record.entries if entry.kind == "layers"}
    assert layers == {f"graphnet-fancy/{name}": getattr(imported, name) for name in imported.__all__}
    (cases,) = [entry.object for entry in record.entries if entry.kind == "cases"]
    assert {case.layer for case in cases()} == set(layers.values())


def test_registering_does_not_import_test_tools(package):
    code = "import sys, graphnet_fancy.plugin; print('graphnet.testing' in sys.modules)"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(package / "src"), str(Path(graphnet.__file__).parents[1])]),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False"


def faults(cases):
    """Return the failures of the conformance kit, without the check that needs an installed package."""
    outcomes = [outcome for outcome in run(cases) if outcome.check not in ("fresh_process", "summary")]
    assert sum(outcome.status == "passed" for outcome in outcomes) > 20 * len(cases)
    return [(outcome.case, outcome.check, outcome.message) for outcome in outcomes if outcome.status == "failed"]


@pytest.mark.slow
@pytest.mark.usefixtures("imported")
def test_layers_pass_conformance_kit():
    assert faults(importlib.import_module("graphnet_fancy.cases").CASES) == []


def input_derivative(layer, x, error):
    """Compare forward and backward with the numeric derivative."""
    layer.forward(x)
    close(layer.backward(error), numeric(lambda value: (layer.forward(value) * error).sum(), x))


def test_softsign_values_and_gradient(imported):
    rng = np.random.default_rng(0)
    x, error = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    layer = imported.FancySoftsign()
    close(layer.forward(x), np.array([[v / (1 + v) if v > 0 else v / (1 - v) for v in row] for row in x]))
    input_derivative(layer, x, error)
    assert layer.forward(x.astype("float32")).dtype == np.float32


def test_scale_values_and_gradients(imported):
    rng = np.random.default_rng(1)
    x, error = rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3, 4))
    layer = imported.FancyScale(4)
    layer.set_weights(weights := rng.normal(size=4))
    input_derivative(layer, x, error)
    layer.forward(x)
    layer.backward(error)
    close(layer.get_gradient_weights(), numeric(lambda w: (np.einsum("tbf,f->tbf", x, w) * error).sum(), weights))
    with pytest.raises(graphnet.ShapeError, match="feature=4"):
        layer.forward(x[..., :3])
    with pytest.raises(graphnet.ConfigError):
        imported.FancyScale(0)
    assert imported.FancyScale(4, dtype="float32").get_weights().dtype == np.float32


def test_unit_equals_equations(imported):
    rng = np.random.default_rng(2)
    x, error = rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3, 2))
    unit = imported.FancyUnit(2)
    unit.forward(x)
    unit.initialize(Xavier(), Constant(0.3))
    input_derivative(unit, x, error)
    cell = unit.graph.nodes["scan"].layer.cell
    gate, candidate = (cell.nodes[name].layer.get_weights() for name in ("gate", "candidate"))
    for first in (None, rng.normal(size=(3, 2))):
        inputs = (x,) if first is None else (x, first)
        close(unit.forward(*inputs), unit_states(x, first, gate, candidate))


def unit_states(x, first, gate, candidate):
    """Return the states by the unit's equations, step by step and row by row."""
    states = np.zeros((len(x), x.shape[1], gate.shape[1]))
    for b in range(x.shape[1]):
        h = np.zeros(gate.shape[1]) if first is None else first[b]
        for t in range(len(x)):
            a = gate.T @ [*x[t, b], *h, 1]
            f = (1 + a / (1 + abs(a))) / 2
            a = candidate.T @ [*x[t, b], *(f * h), 1]
            h = states[t, b] = h + f * (a / (1 + abs(a)) - h)
    return states


def test_docstring_and_readme_examples_run(imported, package):
    for name in ("softsign", "scale", "unit"):
        module = importlib.import_module(f"graphnet_fancy.{name}")
        flags = doctest.NORMALIZE_WHITESPACE
        result = doctest.testmod(module, optionflags=flags)
        assert result.attempted and not result.failed
    (program,) = re.findall(r"```python\n(.*?)```", (package / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(program, names)
    assert names["h"].shape == (9, 2, 6) and names["error"].shape == (9, 2, 4)


# ---------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("given", "distribution", "package", "entry", "prefix"),
    [
        ("fancy", "graphnet-fancy", "graphnet_fancy", "fancy", "Fancy"),
        ("graphnet-fancy", "graphnet-fancy", "graphnet_fancy", "fancy", "Fancy"),
        ("Graphnet_Fancy.Gates", "graphnet-fancy-gates", "graphnet_fancy_gates", "fancy-gates", "FancyGates"),
        ("FANCY--2D", "graphnet-fancy-2d", "graphnet_fancy_2d", "fancy-2d", "Fancy2d"),
        ("class", "graphnet-class", "graphnet_class", "class", "Class"),
    ],
)
def test_names_are_normalised(given, distribution, package, entry, prefix):
    names = Names.of(given)
    assert (names.distribution, names.package, names.short, names.prefix) == (distribution, package, entry, prefix)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "-fancy", "fancy-", "fan cy", "fancy/up", "..", "ünï", "fancy\n", "fancy;rm", "fan'cy", "\udce9"),
        *("3d", "x" * 41, "graphnet", "graphnet-", "graphnet-graphnet", "none", "graphnet-None", "builtin"),
    ],
)
def test_invalid_name_is_refused(here, name):
    result = call("--", name)
    assert result.exit_code == 2 and result.stdout == ""
    assert all(word in result.stderr for word in ("graphnet: error: new-plugin", "expected", "received"))
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    ("distribution", "entry"), [("Graphnet.Fancy", "other"), ("somebody-elses", "fancy"), ("x", "Fancy")]
)
def test_name_of_installed_plugin_is_refused(here, monkeypatch, distribution, entry):
    monkeypatch.setattr(discovery, "installed", lambda: [PluginEntryPoint(distribution, entry, "3.2", None)])
    result = call("fancy")
    assert result.exit_code == 2 and result.stdout == ""
    assert "taken" in result.stderr and f"{distribution} 3.2" in result.stderr
    assert os.listdir(here) == []
    assert call("fancier").exit_code == 0


@pytest.mark.parametrize("author", ["", "  ", "two\nlines", "a\x00b"])
def test_invalid_author_is_refused(here, author):
    result = call("fancy", "--author", author)
    assert result.exit_code == 2 and "--author" in result.stderr
    assert os.listdir(here) == []


# ---------------------------------------------------------------------- folders
def test_output_option_sets_folder(here):
    result = call("fancy", "--output", "my plugin")
    assert result.exit_code == 0 and "cd 'my plugin'" in result.stdout
    assert set(files(here / "my plugin")) == FILES and os.listdir(here) == ["my plugin"]


def test_empty_folder_is_filled_in_place(here):
    before = os.stat(here).st_ino
    assert call("fancy", "--output", ".").exit_code == 0
    assert set(files(here)) == FILES and os.stat(here).st_ino == before


@pytest.mark.parametrize("there", ["folder", "file", "hidden"])
def test_existing_files_are_not_overwritten(here, there):
    target = here / "graphnet-fancy"
    kept = target if there == "file" else target / {"folder": "notes.txt", "hidden": ".git"}[there]
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine", encoding="utf-8")
    result = call("fancy")
    assert result.exit_code == 2 and result.stdout == ""
    assert "already exists" in result.stderr and "--output" in result.stderr
    assert list(files(here).values()) == [kept] and kept.read_text(encoding="utf-8") == "mine"


def test_missing_parent_folder_is_refused(here):
    result = call("fancy", "--output", here / "no" / "such")
    assert result.exit_code == 2 and "the parent folder does not exist" in result.stderr
    assert os.listdir(here) == []


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("fails", ["write", "replace"])
def test_failed_write_leaves_nothing(here, monkeypatch, exists, fails):
    target = here / "new"
    if exists:
        target.mkdir()
    real, count = getattr(os, fails), []

    def full(*arguments, **options):
        count.append(1)
        if len(count) == (1 if fails == "replace" and not exists else 3):
            raise OSError(28, "No space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(graphnet.FileError, match="No space left"):
        write(target, render(Names.of("fancy")))
    assert os.listdir(here) == (["new"] if exists else [])
    assert not exists or os.listdir(target) == []


# ---------------------------------------------------------------------- the example
EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party" / "graphnet-minimal-gated"


@pytest.fixture
def example(monkeypatch):
    """The example plugin, importable during the test."""
    pytest.importorskip("graphnet_recurrent")
    yield from imports(EXAMPLE / "src", "graphnet_minimal_gated", monkeypatch)


@pytest.mark.slow
def test_example_layers_pass_conformance_kit(example):
    plugin = importlib.import_module("graphnet_minimal_gated.plugin")
    record = PluginManager().register(plugin, name="minimal-gated", distribution="graphnet-minimal-gated")
    assert record.status == "loaded" and record.notes == []
    layers = {entry.name: entry.object for entry in record.entries if entry.kind == "layers"}
    assert layers == {name: getattr(example, name) for name in ("Swish", "Scale", "MinimalGated")}
    (cases,) = [entry.object for entry in record.entries if entry.kind == "cases"]
    assert {case.layer for case in cases()} == set(layers.values())
    assert faults(cases()) == []


def test_example_has_files_of_template():
    made = set(render(Names.of("minimal-gated"))) - {".github/workflows/ci.yml"}
    others = {f"src/graphnet_minimal_gated/{name}.py" for name in ("softsign", "swish")} | {"tests/test_unit.py"}
    there = {path for path in files(EXAMPLE) if "cache" not in path}
    assert there ^ made == others
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == ["graphnet-framework>=0.1", "graphnet-recurrent>=0.1"]
    assert project["entry-points"] == {"graphnet": {"minimal-gated": "graphnet_minimal_gated.plugin"}}


@pytest.mark.usefixtures("example")
def test_example_readme_program_runs():
    (program,) = re.findall(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(program, names)
    assert names["h"].shape == (9, 2, 6) and names["error"].shape == (9, 2, 4)
