"""A layer says what it is, under a name of its own."""

from __future__ import annotations

import inspect

from graphnet.core.errors import PluginError
from graphnet.plugins import manager
from graphnet.testing.check import check
from graphnet.testing.subject import Subject


@check()
def documented(s: Subject) -> None:
    """Its class has a docstring of its own, and its repr shows the configuration that makes it."""
    text = inspect.cleandoc(s.case.layer.__doc__ or "")
    own = "__doc__" in vars(s.case.layer) and text and not text.startswith(f"{s.case.layer.__name__}(")
    s.expect(own, "the class has no docstring", expected="a sentence and the equation")
    layer = s.make()
    s.expect(repr(layer).startswith(s.case.layer.__name__), "repr does not show the class", received=repr(layer))


@check()
def name_free(s: Subject) -> None:
    """No other distribution registers a layer of its name."""
    registry = manager().registry
    same = [e for e in registry.entries("layers") if e.name == s.case.layer.__name__ and e.object is not s.case.layer]
    try:
        own = registry.entry_of(s.case.layer)
    except PluginError:
        own = None
    s.require(own is not None, "it is not registered")
    s.expect(not same, f"its name is also that of {', '.join(e.origin for e in same)}", expected="a name of its own")
