"""Files hold the configuration and the weights, and a fresh process reads them."""

from __future__ import annotations

import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphnetError, PluginError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.plugins import PluginManager, hookimpl, manager, using
from graphnet.testing import fresh
from graphnet.testing.check import check, fault, short
from graphnet.testing.subject import Subject


@contextmanager
def registered(layer: type[Layer]) -> Iterator[None]:
    """A registry that knows the layer: the one in use, or another in which it is registered for the while."""
    try:
        manager().registry.entry_of(layer)
    except PluginError:
        host = PluginManager()
        host.load()
        module = types.ModuleType("checked")

        @hookimpl
        def graphnet_register_layers(register: object) -> None:
            register(layer)  # type: ignore[operator]

        module.graphnet_register_layers = graphnet_register_layers  # type: ignore[attr-defined]
        record = host.register(module, name="checked", distribution="checked", version="1.0")
        if record.status != "loaded":
            raise fault(f"it cannot be registered: {record.reason}") from None
        with using(host):
            yield
    else:
        yield


@check("file")
def file_round_trip(s: Subject) -> None:
    """Written to a model file and a weights file and read again, it is the same layer with the same weights."""
    from graphnet.io import load_weights, model_text, parse_model, save_weights

    runner = s.runner(s.as_given())
    for seed in range(2):
        s.run(s.values(seed), runner)
    with registered(s.case.layer), tempfile.TemporaryDirectory() as folder:
        try:
            text = model_text(runner.completed())
            graph = parse_model(text).graph
        except GraphnetError as error:
            raise fault(f"a model file cannot hold it: {short(error)}") from error
        again = Runner(graph, backend="reference")
        node = next(iter(graph.nodes.values()))
        own = next(iter(runner.graph.nodes.values())).layer
        s.expect(
            node.layer.config() == own.config(),
            "a model file changes its configuration",
            expected=own,
            received=node.layer,
        )
        whole = runner.completed()
        s.expect(graph == whole, "a model file changes its graph", expected=short(whole), received=short(graph))
        save_weights(Path(folder) / "weights.safetensors", runner)
        again.materialize()
        load_weights(Path(folder) / "weights.safetensors", again)
        for phase in Phase:
            expected = s.run(s.values(4), runner, phase=phase)
            s.all_agree(s.run(s.values(4), again, phase=phase), expected, f"read from files, {phase.name} phase", 0.0)


def _sibling(s: Subject) -> Graph | None:
    """The same layer with other numbers in its configuration, where there are any that it takes."""
    layer = s.make()
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}  # type: ignore[arg-type]
    floats: dict[str, Any] = {name: 0.9 * value for name, value in values.items() if type(value) is float}
    if not floats:
        return None
    try:
        return s.graph(s.make(**floats))
    except GraphnetError:
        return None


@check("file")
def fresh_process(s: Subject) -> None:
    """A process that never saw it reads its files and computes the same numbers, to the bit, also after another layer
    of its class with another configuration.
    """
    s.require(fresh.importable(s.case.layer), "its class cannot be imported by name from a file")
    runner = s.runner()
    s.run(s.values(0), runner)
    with registered(s.case.layer):
        expected = s.run(s.values(4), runner, phase=Phase.test, errors=False).outputs
        with tempfile.TemporaryDirectory() as folder:
            found = fresh.outputs(Path(folder), s.case.layer, runner, s.values(4), _sibling(s))
    for name, array in expected.items():
        s.agree(found[name], array, f"in a fresh process: output {name!r}", 0.0)
