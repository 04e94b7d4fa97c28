"""Which executor trains a sweep: one that was given, or one that a plugin registers under a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphnet.core.errors import ConfigError, PluginError
from graphnet.plugins import manager
from graphnet.plugins.installing import how_to_install
from graphnet.sweeps.executor import Executor
from graphnet.sweeps.settings import Sweep

#: The executors of graphnet's own plugins, which need not be installed.
OWN = {"ray": "graphnet-ray"}


@contextmanager
def given_executor(executor: Executor | str | None, sweep: Sweep, address: str | None) -> Iterator[Executor | None]:
    """The executor of a name, which is closed at the end of the block; another one is returned as it is.

    Raises
    ------
    PluginError
        If no plugin registers an executor of this name.
    ConfigError
        If an address is given without a name, or the sweep is to train in this process.
    """
    if not isinstance(executor, str):
        if address is not None:
            raise ConfigError("an address without an executor", where="sweep", expected="a name, such as 'ray'",
                              received=address, remedy="Give --on ray, or executor='ray' in Python.")  # fmt: skip
        yield executor
        return
    if not sweep.jobs:
        raise ConfigError(f"jobs: 0 trains in this process, not on {executor}", where="sweep",
                          expected="jobs: at least 1", received=0)  # fmt: skip
    made = _class_of(executor)
    found: Executor = made(sweep.jobs, sweep.threads, **({} if address is None else {"address": address}))
    try:
        yield found
    finally:
        found.close()


def _class_of(name: str) -> type:
    registry = manager().registry
    if name in OWN and not registry.matching("executors", name):
        failed = next((each for each in manager().plugins if each.distribution == OWN[name]), None)
        raise PluginError(
            f"the executor {name!r} is in the plugin {OWN[name]}", where="sweep",
            received="not installed" if failed is None else f"{failed.status}: {failed.reason}",
            remedy=f"Install it {how_to_install(OWN[name])}." if failed is None else None,
        )  # fmt: skip
    return registry.get("executors", name).object  # type: ignore[return-value]
