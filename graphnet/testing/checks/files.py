"""Model and weight files keep the configuration and the weights; a new process can run them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphnetError, PluginError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.io import load_weights, model_text, parse_model, save_weights
from graphnet.plugins import PluginManager, manager, using
from graphnet.testing import fresh_process as new_process
from graphnet.testing.check import check
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.registration import extended


@contextmanager
def registered(layer: type[Layer]) -> Iterator[None]:
    """Use a registry that contains the layer: the current one, or a copy of it in which the layer is registered."""
    current = manager()
    try:
        current.registry.entry_of(layer)
    except PluginError:
        with using(_extended(current, layer)):  # type: ignore[arg-type]  # the hash is that of classes
            yield
    else:
        yield


@lru_cache(maxsize=1)
def _extended(current: PluginManager, layer: type[Layer]) -> PluginManager:
    """Return a copy of a manager in which the layer is registered. The checks of one case share it."""
    try:
        return extended(current, layer, "checked", "1.0")
    except GraphnetError as error:
        raise fault(f"it cannot be registered: {short(error)}") from error


@check("file")
def file_round_trip(harness: Harness) -> None:
    """After writing and reading a model file and a weights file, the layer has the same configuration and weights."""
    runner = harness.runner(harness.make_unchanged())
    for seed in range(2):
        harness.run(harness.values(seed), runner)
    with registered(harness.case.layer), tempfile.TemporaryDirectory() as folder:
        try:
            text = model_text(runner.completed())
            graph = parse_model(text).graph
        except GraphnetError as error:
            raise fault(f"a model file cannot hold it: {short(error)}") from error
        restored = Runner(graph, backend="reference")
        layer = next(iter(graph.nodes.values())).layer
        original = next(iter(runner.graph.nodes.values())).layer
        harness.expect(
            layer.config() == original.config(),
            "a model file changes its configuration",
            expected=original,
            received=layer,
        )
        whole = runner.completed()
        harness.expect(graph == whole, "a model file changes its graph", expected=short(whole), received=short(graph))
        save_weights(Path(folder) / "weights.safetensors", runner)
        restored.materialize()
        load_weights(Path(folder) / "weights.safetensors", restored)
        for phase in Phase:
            expected = harness.run(harness.values(4), runner, phase=phase)
            harness.assert_same_results(
                harness.run(harness.values(4), restored, phase=phase),
                expected,
                f"read from files, {phase.name} phase",
                0.0,
            )


def _variant(harness: Harness) -> Graph | None:
    """Return a graph of the layer with other floats in its configuration; None if it has none or refuses them."""
    layer = harness.make()
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}  # type: ignore[arg-type]
    floats: dict[str, Any] = {name: 0.9 * value for name, value in values.items() if type(value) is float}
    if not floats:
        return None
    try:
        return harness.graph(harness.make(**floats))
    except GraphnetError:
        return None


@check("file")
def fresh_process(harness: Harness) -> None:
    """A new process that reads its files computes bit-identical outputs, also after running another layer of the class
    with another configuration.
    """
    harness.require(new_process.importable(harness.case.layer), "its class cannot be imported by name")
    runner = harness.runner()
    harness.run(harness.values(0), runner)
    with registered(harness.case.layer):
        expected = harness.run(harness.values(4), runner, phase=Phase.test, errors=False).outputs
        with tempfile.TemporaryDirectory() as folder:
            outputs = new_process.outputs(
                Path(folder), harness.case.layer, runner, harness.values(4), _variant(harness)
            )
    for name, array in expected.items():
        harness.assert_close(outputs[name], array, f"in a new process: output {name!r}", 0.0)
