"""Import paths that stand for other modules, each in a process that has imported nothing else."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PUBLIC = [("graphnet.datasets", "graphnet.data.datasets"), ("graphnet.callbacks", "graphnet.models.callbacks")]
DEPRECATED = [
    ("graphnet.core.backends", "graphnet.core.run.backends", "ReferenceBackend"),
    ("graphnet.exporters", "graphnet.inspect.exporters", "mermaid"),
    ("graphnet.functions", "graphnet.layers.functional", "dense"),
    ("graphnet.model", "graphnet.models", "Model"),
    ("graphnet.network", "graphnet.models.network", "NeuralNetwork"),
    ("graphnet.scaffold", "graphnet.cli.scaffold", "Names"),
    ("graphnet.sequences", "graphnet.data.sequences", "Packing"),
]


def run(program):
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize(("alias", "target"), PUBLIC)
def test_public_alias_is_the_module(alias, target):
    run(f"import sys, {alias}, {target} as target; assert {alias} is target and target.__spec__.name == {target!r}")
    run(f"import {target} as target, {alias}; assert {alias} is target")
    run(f"import graphnet; assert {alias}.__name__ == {target!r}")


def test_submodule_of_alias_loads_once():
    run(
        "from graphnet.datasets.stream import Stream; import graphnet, sys\n"
        "assert sys.modules['graphnet.datasets.stream'] is sys.modules['graphnet.data.datasets.stream']\n"
        "assert graphnet.datasets.Stream is Stream"
    )


@pytest.mark.parametrize(("alias", "target", "name"), DEPRECATED)
def test_deprecated_alias_warns_and_works(alias, target, name):
    run(
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as raised:\n"
        "    warnings.simplefilter('always')\n"
        f"    from {alias} import {name} as old\n"
        f"from {target} import {name}\n"
        f"assert old is {name}\n"
        f"assert f'import {name} from {target}' in str(raised[0].message), raised[0]\n"
        "assert raised[0].filename == '<string>' and issubclass(raised[0].category, DeprecationWarning)\n"
    )


def test_alias_of_missing_submodule_raises():
    run(
        "try:\n    import graphnet.datasets.nothing\n"
        "except ModuleNotFoundError as error:\n    assert 'graphnet.data.datasets.nothing' in str(error)\n"
        "else:\n    raise AssertionError"
    )


def test_import_graphnet_loads_no_alias():
    run("import sys, graphnet; assert not {'graphnet.data.datasets', 'graphnet.training'} & set(sys.modules)")
