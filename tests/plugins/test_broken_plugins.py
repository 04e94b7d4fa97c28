"""Kinds of broken plugins, each installed as a distribution: host, command line and other plugins work on."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

HEAD = "from graphnet import Layer\nfrom graphnet.plugins import hookimpl\n\n\n"
GOOD = HEAD + (
    'class Fine(Layer):\n    """y = 2 x."""\n\n    def apply(self, x):\n        return 2 * x, None\n\n'
    "    def pull(self, saved, error):\n        return 2 * error\n\n\n"
    "@hookimpl\ndef graphnet_register_layers(register):\n    register(Fine)\n"
)
HOOK = "@hookimpl\ndef graphnet_register_layers(register):\n    "

#: Kind: the module's text, its status, what `graphnet plugins` must say, and what else its distribution says of itself.
KINDS = {
    "missing dependency": ("import a_package_that_is_not_there\n", "failed", "No module named 'a_package_that_is_not_there'.*install it", {}),
    "private module": ("from graphnet.core.layer import Layer\n", "failed", "graphnet.core is not public: import from graphnet or graphnet.authoring", {}),
    "private name": ("from graphnet.core.errors import Gone\n", "failed", "graphnet.core is not public: import from graphnet or graphnet.authoring", {}),
    "syntax error": ("def graphnet_register_layers(register:\n", "failed", "SyntaxError", {}),
    "raises at import": ("raise ValueError('out of order')\n", "failed", "ValueError: out of order", {}),
    "exits at import": ("import sys\nsys.exit(3)\n", "failed", "SystemExit: 3", {}),
    "endless recursion": ("def f():\n    return f()\n\n\nf()\n", "failed", "RecursionError", {}),
    "no such module": (None, "failed", "No module named 'broken_one'", {}),
    "hook raises": (HEAD + HOOK + "raise RuntimeError('hook')\n", "failed", "RuntimeError: hook", {}),
    "hook raises after registering": (GOOD + "    raise RuntimeError('late')\n", "failed", "RuntimeError: late", {}),
    "hook exits": (HEAD + HOOK + "raise SystemExit(5)\n", "failed", "SystemExit: 5", {}),
    "misspelt hook": (GOOD.replace("register_layers", "register_layer"), "failed", "Did you mean 'graphnet_register_layers'", {}),
    "unmarked hook": (GOOD.replace("@hookimpl\n", ""), "failed", "not marked as a hook", {}),
    "unknown argument": (GOOD.replace("(register):", "(register, host):"), "failed", "has the unknown argument host.*version 4 of the hooks", {}),
    "returns rubbish": (HEAD + HOOK + "return [1, 2]\n", "failed", "returned a value", {}),
    "registers rubbish": (HEAD + HOOK + "register(42)\n", "failed", "an object that is not a class", {}),
    "registers a layer without rules": (HEAD + 'class Empty(Layer):\n    """Nothing."""\n\n\n' + HOOK + "register(Empty)\n", "failed", "a layer without apply", {}),
    "one name twice": (GOOD + "    register(Fine)\n", "failed", "already registered by", {}),
    "newer hooks": ("GRAPHNET_PLUGIN_API = 99\n" + GOOD, "failed", "written for a newer graphnet.*Install a newer graphnet from a checkout", {}),
    "another graphnet": (GOOD, "failed", "written for another version of graphnet; expected graphnet >=99", {"Requires-Dist": "graphnet>=99"}),
    "changes others' classes": ("import graphnet\n\n\ngraphnet.FullyConnected.apply = lambda self, x: (x, None)\n" + GOOD, "failed", "changes classes of other plugins: FullyConnected.apply of graphnet-framework/FullyConnected", {}),
    "an entry point of another": (GOOD, "failed", "the entry point 'good' is also that of", {"entry": "good"}),
    "old import paths": ("from graphnet.functions import dense\nfrom graphnet.datasets import Stream\n" + GOOD, "loaded", "deprecated name: graphnet.functions has moved; import dense from graphnet.layers.functional", {}),
    "prints": ("print('hello from the plugin')\n" + GOOD, "loaded", "prints when it loads: 'hello from the plugin'", {}),
    "takes long": ("import time\n\ntime.sleep(1.2)\n" + GOOD, "loaded", r"takes 1\.\d s to load; import large modules inside", {}),
    "seeds and sets": ("import numpy\n\nnumpy.random.seed(1)\nnumpy.seterr(all='raise')\n" + GOOD, "loaded", "changes numpy's global random state.*old value was restored", {}),
    "turns warnings into errors": ("import warnings\n\nwarnings.simplefilter('error')\n" + GOOD, "loaded", "turns warnings into errors", {}),
}  # fmt: skip

MODEL = """
format: graphnet/1
plugins: {the-good-one: '>=1.0'}
inputs: {x: 'batch, feature=2'}
nodes: {fine: {layer: Fine, inputs: x}, dense: {layer: FullyConnected, with: {input_size: 2, output_size: 2}, inputs: fine}}
outputs: {y: dense}
training: {data: points.npz, epochs: 2, seed: 1}
"""


def install(folder, distribution, module, text, entry, **metadata):
    """A distribution as pip leaves it."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    told = {"Metadata-Version": "2.1", "Name": distribution, "Version": "1.0", **metadata}
    (info / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in told.items()))
    (info / "entry_points.txt").write_text(f"[graphnet]\n{entry} = {module}\n")
    if text is not None:
        (folder / f"{module}.py").write_text(text)


