"""The first row of the example that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError


def first_row(graph: Graph, example: Any, function: str) -> dict[str, Any]:
    """Return the first row of a batch, by input; an array alone belongs to the only input.

    Raises
    ------
    ConfigError
        If the example has no names and the graph has several inputs; the message names ``function``.
    """
    if not isinstance(example, Mapping):
        if len(graph.inputs) != 1:
            raise ConfigError(
                "the example has no names", where=function, expected=f"arrays by input: {', '.join(graph.inputs)}"
            )
        example = {next(iter(graph.inputs)): example}
    rows = {}
    for name, array in example.items():
        declared = graph.inputs[name].shape if name in graph.inputs else None
        value = np.asarray(array)
        if declared is not None and BATCH in declared.names and value.ndim == declared.rank:
            value = np.take(value, [0], axis=declared.names.index(BATCH))
        rows[name] = value
    return rows
