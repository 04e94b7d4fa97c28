"""The table of operators: each handler sets the outputs of a node."""

from __future__ import annotations

from collections.abc import Callable

from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope

Handler = Callable[[Scope, NodeView], None]
#: By domain and operator.
HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(*operators: str, domain: str = "") -> Callable[[Handler], Handler]:
    """Enter a function into the table."""

    def enter(function: Handler) -> Handler:
        for operator in operators:
            HANDLERS[domain, operator] = function
        return function

    return enter
