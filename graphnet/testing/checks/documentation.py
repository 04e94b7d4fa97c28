"""A layer has a docstring, a repr that shows its configuration, and a unique name."""

from __future__ import annotations

import inspect

from graphnet.core.errors import PluginError
from graphnet.plugins import manager
from graphnet.testing.check import check
from graphnet.testing.harness import Harness


@check()
def documented(harness: Harness) -> None:
    """Its class has its own docstring, and its repr shows the configuration."""
    layer_class = harness.case.layer
    text = inspect.cleandoc(layer_class.__doc__ or "")
    written = "__doc__" in vars(layer_class) and text and not text.startswith(f"{layer_class.__name__}(")
    harness.expect(written, "the class has no docstring", expected="a sentence and the equation")
    layer = harness.make()
    named = repr(layer).startswith(layer_class.__name__)
    harness.expect(named, "repr does not start with the class name", received=repr(layer))


@check()
def name_free(harness: Harness) -> None:
    """No other distribution registers a layer of its name."""
    registry, layer = manager().registry, harness.case.layer
    same = [e for e in registry.entries("layers") if e.name == layer.__name__ and e.object is not layer]
    try:
        registry.entry_of(layer)
        registered = True
    except PluginError:
        registered = False
    harness.require(registered, "it is not registered")
    origins = ", ".join(entry.origin for entry in same)
    harness.expect(not same, f"another layer has the same name: {origins}", expected="a unique name")
