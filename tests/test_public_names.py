"""The public names: what ``import graphnet`` gives, and what it must not show or warn about."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import graphnet

ROOT = Path(__file__).resolve().parent.parent
MOVED = sorted(graphnet._MOVED_TO_AUTHORING)


def run_python(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names_match_the_list():
    command = [sys.executable, str(ROOT / "scripts" / "public_names.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


#: Reaches each submodule in a process that has imported graphnet and nothing else of it.
REACHED = """
import os, graphnet
for name in graphnet._SUBMODULES:
    if os.fork() == 0:
        try:
            print(name, getattr(graphnet, name).__name__, flush=True)
        finally:
            os._exit(0)
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.no_plugins
@pytest.mark.skipif(not hasattr(os, "fork"), reason="one process for each submodule is made by forking")
def test_submodules_are_reachable_after_import():
    assert dict(line.split() for line in run_python(REACHED).splitlines()) == graphnet._SUBMODULES


@pytest.mark.no_plugins
def test_every_submodule_is_in_dir():
    found = {module.name for module in pkgutil.iter_modules(graphnet.__path__) if not module.name.startswith("_")}
    assert found <= set(dir(graphnet))


@pytest.mark.no_plugins
def test_dir_shows_public_names_only():
    names = dir(graphnet)
    assert names == sorted({*graphnet.__all__, *graphnet._SUBMODULES})
    assert [name for name in names if name.startswith("_")] == []
    assert not {"annotations", "importlib", "sys", "Any", "TYPE_CHECKING"} & set(names)


@pytest.mark.no_plugins
def test_unknown_attribute_raises_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'optimisers'"):
        graphnet.optimisers


@pytest.mark.no_plugins
@pytest.mark.parametrize("name", MOVED)
def test_moved_name_warns_and_works(name):
    with pytest.warns(graphnet.GraphnetDeprecationWarning, match=f"from graphnet.authoring import {name}") as caught:
        value = getattr(graphnet, name)
    assert value is getattr(graphnet.authoring, name)
    assert caught[0].filename == __file__


@pytest.mark.no_plugins
def test_from_import_of_moved_name_warns():
    with pytest.warns(DeprecationWarning, match="graphnet.positive has moved") as caught:
        from graphnet import positive  # noqa: F401
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.no_plugins
def test_deprecation_warning_is_a_graphnet_warning():
    assert issubclass(graphnet.GraphnetDeprecationWarning, graphnet.GraphnetWarning)
    assert issubclass(graphnet.GraphnetDeprecationWarning, DeprecationWarning)


@pytest.mark.no_plugins
def test_scans_of_the_package_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dir(graphnet)
        inspect.getmembers(graphnet)
        vars(graphnet)
        exec("from graphnet import *", {})


@pytest.mark.no_plugins
def test_star_import_gives_public_names():
    names = {}
    exec("from graphnet import *", names)
    assert set(names) - {"__builtins__"} == set(graphnet.__all__)


@pytest.mark.no_plugins
@pytest.mark.parametrize("path", ["graphnet", "graphnet.authoring"])
def test_public_names_are_sorted_and_documented(path):
    module = importlib.import_module(path)
    assert list(module.__all__) == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not (getattr(module, name).__doc__ or "").strip()] == []


@pytest.mark.no_plugins
def test_import_loads_no_heavy_library():
    libraries = ["click", "matplotlib", "networkx", "pluggy", "rich", "safetensors", "scipy", "sklearn", "yaml"]
    program = f"import sys, graphnet; print([name for name in {libraries} if name in sys.modules])"
    assert run_python(program) == "[]"


# ---------------------------------------------------------------------- type checkers
USER_PROGRAM = """\
import graphnet
from graphnet.callbacks import TimeLimit
from graphnet.datasets import Stream

graph = graphnet.Sequential(graphnet.FullyConnected(4, 3), shape="batch, feature=4")
reveal_type(graph)
reveal_type(graphnet.summary(graphnet.Model(graph)))
reveal_type(graphnet.explain(graph))
reveal_type(graphnet.optimizers.Adam(0.1))
reveal_type(graphnet.datasets.load("digits"))
reveal_type(graphnet.callbacks.TimeLimit(1.0))
graphnet.positive
graphnet.misspelled
"""


@pytest.mark.slow
def test_type_checker_knows_public_names(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(USER_PROGRAM, encoding="utf-8")
    # Silent imports: whether graphnet itself passes is checked by mypy over the checkout.
    options = ["--strict", "--follow-imports=silent", "--cache-dir", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'Revealed type is "[\w.]*?(\w+)"', done.stdout)
    assert revealed == ["Graph", "Summary", "Explanation", "Adam", "Dataset", "TimeLimit"], done.stdout + done.stderr
    missing = re.findall(r'has no attribute "(\w+)"', done.stdout)
    assert missing == ["positive", "misspelled"] and "Found 2 errors" in done.stdout, done.stdout


# ---------------------------------------------------------------------- docs/stability.md
def stability_page():
    return (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")


def test_stability_page_lists_deprecated_names():
    deprecated = [*MOVED, *(name for name, alias in graphnet._ALIASES.items() if alias.deprecated)]
    listed = stability_page().partition("| old | new |")[2].replace("`graphnet.Buffer`", "`Buffer`")
    assert [name for name in deprecated if f"`{name}`" not in listed] == []


def test_stability_page_names_the_file_formats():
    from graphnet.io import state, weights

    assert all(f"`{name}`" in stability_page() for name in (graphnet.io.FORMAT, weights.FORMAT, state.FORMAT))