#: Forks a process for each line: a folder, and the commands that run there. The modules that they need are imported, as
#: that takes most of the time of a command, but no plugin is loaded.
SERVER = """
import importlib, json, os, sys, traceback
for name in ("graphnet.cli.layers", "graphnet.cli.plugins", "graphnet.cli.train", "graphnet.io", "graphnet.models",
             "graphnet.training", "networkx", "pluggy", "yaml"):
    importlib.import_module(name)
from graphnet.cli import main
for line in sys.stdin:
    folder, commands = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for descriptor, name in enumerate(("/dev/null", "stdout.txt", "stderr.txt")):
                os.dup2(os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
            sys.stdin, _ = open(0), os.chdir(folder)
            sys.path.insert(0, folder)
            for arguments in commands:
                main(arguments, standalone_mode=False)
                print(end="\\0", flush=True)
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def several():
    """``several(folder, *commands)`` runs commands in one new process, and returns what each printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def run(folder, *commands):
            print(json.dumps([str(folder), commands]), file=server.stdin, flush=True)
            assert server.stdout.readline() == "0\n", (folder / "stderr.txt").read_text()
            return (folder / "stdout.txt").read_text().split("\0")[: len(commands)]

        yield run
        server.stdin.close()


def graphnet(folder, *arguments, check=True, **environment):
    """Run one command in a new process with ``folder`` on its path."""
    return python(folder, "-m", "graphnet", *arguments, check=check, **environment)


def python(folder, *arguments, check=True, **environment):
    """Run Python with ``folder`` on its path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """What a run prints where no plugin is broken."""
    folder = tmp_path_factory.mktemp("sound")
    install(folder, "the-good-one", "good_one", GOOD, "good")
    return folder, train(folder)


TRAIN = ["train", "model.yaml", "--output", "run"]


def train(folder):
    """Train in a new process; return its epochs and the weights file."""
    write_model(folder)
    return trained(folder, graphnet(folder, *TRAIN).stdout)


def write_model(folder):
    """Write a model and its data."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2)).astype("float32")
    classes = (x[:, 0] > x[:, 1]).astype("int64")
    arrays = {"train_x": x, "train_target": classes, "test_x": x[:5], "test_target": classes[:5]}
    np.savez(folder / "points.npz", **arrays)
    (folder / "model.yaml").write_text(MODEL)


def trained(folder, printed):
    """Return the epochs that training printed, and the weights file."""
    weights = (folder / "run" / "weights.safetensors").read_bytes()
    return [line.split("  ")[:2] for line in printed.splitlines() if "examples/s" in line], weights


