"""A warning before training: the model could not be saved afterwards."""

from __future__ import annotations

import warnings

from graphnet.core import late
from graphnet.core.caller import stacklevel
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, GraphnetError, UnsavableWarning
from graphnet.training.config import TrainingConfig

#: Reasons that a message lists.
LISTED = 3
REGISTER = (
    "Decorate classes of your own with @graphnet.register before training: saved models then refer to them as "
    "local/Name, and load in every process that registers them. "
)
VALUES = "A file has numbers, text, lists and mappings of these, and objects of registered classes. "
WEIGHTS = "Model.save_weights(path) keeps the weights in any case."


def warn_if_unsavable(graph: Graph, config: TrainingConfig) -> None:
    """Warn if a file cannot represent a graph, or its configuration.

    Warns
    -----
    UnsavableWarning
        It names the nodes and settings, and why.
    """
    found: list[GraphnetError] = late.call("unsavable", graph, config)
    if found:
        reasons = "; ".join(_reason(error) for error in found[:LISTED])
        more = f"; and {len(found) - LISTED} more" if len(found) > LISTED else ""
        remedy = VALUES * any(isinstance(error, ConfigError) for error in found) + REGISTER + WEIGHTS
        message = f"this model cannot be saved after training: {reasons}{more}. {remedy}"
        warnings.warn(message, UnsavableWarning, stacklevel=stacklevel())


def _reason(error: GraphnetError) -> str:
    received = "" if error.received is None else f" ({error.received})"
    return f"{error.where}: {error.problem}{received}"
