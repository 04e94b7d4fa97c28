"""The plugin manager in several threads: loaded once, scoped by context, and no deadlock with Python's import locks."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from helpers.concurrency import in_another_thread, in_threads

from graphnet.plugins import PluginManager, manager, using

pytestmark = pytest.mark.slow

LAYER = """
from graphnet import Layer
from graphnet.plugins import hookimpl, manager


class Twice(Layer):
    '''y = 2 x.'''

    def apply(self, x):
        return 2 * x, None

    def pull(self, saved, error):
        return 2 * error


@hookimpl
def graphnet_register_layers(register):
    register(Twice)


"""
STARTS_A_THREAD = """
import threading

found = []
thread = threading.Thread(target=lambda: found.append(manager()))
thread.start()
thread.join(30)
assert not thread.is_alive()
"""
WAITS_FOR_A_POOL = """
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(1) as pool:
    found = [pool.submit(manager).result(30)]
"""
WAITS_FOR_AN_EVENT = """
import threading

asked = threading.Event()
thread = threading.Thread(target=lambda: (manager(), asked.set()))
thread.start()
assert asked.wait(30)
thread.join(30)
"""
ASKS_LATER = """
import builtins

builtins.importing.set()
builtins.loading.wait(30)
host = manager()
"""


@pytest.fixture
def run(tmp_path):
    """Run code in a process in which a module is installed as the plugin 'late'; it must end within a minute."""

    def run(module, code):
        (tmp_path / "late_plugin.py").write_text(module if "@hookimpl" in module else LAYER + module)
        info = tmp_path / "late-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[graphnet]\nlate = late_plugin\n")
        path = os.pathsep.join([str(tmp_path), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": path, "GRAPHNET_PLUGINS": "late"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


@pytest.mark.parametrize("module", [STARTS_A_THREAD, WAITS_FOR_A_POOL, WAITS_FOR_AN_EVENT])
def test_plugin_waiting_for_calling_thread_loads(run, module):
    found = run(module, """
        import time
        from graphnet.plugins import manager
        start = time.monotonic()
        host = manager()
        print(time.monotonic() - start < 20, host.plugins[-1].status, host.registry.get("layers", "Twice").id)
        import late_plugin
        assert all(each is host for each in getattr(late_plugin, "found", []))
    """)  # fmt: skip
    assert found == ["True", "loaded", "late/Twice"]


def test_import_while_another_thread_loads(run):
    found = run(ASKS_LATER, """
        import builtins, sys, threading
        builtins.importing, builtins.loading = threading.Event(), threading.Event()
        from graphnet.plugins import current, manager
        hosts = []
        def load():
            builtins.importing.wait(30)
            hosts.append(manager())
        threads = [threading.Thread(target=load), threading.Thread(target=__import__, args=("late_plugin",))]
        for thread in threads:
            thread.start()
        while not any(
            frame.f_code.co_name == "acquire" and "importlib" in frame.f_code.co_filename
            for frame in sys._current_frames().values()
        ):
            pass  # until the loading thread waits for the module that the other one imports
        builtins.loading.set()
        for thread in threads:
            thread.join(30)
        import late_plugin
        print(any(t.is_alive() for t in threads), late_plugin.host is hosts[0], hosts[0].plugins[-1].status)
    """)  # fmt: skip
    assert found == ["False", "True", "loaded"]


def test_manager_used_before_hooks_is_reported(run):
    """Another thread, or the program itself, imports the module; loading it then finds it half imported."""
    found = run(LAYER.replace("@hookimpl", "host = manager()\n\n\n@hookimpl"), """
        import late_plugin
        record = late_plugin.host.plugins[-1]
        print(record.name, record.status, "inside the functions" in record.reason)
    """)  # fmt: skip
    assert found == ["late", "failed", "True"]


def test_concurrent_calls_get_one_manager(run):
    found = run("import time\n\nfor _ in range(30):\n    time.sleep(0.02)\n", """
        import threading
        from graphnet.plugins import manager
        found = []
        def ask():
            host = manager()
            found.append((host, host.registry.get("layers", "Twice").id))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        print(len(found), len({id(host) for host, _ in found}), len(host_names := {name for _, name in found}))
    """)  # fmt: skip
    assert found == ["8", "1", "1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_forked_child_loads_again(run):
    found = run("import builtins\n\nif hasattr(builtins, 'go'):\n    builtins.there.set()\n    builtins.go.wait(30)\n", """
        import builtins, os, sys, threading
        builtins.there, builtins.go = threading.Event(), threading.Event()
        from graphnet.plugins import current, manager
        thread = threading.Thread(target=manager)
        thread.start()
        builtins.there.wait(30)
        number = os.fork()
        if number == 0:
            assert current._loading is None
            os._exit(0)
        assert os.waitpid(number, 0)[1] == 0
        builtins.go.set()
        thread.join(30)
        print(manager().plugins[-1].status)
    """)  # fmt: skip
    assert found == ["loaded"]


def test_failed_load_is_repeated(monkeypatch):
    from graphnet.plugins import current

    monkeypatch.setattr(current, "_default", None)
    monkeypatch.setattr(PluginManager, "load", lambda self: 1 / 0)
    assert all(isinstance(found, ZeroDivisionError) for found in in_threads(manager, manager))
    monkeypatch.setattr(PluginManager, "load", lambda self: None)
    assert isinstance(manager(), PluginManager)


def test_using_is_local_to_thread_and_task():
    host, other = PluginManager(), PluginManager()
    with using(host):
        assert manager() is host
        assert in_another_thread(manager) is not host
        with using(other):
            assert manager() is other
        assert manager() is host

    async def task(own):
        with using(own):
            await asyncio.sleep(0)
            return manager() is own and await asyncio.to_thread(manager) is own

    async def main():
        return await asyncio.gather(*(task(PluginManager()) for _ in range(5)))

    assert all(asyncio.run(main()))