@pytest.mark.parametrize("kind", KINDS)
def test_broken_plugin_does_not_affect_others(kind, tmp_path, sound, several):
    text, status, words, extra = KINDS[kind]
    extra = dict(extra)
    install(tmp_path, "the-good-one", "good_one", GOOD, "good")
    install(
        tmp_path,
        "very-broken",
        "broken_one",
        text and text.replace("Fine", "Broken"),
        extra.pop("entry", "broken"),
        **extra,
    )
    write_model(tmp_path)
    plugins, layers, training = several(tmp_path, ["plugins", "--json"], ["layers"], TRAIN)
    by_distribution = {plugin["distribution"]: plugin for plugin in json.loads(plugins)}
    broken = by_distribution["very-broken"]
    assert broken["status"] == status
    explained = " ".join([broken["reason"], *broken["notes"]])
    assert __import__("re").search(words, explained, flags=16), explained
    assert broken["version"] == "1.0"
    assert [e["id"] for e in broken["registered"]] == (["very-broken/Broken"] if status == "loaded" else [])
    assert [e["id"] for e in by_distribution["the-good-one"]["registered"]] == ["the-good-one/Fine"]
    if status == "failed":
        assert "uninstall very-broken 1.0" in explained or "pip install" in explained or "Uninstall one" in explained
    assert "the-good-one/Fine" in layers
    assert ("very-broken/Broken" in layers) == (status == "loaded")
    assert trained(tmp_path, training) == sound[1]


def test_plugins_command_explains_a_failure(tmp_path):
    install(tmp_path, "very-broken", "broken_one", KINDS["raises at import"][0], "broken")
    done = graphnet(tmp_path, "plugins")
    assert "broken of very-broken failed: importing broken_one failed: ValueError: out of order" in done.stdout
    assert "exclude it: GRAPHNET_PLUGINS=-broken" in done.stdout


def test_broken_plugin_can_be_excluded(tmp_path):
    install(tmp_path, "the-good-one", "good_one", GOOD, "good")
    install(tmp_path, "very-broken", "broken_one", "raise ValueError\n", "broken")

    def statuses(*options, **environment):
        told = json.loads(graphnet(tmp_path, *options, "plugins", "--json", **environment).stdout)
        return {each["name"]: each["status"] for each in told if each["name"] in ("good", "broken")}

    assert statuses() == {"good": "loaded", "broken": "failed"}
    assert statuses(GRAPHNET_PLUGINS="-broken") == {"good": "loaded", "broken": "skipped"}
    assert statuses("--plugins", "the-good-one") == {"good": "loaded", "broken": "skipped"}
    assert statuses("--plugins=-very-broken") == {"good": "loaded", "broken": "skipped"}
    assert statuses("--no-plugins") == {"good": "skipped", "broken": "skipped"}
    assert statuses("--plugins", "good", GRAPHNET_PLUGINS="none") == {"good": "loaded", "broken": "skipped"}


def test_leftovers_and_entries_listed_twice_count_once(tmp_path):
    install(tmp_path, "the-good-one", "good_one", GOOD, "good")
    leftover = tmp_path / "~he_good_one-0.9.dist-info"
    leftover.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        text = (tmp_path / "the-good-one-1.0.dist-info" / name).read_text()
        (leftover / name).write_text(
            text.replace("Version: 1.0", "Version: 0.9").replace("the-good-one", "The_Good.One")
        )
    points = tmp_path / "the-good-one-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "good = good_one\ngood = another_one\n")
    told = json.loads(graphnet(tmp_path, "plugins", "--json").stdout)
    (good,) = [each for each in told if each["name"] == "good"]
    assert (good["status"], good["version"], good["distribution"]) == ("loaded", "1.0", "the-good-one")
    assert good["notes"] == ["its entry point 'good' is listed twice, as good_one and as another_one; the first counts"]
    assert [each["id"] for each in good["registered"]] == ["the-good-one/Fine"]
    chosen = json.loads(graphnet(tmp_path, "--plugins", "The.Good_One", "plugins", "--json").stdout)
    assert [each["status"] for each in chosen if each["name"] == "good"] == ["loaded"]


REQUIREMENTS = {
    ">=99": "graphnet-framework>=99",
    ">=0.1,<0.1.0": "Graphnet_Framework >=0.1\nRequires-Dist: graphnet-framework<0.1.0",
    "==9.*": "graphnet-framework (==9.*)",
    "!=0.1.0": "graphnet.framework!=0.1.0; python_version >= '3'",
    "": "graphnet-framework>=99; python_version < '3'",
    "~=0.1": "graphnet-framework[test] ~=0.1\nRequires-Dist: graphnet-framework>9; extra == 'new'",
    "former": "graphnet>=0.1",
    "invalid": "graphnet-framework ~~ 3",
}


