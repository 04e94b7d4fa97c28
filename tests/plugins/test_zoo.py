"""Plugins that change what is not theirs, all installed at once: restored, reported, and the host works on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import zoo

sys.path.pop(0)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the plugins use functions of Linux"),
]
ALL = {**zoo.RESTORED, **zoo.REFUSED, **zoo.REPORTED, **{name: (text, None) for name, text in zoo.HONEST.items()}}


def install(folder, plugins):
    """Install each as a distribution; the names sort before those of graphnet's plugins."""
    for name, (text, _) in plugins.items():
        module = f"zoo_{name.lower()}"
        info = folder / f"a_{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: a-{module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[graphnet]\n{name.lower()} = {module}\n")
        (folder / f"{module}.py").write_text(text + zoo.LAYER.format(name=name))


def load(folder, allow=()):
    """What the process of zoo_process.py prints."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("zoo_process.py")), json.dumps(allow)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]), "OMP_NUM_THREADS": "2"},
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The result without the zoo."""
    return load(tmp_path_factory.mktemp("empty"))[0]["result"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """All of the zoo, loaded in one process."""
    folder = tmp_path_factory.mktemp("zoo")
    install(folder, ALL)
    return load(folder)


def test_process_is_as_before(loaded, alone):
    found, printed = loaded
    assert found["changed"] == {}
    assert found["same generator"] and found["result"] == alone
    assert printed == ""


@pytest.mark.parametrize("name", ALL)
def test_plugin_is_judged_as_it_deserves(loaded, name):
    found = loaded[0]["plugins"][name.lower()]
    notes = "; ".join(found["notes"])
    if name in zoo.REFUSED:
        assert found["status"] == "failed" and zoo.REFUSED[name][1] in found["reason"], found
        assert found["entries"] == []
        return
    assert found["status"] == "loaded", found["reason"]
    assert found["entries"] == [f"a-zoo_{name.lower()}/{name}"]
    if name in zoo.HONEST:
        assert found["notes"] == []
    else:
        assert ALL[name][1] in notes
        others = [note for note in found["notes"] if "takes 1." not in note and "takes 2." not in note]
        assert len(others) <= 1 + (name in ("Wrapped", "NumpySeed")), notes


def test_other_plugins_are_loaded_without_notes(loaded):
    plugins = loaded[0]["plugins"]
    for name in ("builtin", "recurrent", "conv", "activations"):
        assert (plugins[name]["status"], plugins[name]["notes"]) == ("loaded", [])


def test_zoo_is_large_enough():
    assert len(ALL) - len(zoo.HONEST) >= 90 and len(zoo.HONEST) >= 15
