"""``graphnet plugins --audit``: what a plugin changes in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the plugins use functions of Linux"),
]

PLUGINS = {
    "quiet": ("VALUE = 1", []),
    "meddles": (
        "import numpy, json, sys, atexit, threading, time, os\n"
        "numpy.tanh = numpy.sin\njson.JSONEncoder.default = None\nsys.modules['csv'] = None\n"
        "sys.meta_path.append(type('Hook', (), {}))\natexit.register(int)\n"
        "threading.Thread(target=time.sleep, args=(99,), name='sleeper').start()\n"
        "kept = open('/dev/null')\nos.umask(0o777)\nprint('by Python')",
        [
            "it changes the file mode mask when it loads",
            "it replaces numpy.tanh",
            "it replaces JSONEncoder.default of json",
            "it leaves a thread running: sleeper, for which the process waits at its end",
            "open: /dev/null",
            "it adds an import hook: Hook",
            "it registers 1 function with atexit",
            "it prints: 'by Python'",
        ],
    ),
    "prints-in-c": (
        "import ctypes, os\nctypes.CDLL(None).puts(b'by C')\nos.close(2)",
        ["C code, or another process that it starts, prints: 'by C'", "it closes or redirects file descriptor 2"],
    ),
    "crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", ["it ends the process when it loads (SIGSEGV)"]),
    "leaves": ("import os\nos._exit(3)", ["it ends the process when it loads (exit code 3)"]),
    "fails": ("import os\nif os.fork():\n    os.wait()\nraise ValueError('no')", ["it forks the process", "it fails: ValueError: no"]),
}  # fmt: skip


def test_audit_reports_what_plugins_change(tmp_path):
    for name, (text, _) in PLUGINS.items():
        module = f"audited_{name.replace('-', '_')}"
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[graphnet]\n{name} = {module}\n")
        (tmp_path / f"{module}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "graphnet", "plugins", "--audit", "--json"],
        env={
            **os.environ,
            "GRAPHNET_PLUGINS": ",".join(PLUGINS),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        },
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1 and set(found) == set(PLUGINS)
    for name, (_, expected) in PLUGINS.items():
        findings = found[name]["findings"]
        assert all(any(part in finding for finding in findings) for part in expected), (name, findings)
        assert len(findings) <= len(expected) + (name == "meddles"), (name, findings)


def test_plugin_that_does_not_finish_is_ended(tmp_path, monkeypatch):
    from graphnet.plugins import discovery
    from graphnet.plugins.isolation import audit

    class Point:
        name, value, dist = "endless", "endless_plugin", None

    point = discovery.PluginEntryPoint("endless", "endless", "1.0", Point())
    monkeypatch.setattr(discovery, "installed", lambda: [point])
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(Path(tmp_path))
    monkeypatch.setattr(audit, "MODULE", "slow_module")
    (result,) = audit.audit(["endless"], timeout=1)
    assert result.findings == ["it does not finish loading within 1 s"]