def test_requirements_follow_pep_508(tmp_path):
    for i, line in enumerate(REQUIREMENTS.values()):
        install(
            tmp_path,
            f"needs-{i}",
            f"needs_{i}",
            GOOD.replace("Fine", f"Fine{i}"),
            f"needs{i}",
            **{"Requires-Dist": line},
        )
    told = {each["name"]: each for each in json.loads(graphnet(tmp_path, "plugins", "--json").stdout)}
    for i, versions in enumerate(REQUIREMENTS):
        found = told[f"needs{i}"]
        refused = versions in (">=99", ">=0.1,<0.1.0", "==9.*", "!=0.1.0")
        assert found["status"] == ("failed" if refused else "loaded"), found
        assert not refused or f"expected graphnet {versions}, received graphnet" in found["reason"], found
    assert "should require 'graphnet-framework'" in told["needs6"]["notes"][0]
    assert "is not valid (PEP 508) and is ignored" in told["needs7"]["notes"][0]


def test_uninstalled_plugin_is_named(tmp_path):
    install(tmp_path, "the-good-one", "good_one", GOOD, "good")
    before = train(tmp_path)
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "the-good-one-1.0.dist-info").rename(moved / "the-good-one-1.0.dist-info")
    for command in (["show", "model.yaml"], ["evaluate", "run"], ["train", "model.yaml", "--output", "again"]):
        done = graphnet(tmp_path, *command, check=False)
        assert done.returncode == 2
        assert "needs the-good-one >=1.0, which is not installed" in done.stderr
        assert "--find-links FOLDER 'the-good-one>=1.0'" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == files
    (moved / "the-good-one-1.0.dist-info").rename(tmp_path / "the-good-one-1.0.dist-info")
    graphnet(tmp_path, "evaluate", "run")
    metadata = tmp_path / "the-good-one-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 0.3"))
    older = graphnet(tmp_path, "evaluate", "run", check=False)
    assert (older.returncode, "another version of the-good-one" in older.stderr) == (2, True)
    assert before


def test_run_folder_records_plugins_in_order(sound):
    folder, _ = sound
    found = json.loads((folder / "run" / "versions.json").read_text())["plugins"]
    names = [each["name"] for each in found]
    assert names[0] == "builtin"
    assert {"name": "good", "distribution": "the-good-one", "version": "1.0", "status": "loaded"} in found
    rest = [each["distribution"] for each in found[1:]]
    assert rest == sorted(rest)


def test_changes_to_other_classes_are_undone():
    import types

    from graphnet import FullyConnected, Layer
    from graphnet.plugins import PluginManager, hookimpl

    before, infer = FullyConnected.apply, Layer.infer

    def graphnet_register_layers(register):
        FullyConnected.apply = Layer.infer = lambda *arguments: None
        FullyConnected.extra = 3

    module = types.ModuleType("meddling")
    module.graphnet_register_layers = hookimpl(graphnet_register_layers)
    host = PluginManager()
    host.load(allow=())
    record = host.register(module, name="meddling", distribution="meddling", version="1")
    assert record.status == "failed"
    assert "FullyConnected.apply of graphnet-framework/FullyConnected" in record.reason
    assert FullyConnected.apply is before
    assert Layer.infer is infer
    assert not hasattr(FullyConnected, "extra")


def test_plugin_sources_are_dedented():
    for text, *_ in KINDS.values():
        assert text is None or textwrap.dedent(text) == text
    assert len(KINDS) >= 20


def test_name_of_another_layer_changes_no_model(tmp_path, sound):
    install(tmp_path, "the-good-one", "good_one", GOOD, "good")
    text = GOOD.replace("Fine", "Other") + '    register(Other, "FullyConnected")\n    register(Other, "Fine")\n'
    install(tmp_path, "very-broken", "broken_one", text, "broken")
    assert train(tmp_path) == sound[1]
    assert "very-broken/FullyConnected" in graphnet(tmp_path, "layers").stdout
    failed = graphnet(tmp_path, "check", "very-broken", check=False)
    assert failed.returncode == 1
    assert (
        "names that other distributions register as well: FullyConnected (graphnet-framework 0.1.0, very-broken 1.0)"
        in failed.stdout
    )
